"""What one message, one chain or one attester that misbehaves must not do to the others."""

from __future__ import annotations

import time

from backend.chain.attested_gateway import Route
from backend.chain.words import selector
from bridge.attestations import Collector, Wanted
from bridge.messages import Stage
from bridge.metrics import REGISTRY
from bridge.relay_store import BatchKey
from bridge.relayer import open_relayer
from bridge.settings import AttesterEndpoint
from tests.integration.bridge.attesting import dripping_endpoint
from tests.integration.bridge.relaying import Bridge, tracked
from tests.support.strict_proxy import StrictProxy
from tests.support.two_chains import ADMIN

PAUSE = selector("pause()")
NEW = 61  # Three rounds have room for 48 transactions.


def test_many_failed_messages_do_not_hold_up_new_ones(bridge: Bridge) -> None:
    """More retries are due than there is room for, and all would be in vain."""
    world, relayer = bridge.world, bridge.relayer()
    world.second.send(ADMIN, world.second.exchange.address, PAUSE)
    bridge.swaps_in_one_block(NEW - 1)
    bridge.attest()
    bridge.relay(relayer, rounds=2)
    assert [each.state.stage for each in tracked(relayer)] == [Stage.FAILED] * (NEW - 1)
    world.swap("grocer", "fuel")
    bridge.attest()
    bridge.seconds += 600
    for _ in range(3):
        relayer.step()
        bridge.mined()
    stages = {each.kept.key.nonce: each.state.stage for each in tracked(relayer)}
    assert stages[NEW] is Stage.FAILED


def test_a_chain_whose_node_answers_nonsense_does_not_end_the_round(bridge: Bridge) -> None:
    with StrictProxy(bridge.world.second.chain.url) as proxy:
        settings = bridge.settings("relayer")
        second = settings.chain[1].model_copy(update={"endpoints": [proxy.url]})
        relayer = open_relayer(settings.model_copy(update={"chain": [settings.chain[0], second]}))
        bridge.stack.callback(relayer.close)
        proxy.alter = lambda method, params, result: {"gasUsed": [7]} if method == "eth_getBlockByNumber" else result
        relayer.step()
        checks = relayer.readiness().checks
        assert checks["first"].ok, checks
        assert not checks["second"].ok, checks
        proxy.alter = None
        relayer.step()
        assert relayer.readiness().ready


def test_what_a_person_lets_go_leaves_neither_root_nor_signatures(bridge: Bridge) -> None:
    relayer = bridge.relayer()
    bridge.world.swap("grocer", "fuel")
    for host in bridge.hosts[1:]:
        host.offline = True
    bridge.attest()
    relayer.step()
    (key,) = relayer.collector.signatures
    destination = relayer.destinations[1337]
    assert destination.drop_after(31337, key.block_number) == []
    gone = destination.drop_after(31337, key.block_number - 1)
    assert gone == [key]
    relayer.collector.forget(gone)
    assert (destination.tracked, destination.batches, relayer.collector.signatures) == ({}, {}, {})


def test_an_attester_whose_answer_never_ends_is_left_alone_for_a_while() -> None:
    address = "0x" + "77" * 20
    labels = {"attester": address}
    with dripping_endpoint() as url:
        collector = Collector([AttesterEndpoint(url=url, address=address)], timeout_seconds=0.3, patience_seconds=1)
        wanted = Wanted(BatchKey(31337, 1337, 5), Route(31337, b"\x01" * 20, 1337, b"\x02" * 20), bytes(32))
        end = time.monotonic() + 60
        while not REGISTRY.get_sample_value("interpoints_bridge_relay_attester_failures_total", labels):
            assert time.monotonic() < end
            collector.collect([wanted])
        collector.close()
