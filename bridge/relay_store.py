"""What a relayer keeps: messages of final blocks that are not settled, and every transaction it ever signed for them.

Nothing here is lost that could not be read again from the chains, but for one thing: which nonces were given out. A
nonce is given out, and its transaction signed, in the transaction that stores both, before anything is broadcast.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import orjson

from backend.chain.attested_gateway import Message
from backend.chain.crosschain_exchange import decode_payload
from backend.chain.exchange_types import MessageKind
from backend.chain.fees import Fees
from bridge.journal import Journal, Transaction
from bridge.source_blocks import SourceBatch

TABLES = (
    """CREATE TABLE IF NOT EXISTS relay_batches (
        source_chain INTEGER NOT NULL, destination_chain INTEGER NOT NULL, block_number INTEGER NOT NULL,
        message_ids BLOB NOT NULL, PRIMARY KEY (source_chain, destination_chain, block_number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS relay_messages (
        source_chain INTEGER NOT NULL, destination_chain INTEGER NOT NULL, nonce INTEGER NOT NULL,
        block_number INTEGER NOT NULL, at_in_block INTEGER NOT NULL,
        sender BLOB NOT NULL, recipient BLOB NOT NULL, payload BLOB NOT NULL,
        PRIMARY KEY (source_chain, destination_chain, nonce)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX IF NOT EXISTS relay_messages_of_block
        ON relay_messages (source_chain, destination_chain, block_number)""",
    """CREATE TABLE IF NOT EXISTS relay_nonces (
        chain_id INTEGER PRIMARY KEY, next_nonce INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS relay_slots (
        chain_id INTEGER NOT NULL, nonce INTEGER NOT NULL, kind TEXT NOT NULL, source_chain INTEGER NOT NULL,
        message_nonces TEXT NOT NULL, gas INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (chain_id, nonce)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS relay_attempts (
        chain_id INTEGER NOT NULL, nonce INTEGER NOT NULL, max_fee INTEGER NOT NULL, tip INTEGER NOT NULL,
        raw BLOB NOT NULL, PRIMARY KEY (chain_id, nonce, max_fee, tip)
    ) STRICT, WITHOUT ROWID""",
)


@dataclass(frozen=True, slots=True)
class Key:
    """Which message: its route's chains and its nonce there."""

    source_chain: int
    destination_chain: int
    nonce: int


@dataclass(frozen=True, slots=True)
class BatchKey:
    """Which batch."""

    source_chain: int
    destination_chain: int
    block_number: int


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message of a final block and its place in its batch."""

    key: Key
    batch: BatchKey
    at: int
    message: Message


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a transaction is for: `deliver`, `retry`, or `fill`, which only uses its nonce up."""

    kind: str
    source_chain: int = 0
    message_nonces: tuple[int, ...] = ()
    gas: int = 21_000
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Signed bytes and what they pay."""

    fees: Fees
    raw: bytes = field(repr=False)


@dataclass
class Slot:
    """A nonce of ours that no final block has used up yet, with all that was ever signed under it, by fee."""

    nonce: int
    purpose: Purpose
    attempts: list[Attempt]
    offered_at: int | None = None
    """Head's number when its last attempt was first offered; not stored."""
    offered_under: str = ""
    """Head's hash when it was last offered."""
    taken: bool = False
    """A node has it, as far as is known."""

    @property
    def last(self) -> Attempt:
        """The attempt that pays most."""
        return self.attempts[-1]


class RelayStore:
    """Reads and writes a relayer's tables."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    # Messages

    def add(self, transaction: Transaction, batches: Iterable[SourceBatch]) -> None:
        """Keeps the messages of a scan, in the transaction that moves the cursor."""
        for batch in batches:
            way = batch.route
            place = (way.source_chain, way.destination_chain)
            transaction.execute(
                "INSERT INTO relay_batches VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                *(*place, batch.block_number, b"".join(batch.message_ids)),
            )
            rows = [
                (*place, message.nonce, batch.block_number, at, message.sender, message.recipient, message.payload)
                for at, message in enumerate(batch.messages)
            ]
            transaction.execute_many(
                "INSERT INTO relay_messages VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows
            )

    def messages(self) -> list[KeptMessage]:
        """All that are not settled, in order of their nonces."""
        rows = self.journal.query("SELECT * FROM relay_messages ORDER BY source_chain, destination_chain, nonce")
        return [
            KeptMessage(
                Key(row["source_chain"], row["destination_chain"], row["nonce"]),
                BatchKey(row["source_chain"], row["destination_chain"], row["block_number"]),
                row["at_in_block"],
                Message(row["nonce"], row["sender"], row["recipient"], row["payload"]),
            )
            for row in rows
        ]

    def batches(self) -> dict[BatchKey, tuple[bytes, ...]]:
        """Ids of all messages of each batch, settled ones too: its tree needs them."""
        rows = self.journal.query("SELECT * FROM relay_batches")
        return {
            BatchKey(row["source_chain"], row["destination_chain"], row["block_number"]): _split(row["message_ids"])
            for row in rows
        }

    def settle(self, keys: Sequence[Key]) -> None:
        """Forgets messages that were taken in final blocks, and batches of which none is left."""
        with self.journal.transaction() as transaction:
            transaction.execute_many(
                "DELETE FROM relay_messages WHERE source_chain = ? AND destination_chain = ? AND nonce = ?",
                [(key.source_chain, key.destination_chain, key.nonce) for key in keys],
            )
            transaction.execute(
                """DELETE FROM relay_batches WHERE NOT EXISTS (
                    SELECT 1 FROM relay_messages m WHERE m.source_chain = relay_batches.source_chain
                    AND m.destination_chain = relay_batches.destination_chain
                    AND m.block_number = relay_batches.block_number)"""
            )

    def drop_after(self, transaction: Transaction, source_chain: int, block_number: int) -> None:
        """Forgets messages of blocks that a person has let go of; what was signed for them is kept."""
        for table in ("relay_messages", "relay_batches"):
            transaction.execute(
                f"DELETE FROM {table} WHERE source_chain = ? AND block_number > ?",  # noqa: S608 - the names are ours
                *(source_chain, block_number),
            )

    # Transactions

    def next_nonce(self, chain_id: int) -> int | None:
        """The nonce after the last that was given out; None before the first."""
        rows = self.journal.query("SELECT next_nonce FROM relay_nonces WHERE chain_id = ?", chain_id)
        return rows[0]["next_nonce"] if rows else None

    def slots(self, chain_id: int) -> list[Slot]:
        """All nonces that no final block has used up, in order."""
        attempts: dict[int, list[Attempt]] = {}
        query = "SELECT * FROM relay_attempts WHERE chain_id = ? ORDER BY nonce, max_fee, tip"
        for row in self.journal.query(query, chain_id):
            attempts.setdefault(row["nonce"], []).append(Attempt(Fees(row["max_fee"], row["tip"]), row["raw"]))
        rows = self.journal.query("SELECT * FROM relay_slots WHERE chain_id = ? ORDER BY nonce", chain_id)
        return [
            Slot(
                row["nonce"],
                Purpose(
                    row["kind"],
                    row["source_chain"],
                    tuple(orjson.loads(row["message_nonces"])),
                    row["gas"],
                    row["data"],
                ),
                attempts[row["nonce"]],
            )
            for row in rows
        ]

    def put(self, transaction: Transaction, chain_id: int, slot: Slot) -> None:
        """Stores a nonce's purpose and its newest attempt; never takes an older attempt away."""
        purpose, attempt = slot.purpose, slot.last
        transaction.execute(
            "INSERT OR REPLACE INTO relay_slots VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(chain_id, slot.nonce, purpose.kind, purpose.source_chain),
            *(orjson.dumps(purpose.message_nonces).decode(), purpose.gas, purpose.data),
        )
        transaction.execute(
            "INSERT INTO relay_attempts VALUES (?, ?, ?, ?, ?)",
            *(chain_id, slot.nonce, attempt.fees.max_fee, attempt.fees.tip, attempt.raw),
        )
        transaction.execute(
            "INSERT INTO relay_nonces VALUES (?, ?) ON CONFLICT DO UPDATE SET next_nonce = max(next_nonce, ?)",
            *(chain_id, slot.nonce + 1, slot.nonce + 1),
        )

    def close(self, chain_id: int, below_nonce: int) -> None:
        """Forgets nonces that a final block has used up."""
        with self.journal.transaction() as transaction:
            for table in ("relay_slots", "relay_attempts"):
                transaction.execute(
                    f"DELETE FROM {table} WHERE chain_id = ? AND nonce < ?",  # noqa: S608 - the names are ours
                    *(chain_id, below_nonce),
                )


def deadline_of(payload: bytes) -> int | None:
    """When the destination begins to refuse what the payload asks for, Unix seconds; a refund never expires."""
    try:
        kind, swap = decode_payload(payload)
    except ValueError:
        return None
    return swap.deadline if kind is MessageKind.MINT else None


def filler(purpose: Purpose) -> Purpose:
    """What takes a purpose's place when its bytes can never be mined."""
    return replace(purpose, kind="fill", message_nonces=(), gas=21_000, data=b"")


def _split(ids: bytes) -> tuple[bytes, ...]:
    return tuple(ids[at : at + 32] for at in range(0, len(ids), 32))
