"""Attesters that are away, lie, or are replaced while messages are under way."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from eth_utils.address import to_checksum_address

from backend.chain import attested_gateway
from backend.chain.attested_gateway import Route, batch_of, message_tree
from scripts.chaos.configuration import ATTESTERS, FIRST_ATTESTER
from scripts.chaos.impostor import Impostor, Query, stuck
from scripts.chaos.rig import NotSurvivedError, Rig
from scripts.chaos.scenario import Scenario
from scripts.chaos.town import ADMIN, FINALITY_BLOCKS, RevertedError
from tests.support.two_chains import SECOND_RELAYER, Sent

_STRANGER = 9
_ROTATION_SECONDS = 61


def _one_offline(rig: Rig) -> None:
    """n-k are away: everything goes on."""
    rig.start(attesters=(0, 1, 2))
    rig.town.out.swap(1_000)
    rig.attesters[0].kill()
    rig.town.back.swap(500)
    rig.converge()


def _two_offline(rig: Rig) -> None:
    """n-k+1 are away: everything stops, nothing is lost, and it goes on when one is back."""
    rig.start(attesters=(0, 1, 2))
    rig.town.out.swap(1_000)
    rig.attesters[0].kill()
    rig.attesters[1].kill()
    rig.town.back.swap(500)
    rig.blocks(FINALITY_BLOCKS + 15)
    verdict = rig.check()
    if verdict.minted:
        raise NotSurvivedError("something was minted with one attester")
    rig.attesters[1].start()


def _all_offline_for_long(rig: Rig) -> None:
    """All are away for hundreds of blocks full of swaps, then come back with what they had."""
    rig.start()
    rig.town.out.swap(1_000)
    rig.converge()
    for process in (*rig.attesters[:2], rig.relayer):
        process.kill()
    for _ in range(10):
        rig.town.out.swap(100)
        rig.town.back.swap(500)
        rig.town.mine(40)
    rig.start()


def _lying(answer: Callable[[Rig, Query], bytes], rig: Rig) -> None:
    """The third attester answers nonsense; two honest ones are enough."""
    with Impostor(rig.attesters[2].port, partial(answer, rig)) as impostor:
        rig.start()
        rig.town.out.swap(1_000)
        rig.town.back.swap(500)
        rig.converge()
        rig.until(lambda: impostor.asked > 0, "the liar was not asked")


def _served(rig: Rig, query: Query, *, signer: int, flip: int) -> bytes:
    """Attestations of all blocks with messages, by an account of choice, over roots with a bit flipped."""
    source = next(place for place in rig.town.places if place.chain_id == query["source_chain"])
    route, blocks = rig.town.world.route(source.ground), dict[int, list[Sent]]()
    for sent in rig.town.world.sent(source.ground):
        blocks.setdefault(sent.block_number, []).append(sent)
    found = []
    for number, batch in blocks.items():
        root = message_tree(route, [sent.message for sent in batch]).root
        root = (int.from_bytes(root, "big") ^ flip).to_bytes(32, "big")
        (signature,) = rig.town.world.signatures(route, number, root, (signer,))
        block = source.anvil.client.block(number)
        ids = ["0x" + sent.message_id.hex() for sent in batch]
        found.append(
            {
                "block_number": number,
                "block_hash": block["hash"],
                "root": "0x" + root.hex(),
                "message_ids": ids,
                "signature": "0x" + signature.hex(),
            }
        )
    answer = {
        "attester": _account(rig, signer),
        "attestations": found,
        "next_from_block": None,
        "through_block": 1 << 40,
    }
    return json.dumps({**answer, **_ends(route)}).encode()


def _account(rig: Rig, number: int) -> str:
    return str(to_checksum_address(rig.town.home.accounts[number]))


def _ends(route: Route) -> dict[str, object]:
    return {
        "source_chain": route.source_chain,
        "source_gateway": to_checksum_address(route.source_gateway),
        "destination_chain": route.destination_chain,
        "destination_gateway": to_checksum_address(route.destination_gateway),
    }


def _thief(rig: Rig) -> None:
    """Whoever has k-1 keys tries to have a message delivered that nobody sent."""
    rig.start()
    rig.town.out.swap(1_000)
    rig.converge()
    world, home, away = rig.town.world, rig.town.home, rig.town.away
    sent = world.sent(home.ground)[-1]
    forged = attested_gateway.Message(99, sent.message.sender, sent.message.recipient, sent.message.payload)
    tree = message_tree(sent.route, [forged])
    batch = batch_of(sent.route, 1, tree.root)
    thief = world.signatures(sent.route, 1, tree.root, (FIRST_ATTESTER,))
    stranger = world.signatures(sent.route, 1, tree.root, (_STRANGER,))
    before = rig.check().minted
    for signatures in ([], thief, thief + thief, sorted(thief + stranger), stranger + stranger):
        data = attested_gateway.encode_deliver(batch, [forged], [], [], signatures)
        try:
            away.send(SECOND_RELAYER, away.gateway.address, data)
        except RevertedError:
            continue
        raise NotSurvivedError(f"a forged message passed with {len(signatures)} signatures")
    if rig.check().minted != before:
        raise NotSurvivedError("a forged message was minted")


def _rotated(rig: Rig) -> None:
    """A key is replaced while a message signed by the old one waits for its delivery."""
    town, accounts = rig.town, rig.town.home.accounts
    rig.start(relayer=False)
    town.out.swap(1_000)
    burn = town.home.head()
    rig.await_signed(burn, mining=True)
    kept = [accounts[FIRST_ATTESTER + at] for at in range(1, ATTESTERS)]
    town.propose([accounts[_STRANGER], *kept], 2)
    rig.attesters[0].kill()
    _pass_rotation(rig)
    # Not enough of the new set: the old key's signature counts no more.
    rig.crew.replace_attester(0, _STRANGER)
    rig.relayer.start()
    rig.blocks(15)
    if rig.check().minted:
        raise NotSurvivedError("a signature of the old set was counted")
    rig.attesters[0].start()


def _threshold_raised(rig: Rig) -> None:
    """Two of three were enough when a message was signed; three are needed when it is delivered."""
    town, accounts = rig.town, rig.town.home.accounts
    rig.start(relayer=False)
    town.out.swap(1_000)
    burn = town.home.head()
    rig.await_signed(burn, mining=True)
    town.propose([accounts[FIRST_ATTESTER + at] for at in range(ATTESTERS)], 3)
    _pass_rotation(rig)
    rig.relayer.start()
    rig.blocks(15)
    if rig.check().minted:
        raise NotSurvivedError("two signatures were enough where three are needed")
    rig.attesters[2].start()


def _pass_rotation(rig: Rig) -> None:
    for place in rig.town.places:
        place.anvil.jump(_ROTATION_SECONDS)
        if place.gateway.attester_set().version < 2:
            raise NotSurvivedError("the proposed set did not come into force")


def _proposal_cancelled(rig: Rig) -> None:
    """A set is proposed and taken back while messages are under way: the old one goes on."""
    town = rig.town
    rig.start()
    town.out.swap(1_000)
    town.propose([town.home.accounts[at] for at in (0, 1, 2)], 2)
    town.back.swap(500)
    for place in town.places:
        place.send(ADMIN, place.gateway.address, attested_gateway.encode_cancel_attesters())
        place.anvil.jump(_ROTATION_SECONDS)
    town.out.swap(900)


def scenarios() -> list[Scenario]:
    """Away, lying, replaced."""
    liars: list[tuple[str, str, Callable[[Rig, Query], bytes]]] = [
        ("other-root", "signs another root", partial(_served, signer=FIRST_ATTESTER + 2, flip=1)),
        ("other-key", "serves signatures of another key", partial(_served, signer=_STRANGER, flip=0)),
        ("another's-key", "serves the signatures of another attester", partial(_served, signer=FIRST_ATTESTER, flip=0)),
        ("no-json", "serves no JSON", lambda _rig, _query: b"<html>"),
        ("other-shape", "serves JSON of another shape", lambda _rig, _query: b'{"attestations": [[1, null]]}'),
        ("endless", "serves 20 MB", lambda _rig, _query: b'{"attestations": "' + b"x" * 20_000_000 + b'"}'),
        ("stuck", "answers too late", lambda _rig, query: stuck(query)),
    ]
    found = [
        Scenario(f"attester/{name}", f"one attester {fault}", partial(_lying, answer), quick=name == "other-root")
        for name, fault, answer in liars
    ]
    return [
        Scenario("attester/one-offline", "n-k attesters are away", _one_offline),
        Scenario("attester/two-offline", "n-k+1 attesters are away, then one is back", _two_offline, quick=True),
        Scenario("attester/long-away", "all are away for 400 blocks with 20 swaps", _all_offline_for_long),
        *found,
        Scenario("attester/k-1-keys", "a thief with k-1 keys forges a message", _thief),
        Scenario("attester/rotated", "a key is replaced while a message is under way", _rotated, quick=True),
        Scenario(
            "attester/threshold-raised", "the threshold is raised while a message is under way", _threshold_raised
        ),
        Scenario("attester/proposal-cancelled", "a set is proposed and taken back", _proposal_cancelled),
    ]
