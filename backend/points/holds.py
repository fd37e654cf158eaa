"""The end of a hold: captured in part or whole, or released."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.chain import outbox
from backend.chain.points_token import encode_capture, encode_release
from backend.errors import InvalidRequestError
from backend.points.clock import chain_now
from backend.points.errors import StateConflictError
from backend.points.redemptions import RedemptionView, find_redemption
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme


def capture(session: Session, redemption_id: str, points: int | None, request_id: str) -> None:
    """Spends `points` of a hold (all when left out) and lets the rest go back."""
    view = find_redemption(session, redemption_id, lock=True)
    redemption, programme = view.redemption, _open_hold(session, view, "captured")
    if points is not None and points > redemption.points:
        raise InvalidRequestError(f"Only {redemption.points} points are reserved.", reserved_points=redemption.points)
    deadline = redemption.hold_deadline
    if deadline is not None and chain_now(session, programme.chain_id) > deadline.timestamp():
        raise StateConflictError("The hold's deadline is past; release it and redeem anew.", state="expired")
    redemption.captured_points = redemption.points if points is None else points
    data = encode_capture(redemption.account, redemption.ref, redemption.captured_points)
    _end_hold(session, view, programme, kind="capture", data=data, request_id=request_id)


def release(session: Session, redemption_id: str, request_id: str) -> None:
    """Ends a hold without spending."""
    view = find_redemption(session, redemption_id, lock=True)
    programme = _open_hold(session, view, "released")
    view.redemption.captured_points = None
    data = encode_release(view.redemption.account, view.redemption.ref)
    _end_hold(session, view, programme, kind="release", data=data, request_id=request_id)


def _open_hold(session: Session, view: RedemptionView, verb: str) -> Programme:
    if view.redemption.reserve_operation_id is None:
        raise StateConflictError("This redemption was not made by way of a hold.", state=view.state)
    if view.state != "reserved":
        hint = "; wait until the chain has reserved the points" if view.state == "reserving" else ""
        raise StateConflictError(f"A redemption that is {view.state} cannot be {verb}{hint}.", state=view.state)
    return get_programme(session, view.redemption.programme_id)


def _end_hold(
    session: Session, view: RedemptionView, programme: Programme, *, kind: str, data: bytes, request_id: str
) -> None:
    operation = outbox.enqueue(
        session,
        kind=kind,
        programme_id=programme.id,
        chain_id=programme.chain_id,
        signer=programme.custodian,
        target=programme.token,
        data=data,
        subject=view.redemption.id,
        request_id=request_id,
    )
    view.redemption.redeem_operation_id = operation.id
    session.flush()
