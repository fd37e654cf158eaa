"""What became of signed transactions, from indexed blocks alone: mined, final, failed, or back to sent.

Every hash ever signed under a nonce is looked for, so that a replacement, a self-send and the first attempt are all
judged by which of them was mined. A failed transaction counts as failed only when its block is final.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from eth_utils.address import to_checksum_address
from sqlalchemy import select, text, tuple_, update
from sqlalchemy.orm import Session

from backend.chain.blocks import VerifiedBlock
from backend.chain.client import ChainClient, RpcBlock
from backend.chain.errors import ChainError, ExecutionRevertedError
from backend.chain.metrics import TRANSACTION_GAS
from backend.chain.models import Operation, OutboxTransaction, TransactionAttempt
from backend.chain.reverts import revert_from_text
from backend.database import utc_now

log = structlog.get_logger(__name__)
MOST_NONCES = 3
"""Times that one request may be sent anew: it ran out of gas, or a reorganisation changed what came before it."""


@dataclass(frozen=True, slots=True)
class MinedAttempt:
    """An attempt of ours found in a block."""

    hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int
    error_code: str | None = None
    error_detail: str | None = None


def ours_among(session: Session, headers: Sequence[RpcBlock]) -> set[str]:
    """Which of the blocks' transactions we signed, as 0x hashes."""
    hashes = [bytes.fromhex(value[2:]) for header in headers for value in header["transactions"]]
    if not hashes:
        return set()
    found = session.scalars(select(TransactionAttempt.hash).where(TransactionAttempt.hash.in_(hashes)))
    return {"0x" + value.hex() for value in found}


def find_mined(
    session: Session, client: ChainClient, blocks: Sequence[VerifiedBlock], ours: set[str]
) -> list[MinedAttempt]:
    """Our attempts in `blocks`, with the reason where one failed."""
    mined = []
    for block in blocks:
        for receipt in block.receipts:
            if receipt["transactionHash"] not in ours:
                continue
            hash_ = bytes.fromhex(receipt["transactionHash"][2:])
            succeeded, gas_used = receipt["status"] == "0x1", int(receipt["gasUsed"], 16)
            error = (None, None) if succeeded else _why_failed(session, client, hash_, gas_used, block.number)
            mined.append(MinedAttempt(hash_, block.number, block.hash, succeeded, gas_used, *error))
    return mined


def _why_failed(
    session: Session, client: ChainClient, hash_: bytes, gas_used: int, block_number: int
) -> tuple[str, str]:
    """Code and sentence for a failed transaction: runs it again on the state before its block."""
    row = session.scalar(
        select(OutboxTransaction)
        .join(TransactionAttempt, TransactionAttempt.outbox_id == OutboxTransaction.id)
        .where(TransactionAttempt.hash == hash_)
    )
    if row is None:
        return "Unknown", "The transaction failed."
    if row.gas_limit is not None and gas_used * 64 >= row.gas_limit * 63:
        return "OutOfGas", "The transaction needed more gas than it was given."
    try:
        sender, target = to_checksum_address(row.signer), to_checksum_address(row.target)
        client.eth_call(target, row.data, sender=sender, block=block_number)
    except ExecutionRevertedError as error:
        revert = revert_from_text(error.data)
        return revert.name, revert.detail
    except ChainError:
        pass  # No state for that block here: the reason stays unknown, the failure does not.
    return "Unknown", "The contract refused; the reason can no longer be found."


def settle_mined(session: Session, chain_id: int, mined: Sequence[MinedAttempt]) -> None:
    """Moves operations to mined. Does nothing to those that are final or failed already."""
    wanted = select(TransactionAttempt).where(TransactionAttempt.hash.in_([found.hash for found in mined]))
    attempts = {attempt.hash: attempt for attempt in session.scalars(wanted)}
    keys = [(attempt.signer, attempt.nonce) for attempt in attempts.values()]
    sent = _rows_of(session, chain_id, keys, "sent")
    for found in mined:
        attempt = attempts[found.hash]
        attempt.block_number, attempt.block_hash = found.block_number, found.block_hash
        attempt.succeeded, attempt.gas_used = found.succeeded, found.gas_used
        row, operation = sent.get((attempt.signer, attempt.nonce), (None, None))
        if row is not None:
            row.state = "mined"
        if operation is not None:
            _tell_mined(operation, attempt, found)


def _rows_of(
    session: Session, chain_id: int, keys: Sequence[tuple[bytes, int]], state: str
) -> dict[tuple[bytes, int], tuple[OutboxTransaction, Operation | None]]:
    """Outbox rows in `state`, with their operations, by signer and nonce."""
    rows = session.execute(
        select(OutboxTransaction, Operation)
        .outerjoin(Operation, Operation.id == OutboxTransaction.operation_id)
        .where(
            OutboxTransaction.chain_id == chain_id,
            tuple_(OutboxTransaction.signer, OutboxTransaction.nonce).in_(keys),
            OutboxTransaction.state == state,
        )
    ).all()
    return {(row.signer, row.nonce): (row, operation) for row, operation in rows if row.nonce is not None}


def _tell_mined(operation: Operation, attempt: TransactionAttempt, found: MinedAttempt) -> None:
    operation.state, operation.updated_at = "mined", utc_now()
    operation.transaction_hash, operation.block_number = found.hash, found.block_number
    if attempt.outbox_id is not None:
        operation.error_code, operation.error_detail = found.error_code, found.error_detail
    TRANSACTION_GAS.labels(operation.kind).observe(found.gas_used)
    log.info(
        "transaction_mined",
        request_id=operation.request_id,
        operation=operation.id,
        kind=operation.kind,
        transaction="0x" + found.hash.hex(),
        block=found.block_number,
        succeeded=found.succeeded,
        gas_used=found.gas_used,
    )


def settle_final(session: Session, chain_id: int, final_block: int) -> int:
    """Moves what a final block holds to final or failed; answers how many.

    A failure that another try may mend goes back into the queue instead: too little gas, or an order of transactions
    that a reorganisation has changed. The failed one had no effect, and the preflight judges the new one.
    """
    parameters = {"chain_id": chain_id, "final_block": final_block, "retries": MOST_NONCES}
    session.execute(text(_REQUEUE), parameters)
    return len(session.execute(text(_FINALISE), parameters).all())


def unsettle(session: Session, chain_id: int, from_block: int) -> int:
    """Takes back what blocks from `from_block` on said: their transactions are sent, and offered again.

    What is on its way may have been signed because something in those blocks had happened, ours or not, and may now
    come before it and fail.
    """
    mined = (
        update(TransactionAttempt)
        .where(TransactionAttempt.chain_id == chain_id, TransactionAttempt.block_number >= from_block)
        .values(
            block_number=None, block_hash=None, succeeded=None, gas_used=None, broadcast_at=None, broadcast_block=None
        )
        .returning(TransactionAttempt.signer, TransactionAttempt.nonce)
    )
    keys = [(signer, nonce) for signer, nonce in session.execute(mined).all()]
    rows = _rows_of(session, chain_id, keys, "mined")
    on_the_way = (OutboxTransaction.chain_id == chain_id, OutboxTransaction.state == "sent")
    session.execute(update(OutboxTransaction).where(*on_the_way).values(undone=True))
    for row, operation in rows.values():
        row.state, row.undone = "sent", True
        if operation is not None:
            operation.state, operation.block_number, operation.updated_at = "sent", None, utc_now()
            operation.error_code = operation.error_detail = None
    return len(rows)


_JUDGED = """
SELECT outbox.id, outbox.operation_id, attempt.outbox_id IS NOT NULL AS ours,
    attempt.succeeded AND attempt.outbox_id IS NOT NULL AS done
FROM outbox
JOIN transaction_attempts AS attempt
    ON attempt.chain_id = outbox.chain_id AND attempt.signer = outbox.signer AND attempt.nonce = outbox.nonce
WHERE outbox.chain_id = :chain_id AND outbox.state = 'mined' AND attempt.block_number <= :final_block
"""
_FINALISE = f"""
WITH judged AS ({_JUDGED}),
rows AS (
    UPDATE outbox SET state = CASE WHEN judged.done THEN 'final' ELSE 'failed' END
    FROM judged WHERE outbox.id = judged.id RETURNING outbox.id
)
UPDATE operations
SET state = CASE WHEN judged.done THEN 'final' ELSE 'failed' END,
    error_code = CASE WHEN judged.done THEN NULL ELSE coalesce(error_code, 'Replaced') END,
    error_detail = CASE WHEN judged.done THEN NULL
        ELSE coalesce(error_detail, 'Another transaction took its place.') END,
    updated_at = now()
FROM judged WHERE operations.id = judged.operation_id
RETURNING operations.id
"""  # noqa: S608 - both parts are constants
_REQUEUE = f"""
WITH judged AS ({_JUDGED}),
retried AS (
    SELECT judged.id, judged.operation_id FROM judged JOIN operations ON operations.id = judged.operation_id
    JOIN outbox ON outbox.id = judged.id
    WHERE judged.done IS FALSE AND judged.ours AND (operations.error_code = 'OutOfGas' OR outbox.undone)
        AND (SELECT count(DISTINCT nonce) FROM transaction_attempts WHERE outbox_id = judged.id) < :retries
),
rows AS (
    UPDATE outbox SET state = 'queued', nonce = NULL, gas_limit = NULL, undone = false
    FROM retried WHERE outbox.id = retried.id RETURNING outbox.id
)
UPDATE operations SET state = 'pending', block_number = NULL, transaction_hash = NULL, updated_at = now()
FROM retried WHERE operations.id = retried.operation_id
"""  # noqa: S608 - both parts are constants
