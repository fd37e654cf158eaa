"""Queries on events and accruals."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from backend.chain.models import Operation
from backend.members.models import Enrolment
from backend.points.models import Accrual, Batch, EarnEvent, IntakeRejection, ShortfallEntry, Upload
from backend.programmes.models import Programme

EventRow = Row[EarnEvent, Accrual, str, str, str | None, str | None]
"""Event, accrual, member id, currency, batch operation's id and state."""


def insert_event(session: Session, event: dict[str, object]) -> int | None:
    """Adds an event; None when the reference exists."""
    statement = insert(EarnEvent).values(**event).on_conflict_do_nothing().returning(EarnEvent.id)
    return session.scalar(statement)


def event_rows() -> Select[EarnEvent, Accrual, str, str, str | None, str | None]:
    """Events with everything that is shown of them."""
    return (
        select(EarnEvent, Accrual, Enrolment.member_id, Programme.currency, Operation.id, Operation.state)
        .join(Accrual, Accrual.event_id == EarnEvent.id)
        .join(Enrolment, Enrolment.id == EarnEvent.enrolment_id)
        .join(Programme, Programme.id == EarnEvent.programme_id)
        .outerjoin(Batch, Batch.id == Accrual.batch_id)
        .outerjoin(Operation, Operation.id == Batch.operation_id)
    )


def find_event_row(session: Session, number: int) -> EventRow | None:
    """One event by its number."""
    return session.execute(event_rows().where(EarnEvent.id == number)).one_or_none()


def find_event_row_by_reference(session: Session, programme_id: str, reference: str) -> EventRow | None:
    """One event by the brand's reference."""
    query = event_rows().where(EarnEvent.programme_id == programme_id, EarnEvent.reference == reference)
    return session.execute(query).one_or_none()


def list_event_rows(
    session: Session,
    *,
    programme_id: str | None,
    member_id: str | None,
    reference: str | None,
    before: int | None,
    limit: int,
) -> Sequence[EventRow]:
    """Events, newest first."""
    query = event_rows().order_by(EarnEvent.id.desc()).limit(limit)
    if programme_id is not None:
        query = query.where(EarnEvent.programme_id == programme_id)
    if member_id is not None:
        query = query.where(Enrolment.member_id == member_id)
    if reference is not None:
        query = query.where(EarnEvent.reference == reference)
    if before is not None:
        query = query.where(EarnEvent.id < before)
    return session.execute(query).all()


def find_upload(session: Session, upload_id: str) -> Upload | None:
    """An upload."""
    return session.get(Upload, upload_id)


def list_rejections(session: Session, upload_id: str, after: int | None, limit: int) -> Sequence[IntakeRejection]:
    """Rejected rows in the order of their lines."""
    query = select(IntakeRejection).where(IntakeRejection.upload_id == upload_id)
    if after is not None:
        query = query.where(IntakeRejection.line_number > after)
    return session.scalars(query.order_by(IntakeRejection.line_number).limit(limit)).all()


def owed_points(session: Session, enrolment_id: str) -> int:
    """Points that a member owes a programme."""
    query = select(func.coalesce(func.sum(ShortfallEntry.points), 0)).where(ShortfallEntry.enrolment_id == enrolment_id)
    return int(session.execute(query).scalar_one())


def lock_open_upload(session: Session) -> Upload | None:
    """The oldest upload with rows to look at that no other worker has in hand, locked."""
    query = select(Upload).where(Upload.completed_at.is_(None)).order_by(Upload.created_at).limit(1)
    return session.scalar(query.with_for_update(key_share=True, skip_locked=True))
