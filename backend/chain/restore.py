"""After an old backup was restored: finds what the lost rows had sent, so that nothing is sent a second time.

The chain knows transactions of our signer that the database does not. Those whose bytes are still waiting in the outbox
are adopted as what they are - sent and mined - before the signer goes on with the nonce after them. A partial refund,
for one, could otherwise be paid twice: the chain lets it through any number of times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict, cast

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.chain.client import Request
from backend.chain.errors import ChainError
from backend.chain.models import Block, Cursor, Operation, OutboxTransaction, SignerAccount, TransactionAttempt
from backend.chain.nonces import look
from backend.chain.notifications import OPERATIONS, notify
from backend.chain.sending import Sending
from backend.database import transaction, utc_now

log = structlog.get_logger(__name__)
_BLOCKS_AT_A_TIME = 50


class NotFinalYetError(ChainError):
    """Lost transactions are not in final blocks yet; try again when they are."""

    slug = "not-final-yet"
    title = "The lost transactions are not final yet"


class _FullTransaction(TypedDict):
    hash: str
    nonce: str
    to: str | None
    input: str
    blockNumber: str
    blockHash: str
    maxFeePerGas: str
    maxPriorityFeePerGas: str


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a resumed signer found: nonces sent without this database, how many of them it still had to send."""

    next_nonce: int
    lost: int
    adopted: int


def resume_signer(sending: Sending) -> Resumption:
    """A person has looked: adopts what was sent, and lets the signer go on.

    Errors: `NotFinalYetError`; those of the client.
    """
    view = look(sending)
    with transaction(sending.sessions) as session:
        account = session.get_one(SignerAccount, (sending.chain_id, sending.signer.address))
        cursor = session.get_one(Cursor, sending.chain_id)
        lowest = session.scalar(
            select(func.max(TransactionAttempt.block_number)).where(
                TransactionAttempt.chain_id == sending.chain_id, TransactionAttempt.signer == sending.signer.address
            )
        )
        first = lowest or session.scalar(select(func.min(Block.number)).where(Block.chain_id == sending.chain_id)) or 0
    final = min(cursor.finalized_block, cursor.next_block - 1)
    wanted = range(account.next_nonce, view.pending_nonce)
    lost = [sent for sent in _sent_between(sending, first, final) if int(sent["nonce"], 16) in wanted]
    if len(lost) < len(wanted):
        raise NotFinalYetError(
            f"{len(wanted) - len(lost)} transactions of {sending.address} are not final and indexed."
        )
    with transaction(sending.sessions) as session:
        account = session.get_one(SignerAccount, (sending.chain_id, sending.signer.address), with_for_update=True)
        adopted = sum(_adopt(session, sending, sent) for sent in lost)
        account.next_nonce, account.halted_reason = view.pending_nonce, None
        notify(session, OPERATIONS)
    log.warning("signer_resumed", signer=sending.address, lost=len(lost), adopted=adopted)
    return Resumption(view.pending_nonce, len(lost), adopted)


def _sent_between(sending: Sending, first: int, last: int) -> Iterator[_FullTransaction]:
    """Transactions of the signer in a range of blocks."""
    for start in range(first, last + 1, _BLOCKS_AT_A_TIME):
        numbers: Sequence[int] = range(start, min(start + _BLOCKS_AT_A_TIME, last + 1))
        for block in sending.client.batch([Request("eth_getBlockByNumber", (hex(n), True)) for n in numbers]):
            if not isinstance(block, dict):
                raise ChainError("The endpoint does not have all blocks.")
            for sent in cast("list[dict[str, str]]", block["transactions"]):
                if sent["from"].lower() == sending.address.lower():
                    yield cast("_FullTransaction", sent)


def _adopt(session: Session, sending: Sending, sent: _FullTransaction) -> bool:
    """Ties a mined transaction to the oldest queued row with the same target and bytes, if any."""
    row = session.scalar(
        select(OutboxTransaction)
        .where(
            OutboxTransaction.chain_id == sending.chain_id,
            OutboxTransaction.signer == sending.signer.address,
            OutboxTransaction.state == "queued",
            OutboxTransaction.target == bytes.fromhex((sent["to"] or "0x")[2:]),
            OutboxTransaction.data == bytes.fromhex(sent["input"][2:]),
        )
        .order_by(OutboxTransaction.id)
        .limit(1)
    )
    receipt = sending.client.receipts([sent["hash"]])[0]
    if receipt is None:
        raise ChainError(f"The endpoint has no receipt of {sent['hash']}.")
    succeeded = receipt["status"] == "0x1"
    hash_, block_number = bytes.fromhex(sent["hash"][2:]), int(sent["blockNumber"], 16)
    session.add(
        TransactionAttempt(
            hash=hash_,
            outbox_id=row.id if row else None,
            chain_id=sending.chain_id,
            signer=sending.signer.address,
            nonce=int(sent["nonce"], 16),
            raw=b"",  # Final already: never to be sent again.
            max_fee_per_gas=int(sent["maxFeePerGas"], 16),
            max_priority_fee_per_gas=int(sent["maxPriorityFeePerGas"], 16),
            signed_at=utc_now(),
            broadcast_at=utc_now(),
            block_number=block_number,
            block_hash=bytes.fromhex(sent["blockHash"][2:]),
            succeeded=succeeded,
            gas_used=int(receipt["gasUsed"], 16),
        )
    )
    if row is None:
        return False
    row.nonce, row.state = int(sent["nonce"], 16), "final" if succeeded else "failed"
    operation = session.get(Operation, row.operation_id) if row.operation_id else None
    if operation is not None:
        operation.state, operation.transaction_hash, operation.block_number = row.state, hash_, block_number
        operation.error_code = None if succeeded else "Unknown"
        operation.error_detail = None if succeeded else "The contract refused."
        operation.updated_at = utc_now()
    return True
