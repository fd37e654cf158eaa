"""Blocks in order, held to their own hashes.

Logs come out of receipts that hash to the header's receipts root, so an endpoint can neither invent, alter nor leave
out one. A block whose bloom does not admit a contract of ours holds no log of it, and its receipts need not be fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from backend.chain.client import ChainClient, RpcBlock, RpcReceipt
from backend.chain.encoding import Header, Receipt, bloom_bits, header_hash, receipts_root
from backend.chain.errors import ReorganisedError, UnverifiedBlockError


@dataclass(frozen=True, slots=True)
class VerifiedBlock:
    """A block and, if it may hold logs or transactions of ours, its receipts."""

    header: RpcBlock
    number: int
    timestamp: int
    receipts: Sequence[RpcReceipt]

    @property
    def hash(self) -> bytes:
        """The block's hash."""
        return bytes.fromhex(self.header["hash"][2:])

    @property
    def parent_hash(self) -> bytes:
        """Its parent's hash."""
        return bytes.fromhex(self.header["parentHash"][2:])


class BlockSource:
    """Fetches and verifies blocks that may hold logs of `contracts` (20-byte addresses)."""

    def __init__(self, client: ChainClient, contracts: Sequence[bytes], gas_at_a_time: int) -> None:
        self._client = client
        self._blooms = [bloom_bits(contract) for contract in contracts]
        self._gas_at_a_time = gas_at_a_time

    def headers(self, first: int, last: int, parent: bytes | None) -> list[RpcBlock]:
        """Headers `first` to `last` (or as far as the endpoint goes), linked to each other and to `parent`.

        A break in the links ends the list before it: the chain changed between two answers, and the next pass will see
        how. Errors: `UnverifiedBlockError`.
        """
        linked: list[RpcBlock] = []
        expected = None if parent is None else "0x" + parent.hex()
        for number, block in zip(range(first, last + 1), self._client.blocks(range(first, last + 1)), strict=True):
            if block is None or (expected is not None and block["parentHash"] != expected):
                break
            if int(block["number"], 16) != number:
                raise self._distrust(number, "the endpoint answered with another block")
            if header_hash(cast("Header", block)) != block["hash"]:
                raise self._distrust(number, "its hash does not follow from its fields")
            linked.append(block)
            expected = block["hash"]
        return linked

    def weigh(self, headers: Sequence[RpcBlock]) -> int:
        """How many of `headers` to take in one step: bounded by the gas of those that may hold logs, at least one."""
        gas = 0
        for taken, header in enumerate(headers):
            gas += int(header["gasUsed"], 16) if self._may_hold_logs(header) else 0
            if gas > self._gas_at_a_time:
                return max(taken, 1)
        return len(headers)

    def with_receipts(self, headers: Sequence[RpcBlock], wanted: Collection[str]) -> list[VerifiedBlock]:
        """The blocks, with receipts where logs may be, or transactions of `wanted` (0x hashes) are.

        Errors: `UnverifiedBlockError`, or `ReorganisedError` when the endpoint no longer has a block.
        """
        asked = [
            header
            for header in headers
            if self._may_hold_logs(header) or not set(wanted).isdisjoint(header["transactions"])
        ]
        answers = self._client.block_receipts(asked)
        found = {header["hash"]: answer for header, answer in zip(asked, answers, strict=True)}
        return [self._verified(header, found.get(header["hash"], [])) for header in headers]

    def _verified(self, header: RpcBlock, receipts: list[RpcReceipt] | None) -> VerifiedBlock:
        number = int(header["number"], 16)
        if receipts is None:
            raise ReorganisedError(f"The endpoint no longer has block {number}.")
        if receipts and receipts_root(cast("list[Receipt]", receipts)) != header["receiptsRoot"]:
            raise self._distrust(number, "its receipts do not hash to the receipts root: logs are missing or altered")
        if not receipts and self._may_hold_logs(header):
            raise self._distrust(number, "its bloom speaks of logs, but there are no receipts")
        return VerifiedBlock(header, number, int(header["timestamp"], 16), receipts)

    def _may_hold_logs(self, header: RpcBlock) -> bool:
        bloom = int(header["logsBloom"], 16)
        return any(bloom & bits == bits for bits in self._blooms)

    def _distrust(self, number: int, what: str) -> UnverifiedBlockError:
        self._client.prefer_another()
        return UnverifiedBlockError(number, what)
