"""Returns: goods brought back, so the points they earned are taken back - first what is not on the chain yet."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.chain import outbox
from backend.chain.models import Block, Operation
from backend.chain.points_token import encode_clawback
from backend.database import new_id, utc_now
from backend.errors import InvalidRequestError
from backend.members.models import Enrolment
from backend.money import Money
from backend.points.accounts import current_epoch
from backend.points.clock import chain_now
from backend.points.errors import ReferenceReusedError, ReturnExceedsEventError
from backend.points.identifiers import event_id
from backend.points.models import Accrual, Batch, EarnEvent, ReturnedEvent, ShortfallEntry
from backend.points.rules import points_kept_down
from backend.points.schemas import ReturnCreate, ReturnRead, ReturnState
from backend.points.states import has_happened
from backend.programmes.models import Programme


@dataclass(frozen=True, slots=True)
class _Before:
    """What earlier returns of the event came to."""

    amount_minor: int
    points: int
    off_chain_points: int
    """Of them, asked of the chain or forgiven."""


def create_return(session: Session, number: int, body: ReturnCreate, request_id: str) -> tuple[ReturnedEvent, bool]:
    """Records a return; answers it and whether it is new. The accrual is locked, so that concurrent returns add up.

    Raises ReturnExceedsEventError, ReferenceReusedError, InvalidRequestError.
    """
    accrual = session.scalars(select(Accrual).where(Accrual.event_id == number).with_for_update(key_share=True)).one()
    event, programme = session.get_one(EarnEvent, number), session.get_one(Programme, accrual.programme_id)
    amount_minor = body.value.minor(programme.currency)
    known = session.scalar(
        select(ReturnedEvent).where(
            ReturnedEvent.programme_id == programme.id, ReturnedEvent.reference == body.reference
        )
    )
    if known is not None:
        if (known.event_id, known.amount_minor) != (number, amount_minor):
            raise ReferenceReusedError(
                f"The reference {body.reference} came with another return before.", return_id=known.id
            )
        return known, False
    returned = _judge(session, programme, event, accrual, amount_minor=amount_minor, reference=body.reference)
    session.add(returned)
    session.flush()
    if returned.clawback_points:
        claw_back_if_mined(session, returned, request_id)
    else:
        settle(session, returned, accrual.enrolment_id, taken_points=0)
    return returned, True


def _judge(
    session: Session, programme: Programme, event: EarnEvent, accrual: Accrual, *, amount_minor: int, reference: str
) -> ReturnedEvent:
    """Splits the points between what is reversed here and what the chain must give back."""
    if amount_minor == 0:
        raise InvalidRequestError("A return of nothing takes nothing back.")
    before = _before(session, event.id)
    left = event.amount_minor - before.amount_minor
    if amount_minor > left:
        returnable = Money.of_minor(left, programme.currency).amount
        raise ReturnExceedsEventError(
            f"{returnable} {programme.currency} can still be returned.", returnable_amount=returnable
        )
    kept = points_kept_down(accrual.points, event.amount_minor, before.amount_minor + amount_minor)
    points = accrual.points - kept - before.points
    open_points = accrual.points - accrual.reversed_points - accrual.netted_points
    reversed_points = clawback_points = 0
    if accrual.batch_id is None:
        reversed_points = min(points, open_points)
        accrual.reversed_points += reversed_points
    else:
        clawback_points = min(points, open_points - before.off_chain_points)
    return ReturnedEvent(
        id=new_id("ret"),
        programme_id=programme.id,
        event_id=event.id,
        reference=reference,
        ref=secrets.token_bytes(32),
        amount_minor=amount_minor,
        points=points,
        reversed_points=reversed_points,
        clawback_points=clawback_points,
        forgiven_points=0,
        taken_points=None,
        operation_id=None,
        created_at=utc_now(),
    )


def _before(session: Session, number: int) -> _Before:
    query = select(
        func.coalesce(func.sum(ReturnedEvent.amount_minor), 0),
        func.coalesce(func.sum(ReturnedEvent.points), 0),
        func.coalesce(func.sum(ReturnedEvent.clawback_points + ReturnedEvent.forgiven_points), 0),
    ).where(ReturnedEvent.event_id == number)
    return _Before(*(int(value) for value in session.execute(query).one()))


def claw_back_if_mined(session: Session, returned: ReturnedEvent, request_id: str | None) -> bool:
    """Asks for the clawback once it is known in which epoch the points were credited; whether anything was done.

    Past the programme's public window the points are the member's: they are forgiven, and nothing is owed.
    """
    query = (
        select(Accrual, Programme, Enrolment, Operation, Block.timestamp)
        .join(Programme, Programme.id == Accrual.programme_id)
        .join(Enrolment, Enrolment.id == Accrual.enrolment_id)
        .join(Batch, Batch.id == Accrual.batch_id)
        .join(Operation, Operation.id == Batch.operation_id)
        .join(Block, (Block.chain_id == Programme.chain_id) & (Block.number == Operation.block_number))
        .where(Accrual.event_id == returned.event_id)
    )
    row = session.execute(query).one_or_none()
    if row is None or not has_happened(row[3]):
        return False
    accrual, programme, enrolment, _, credited_at = row
    epoch = current_epoch(programme, credited_at)
    now_epoch = current_epoch(programme, chain_now(session, programme.chain_id))
    if now_epoch > epoch + programme.clawback_epochs:
        forgive(session, returned, accrual.enrolment_id)
        return True
    operation = outbox.enqueue(
        session,
        kind="clawback",
        programme_id=programme.id,
        chain_id=programme.chain_id,
        signer=programme.issuer,
        target=programme.token,
        data=encode_clawback(enrolment.account, epoch, returned.clawback_points, returned.ref),
        subject=returned.id,
        request_id=request_id,
    )
    returned.operation_id = operation.id
    session.flush()
    return True


def forgive(session: Session, returned: ReturnedEvent, enrolment_id: str) -> None:
    """The clawback window has closed: what the chain was to give back stays with the member."""
    returned.forgiven_points, returned.clawback_points = returned.clawback_points, 0
    settle(session, returned, enrolment_id, taken_points=0)


def settle(session: Session, returned: ReturnedEvent, enrolment_id: str, *, taken_points: int) -> None:
    """Writes down what was taken; what is missing is owed and netted from later accruals."""
    returned.taken_points = taken_points
    shortfall = shortfall_of(returned)
    if shortfall:
        session.add(
            ShortfallEntry(
                enrolment_id=enrolment_id,
                points=shortfall,
                return_id=returned.id,
                accrual_id=None,
                details={"event": event_id(returned.event_id)},
                created_at=utc_now(),
            )
        )
    session.flush()


def shortfall_of(returned: ReturnedEvent) -> int:
    """Points of a settled return that the member owes."""
    taken = returned.taken_points or 0
    return returned.points - returned.reversed_points - returned.forgiven_points - taken


def list_returns(session: Session, number: int, after: str | None, limit: int) -> Sequence[ReturnedEvent]:
    """Returns of an event, oldest first."""
    query = select(ReturnedEvent).where(ReturnedEvent.event_id == number).order_by(ReturnedEvent.id).limit(limit)
    return session.scalars(query if after is None else query.where(ReturnedEvent.id > after)).all()


def _state(returned: ReturnedEvent) -> tuple[ReturnState, str]:
    if returned.taken_points is None:
        if returned.operation_id is None:
            return "waiting", "The points are on their way to the chain; they are taken back once they are there."
        return "clawing_back", "The chain is taking the points back; what is missing is known when that is final."
    parts = []
    if returned.reversed_points:
        parts.append(f"{returned.reversed_points} points were taken back before they reached the chain")
    if returned.taken_points:
        parts.append(f"{returned.taken_points} were taken back on the chain")
    if returned.forgiven_points:
        parts.append(f"{returned.forgiven_points} stay with the member, because the clawback window has closed")
    if shortfall_of(returned):
        parts.append(f"{shortfall_of(returned)} had been spent and are netted from later earnings")
    return "settled", "; ".join(parts) + "." if parts else "The returned part had earned no points."


def read_return(session: Session, returned: ReturnedEvent) -> ReturnRead:
    """A return as it is shown."""
    currency = session.get_one(Programme, returned.programme_id).currency
    state, outcome = _state(returned)
    return ReturnRead(
        id=returned.id,
        event_id=event_id(returned.event_id),
        reference=returned.reference,
        value=Money.of_minor(returned.amount_minor, currency),
        points=returned.points,
        reversed_points=returned.reversed_points,
        clawback_points=returned.clawback_points,
        taken_points=returned.taken_points,
        forgiven_points=returned.forgiven_points,
        shortfall_points=shortfall_of(returned) if returned.taken_points is not None else None,
        state=state,
        outcome=outcome,
        operation_id=returned.operation_id,
        created_at=returned.created_at,
    )
