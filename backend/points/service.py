"""Earning: an event arrives once per reference, and the programme's rule turns it into an accrual."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.database import utc_now
from backend.errors import InvalidRequestError
from backend.members.models import Enrolment
from backend.members.repository import find_enrolment
from backend.money import Money
from backend.points import repository
from backend.points.errors import ReferenceReusedError
from backend.points.identifiers import accrual_id, event_id
from backend.points.models import Accrual
from backend.points.repository import EventRow
from backend.points.rules import POINTS_LIMIT, points_earned_down
from backend.points.schemas import AccrualRead, DryRunEvent, EventCreate, EventRead
from backend.points.states import accrual_state
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme


@dataclass(frozen=True, slots=True)
class Earning:
    """What an event comes to."""

    programme: Programme
    enrolment: Enrolment
    amount_minor: int
    points: int
    matures_at: datetime


def examine_event(session: Session, programme_id: str, body: EventCreate) -> Earning:
    """What an event would earn. Raises MemberNotFoundError, ProgrammeNotFoundError, InvalidRequestError."""
    programme = get_programme(session, programme_id)
    enrolment = find_enrolment(session, programme.id, member_id=body.member_id, reference=body.member_reference)
    amount_minor = body.value.minor(programme.currency)
    points = points_earned_down(amount_minor, programme.earn_points, programme.earn_per_minor)
    if points >= POINTS_LIMIT:
        raise InvalidRequestError("The event would earn more points than an account can hold.")
    matures_at = body.occurred_at + timedelta(seconds=programme.return_period_seconds)
    return Earning(programme, enrolment, amount_minor, points, matures_at)


def record_event(session: Session, programme_id: str, body: EventCreate) -> tuple[EventRead, bool]:
    """Records an event and its accrual; answers it and whether it is new.

    A known reference answers the known event if its content is the same, otherwise raises ReferenceReusedError.
    """
    earning = examine_event(session, programme_id, body)
    number = repository.insert_event(
        session,
        {
            "programme_id": earning.programme.id,
            "enrolment_id": earning.enrolment.id,
            "reference": body.reference,
            "kind": body.kind,
            "amount_minor": earning.amount_minor,
            "occurred_at": body.occurred_at,
            "location": body.location,
            "channel": body.channel,
            "received_at": utc_now(),
        },
    )
    if number is not None:
        session.add(
            Accrual(
                event_id=number,
                programme_id=earning.programme.id,
                enrolment_id=earning.enrolment.id,
                points=earning.points,
                matures_at=earning.matures_at,
            )
        )
        session.flush()
    row = repository.find_event_row_by_reference(session, earning.programme.id, body.reference)
    assert row is not None, "the event was added or known"
    if number is None:
        _check_same(row, earning, body)
    return read_event(row), number is not None


def _check_same(row: EventRow, earning: Earning, body: EventCreate) -> None:
    known = row[0]
    same = (
        known.enrolment_id == earning.enrolment.id
        and known.kind == body.kind
        and known.amount_minor == earning.amount_minor
        and known.occurred_at == body.occurred_at
        and (known.location, known.channel) == (body.location, body.channel)
    )
    if not same:
        raise ReferenceReusedError(
            f"The reference {body.reference} came with another event before.", event_id=event_id(known.id)
        )


def read_event(row: EventRow) -> EventRead:
    """An event as it is shown."""
    event, accrual, member_id, currency, operation_id, operation_state = row
    return EventRead(
        id=event_id(event.id),
        programme_id=event.programme_id,
        member_id=member_id,
        reference=event.reference,
        kind=event.kind,
        value=Money.of_minor(event.amount_minor, currency),
        occurred_at=event.occurred_at,
        location=event.location,
        channel=event.channel,
        received_at=event.received_at,
        accrual=AccrualRead(
            id=accrual_id(accrual.id),
            points=accrual.points,
            state=accrual_state(accrual, operation_state),
            reversed_points=accrual.reversed_points,
            netted_points=accrual.netted_points,
            matures_at=accrual.matures_at,
            batch_id=accrual.batch_id,
            operation_id=operation_id,
        ),
    )


def read_dry_run(earning: Earning) -> DryRunEvent:
    """A dry run as it is shown."""
    return DryRunEvent(
        programme_id=earning.programme.id,
        member_id=earning.enrolment.member_id,
        points=earning.points,
        matures_at=earning.matures_at,
    )
