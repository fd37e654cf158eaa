"""Asking a node what deliveries need: a slow node gets less to do, and one message it cannot take holds up no other."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from backend.chain.attested_gateway import Message, Route, message_id
from backend.chain.client import ChainClient
from backend.chain.errors import ChainUnavailableError, NodeError
from bridge.batches import Estimator, Packer, Parcel
from bridge.relay_store import BatchKey, KeptMessage, Key

ROUTE = Route(31337, b"\x01" * 20, 1337, b"\x02" * 20)
BATCH = BatchKey(31337, 1337, 9)
POISON = b"poison".hex()
GATEWAY, SENDER = "0x" + "02" * 20, "0x" + "03" * 20
Call = dict[str, Any]


class Node(ThreadingHTTPServer):
    """Estimates what it can work out in time: `most_bytes` of calldata in one request, and no poison.

    A call does with `enough` gas.
    """

    daemon_threads = True
    most_bytes = 10**9
    status = 200
    enough = 3_000_000

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, int]] = []

    def answer(self, call: Call) -> Call:
        """The answer to one estimate or trial."""
        head: Call = {"jsonrpc": "2.0", "id": call["id"]}
        gas = int(call["params"][0]["gas"], 16)
        self.asked.append((str(call["method"]), gas))
        if POISON in json.dumps(call["params"]):
            return {**head, "error": {"code": -32603, "message": "something odd went wrong"}}
        if call["method"] == "eth_call":
            out_of_gas = {"code": -32003, "message": "out of gas"}
            return {**head, "result": "0x"} if gas >= self.enough else {**head, "error": out_of_gas}
        return {**head, "result": hex(3_000_000)}


class _Handler(BaseHTTPRequestHandler):
    server: Node

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) > self.server.most_bytes:
            return  # It hangs up.
        calls = json.loads(body)
        many = calls if isinstance(calls, list) else [calls]
        content = json.dumps([self.server.answer(call) for call in many]).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Tests keep quiet."""


@pytest.fixture
def node() -> Iterator[Node]:
    with Node() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def estimator(node: Node) -> Iterator[Estimator]:
    url = f"http://127.0.0.1:{node.server_address[1]}/key-of-a-customer"
    client = ChainClient([url], timeout_seconds=60, attempts=1)
    yield Estimator(client, SENDER, GATEWAY, 16_000_000)
    client.close()


def parcels(payloads: list[bytes], most: int) -> list[Parcel]:
    messages = [Message(at + 1, b"\x03" * 20, b"\x04" * 20, payload) for at, payload in enumerate(payloads)]
    ids = [message_id(ROUTE, message) for message in messages]
    kept = [KeptMessage(Key(31337, 1337, each.nonce), BATCH, at, each) for at, each in enumerate(messages)]
    return Packer(ROUTE, 16_000_000).pack(BATCH, ids, kept, [], most)


def test_ask__a_node_that_is_too_slow__smaller_parcels_until_it_answers(node: Node, estimator: Estimator) -> None:
    node.most_bytes = 20_000
    asked: list[int] = []
    for _ in range(10):
        taken = estimator.first_of(parcels([b"x" * 300] * 100, estimator.most_messages), 16)
        asked.append(sum(len(each.messages) for each in taken))
        try:
            found = estimator.ask(taken)
        except ChainUnavailableError:
            continue
        break
    assert asked == [100, 25, 6]
    assert [each.gas for each in found] == [3_000_000]
    assert estimator.most_messages == 12
    node.most_bytes = 10**9
    while estimator.most_messages < 100:
        estimator.ask(estimator.first_of(parcels([b"x"] * 100, estimator.most_messages), 16))


def test_first_of__many_parcels__no_more_messages_than_allowed_but_one_parcel(estimator: Estimator) -> None:
    found = parcels([b"x"] * 40, 10)
    estimator.most_messages = 25
    assert len(estimator.first_of(found, 16)) == 2
    estimator.most_messages = 1
    assert len(estimator.first_of(found, 16)) == 1
    assert estimator.first_of([], 16) == []


def test_ask__one_message_that_cannot_be_estimated__the_others_can(estimator: Estimator) -> None:
    good, bad = estimator.ask(parcels([b"x", b"poison"], 1))
    assert (good.gas, good.revert) == (3_000_000, None)
    assert bad.revert is not None
    assert bad.too_large
    assert not bad.gas_known
    bad, good = estimator.ask(parcels([b"poison", b"x"], 1))
    assert (good.gas, good.revert, bad.too_large) == (3_000_000, None, True)
    (both,) = estimator.ask(parcels([b"x", b"poison"], 2))
    assert both.too_large


def test_ask__several_deliveries_of_a_route__one_is_estimated_the_others_run_once(
    node: Node, estimator: Estimator
) -> None:
    first, *others = estimator.ask(parcels([b"x"] * 50, 10))
    each = others[0].gas
    assert first.gas == 3_000_000
    assert first.gas < each < first.gas * 9 // 8
    assert [(found.gas, found.measured) for found in others] == [(each, False)] * 4
    assert node.asked == [("eth_estimateGas", 16_000_000), *[("eth_call", each)] * 4]


def test_ask__deliveries_of_different_sizes__the_largest_is_estimated(node: Node, estimator: Estimator) -> None:
    node.enough = 2_000_000
    one, fifty, ten = (parcels([b"x"] * size, size)[0] for size in (1, 50, 10))
    found = estimator.ask([one, fifty, ten])
    assert [(each.parcel, each.measured) for each in found] == [(one, False), (fifty, True), (ten, False)]
    # What the largest needs beyond what must be left, and an eighth, for each message.
    assert found[0].gas < found[2].gas < found[1].gas
    assert [method for method, _ in node.asked] == ["eth_estimateGas", "eth_call", "eth_call"]


def test_learn__from_what_was_measured_only(estimator: Estimator) -> None:
    packer = Packer(ROUTE, 16_000_000)
    first, other = estimator.ask(parcels([b"x"] * 20, 10))
    packer.learn(first)
    learnt = packer.gas_per_message
    assert learnt == first.gas_per_message
    packer.learn(other)
    assert packer.gas_per_message == learnt


def test_ask__more_gas_than_the_first_needs__estimated_as_well(node: Node, estimator: Estimator) -> None:
    node.enough = 16_000_001
    assert [found.gas for found in estimator.ask(parcels([b"x"] * 30, 10))] == [3_000_000] * 3
    assert [method for method, _ in node.asked] == ["eth_estimateGas", *["eth_call"] * 2, *["eth_estimateGas"] * 2]


def test_ask__a_node_that_estimates_nothing__its_own_fault(estimator: Estimator) -> None:
    with pytest.raises(NodeError, match="odd"):
        estimator.ask(parcels([b"poison", b"poison"], 1))


def test_ask__a_provider_that_refuses__its_key_is_not_told(node: Node, estimator: Estimator) -> None:
    node.status = 403
    with pytest.raises(ChainUnavailableError, match="403") as refused:
        estimator.ask(parcels([b"x"], 1))
    assert "key-of-a-customer" not in refused.value.detail
