"""Follows the final blocks of one chain in order, and hands out the messages in them.

Every block is linked to the one before by its parent's hash; a block whose bloom admits the gateway is read from
receipts that hash to the header's root; nonces are counted, so that nothing can be withheld. What was read is kept in
the role's journal, in the role's own transaction: the cursor moves with what it led to, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import structlog

from backend.chain.blocks import BlockSource
from backend.chain.client import RpcBlock
from backend.chain.errors import ReorganisedError
from bridge.chains import Chain, Chains
from bridge.endpoints import careful
from bridge.errors import NonceGapError, PastFinalityError
from bridge.journal import Journal, Transaction
from bridge.metrics import MESSAGES_SEEN, READ_BLOCK, UNKNOWN_DESTINATIONS
from bridge.quorum import Quorum
from bridge.source_blocks import SourceBatch, SourceBlock, read_block

__all__ = ["Position", "Scan", "SourceBatch", "SourceBlock", "Watcher"]

log = structlog.get_logger(__name__)
_GAS_AT_A_TIME = 120_000_000
"""Bounds the receipts that one step fetches."""
_KEPT_POSITIONS_BLOCKS = 20_000
"""How far back a person can let the chain be replaced."""


@dataclass(frozen=True, slots=True)
class Position:
    """A block up to which everything was read."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look brought. `through` is None when there was nothing new; `final_number` is -1 before any is final."""

    blocks: tuple[SourceBlock, ...]
    """Blocks with messages, in order."""
    through: Position | None
    final_number: int


@dataclass
class Watcher:
    """Reads `source`; `chains` are the configured destinations; `quorum` says what is final and confirms hashes."""

    source: Chain
    chains: Chains
    journal: Journal
    quorum: Quorum
    _blocks: BlockSource = field(init=False)

    def __post_init__(self) -> None:
        self._blocks = BlockSource(self.source.client, [self.source.gateway], _GAS_AT_A_TIME)

    def position(self) -> Position | None:
        """The cursor; None before the first block."""
        rows = self.journal.query(
            "SELECT number, hash FROM positions WHERE chain_id = ? ORDER BY number DESC LIMIT 1", self.source.chain_id
        )
        return Position(rows[0]["number"], rows[0]["hash"]) if rows else None

    def scan(self) -> Scan:
        """The next final blocks, at most `blocks_at_a_time`, verified and confirmed. Changes nothing.

        Errors: `PastFinalityError` when the block at the cursor was replaced; otherwise such as pass by themselves:
        `NoQuorumError`, `NonceGapError`, `UnverifiedBlockError`, `MalformedAnswerError`, `ChainUnavailableError`, ...
        """
        cursor = self.position()
        own_final = self.quorum.own_final_number()
        if cursor is not None:
            self._check_cursor(cursor, own_final)
        first = self.source.start_block if cursor is None else cursor.number + 1
        if own_final < first:  # Others are asked only when there may be something to ask about: providers count.
            return Scan((), None, own_final)
        final_number = self.quorum.final_number(own_final)
        last = min(final_number, first + self.source.settings.blocks_at_a_time - 1)
        if last < first:
            return Scan((), None, final_number)
        headers = self._headers(first, last, cursor)
        self.quorum.confirm(int(headers[-1]["number"], 16), headers[-1]["hash"].lower())
        with careful(self.source.client):
            verified = self._blocks.with_receipts(headers, ())
            found = [read_block(block, self.source, self.chains) for block in verified if block.receipts]
        blocks = tuple(block for block in found if block.last_nonces)
        self._check_nonces(blocks)
        return Scan(blocks, Position(verified[-1].number, verified[-1].hash), final_number)

    def advance(self, transaction: Transaction, scan: Scan) -> None:
        """Moves the cursor and the nonces past `scan`, in the caller's transaction: the last thing in it."""
        if scan.through is None:
            return
        chain_id, number = self.source.chain_id, scan.through.number
        rows = [
            (chain_id, destination, block.number, nonce)
            for block in scan.blocks
            for destination, nonce in block.last_nonces.items()
        ]
        transaction.execute_many("INSERT INTO nonces VALUES (?, ?, ?, ?)", rows)
        transaction.execute("INSERT INTO positions VALUES (?, ?, ?)", chain_id, number, scan.through.hash)
        oldest = number - _KEPT_POSITIONS_BLOCKS
        transaction.execute("DELETE FROM positions WHERE chain_id = ? AND number < ?", chain_id, oldest)

    def note(self, scan: Scan) -> None:
        """Tells the metrics, after the transaction."""
        if scan.through is not None:
            READ_BLOCK.labels(self.source.name).set(scan.through.number)
        for block in scan.blocks:
            for destination, batch in block.batches.items():
                MESSAGES_SEEN.labels(self.source.name, self.chains[destination].name).inc(len(batch.messages))
            for destination, count in block.unknown.items():
                UNKNOWN_DESTINATIONS.labels(self.source.name, str(destination)).inc(count)
                log.warning("unknown_destination", chain=self.source.name, destination=destination, messages=count)

    def common_position(self) -> Position | None:
        """The newest position that the chain, as it is final now, still has; None when there is none."""
        final_number = self.quorum.final_number(self.quorum.own_final_number())
        rows = self.journal.query(
            "SELECT number, hash FROM positions WHERE chain_id = ? AND number <= ? ORDER BY number DESC",
            *(self.source.chain_id, final_number),
        )
        for row in rows:
            block = self._one(row["number"])
            if block is not None and block["hash"].lower() == "0x" + row["hash"].hex():
                self.quorum.confirm(row["number"], block["hash"].lower())
                return Position(row["number"], row["hash"])
        return None

    def rewind(self, transaction: Transaction, to: Position | None) -> None:
        """Takes the cursor and the nonces back to `to`; to the beginning for None."""
        number = -1 if to is None else to.number
        for table in ("positions", "nonces"):
            transaction.execute(
                f"DELETE FROM {table} WHERE chain_id = ? AND number > ?",  # noqa: S608 - the names are ours
                *(self.source.chain_id, number),
            )

    def _headers(self, first: int, last: int, cursor: Position | None) -> Sequence[RpcBlock]:
        with careful(self.source.client):
            headers = self._blocks.headers(first, last, None if cursor is None else cursor.hash)
            if not headers:
                raise ReorganisedError(f"{self.source.name}: block {first} does not follow the one before it.")
            return headers[: self._blocks.weigh(headers)]

    def _one(self, number: int) -> RpcBlock | None:
        with careful(self.source.client):
            found = self._blocks.headers(number, number, None)
        return found[0] if found else None

    def _check_cursor(self, cursor: Position, final_number: int) -> None:
        """The block at the cursor must still be there. Only a block that is final now can prove that it is not."""
        block = self._one(cursor.number)
        expected = "0x" + cursor.hash.hex()
        if block is not None and block["hash"].lower() == expected:
            return
        if block is None or final_number < cursor.number:
            raise ReorganisedError(f"{self.source.name}: the node has not block {cursor.number} as it was read.")
        self.quorum.confirm(cursor.number, block["hash"].lower())
        found = bytes.fromhex(block["hash"][2:])
        raise PastFinalityError(self.source.name, self.source.chain_id, cursor.number, cursor.hash, found)

    def _check_nonces(self, blocks: Sequence[SourceBlock]) -> None:
        last = {
            row["destination_chain"]: row["nonce"]
            for row in self.journal.query(
                "SELECT destination_chain, max(nonce) AS nonce FROM nonces WHERE chain_id = ? GROUP BY 1",
                self.source.chain_id,
            )
        }
        for block in blocks:
            for destination, first in block.first_nonces.items():
                expected = last.get(destination, 0 if self.source.from_the_beginning else first - 1) + 1
                self._expect(block, destination, expected, first)
                batch = block.batches.get(destination)
                for one, other in pairwise(batch.messages if batch is not None else ()):
                    self._expect(block, destination, one.nonce + 1, other.nonce)
                last[destination] = block.last_nonces[destination]

    def _expect(self, block: SourceBlock, destination: int, expected: int, found: int) -> None:
        if expected != found:
            raise NonceGapError(self.source.name, destination, block.number, expected, found)
