"""The relayer on two real chains, with real attesters: what it does, and with whom it can live."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from backend.chain import attested_gateway
from backend.chain.exchange_types import SwapStatus
from backend.chain.words import selector
from bridge.http import HttpServer
from bridge.messages import Stage
from bridge.metrics import REGISTRY
from bridge.settings import AttesterEndpoint
from tests.integration.bridge.relaying import Bridge, tracked
from tests.support.two_chains import ADMIN, POINTS, SECOND_RELAYER, THRESHOLD

PAUSE, UNPAUSE = selector("pause()"), selector("unpause()")
MINTED, REFUSED = {SwapStatus.COMPLETED}, {SwapStatus.REFUNDED}


def stages(*relayers: object) -> list[Stage]:
    return [each.state.stage for relayer in relayers for each in tracked(relayer)]  # type: ignore[arg-type]


def test_swaps_of_a_block_are_delivered_together_in_both_directions(bridge: Bridge) -> None:
    world, relayer = bridge.world, bridge.relayer()
    bridge.swaps_in_one_block(5)
    world.swap("fuel", "grocer", 700)
    before = bridge.nonce(relayer, world.second)
    bridge.attest()
    bridge.relay(relayer)
    assert bridge.outcomes("grocer", "fuel") == bridge.outcomes("fuel", "grocer") == MINTED
    assert bridge.nonce(relayer, world.second) == before + 1
    assert stages(relayer) == [Stage.ATTESTED] * 6  # Not looked up since.
    bridge.converge(relayer)


def test_a_swap_past_its_deadline_comes_back(bridge: Bridge) -> None:
    world, relayer = bridge.world, bridge.relayer()
    world.swap("grocer", "fuel", 1_000)
    assert world.first.token("grocer").balance_of(world.alice.address) < POINTS
    world.second.chain.jump(3_700)
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == REFUSED
    assert world.first.token("grocer").balance_of(world.alice.address) == POINTS


def test_a_failed_message_is_retried_until_it_is_taken(bridge: Bridge) -> None:
    world, relayer = bridge.world, bridge.relayer()
    world.second.send(ADMIN, world.second.exchange.address, PAUSE)
    world.swap("grocer", "fuel")
    bridge.attest()
    bridge.relay(relayer, rounds=3)
    assert stages(relayer) == [Stage.FAILED]
    assert tracked(relayer)[0].state.attempts
    world.second.send(ADMIN, world.second.exchange.address, UNPAUSE)
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_a_failed_message_is_refused_at_once_when_its_deadline_passes(bridge: Bridge) -> None:
    world, relayer = bridge.world, bridge.relayer()
    world.second.send(ADMIN, world.second.exchange.address, PAUSE)
    world.swap("grocer", "fuel")
    bridge.attest()
    bridge.relay(relayer, rounds=2)
    bridge.seconds -= 599  # In the middle of a pause.
    relayer.step()
    assert stages(relayer) == [Stage.FAILED]
    world.second.chain.jump(3_700)
    relayer.step()
    bridge.mined()
    assert bridge.outcomes("grocer", "fuel") == REFUSED
    bridge.converge(relayer)
    assert world.first.token("grocer").balance_of(world.alice.address) == POINTS


def test_a_paused_gateway_drains_once_when_it_goes_on(bridge: Bridge) -> None:
    world, relayer = bridge.world, bridge.relayer()
    world.second.send(ADMIN, world.second.gateway.address, PAUSE)
    bridge.swaps_in_one_block(3)
    before = bridge.nonce(relayer, world.second)
    bridge.attest()
    bridge.relay(relayer, rounds=3)
    assert stages(relayer) == [Stage.ATTESTED] * 3
    assert bridge.nonce(relayer, world.second) == before
    world.second.send(ADMIN, world.second.gateway.address, UNPAUSE)
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED
    assert bridge.nonce(relayer, world.second) == before + 1


def test_two_relayers_deliver_each_message_once(bridge: Bridge) -> None:
    world, one, other = (
        bridge.world,
        bridge.relayer("one"),
        bridge.relayer("other", key={"dev_account": SECOND_RELAYER}),
    )
    bridge.swaps_in_one_block(3)
    bridge.attest()
    with bridge.not_mining(world.second):
        one.step()
        world.second.chain.drop_all_transactions()  # So that the other does not see it in the pool.
        other.step()
        one.close()
        one = bridge.relayer("one")
        one.step()
        world.second.chain.mine()
    assert [bridge.nonce(each, world.second) for each in (one, other)] == [1, 1]
    bridge.converge(one, other)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_messages_that_somebody_else_delivered_cost_nothing(bridge: Bridge) -> None:
    world, relayer = bridge.world, bridge.relayer()
    bridge.swaps_in_one_block(3)
    bridge.attest()
    world.deliver(world.first, relayer=SECOND_RELAYER)
    bridge.converge(relayer)
    assert bridge.nonce(relayer, world.second) == 0


def test_one_attester_offline_goes_on_two_offline_stop_and_lose_nothing(bridge: Bridge) -> None:
    world, relayer = bridge.world, bridge.relayer()
    bridge.hosts[0].offline = True
    world.swap("grocer", "fuel")
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED
    bridge.hosts[1].offline = True
    world.swap("grocer", "fuel")
    bridge.attest()
    bridge.relay(relayer, rounds=3)
    assert stages(relayer) == [Stage.FINAL]
    bridge.hosts[0].offline = False
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def _liar(bridge: Bridge, reason: str) -> FastAPI:
    """A stolen attester that answers for every block."""
    app = FastAPI()
    other_root = "0x" + "22" * 32

    @app.get("/v1/attestations")
    def attestations(source_chain: int, from_block: int) -> dict[str, object]:
        source = bridge.world.side(source_chain)
        found = []
        for each in bridge.world.sent(source):
            signed = bytes(32) if reason == "other_signer" else each.message_id
            signatures = {"malformed": "0x" + "11" * 65}
            genuine = "0x" + bridge.world.signatures(each.route, each.block_number, signed)[0].hex()
            root = other_root if reason == "other_root" else "0x" + each.message_id.hex()
            if each.block_number >= from_block:
                signature = signatures.get(reason, genuine)
                found.append({"block_number": each.block_number, "root": root, "signature": signature})
        return {"attestations": found, "next_from_block": None}

    return app


@pytest.mark.parametrize("reason", ["malformed", "other_signer", "other_root"])
def test_wrong_signatures_are_ignored(bridge: Bridge, reason: str) -> None:
    liar = bridge.hosts.pop()
    with HttpServer(_liar(bridge, reason), "127.0.0.1", 0) as server:
        endpoints = [AttesterEndpoint(url=server.url, address=liar.endpoint.address)]
        relayer = bridge.relayer(attesters=endpoints + [host.endpoint for host in bridge.hosts])
        bridge.hosts[0].offline = True
        bridge.world.swap("grocer", "fuel")
        bridge.attest()
        bridge.relay(relayer)
        assert stages(relayer) == [Stage.FINAL]
        labels = {"attester": liar.endpoint.address, "reason": reason}
        assert REGISTRY.get_sample_value("interpoints_bridge_relay_bad_signatures_total", labels)
        bridge.hosts[0].offline = False
        bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_signatures_of_an_old_set_are_replaced_by_those_of_the_new(bridge: Bridge) -> None:
    world, accounts = bridge.world, bridge.world.first.signers.addresses()
    new = bridge.add_attester(9)
    relayer = bridge.relayer()
    world.second.send(ADMIN, world.second.gateway.address, PAUSE)
    world.swap("grocer", "fuel")
    new.offline = True
    bridge.attest()
    bridge.relay(relayer)
    assert stages(relayer) == [Stage.ATTESTED]
    propose = attested_gateway.encode_propose_attesters(sorted((accounts[7], accounts[9])), THRESHOLD)
    world.second.send(ADMIN, world.second.gateway.address, propose)
    world.second.chain.jump(61)
    world.second.send(ADMIN, world.second.gateway.address, UNPAUSE)
    bridge.relay(relayer)
    assert stages(relayer) == [Stage.FINAL]
    new.offline = False
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_a_threshold_raised_in_flight_is_met(bridge: Bridge) -> None:
    world, accounts = bridge.world, bridge.world.first.signers.addresses()
    relayer = bridge.relayer()
    bridge.hosts[0].offline = True
    world.second.send(ADMIN, world.second.gateway.address, PAUSE)
    world.swap("grocer", "fuel")
    bridge.attest()
    bridge.relay(relayer)
    propose = attested_gateway.encode_propose_attesters(sorted(accounts[5:8]), 3)
    world.second.send(ADMIN, world.second.gateway.address, propose)
    world.second.chain.jump(61)
    world.second.send(ADMIN, world.second.gateway.address, UNPAUSE)
    bridge.relay(relayer)
    assert stages(relayer) == [Stage.FINAL]
    bridge.hosts[0].offline = False
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_a_large_block_is_split_under_the_gas_cap(bridge: Bridge) -> None:
    world, relayer = bridge.world, bridge.relayer(gas_cap=2_900_000)
    bridge.swaps_in_one_block(20)
    bridge.attest()
    with bridge.not_mining(world.second):
        bridge.relay(relayer)
        slots = list(relayer.destinations[1337].sender.slots.values())
        world.second.chain.mine()
    assert len(slots) > 1
    assert all(slot.purpose.gas <= 2_900_000 for slot in slots)
    assert sum(len(slot.purpose.message_nonces) for slot in slots) == 20
    assert bridge.outcomes("grocer", "fuel") == MINTED
    bridge.converge(relayer)
