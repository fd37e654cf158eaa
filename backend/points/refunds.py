"""Refunds: spent points given back into their original lots, in parts if wanted, never more than was spent."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.chain import outbox
from backend.chain.event_types import Lot
from backend.chain.models import Operation, TokenEvent
from backend.chain.points_token import encode_refund
from backend.database import new_id, utc_now
from backend.errors import NotFoundError
from backend.points.errors import ReferenceReusedError, RefundExceedsRedemptionError, StateConflictError
from backend.points.models import Redemption, Refund
from backend.points.redemptions import find_redemption, redeemed_lots, refunded_points
from backend.points.schemas import RefundCreate, RefundRead
from backend.points.states import has_happened
from backend.programmes.repository import get_programme


def create_refund(
    session: Session, redemption_id: str, body: RefundCreate, request_id: str
) -> tuple[Refund, Operation, bool]:
    """Gives points of a redemption back; answers the refund, its operation and whether it is new.

    The redemption is locked, so that concurrent refunds add up. Raises StateConflictError,
    RefundExceedsRedemptionError, ReferenceReusedError.
    """
    view = find_redemption(session, redemption_id, lock=True)
    redemption = view.redemption
    programme = get_programme(session, redemption.programme_id)
    known = _find_by_reference(session, programme.id, body.reference)
    if known is not None:
        if (known.redemption_id, known.points) != (redemption.id, body.points):
            raise ReferenceReusedError(
                f"The reference {body.reference} came with another refund before.", refund_id=known.id
            )
        return known, session.get_one(Operation, known.operation_id), False
    lots = redeemed_lots(session, programme, redemption)
    if lots is None or not has_happened(view.redeem):
        raise StateConflictError(
            f"A redemption that is {view.state} cannot be refunded; wait until it is redeemed.", state=view.state
        )
    left = view.spent_points - refunded_points(session, redemption.id)
    if body.points > left:
        raise RefundExceedsRedemptionError(f"{left} points are left to refund.", refundable_points=left)
    operation = outbox.enqueue(
        session,
        kind="refund",
        programme_id=programme.id,
        chain_id=programme.chain_id,
        signer=programme.issuer,
        target=programme.token,
        data=encode_refund(
            redemption.ref, redemption.account, [Lot(lot.epoch, lot.points) for lot in lots], body.points
        ),
        subject=redemption.id,
        request_id=request_id,
    )
    refund = Refund(
        id=new_id("rfd"),
        programme_id=programme.id,
        redemption_id=redemption.id,
        reference=body.reference,
        points=body.points,
        operation_id=operation.id,
        created_at=utc_now(),
    )
    session.add(refund)
    session.flush()
    return refund, operation, True


def _find_by_reference(session: Session, programme_id: str, reference: str) -> Refund | None:
    return session.scalar(select(Refund).where(Refund.programme_id == programme_id, Refund.reference == reference))


def list_refunds(
    session: Session, redemption_id: str, after: str | None, limit: int
) -> Sequence[tuple[Refund, Operation]]:
    """Refunds of a redemption, oldest first."""
    query = (
        select(Refund, Operation)
        .join(Operation, Operation.id == Refund.operation_id)
        .where(Refund.redemption_id == redemption_id)
        .order_by(Refund.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Refund.id > after)
    return session.execute(query).all()


def find_refund(session: Session, refund_id: str) -> tuple[Refund, Operation, Redemption]:
    """A refund with its operation and redemption. Raises NotFoundError."""
    query = (
        select(Refund, Operation, Redemption)
        .join(Operation, Operation.id == Refund.operation_id)
        .join(Redemption, Redemption.id == Refund.redemption_id)
        .where(Refund.id == refund_id)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no refund {refund_id}.")
    return row


def read_refund(session: Session, refund: Refund, operation: Operation) -> RefundRead:
    """A refund as it is shown."""
    expired: int | None = None
    if operation.transaction_hash is not None and has_happened(operation):
        query = select(TokenEvent.payload).where(
            TokenEvent.transaction_hash == operation.transaction_hash, TokenEvent.name == "PointsRefunded"
        )
        payload = session.scalar(
            query.where(
                TokenEvent.ref == select(Redemption.ref).where(Redemption.id == refund.redemption_id).scalar_subquery()
            )
        )
        expired = int(str(payload["expired_amount"])) if payload is not None else None
    return RefundRead(
        id=refund.id,
        redemption_id=refund.redemption_id,
        reference=refund.reference,
        points=refund.points,
        expired_points=expired,
        state=operation.state,
        operation_id=operation.id,
        created_at=refund.created_at,
    )
