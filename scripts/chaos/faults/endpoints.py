"""RPC endpoints that lie or fail, at every place where one is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scripts.chaos import flows
from scripts.chaos.behaviours import (
    DOWN,
    GARBAGE,
    OVERLOADED,
    DropsTransactions,
    FalseFinality,
    HalvesGas,
    HangsUpAfterSending,
    HeadGoingBack,
    NullReceipts,
    Slow,
    StaleHead,
    StrictReplacements,
    TooManyRequests,
    TruncatedLogs,
    WithheldLogs,
    WrongChain,
)
from scripts.chaos.endpoints import Behaviour, Endpoint
from scripts.chaos.forger import Forger
from scripts.chaos.rig import NotSurvivedError, Rig
from scripts.chaos.scenario import Scenario
from scripts.chaos.town import FINALITY_BLOCKS, Place

_BEHAVIOURS: dict[str, tuple[str, Callable[[Place], Behaviour]]] = {
    "down": ("hangs up", lambda _: DOWN),
    "garbage": ("answers no JSON", lambda _: GARBAGE),
    "overloaded": ("answers 503", lambda _: OVERLOADED),
    "429": ("answers 429 thirty times", lambda _: TooManyRequests(30)),
    "slow": ("takes 3 seconds for an answer, a second more than is waited", lambda _: Slow(3.0)),
    "wrong-chain": ("says it is of another chain", lambda _: WrongChain()),
    "stale": ("is sixty blocks behind", lambda _: StaleHead(60)),
    "head-going-back": ("goes back and forth", lambda _: HeadGoingBack(2)),
    "null-receipts": ("answers null for receipts", lambda _: NullReceipts()),
    "withheld-logs": ("leaves out the gateway's logs", lambda place: WithheldLogs(place.gateway.address)),
    "truncated-logs": ("ends lists of logs after one", lambda _: TruncatedLogs()),
    "altered-logs": ("alters logs", lambda place: Forger(place.route, consistent=False)),
    "forged-chain": ("shows a forged chain without contradictions", lambda place: Forger(place.route)),
}
_HARMLESS_TO_THE_SIGNER = {"429", "head-going-back", "truncated-logs"}
"""What an attester may get over by itself while it lasts: nothing false is said of a block."""


def _with_fault(rig: Rig, liars: list[Endpoint], behaviour: Callable[[], Behaviour]) -> int:
    """A swap while the endpoints lie; the number of its block."""
    for liar in liars:
        liar.behaviour = behaviour()
    rig.town.out.swap(1_000)
    burn = rig.town.home.head()
    rig.town.mine(FINALITY_BLOCKS)
    rig.until(lambda: all(liar.lied_about for liar in liars), "the endpoint was not asked", mining=False)
    rig.blocks(15)
    return burn


def _heal(liars: list[Endpoint]) -> None:
    for liar in liars:
        liar.heal()


def _own_node(name: str, rig: Rig) -> None:
    """The own node of an attester that is needed lies about the source: it abstains until the node is well."""
    town = rig.town
    rig.ask_endpoints()
    rig.start()
    liars = [rig.crew.own("attester-0", town.home)]
    burn = _with_fault(rig, liars, lambda: _BEHAVIOURS[name][1](town.home))
    if name not in _HARMLESS_TO_THE_SIGNER and rig.has_signed(0, burn):
        raise NotSurvivedError("the attester signed what its own node had not confirmed")
    _heal(liars)
    rig.converge()
    rig.same_roots()


def _two_others(name: str, rig: Rig) -> None:
    """Two of the three others lie: the attesters abstain, and go on when one of the two is well again."""
    town = rig.town
    rig.ask_endpoints()
    rig.start()
    liars = [rig.crew.other(town.home, at) for at in (0, 1)]
    burn = _with_fault(rig, liars, lambda: _BEHAVIOURS[name][1](town.home))
    believed = {"429", "head-going-back", "null-receipts", "withheld-logs", "truncated-logs", "altered-logs"}
    if name not in believed and any(rig.has_signed(at, burn) for at in (0, 1)):
        raise NotSurvivedError("an attester signed without two others")
    _heal(liars[:1])
    rig.converge()


def _one_other(name: str, rig: Rig) -> None:
    """One of the three others lies on and on: nothing stops."""
    town = rig.town
    rig.ask_endpoints()
    rig.start()
    _with_fault(rig, [rig.crew.other(town.home, 2)], lambda: _BEHAVIOURS[name][1](town.home))
    rig.converge()


def _relayer_source(name: str, rig: Rig) -> None:
    """The relayer's node lies about the source."""
    _relayer(rig, rig.town.home, lambda: _BEHAVIOURS[name][1](rig.town.home))
    if name == "forged-chain":
        # To the relayer, which has one node, this is a chain that lost final blocks: it asks for a person.
        rig.await_halt(rig.relayer)
        rig.resume(rig.relayer)


def _relayer_destination(name: str, rig: Rig) -> None:
    """The relayer's node lies about the destination."""
    _relayer(rig, rig.town.away, lambda: _BEHAVIOURS[name][1](rig.town.away))


def _relayer(rig: Rig, place: Place, behaviour: Callable[[], Behaviour]) -> None:
    rig.ask_endpoints()
    rig.start()
    liars = [rig.crew.own("relayer", place)]
    _with_fault(rig, liars, behaviour)
    rig.check()
    _heal(liars)


def _sending(behaviour: Callable[[], Behaviour], rig: Rig) -> None:
    """The relayer's node fails when a delivery is sent."""
    _relayer(rig, rig.town.away, behaviour)


def _strict(rig: Rig) -> None:
    """A delivery must be replaced, and the node takes none that does not offer a tenth more."""
    rig.ask_endpoints()
    node = rig.crew.own("relayer", rig.town.away)
    node.behaviour = StrictReplacements()
    rig.start()
    flows.priced_out(rig)
    if node.lied_about["eth_sendRawTransaction"] < 2:
        raise NotSurvivedError("nothing was replaced: the scenario tries nothing")


def _disagree(rig: Rig) -> None:
    """All three others say something else than each other and the own node."""
    town = rig.town
    rig.ask_endpoints()
    rig.start()
    liars = [rig.crew.other(town.home, at) for at in range(3)]
    behaviours = iter([Forger(town.home.route), StaleHead(60), WrongChain()])
    burn = _with_fault(rig, liars, lambda: next(behaviours))
    if any(rig.has_signed(at, burn) for at in (0, 1)):
        raise NotSurvivedError("an attester signed while all others disagreed")
    _heal(liars)


def _false_finality(rig: Rig) -> None:
    """The own node and one other call a burn final that is not; then it vanishes."""
    town = rig.town
    rig.ask_endpoints()
    rig.start()
    liars = [rig.crew.own("attester-0", town.home), rig.crew.other(town.home, 0)]
    for liar in liars:
        liar.behaviour = FalseFinality()
    town.out.swap(1_000)
    burn = town.home.head()
    rig.until(lambda: all(liar.lied_about["eth_getBlockByNumber"] > 5 for liar in liars), "not asked", mining=False)
    if rig.has_signed(0, burn):
        raise NotSurvivedError("the attester signed a block that was not final")
    town.home.anvil.reorganise(1)
    _heal(liars)
    rig.blocks(FINALITY_BLOCKS + 5)
    if rig.check().minted:
        raise NotSurvivedError("a burn that had vanished was minted")
    town.out.swap(900)


def _eclipsed(rig: Rig) -> None:
    """Every endpoint of one attester shows the same forged chain: it may sign, but it is one of two that must."""
    town = rig.town
    rig.ask_endpoints()
    rig.start(attesters=(0,))
    liars = [rig.crew.own("attester-0", town.home), *(rig.crew.other(town.home, at) for at in range(3))]
    forger = Forger(town.home.route)
    _with_fault(rig, liars, lambda: forger)
    if rig.check().minted:
        raise NotSurvivedError("one attester alone had something minted")
    _heal(liars)
    rig.attesters[1].start()
    rig.attesters[2].start()
    rig.await_halt(rig.attesters[0])
    rig.converge()
    rig.resume(rig.attesters[0])
    rig.attesters[1].kill()
    town.out.swap(900)


def scenarios() -> list[Scenario]:
    """Every behaviour at every place, and a few combinations."""
    places = [
        ("own", "an attester's own node {}", _own_node),
        ("two-others", "two of an attester's three others: each {}", _two_others),
        ("one-other", "one of an attester's three others {}", _one_other),
        ("relayer-source", "the relayer's node of the source {}", _relayer_source),
        ("relayer-destination", "the relayer's node of the destination {}", _relayer_destination),
    ]
    found = []
    for place, fault, act in places:
        for name, (what, _) in _BEHAVIOURS.items():
            quick = (place, name) in {("own", "forged-chain"), ("two-others", "down"), ("relayer-destination", "429")}
            run = partial(act, name)
            found.append(Scenario(f"endpoint/{place}-{name}", fault.format(what), run, quick))
    sending: list[tuple[str, str, Callable[[], Behaviour]]] = [
        ("accept-then-drop", "takes deliveries and forgets them", DropsTransactions),
        ("hash-then-timeout", "takes deliveries and does not answer", HangsUpAfterSending),
        ("low-estimate", "estimates half the gas: deliveries run out of it", HalvesGas),
    ]
    for name, what, behaviour in sending:
        fault = f"the relayer's node {what}"
        found.append(Scenario(f"endpoint/{name}", fault, partial(_sending, behaviour), name == "accept-then-drop"))
    found.append(Scenario("endpoint/strict-replacement", "gas x 100, and replacements must offer 10 % more", _strict))
    found.append(Scenario("endpoint/all-disagree", "three others that all say something else", _disagree))
    found.append(Scenario("endpoint/false-finality", "two nodes call a burn final that then vanishes", _false_finality))
    found.append(Scenario("endpoint/eclipsed", "all endpoints of one attester show one forged chain", _eclipsed))
    return found
