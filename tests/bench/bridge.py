"""The bridge: messages a second, destination blocks from finality to delivery, and gas of a delivered swap.

Three attesters and a relayer run as processes of their own, on two chains with 1 s blocks of 60 M gas. Beside them: the
relayer that takes one message, signs it with the attesters' keys, sends it, and waits for its receipt.
"""

from __future__ import annotations

import json
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.client import ChainClient, Request
from backend.chain.exchange_types import SwapRequest
from backend.chain.points_exchange import encode_swap
from backend.chain.words import number_word, selector
from backend.stack.waiting import free_port
from scripts.chaos.configuration import FIRST_ATTESTER, Nodes, attester_toml, relayer_toml
from scripts.chaos.processes import Process
from scripts.chaos.town import Place
from tests.bench.table import Row
from tests.support.two_chains import ATTESTERS, RELAYER, Setting, TwoChains, two_chains

_BURST = 3_000
"""Messages that become final at once."""
_STEADY_SECONDS = 20
_STEADY_PER_SECOND = 20
_NAIVE = 5
_SLOTS = 1
"""Final is two blocks below the head, so that the runs are short; what is measured begins when a block is final."""
_POINTS = 110
"""Of a swap: a little more than the lane's minimum."""
_GAS_OF_A_SWAP = 500_000
_POLL_SECONDS = 0.02
_TIMEOUT_SECONDS = 10
"""Of the processes' questions to a chain: the usual setting."""
_END_SECONDS = 120.0
_HYPERLANE = 99_122
"""Gas of one delivery there, without what the recipient does."""


@dataclass
class _Heads:
    """When each block of a chain was first seen, by the wall clock, in seconds."""

    client: ChainClient
    seen_at: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        head = self.client.block_number()
        for number in range(max(self.seen_at, default=head - 1) + 1, head + 1):
            self.seen_at[number] = time.monotonic()

    def count_after(self, moment: float, until_block: int) -> int:
        """Blocks first seen after `moment`, up to that one."""
        return sum(1 for number, at in self.seen_at.items() if at > moment and number <= until_block)


@contextmanager
def _watched(*chains: ChainClient) -> Iterator[list[_Heads]]:
    heads = [_Heads(chain) for chain in chains]
    done = threading.Event()

    def follow() -> None:
        while not done.wait(_POLL_SECONDS):
            for each in heads:
                each.look()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield heads
    finally:
        done.set()
        thread.join()


class _Bridge:
    """The processes around a world."""

    def __init__(self, world: TwoChains, folder: Path) -> None:
        nodes = [
            Nodes(Place(side, slug, world.route(side)), side.chain.url, (), _TIMEOUT_SECONDS)
            for side, slug in zip(world.sides, ("grocer", "fuel"), strict=True)
        ]
        self.processes: list[Process] = []
        listed = []
        for at in range(len(ATTESTERS)):
            port, home = free_port(), folder / f"attester-{at}"
            listed.append((f"http://127.0.0.1:{port}", FIRST_ATTESTER + at))
            self._add("attest", home, attester_toml(home, nodes, FIRST_ATTESTER + at, port))
        home = folder / "relayer"
        self._add("relay", home, relayer_toml(home, nodes, number=0, port=free_port(), attesters=listed))

    def _add(self, role: str, home: Path, text: str) -> None:
        home.mkdir(parents=True)
        path = home / "bridge.toml"
        path.write_text(text)
        self.processes.append(Process(role, ["bridge", role, "--config", str(path)], home / "log"))

    def __enter__(self) -> None:
        for process in self.processes:
            process.start()

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.stop()


class _Traffic:
    """Swaps of one member's to as many accounts as there are swaps."""

    def __init__(self, world: TwoChains) -> None:
        self.world, self.home = world, world.home("grocer")
        self.nonce = self.home.chain.client.transaction_count("0x" + world.alice.address.hex())
        self.lane = world.lane("grocer", "fuel")
        self.deadline = self.home.now() + 86_400

    def send(self, count: int) -> None:
        raws = [self._signed() for _ in range(count)]
        for at in range(0, count, 100):
            for refusal in self.home.chain.client.send_raw_many(raws[at : at + 100]):
                if refusal is not None:
                    raise refusal

    def _signed(self) -> bytes:
        request = SwapRequest(self.lane, secrets.token_bytes(20), _POINTS, 1, secrets.token_bytes(32), self.deadline)
        raw = self.world.alice.sign_transaction(
            {
                "type": 2,
                "chainId": self.home.chain_id,
                "nonce": self.nonce,
                "to": to_checksum_address(self.home.exchange.address),
                "value": 0,
                "data": "0x" + encode_swap(request).hex(),
                "gas": _GAS_OF_A_SWAP,
                "maxFeePerGas": 10**11,
                "maxPriorityFeePerGas": 10**9,
            }
        )
        self.nonce += 1
        return raw


def _seen_count(world: TwoChains, first: int, last: int) -> int:
    """Messages of those numbers that the destination has seen."""
    gateway = to_checksum_address(world.second.gateway.address)
    data = selector("isSeen(uint256,uint256)") + number_word(world.first.chain_id)
    requests = [
        Request("eth_call", ({"to": gateway, "data": "0x" + (data + number_word(at)).hex()}, "latest"))
        for at in range(first, last + 1)
    ]
    return sum(int(str(answer), 16) for answer in world.second.chain.client.batch(requests))


def _wait(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _END_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not happen in {_END_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _every_second(world: TwoChains) -> None:
    """From now on both chains have a block a second and none in between."""
    for side in world.sides:
        side.chain.automine(False)
        side.chain.rpc("evm_setIntervalMining", 1)


def _deliveries(world: TwoChains) -> list[tuple[int, int]]:
    """Nonce and block of every message that was delivered to the second chain."""
    topic = "0x" + keccak(text="MessageDelivered(bytes32,uint256,uint256)").hex()
    logs = world.second.chain.client.call(
        "eth_getLogs",
        {
            "address": "0x" + world.second.gateway.address.hex(),
            "fromBlock": "0x0",
            "toBlock": "latest",
            "topics": [topic],
        },
    )
    assert isinstance(logs, list)
    found = []
    for each in logs:
        assert isinstance(each, dict)
        assert isinstance(each["topics"], list)
        found.append((int(str(each["topics"][3]), 16), int(str(each["blockNumber"]), 16)))
    return found


def _latencies(world: TwoChains, folder: Path) -> list[int]:
    """Destination blocks from a source block's finality to each of its messages' delivery, under steady traffic."""
    traffic = _Traffic(world)
    first = world.first.gateway.sent_count(world.second.chain_id) + 1
    last = first + _STEADY_SECONDS * _STEADY_PER_SECOND - 1
    with _Bridge(world, folder), _watched(world.first.chain.client, world.second.chain.client) as (source, destination):
        _every_second(world)
        for _ in range(_STEADY_SECONDS):
            started = time.monotonic()
            traffic.send(_STEADY_PER_SECOND)
            threading.Event().wait(max(0.0, started + 1 - time.monotonic()))
        _wait(lambda: _seen_count(world, first, last) == last - first + 1, "the delivery of steady traffic")
        _wait(lambda: destination.client.block_number() in destination.seen_at, "a look at the last block")
    block_of = {sent.message.nonce: sent.block_number for sent in world.sent(world.first)}
    found = []
    for nonce, block in _deliveries(world):
        if nonce >= first:
            final_at = source.seen_at[block_of[nonce] + 2 * _SLOTS]
            found.append(destination.count_after(final_at, block))
    return found


def _burst(world: TwoChains, folder: Path) -> float:
    """Messages a second, from the moment at which all became final until the last is delivered."""
    traffic = _Traffic(world)
    chain = world.first.chain
    chain.automine(False)
    first = world.first.gateway.sent_count(world.second.chain_id) + 1
    traffic.send(_BURST)
    while world.first.gateway.sent_count(world.second.chain_id) < first + _BURST - 1:
        chain.mine()
    world.second.chain.automine(False)
    world.second.chain.rpc("evm_setIntervalMining", 1)
    with _Bridge(world, folder):
        _wait_until_ready(folder)
        started = time.monotonic()
        chain.mine(2 * _SLOTS)
        _wait(lambda: _seen_count(world, first + _BURST - 1, first + _BURST - 1) == 1, "the end of the burst")
        _wait(lambda: _seen_count(world, first, first + _BURST - 1) == _BURST, "the delivery of the burst")
        return _BURST / (time.monotonic() - started)


def _wait_until_ready(folder: Path) -> None:
    """Until each process has opened its journal, so that starting Python is not part of the figure."""
    _wait(lambda: len(list(folder.glob("*/*.sqlite*"))) >= len(ATTESTERS) + 1, "the start of the processes")


def _naive(world: TwoChains) -> float:
    """Messages a second, one at a time."""
    traffic = _Traffic(world)
    world.first.chain.automine(True)
    first = world.first.gateway.sent_count(world.second.chain_id) + 1
    traffic.send(_NAIVE)
    last = first + _NAIVE - 1
    _wait(lambda: world.first.gateway.sent_count(world.second.chain_id) == last, "the sending of a few messages")
    waiting = [sent for sent in world.sent(world.first) if sent.message.nonce >= first]
    started = time.monotonic()
    for sent in waiting:
        block = [each for each in waiting if each.block_number == sent.block_number]
        data = world.delivery(sent.block_number, block, [block.index(sent)])
        world.second.send(RELAYER, world.second.gateway.address, data)
    return _NAIVE / (time.monotonic() - started)


def _gas_rows() -> list[Row]:
    """Gas of a delivered swap, from the table that a test compares with the contracts."""
    table: dict[str, float] = json.loads((Path(__file__).parents[1] / "gas" / "gas.json").read_text())
    return [
        Row(name, "gas", value, _HYPERLANE, "Hyperlane's process", "29,000" if "new" in name else "12,000")
        for name, value in table.items()
        if name.startswith("deliver a swap")
    ]


def run() -> list[Row]:
    """The rows on the bridge."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = stack.enter_context(two_chains(folder / "chains", Setting(slots_in_an_epoch=_SLOTS)))
        world.first.chain.set_balance(world.alice.address, 10**24)
        speed = _burst(world, folder / "burst")
        naive = _naive(world)
        blocks = _latencies(world, folder / "steady")
    p95 = quantiles(blocks, n=20)[-1]
    peer = "one message at a time"
    return [
        Row("messages delivered, all final at once", "1/s", speed, naive, peer, "≥ 300"),
        Row("destination blocks from finality to delivery, median", "blocks", median(blocks), None, "", "≤ 2"),
        Row("destination blocks from finality to delivery, p95", "blocks", p95, None, "", "≤ 3"),
        *_gas_rows(),
    ]
