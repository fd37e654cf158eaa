"""Operations: read, listed; who may see them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.chain.models import Operation
from backend.errors import NotFoundError
from backend.exchange.models import Swap
from backend.hexes import hex_text
from backend.members.models import Enrolment
from backend.points.models import Redemption
from backend.points.schemas import OperationRead


def find_operation(session: Session, caller: Caller, operation_id: str) -> Operation:
    """An operation that the caller may see. Raises NotFoundError."""
    rows = list_operations(session, caller, limit=1, operation_id=operation_id)
    if not rows:
        raise NotFoundError(f"There is no operation {operation_id} that you may see.")
    return rows[0]


def list_operations(
    session: Session,
    caller: Caller,
    *,
    limit: int,
    operation_id: str | None = None,
    programme_id: str | None = None,
    subject: str | None = None,
    state: str | None = None,
    before: str | None = None,
) -> Sequence[Operation]:
    """Operations that the caller may see, newest first."""
    query = select(Operation).order_by(Operation.id.desc()).limit(limit)
    if caller.member_id is not None:
        query = query.where(_concerns(caller.member_id))
    elif caller.programme_id is not None:
        query = query.where(Operation.programme_id == caller.programme_id)
    for column, value in (
        (Operation.id, operation_id),
        (Operation.programme_id, programme_id),
        (Operation.subject, subject),
        (Operation.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(Operation.id < before)
    return session.scalars(query).all()


def _concerns(member_id: str) -> ColumnElement[bool]:
    redemption = (
        select(Redemption.id)
        .join(Enrolment, Enrolment.id == Redemption.enrolment_id)
        .where(Redemption.id == Operation.subject, Enrolment.member_id == member_id)
    )
    swap = (
        select(Swap.id)
        .join(Enrolment, Enrolment.id == Swap.enrolment_id)
        .where(Swap.id == Operation.subject, Enrolment.member_id == member_id)
    )
    enrolment = select(Enrolment.id).where(Enrolment.id == Operation.subject, Enrolment.member_id == member_id)
    return or_(exists(redemption), exists(swap), exists(enrolment))


def read_operation(operation: Operation) -> OperationRead:
    """An operation as it is shown."""
    return OperationRead(
        id=operation.id,
        programme_id=operation.programme_id,
        kind=operation.kind,
        subject=operation.subject,
        state=operation.state,
        error_code=operation.error_code,
        error_detail=operation.error_detail,
        transaction_hash=hex_text(operation.transaction_hash) if operation.transaction_hash else None,
        block_number=operation.block_number,
        created_at=operation.created_at,
        updated_at=operation.updated_at,
    )
