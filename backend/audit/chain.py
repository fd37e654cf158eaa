"""Reads a chain block by block and holds the endpoint to the block hashes: what it leaves out or alters shows.

Logs are taken from receipts, which hash to the header's receipts root; calls from transactions, which hash to its
transactions root. A block whose bloom does not admit one of our
contracts cannot hold a log of theirs, and the bloom is part of the hash, so its receipts need not be fetched.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from backend.audit.report import Check
from backend.audit.transactions import RawTransaction, UnknownTransactionTypeError, transactions_root
from backend.chain.client import ChainClient, Request, RpcBlock
from backend.chain.encoding import Header, Receipt, bloom_bits, header_hash, receipts_root

_HEADERS_AT_A_TIME = 200
_GAS_AT_A_TIME = 40_000_000
"""Receipts are fetched for blocks of about this much gas together: it bounds memory whatever the blocks hold."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block and, when it may hold logs of ours, its receipts."""

    header: Header
    receipts: list[Receipt]
    transactions: list[RawTransaction] = field(default_factory=list)
    """In the order of the receipts; only of blocks that may hold logs of the traced contracts."""

    @property
    def number(self) -> int:
        """Block number."""
        return int(self.header["number"], 16)

    @property
    def timestamp_seconds(self) -> int:
        """Block time, Unix seconds."""
        return int(self.header["timestamp"], 16)


class ChainReader:
    """Blocks of a range in order, verified on the way. Contracts are 20-byte addresses.

    Of blocks that may hold logs of one of `traced`, the transactions are read as well.
    """

    def __init__(
        self,
        client: ChainClient,
        contracts: Sequence[bytes],
        headers: Check,
        receipts: Check,
        traced: Sequence[bytes] = (),
    ) -> None:
        self._client = client
        self._blooms = [bloom_bits(contract) for contract in contracts]
        self._traced = [bloom_bits(contract) for contract in traced]
        self._headers = headers
        self._receipts = receipts
        self.last: Header | None = None
        """The newest header read."""

    def blocks(self, first: int, last: int) -> Iterator[Block]:
        """Blocks `first` to `last`. The next ones are fetched while the caller works on these.

        Errors: those of the client, such as `ChainUnavailableError`.
        """
        groups: queue.Queue[list[Block] | Exception | None] = queue.Queue(maxsize=2)
        stop = threading.Event()
        thread = threading.Thread(target=self._fetch, args=(first, last, groups, stop), daemon=True)
        thread.start()
        try:
            while (group := groups.get()) is not None:
                if isinstance(group, Exception):
                    raise group
                for block in group:
                    self._verify(block)
                    yield block
        finally:
            stop.set()
            while thread.is_alive():
                # Makes room for a fetch that is waiting to hand over.
                while not groups.empty():
                    groups.get_nowait()
                thread.join(0.05)

    # ---- fetching, in a thread of its own

    def _fetch(
        self, first: int, last: int, groups: queue.Queue[list[Block] | Exception | None], stop: threading.Event
    ) -> None:
        try:
            for start in range(first, last + 1, _HEADERS_AT_A_TIME):
                for group in self._groups(self._fetch_headers(start, min(last, start + _HEADERS_AT_A_TIME - 1))):
                    if stop.is_set():
                        return
                    groups.put(self._with_receipts(group))
            groups.put(None)
        except Exception as error:  # noqa: BLE001 - raised again where the blocks are used
            groups.put(error)

    def _fetch_headers(self, first: int, last: int) -> list[Header]:
        requests = [Request("eth_getBlockByNumber", (hex(number), False)) for number in range(first, last + 1)]
        answers = self._client.batch(requests)
        headers = [cast("Header", answer) for answer in answers if isinstance(answer, dict)]
        if len(headers) != len(requests):
            raise MissingBlocksError(first, last)
        return headers

    def _groups(self, headers: list[Header]) -> Iterator[list[Header]]:
        group: list[Header] = []
        gas = 0
        for header in headers:
            weight = int(header["gasUsed"], 16) if self._may_hold_logs(header) else 0
            if group and gas + weight > _GAS_AT_A_TIME:
                yield group
                group, gas = [], 0
            group.append(header)
            gas += weight
        if group:
            yield group

    def _with_receipts(self, headers: list[Header]) -> list[Block]:
        wanted = [header for header in headers if self._may_hold_logs(header)]
        answers = self._client.block_receipts([cast("RpcBlock", header) for header in wanted])
        receipts = {
            header["number"]: cast("list[Receipt]", answer or [])
            for header, answer in zip(wanted, answers, strict=True)
        }
        transactions = self._fetch_transactions(headers)
        return [
            Block(header, receipts.get(header["number"], []), transactions.get(header["number"], []))
            for header in headers
        ]

    def _fetch_transactions(self, headers: list[Header]) -> dict[str, list[RawTransaction]]:
        numbers = [header["number"] for header in headers if self._may_be_traced(header)]
        answers = self._client.batch([Request("eth_getBlockByNumber", (number, True)) for number in numbers])
        found: dict[str, list[RawTransaction]] = {}
        for number, answer in zip(numbers, answers, strict=True):
            if isinstance(answer, dict):
                found[number] = cast("list[RawTransaction]", answer["transactions"])
        return found

    def _may_hold_logs(self, header: Header) -> bool:
        bloom = int(header["logsBloom"], 16)
        return any(bloom & bits == bits for bits in self._blooms)

    # ---- verifying

    def _verify(self, block: Block) -> None:
        header, number = block.header, block.number
        self._headers.examined += 1
        if header_hash(header) != header["hash"]:
            self._headers.fail(f"block {number}", "its hash does not follow from its fields", block=number)
        if self.last is not None:
            if int(self.last["number"], 16) + 1 != number:
                self._headers.fail(f"block {number}", "the endpoint answered with another block", block=number)
            if header["parentHash"] != self.last["hash"]:
                self._headers.fail(f"block {number}", "does not name the block before as its parent", block=number)
        self.last = header
        if self._may_hold_logs(header):
            self._receipts.examined += 1
            if receipts_root(block.receipts) != header["receiptsRoot"]:
                detail = "the receipts do not hash to the block's receipts root: logs are missing or altered"
                self._receipts.fail(f"block {number}", detail, block=number)
        if self._may_be_traced(header):
            self._verify_transactions(block)

    def _may_be_traced(self, header: Header) -> bool:
        bloom = int(header["logsBloom"], 16)
        return any(bloom & bits == bits for bits in self._traced)

    def _verify_transactions(self, block: Block) -> None:
        self._receipts.examined += 1
        subject, number = f"block {block.number}", block.number
        try:
            if transactions_root(block.transactions) != block.header["transactionsRoot"]:
                detail = "the transactions do not hash to the block's transactions root: calls are missing or altered"
                self._receipts.fail(subject, detail, block=number)
        except UnknownTransactionTypeError as error:
            self._receipts.note(subject, f"holds {error}: its calls are taken as the endpoint tells them", block=number)


class MissingBlocksError(Exception):
    """The endpoint does not have all blocks of a range that it should."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__(f"The endpoint does not have all of the blocks {first} to {last}.")
        self.first = first
        self.last = last
