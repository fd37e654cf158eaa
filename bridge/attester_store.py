"""What an attester has bound itself to: for each nonce of a route one message, for each block one root; its signatures.

A row is on the disk before the signature over it exists. Nothing here is ever overwritten: what a person lets go
(`resume --accept-chain`) moves to the superseded ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.chain.attested_gateway import Route
from bridge.errors import EquivocationError
from bridge.journal import Journal, Row, Transaction
from bridge.messages import Signing, judge_signing
from bridge.source_blocks import SourceBatch

TABLES = (
    """CREATE TABLE IF NOT EXISTS messages (
        source_chain INTEGER NOT NULL, destination_chain INTEGER NOT NULL, nonce INTEGER NOT NULL,
        message_id BLOB NOT NULL, block_number INTEGER NOT NULL,
        PRIMARY KEY (source_chain, destination_chain, nonce)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS batches (
        source_chain INTEGER NOT NULL, destination_chain INTEGER NOT NULL, block_number INTEGER NOT NULL,
        block_hash BLOB NOT NULL, root BLOB NOT NULL, message_ids BLOB NOT NULL, signature BLOB,
        PRIMARY KEY (source_chain, destination_chain, block_number)
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS unsigned ON batches (source_chain, block_number) WHERE signature IS NULL",
    """CREATE TABLE IF NOT EXISTS superseded (
        halt_id INTEGER NOT NULL, source_chain INTEGER NOT NULL, destination_chain INTEGER NOT NULL,
        block_number INTEGER NOT NULL, block_hash BLOB NOT NULL, root BLOB NOT NULL, message_ids BLOB NOT NULL,
        signature BLOB, PRIMARY KEY (halt_id, source_chain, destination_chain, block_number)
    ) STRICT""",
)
_ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Attestation:
    """A batch that is journaled; `signature` is None until it is made."""

    source_chain: int
    destination_chain: int
    block_number: int
    block_hash: bytes
    root: bytes
    message_ids: tuple[bytes, ...]
    signature: bytes | None


def record(transaction: Transaction, batch: SourceBatch) -> None:
    """Binds the attester to a batch and its messages. Errors: `EquivocationError`; then nothing may be committed."""
    route = batch.route
    _record_block(transaction, batch)
    way = (route.source_chain, route.destination_chain)
    recorded = {
        row["nonce"]: row["message_id"]
        for row in transaction.execute(
            "SELECT nonce, message_id FROM messages"
            " WHERE source_chain = ? AND destination_chain = ? AND nonce BETWEEN ? AND ?",
            *(*way, batch.messages[0].nonce, batch.messages[-1].nonce),
        )
    }
    rows = []
    for message, id_ in zip(batch.messages, batch.message_ids, strict=True):
        verdict = judge_signing(recorded.get(message.nonce), id_)
        if verdict is Signing.HALT:
            what = f"Message {message.nonce} of {route.source_chain} to {route.destination_chain}"
            raise EquivocationError(what, "0x" + recorded[message.nonce].hex(), "0x" + id_.hex())
        if verdict is Signing.RECORD:
            rows.append((*way, message.nonce, id_, batch.block_number))
    transaction.execute_many("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", rows)


def _record_block(transaction: Transaction, batch: SourceBatch) -> None:
    key = (batch.route.source_chain, batch.route.destination_chain, batch.block_number)
    content = batch.root + batch.block_hash
    found = transaction.execute(
        "SELECT root, block_hash FROM batches WHERE source_chain = ? AND destination_chain = ? AND block_number = ?",
        *key,
    )
    recorded = found[0]["root"] + found[0]["block_hash"] if found else None
    verdict = judge_signing(recorded, content)
    if verdict is Signing.HALT:
        assert recorded is not None
        what = f"Root and hash of block {batch.block_number} of {key[0]} to {key[1]}"
        raise EquivocationError(what, "0x" + recorded.hex(), "0x" + content.hex())
    if verdict is Signing.RECORD:
        transaction.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, NULL)",
            *(*key, batch.block_hash, batch.root, b"".join(batch.message_ids)),
        )


def unsigned(journal: Journal, source_chain: int, most: int) -> list[Attestation]:
    """Journaled batches without a signature, the oldest first."""
    rows = journal.query(
        "SELECT * FROM batches WHERE source_chain = ? AND signature IS NULL ORDER BY block_number LIMIT ?",
        *(source_chain, most),
    )
    return [_attestation(row) for row in rows]


def store_signatures(transaction: Transaction, signed: Sequence[tuple[Attestation, bytes]]) -> None:
    """Adds signatures to journaled batches."""
    transaction.execute_many(
        "UPDATE batches SET signature = ?"
        " WHERE source_chain = ? AND destination_chain = ? AND block_number = ? AND root = ?",
        [(mark, a.source_chain, a.destination_chain, a.block_number, a.root) for a, mark in signed],
    )


def signed(journal: Journal, route: Route, from_block: int, most: int) -> list[Attestation]:
    """Signed batches of a route from a block on, in order."""
    rows = journal.query(
        "SELECT * FROM batches WHERE source_chain = ? AND destination_chain = ? AND block_number >= ?"
        " AND signature IS NOT NULL ORDER BY block_number LIMIT ?",
        *(route.source_chain, route.destination_chain, from_block, most),
    )
    return [_attestation(row) for row in rows]


def supersede(transaction: Transaction, halt_id: int, source_chain: int, after: int) -> None:
    """Lets go of everything above block `after` of a chain, which a person has found replaced."""
    transaction.execute(
        "INSERT INTO superseded SELECT ?, * FROM batches WHERE source_chain = ? AND block_number > ?",
        *(halt_id, source_chain, after),
    )
    for table in ("batches", "messages"):
        transaction.execute(
            f"DELETE FROM {table} WHERE source_chain = ? AND block_number > ?",  # noqa: S608 - the names are ours
            *(source_chain, after),
        )


def _attestation(row: Row) -> Attestation:
    ids: bytes = row["message_ids"]
    return Attestation(
        source_chain=row["source_chain"],
        destination_chain=row["destination_chain"],
        block_number=row["block_number"],
        block_hash=row["block_hash"],
        root=row["root"],
        message_ids=tuple(ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES)),
        signature=row["signature"],
    )
