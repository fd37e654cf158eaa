"""Endpoints that lie or fail: an attester signs nothing that its node and two others do not all say, and recovers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.metrics import REGISTRY
from tests.integration.bridge.attesting import Desk, desk, dripping_endpoint
from tests.integration.bridge.gateways import Gateways, Side, two_gateways
from tests.support.strict_proxy import Alter, StrictProxy

Logs = list[dict[str, object]]


@pytest.fixture(scope="module")
def evil() -> Iterator[Gateways]:
    """An attacker's chains: the same ids and addresses, another history."""
    with two_gateways() as gateways:
        yield gateways


def _receipts(change: Callable[[Logs], object]) -> Alter:
    def alter(method: str, params: list[object], result: object) -> object:
        if method != "eth_getBlockReceipts" or not isinstance(result, list):
            return result
        changed = copy.deepcopy(result)
        for receipt in changed:
            change(receipt["logs"])
        return changed

    return alter


def _forge_payload(logs: Logs) -> None:
    logs[1]["data"] = str(logs[1]["data"]).replace(b"true".hex(), b"lies".hex())


def _header(**fields: str | None) -> Alter:
    """Blocks by number with other fields; those by tag stay."""

    def alter(method: str, params: list[object], result: object) -> object:
        by_number = method == "eth_getBlockByNumber" and str(params[0]).startswith("0x")
        return {**result, **fields} if by_number and isinstance(result, dict) else result

    return alter


def _null(name: str) -> Alter:
    return lambda method, params, result: None if method == name else result


def _garbage(method: str, params: list[object], result: object) -> object:
    return {"number": "many", "hash": 7} if method == "eth_getBlockByNumber" else result


LIES_OF_THE_OWN_NODE = {
    "a log forged": _receipts(_forge_payload),
    "a log left out": _receipts(lambda logs: logs.pop()),
    "a log doubled": _receipts(lambda logs: logs.append(logs[-1])),
    "all logs left out": _receipts(lambda logs: logs.clear()),
    "no receipts": lambda method, params, result: [] if method == "eth_getBlockReceipts" else result,
    "null receipts": _null("eth_getBlockReceipts"),
    "null blocks": _null("eth_getBlockByNumber"),
    "another time": _header(timestamp="0x1"),
    "another receipts root": _header(receiptsRoot="0x" + "11" * 32),
    "an empty bloom": _header(logsBloom="0x" + "00" * 256),
    "another hash": _header(hash="0x" + "11" * 32),
    "another parent": _header(parentHash="0x" + "11" * 32),
    "garbage": _garbage,
}


class TestOwnNode:
    @pytest.mark.parametrize("lie", LIES_OF_THE_OWN_NODE)
    def test_step__own_node_lies__nothing_signed_until_it_stops(
        self, at_desk: Desk, gateways: Gateways, lie: str
    ) -> None:
        at_desk.run()
        number = gateways.send_final(gateways.first, b"it is true")
        at_desk.endpoints.own.alter = LIES_OF_THE_OWN_NODE[lie]
        assert not at_desk.attester.step()
        assert at_desk.signed() == {}
        assert at_desk.problem()
        at_desk.endpoints.own.alter = None
        at_desk.run()
        assert (list(at_desk.signed()), at_desk.problem()) == ([number], "")

    def test_step__wrong_chain_id__never_used(self, at_desk: Desk, gateways: Gateways) -> None:
        number = gateways.send_final(gateways.first, b"one")
        at_desk.endpoints.own.chain_id = "0x1"
        at_desk.attester.step()
        assert at_desk.signed() == {}
        assert "31337" in at_desk.problem()
        at_desk.endpoints.own.chain_id = None
        at_desk.run()
        assert list(at_desk.signed()) == [number]

    def test_step__stale_head_and_head_going_back__waits(self, at_desk: Desk, gateways: Gateways) -> None:
        one = gateways.send_final(gateways.first, b"one")
        at_desk.run()
        read = at_desk.ask().through_block
        two = gateways.send_final(gateways.first, b"two")
        for behind in (read, read - 3):
            at_desk.endpoints.own.alter = _tagged(gateways.first, behind)
            at_desk.attester.step()
            assert list(at_desk.signed()) == [one]
            assert at_desk.ask().through_block == read
        at_desk.endpoints.own.alter = None
        at_desk.run()
        assert list(at_desk.signed()) == [one, two]

    @pytest.mark.parametrize("fault", ["429", "stalled", "down"])
    def test_step__own_node_fails__nothing_signed_until_it_answers(
        self, hasty_desk: Desk, gateways: Gateways, fault: str
    ) -> None:
        number = gateways.send_final(gateways.first, b"one")
        _fail(hasty_desk.endpoints.own, fault, gateways.first)
        hasty_desk.attester.step()
        assert hasty_desk.signed() == {}
        assert "answered" in hasty_desk.problem()
        _mend(hasty_desk.endpoints.own, gateways.first)
        hasty_desk.recover(lambda: list(hasty_desk.signed()) == [number])

    def test_step__own_node_calls_everything_final__others_bound_it(self, at_desk: Desk, gateways: Gateways) -> None:
        gateways.send(gateways.first, b"one")
        for liar in (at_desk.endpoints.own, at_desk.endpoints.others[0]):
            liar.alter = _tagged(gateways.first, gateways.first.chain.client.block_number())
        at_desk.run()
        assert at_desk.signed() == {}


def _tagged(side: Side, number: int) -> Alter:
    """Passes block `number` off as the newest final one."""

    def alter(method: str, params: list[object], result: object) -> object:
        asked = method == "eth_getBlockByNumber" and params[0] == "finalized"
        return side.chain.client.block(number) if asked else result

    return alter


def _fail(proxy: StrictProxy, fault: str, side: Side) -> None:
    if fault == "down":
        proxy.upstream = "http://127.0.0.1:9"
    elif fault == "stalled":
        proxy.stalled = True
    elif fault == "429":
        proxy.too_many_requests = 10**9
    elif fault == "wrong chain":
        proxy.chain_id = "0x1"
    elif fault == "stale":
        proxy.alter = _tagged(side, 1)
    elif fault == "another hash":
        proxy.alter = _header(hash="0x" + "11" * 32)
    elif fault == "null":
        proxy.alter = _null("eth_getBlockByNumber")
    else:
        proxy.alter = _garbage


def _mend(proxy: StrictProxy, side: Side) -> None:
    proxy.upstream, proxy.stalled, proxy.too_many_requests = side.chain.url, False, 0
    proxy.chain_id, proxy.alter = None, None


class TestOthers:
    @pytest.mark.parametrize("fault", ["down", "429", "wrong chain", "stale", "another hash", "null", "garbage"])
    def test_step__two_of_three_fail__abstains__one_of_three__goes_on(
        self, at_desk: Desk, gateways: Gateways, fault: str
    ) -> None:
        number = gateways.send_final(gateways.first, b"one")
        for proxy in at_desk.endpoints.others[:2]:
            _fail(proxy, fault, gateways.first)
        at_desk.attester.step()
        assert at_desk.signed() == {}
        assert at_desk.problem() or fault == "stale"
        _mend(at_desk.endpoints.others[0], gateways.first)
        at_desk.recover(lambda: list(at_desk.signed()) == [number])

    def test_step__two_of_three_slow__abstains__one_of_three__goes_on(
        self, hasty_desk: Desk, gateways: Gateways
    ) -> None:
        number = gateways.send_final(gateways.first, b"one")
        for proxy in hasty_desk.endpoints.others[:2]:
            proxy.stalled = True
        # On a busy machine the own node may be too late as well.
        hasty_desk.recover(lambda: "1 of 2" in hasty_desk.problem() or "0 of 2" in hasty_desk.problem())
        assert hasty_desk.signed() == {}
        hasty_desk.endpoints.others[0].stalled = False
        hasty_desk.recover(lambda: list(hasty_desk.signed()) == [number])

    def test_step__two_of_three_answer_without_end__abstains__one_of_three__goes_on(
        self, gateways: Gateways, tmp_path: Path
    ) -> None:
        number = gateways.send_final(gateways.first, b"one")
        with dripping_endpoint() as one, dripping_endpoint() as two, StrictProxy(gateways.first.chain.url) as third:
            url = gateways.first.chain.url.replace("127.0.0.1", "localhost")
            for others, signed in (([one, two, url], []), ([one, third.url, url], [number])):
                folder = tmp_path / str(len(signed))
                with desk(gateways, folder, others=others, timeout_seconds=0.5) as attester_desk:
                    attester_desk.attester.step()
                    attester_desk.recover(
                        lambda d=attester_desk, s=signed: (list(d.signed()), bool(d.problem())) == (s, s == [])  # type: ignore[misc]
                    )

    def test_step__answer_of_many_megabytes__refused_while_it_arrives(self, at_desk: Desk, gateways: Gateways) -> None:
        gateways.send_final(gateways.first, b"one")
        for proxy in at_desk.endpoints.others[:2]:
            proxy.alter = _header(extraData="0x" + "00" * 5_000_000)
        at_desk.attester.step()
        assert at_desk.signed() == {}
        assert "DecodingError" in at_desk.problem() or "more than 8000000 bytes" in at_desk.problem()

    def test_step__all_others_fail_in_different_ways__abstains(self, at_desk: Desk, gateways: Gateways) -> None:
        gateways.send_final(gateways.first, b"one")
        for proxy, fault in zip(at_desk.endpoints.others, ("down", "another hash", "stale"), strict=True):
            _fail(proxy, fault, gateways.first)
        at_desk.attester.step()
        assert at_desk.signed() == {}

    def test_step__one_disagrees__counted(self, at_desk: Desk, gateways: Gateways) -> None:
        gateways.send_final(gateways.first, b"one")
        liar = at_desk.endpoints.others[2]
        _fail(liar, "another hash", gateways.first)
        at_desk.run()
        labels = {"chain": "first", "endpoint": liar.url.removeprefix("http://")}
        assert REGISTRY.get_sample_value("interpoints_bridge_endpoint_disagreements_total", labels)
        assert len(at_desk.signed()) == 1


class TestPoisonedChain:
    """The loss of 2026: endpoints that serve a made-up chain while the honest ones are kept busy."""

    @pytest.mark.parametrize("honest", ["down", "answering"])
    def test_step__own_node_and_one_other_serve_another_chain__nothing_signed(
        self, at_desk: Desk, gateways: Gateways, evil: Gateways, honest: str
    ) -> None:
        evil.send_final(evil.first, b"mint me a million")
        number = gateways.send_final(gateways.first, b"one")
        poisoned = [at_desk.endpoints.own, at_desk.endpoints.others[0]]
        for proxy in poisoned:
            proxy.upstream = evil.first.chain.url
        if honest == "down":
            for proxy in at_desk.endpoints.others[1:]:
                _fail(proxy, "down", gateways.first)
        at_desk.attester.step()
        assert at_desk.signed() == {}
        assert "0 of 2" in at_desk.problem() or "1 of 2" in at_desk.problem()
        for proxy in at_desk.endpoints.all:
            _mend(proxy, gateways.first)
        at_desk.run()
        assert list(at_desk.signed()) == [number]

    def test_step__own_node_alone_leaves_the_chain__abstains_without_halting(
        self, at_desk: Desk, gateways: Gateways, evil: Gateways
    ) -> None:
        one = gateways.send_final(gateways.first, b"one")
        at_desk.run()
        evil.first.chain.mine(40)
        at_desk.endpoints.own.upstream = evil.first.chain.url
        at_desk.attester.step()
        assert "of 2 other endpoints" in at_desk.problem()
        assert at_desk.attester.journal.halted() is None
        _mend(at_desk.endpoints.own, gateways.first)
        two = gateways.send_final(gateways.first, b"two")
        at_desk.run()
        assert list(at_desk.signed()) == [one, two]
