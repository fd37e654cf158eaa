"""Compares the chain's nonces with ours before anything is signed."""

from __future__ import annotations

from typing import cast

from sqlalchemy import select, update

from backend.chain.client import Request, RpcBlock
from backend.chain.errors import NodeError, SubmitterHaltedError
from backend.chain.metrics import SIGNER_BALANCE_WEI, SUBMITTER_HALTED
from backend.chain.models import Cursor, OutboxTransaction, SignerAccount
from backend.chain.sending import ChainView, Sending
from backend.database import transaction


def look(sending: Sending) -> ChainView:
    """One batch of questions. Errors: `NodeError`, `ChainUnavailableError`."""
    address = sending.address
    answers = sending.client.try_batch(
        [
            Request("eth_getBlockByNumber", ("latest", False)),
            Request("eth_getTransactionCount", (address, "latest")),
            Request("eth_getTransactionCount", (address, "pending")),
            Request("eth_getBalance", (address, "latest")),
            Request("eth_maxPriorityFeePerGas"),
        ]
    )
    for answer in answers[:4]:
        if isinstance(answer, NodeError):
            raise answer
        if answer is None:
            raise NodeError("The endpoint has no newest block.")
    latest, pending, balance = (int(cast("str", answer), 16) for answer in answers[1:4])
    tip = answers[4]  # Not every node has this method.
    SIGNER_BALANCE_WEI.labels(address).set(balance)
    suggested = sending.config.fees.minimum_tip if not isinstance(tip, str) else int(tip, 16)
    return ChainView(cast("RpcBlock", answers[0]), latest, max(latest, pending), balance, suggested)


def check_nonces(sending: Sending, view: ChainView) -> None:
    """Stops when the chain or its pool knows nonces that this database does not. Errors: `SubmitterHaltedError`.

    That happens after an old backup was restored: the lost transactions may be mined still, and a nonce signed again
    could replace one of them. The stop ends by itself only when the chain's answer does.
    """
    key = (SignerAccount.chain_id == sending.chain_id, SignerAccount.address == sending.signer.address)
    with transaction(sending.sessions) as session:
        account = session.execute(select(SignerAccount).where(*key)).scalar_one()
    halt: SubmitterHaltedError | None = None
    if view.pending_nonce > account.next_nonce:
        halt = SubmitterHaltedError(sending.address, account.next_nonce, view.pending_nonce)
    else:
        foreign = _foreign_nonce(sending)
        if foreign is not None:
            halt = SubmitterHaltedError(sending.address, foreign, view.latest_nonce)
    reason = halt.detail if halt else None
    if account.halted_reason != reason:
        with transaction(sending.sessions) as session:
            session.execute(update(SignerAccount).where(*key).values(halted_reason=reason))
    SUBMITTER_HALTED.labels(sending.address).set(halt is not None)
    if halt:
        raise halt


def _foreign_nonce(sending: Sending) -> int | None:
    """A nonce of ours that a final, indexed block used up for a transaction that is not ours."""
    with transaction(sending.sessions) as session:
        cursor = session.get(Cursor, sending.chain_id)
        oldest = _oldest_sent_nonce(sending)
        if cursor is None or oldest is None or cursor.finalized_block < 1:
            return None
    final = min(cursor.finalized_block, cursor.next_block - 1)
    try:
        used = sending.client.transaction_count(sending.address, hex(final))
    except NodeError:
        return None  # No state for that block here: nothing is known.
    if used <= oldest:
        return None
    # Read again: the indexer may have moved between the two questions, but a final block never moves back.
    oldest = _oldest_sent_nonce(sending)
    return oldest if oldest is not None and oldest < used else None


def _oldest_sent_nonce(sending: Sending) -> int | None:
    with transaction(sending.sessions) as session:
        return session.scalar(
            select(OutboxTransaction.nonce)
            .where(
                OutboxTransaction.chain_id == sending.chain_id,
                OutboxTransaction.signer == sending.signer.address,
                OutboxTransaction.state == "sent",
            )
            .order_by(OutboxTransaction.nonce)
            .limit(1)
        )
