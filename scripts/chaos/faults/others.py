"""Other people: a second relayer, somebody who delivers first, thieves, and the watchdog that stops them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from backend.chain import attested_gateway
from backend.chain.attested_gateway import Message, batch_of, message_tree
from backend.chain.crosschain_exchange import decode_payload, encode_payload
from scripts.chaos import flows
from scripts.chaos.configuration import FIRST_ATTESTER
from scripts.chaos.rig import NotSurvivedError, Rig
from scripts.chaos.scenario import Scenario
from scripts.chaos.town import FINALITY_BLOCKS, PAUSE, UNPAUSE, RevertedError
from tests.support.two_chains import SECOND_RELAYER


def _two_relayers(rig: Rig) -> None:
    """Both deliver everything, at the same time."""
    rig.start()
    rig.crew.other_relayer.start()
    for _ in range(3):
        flows.swap_both_ways(rig)
        rig.blocks(3)


def _one_key(rig: Rig) -> None:
    """Two relayers, each with a folder of its own, send from the same account."""
    rig.start()
    rig.crew.other_relayer_with_the_same_key()
    rig.crew.other_relayer.start()
    for _ in range(3):
        flows.swap_both_ways(rig)
        rig.blocks(3)


def _somebody_else(rig: Rig) -> None:
    """Somebody else delivers the batch before the relayer comes to it."""
    rig.start()
    town = rig.town
    town.away.anvil.automine(False)
    town.out.swap(1_000)
    town.home.anvil.mine(FINALITY_BLOCKS)
    rig.until(lambda: town.away.pooled() > 0, "no delivery was sent", mining=False)
    # The relayer's delivery waits in the pool; a dearer one overtakes it in the same block and leaves it nothing to do.
    town.away.anvil.drop_all_transactions()
    town.away.anvil.automine(True)
    town.world.deliver(town.world.first, relayer=SECOND_RELAYER)
    if rig.check().minted != 1:
        raise NotSurvivedError("the other delivery failed")


def _part_of_a_batch(rig: Rig) -> None:
    """Somebody else delivers some of a batch: the relayer delivers the rest."""
    rig.start(relayer=False)
    town, home = rig.town, rig.town.home.anvil
    home.automine(False)
    for member in range(4):
        town.out.swap(1_000, member=member)
    home.mine(1)
    home.automine(True)
    town.finalise()
    batch = town.world.sent(town.world.first)
    data = town.world.delivery(batch[0].block_number, batch, [1, 3])
    town.away.send(SECOND_RELAYER, town.away.gateway.address, data)
    rig.relayer.start()


def _retried_by_somebody(rig: Rig) -> None:
    """A failed message is retried by somebody else while the relayer waits."""
    rig.start()
    town, away = rig.town, rig.town.away
    away.send(0, away.exchange.address, PAUSE)
    town.out.swap(1_000)
    rig.until(lambda: away.failures() > 0, "the message was not delivered")
    away.send(0, away.exchange.address, UNPAUSE)
    sent = town.world.sent(town.world.first)[-1]
    data = attested_gateway.encode_retry(town.home.chain_id, sent.message)
    # Refused when the relayer was quicker.
    with suppress(RevertedError):
        away.send(SECOND_RELAYER, away.gateway.address, data)


def _stolen_keys(rig: Rig) -> None:
    """k keys are stolen and forge a mint: the watchdog stops the lane, and nothing more can be minted over it."""
    rig.start()
    rig.watcher.start()
    town = rig.town
    town.out.swap(1_000)
    rig.converge()
    forge_a_mint(rig, 7)
    rig.until(lambda: not lane_open(rig), "the watchdog did not stop the lane")
    before = town.away.minted()
    forge_a_mint(rig, 8)
    if town.away.minted() != before:
        raise NotSurvivedError("a stopped lane minted")


def forge_a_mint(rig: Rig, number: int) -> None:
    """Delivers a mint of a swap that never was, with two real attesters' signatures."""
    town, world = rig.town, rig.town.world
    true = world.sent(world.first)[0]
    kind, swap = decode_payload(true.message.payload)
    forged_swap = replace(swap, swap_id=bytes([number]) * 32, number=number)
    message = Message(100 + number, true.message.sender, true.message.recipient, encode_payload(kind, forged_swap))
    tree = message_tree(true.route, [message])
    signatures = world.signatures(true.route, 1, tree.root, (FIRST_ATTESTER, FIRST_ATTESTER + 1))
    batch = batch_of(true.route, 1, tree.root)
    data = attested_gateway.encode_deliver(batch, [message], [], [], signatures)
    town.away.send(SECOND_RELAYER, town.away.gateway.address, data)


def lane_open(rig: Rig) -> bool:
    """Whether points can be minted over the lane."""
    return rig.town.away.exchange.lane_of(rig.town.out.id).open


def _burn_vanishes_after_relay(rig: Rig) -> None:
    """A final burn vanishes after it was minted: everything stands still until a person has looked."""
    rig.start()
    rig.watcher.start()
    town = rig.town
    town.out.swap(1_000)
    burn = town.home.head()
    rig.converge()
    town.finalise()
    rig.until(lambda: rig.watcher.counts() == (1, 0), "the watcher does not see the mint")
    town.home.anvil.reorganise(town.home.head() - burn + 1)
    for process in (*rig.attesters[:2], rig.relayer, rig.watcher):
        rig.await_halt(process)
    town.out.swap(900)
    rig.blocks(FINALITY_BLOCKS + 15)
    if town.away.minted() != 1:
        raise NotSurvivedError("something was minted while everything stood still")


def _watched(rig: Rig) -> None:
    """What the watcher says of the swaps is what the chains say."""
    rig.start()
    rig.watcher.start()
    flows.swap_both_ways(rig)
    verdict = rig.converge()
    expected = (verdict.minted, verdict.refunded)
    rig.until(lambda: rig.watcher.counts() == expected, f"the watcher does not say {expected}")


def scenarios() -> list[Scenario]:
    """Relayers, thieves, watchdog."""
    stolen, vanishes = "k stolen keys forge a mint: the watchdog stops the lane", "a minted burn vanishes past finality"
    return [
        Scenario("relayers/two", "two relayers deliver the same messages", _two_relayers, quick=True),
        Scenario("relayers/one-key", "two relayers send from one account", _one_key),
        Scenario("relayers/somebody-else", "somebody else delivers first", _somebody_else),
        Scenario("relayers/part-of-a-batch", "somebody else delivers half of a batch", _part_of_a_batch),
        Scenario("relayers/retried-by-somebody", "somebody else retries a failed message", _retried_by_somebody),
        Scenario("watch/follows", "the watcher's figures beside the chains'", _watched),
        Scenario("watch/stolen-keys", stolen, _stolen_keys, quick=True, judged=False),
        Scenario("watch/burn-vanishes", f"{vanishes}: all stand still", _burn_vanishes_after_relay, judged=False),
    ]
