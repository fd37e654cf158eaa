"""Asking for a transaction, in the database transaction of the change that needs it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.chain.models import Operation, OutboxTransaction
from backend.chain.notifications import OPERATIONS, OUTBOX, notify
from backend.chain.preflight import WAITING_FOR_A_PERSON
from backend.database import new_id, utc_now


def enqueue(
    session: Session,
    *,
    kind: str,
    programme_id: str | None,
    chain_id: int,
    signer: bytes,
    target: bytes,
    data: bytes,
    subject: str | None = None,
    request_id: str | None = None,
    gas_limit: int | None = None,
) -> Operation:
    """Writes a pending operation and its outbox row; nothing is sent unless the caller's transaction commits.

    `gas_limit` is for callers that know it exactly; otherwise it is estimated before signing. A `signer`'s transactions
    are sent in the order of their rows.
    """
    now = utc_now()
    operation = Operation(
        id=new_id("op"),
        programme_id=programme_id,
        kind=kind,
        subject=subject,
        state="pending",
        request_id=request_id,
        created_at=now,
        updated_at=now,
    )
    session.add(operation)
    session.flush()  # The outbox row points at it.
    session.add(
        OutboxTransaction(
            operation_id=operation.id, chain_id=chain_id, signer=signer, target=target, data=data, gas_limit=gas_limit
        )
    )
    session.flush()
    notify(session, OUTBOX)
    notify(session, OPERATIONS)
    return operation


def withdraw(session: Session, operation_id: str) -> bool:
    """Ends an operation that waits for a person and whose transaction was never signed; False when it is not one.

    The submitter signs only what is still queued once it holds the row, so nothing withdrawn is ever sent.
    """
    query = select(OutboxTransaction).where(OutboxTransaction.operation_id == operation_id)
    row = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    operation = session.get_one(Operation, operation_id, with_for_update=True, populate_existing=True)
    if row is None or row.state != "queued" or operation.error_code not in WAITING_FOR_A_PERSON:
        return False
    row.state = operation.state = "failed"
    operation.updated_at = utc_now()
    session.flush()
    notify(session, OPERATIONS)
    return True
