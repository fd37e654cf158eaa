"""Endpoints of redemptions, holds and refunds."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, RequestIdDep, SessionDep, protected_router
from backend.auth.scopes import Scope
from backend.errors import NotFoundError
from backend.members.endpoints import asked_member
from backend.members.schemas import Reference
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.points import holds, redemptions, refunds
from backend.points.redemptions import RedemptionView
from backend.points.schemas import (
    CaptureCreate,
    DryRunRedemption,
    OrderCreate,
    OrderRead,
    RedemptionCreate,
    RedemptionRead,
    RefundCreate,
    RefundRead,
)
from backend.points.waiting import answer_when_settled
from backend.programmes.endpoints import asked_programme

router = protected_router("/redemptions", "redemptions")
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"description": "On its way; `Location` is the operation"}}


def visible_redemption(session: Session, caller: Caller, redemption_id: str) -> RedemptionView:
    """A redemption that the caller may see. Raises NotFoundError."""
    view = redemptions.find_redemption(session, redemption_id)
    seen = (
        view.member_id == caller.member_id
        if caller.member_id is not None
        else caller.sees_programme(view.redemption.programme_id)
    )
    if not seen:
        raise NotFoundError(f"There is no redemption {redemption_id} that you may see.")
    return view


def _answer(request: Request, response: Response, session: Session, redemption_id: str) -> RedemptionRead:
    def render(fresh: Session) -> RedemptionRead:
        return redemptions.read_redemption(fresh, redemptions.find_redemption(fresh, redemption_id))

    answer = render(session)
    answer_when_settled(request, answer.operation_id, render, response)
    return answer


@router.post("/orders")
@allow(Policy(scope=Scope.POINTS_SPEND, keyless=True))
def create_order(body: OrderCreate, session: SessionDep, caller: CallerDep) -> OrderRead:
    """What the member's wallet has to sign (EIP-712) to spend or reserve points. Writes nothing."""
    return redemptions.prepare_order(session, caller.programme(body.programme_id), body)


@router.post(
    "",
    status_code=202,
    response_model=RedemptionRead | DryRunRedemption,
    responses=_ACCEPTED
    | {200: {"model": RedemptionRead | DryRunRedemption, "description": "Known, settled, or a dry run"}},
)
@allow(Policy(scope=Scope.POINTS_SPEND))
def create_redemption(
    body: RedemptionCreate,
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    request_id: RequestIdDep,
) -> RedemptionRead | DryRunRedemption:
    """Spends points, or reserves them with `hold`. The same reference again answers the redemption that is there."""
    programme_id = caller.programme(body.programme_id)
    if body.mode == "dry_run":
        request.state.nothing_written = True
        response.status_code = 200
        return redemptions.examine(session, programme_id, body)
    redemption, is_new = redemptions.create_redemption(session, programme_id, body, request_id)
    answer = _answer(request, response, session, redemption.id)
    if not is_new:
        response.status_code = 200
    return answer


@router.get("")
@allow(Policy(scope=Scope.POINTS_READ, member=True, auditor=True))
def list_redemptions(
    session: SessionDep,
    caller: CallerDep,
    programme_id: str | None = None,
    member_id: str | None = None,
    reference: Reference | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[RedemptionRead]:
    """Redemptions, newest first."""
    after = decode_cursor(cursor, str)
    views = redemptions.list_redemptions(
        session,
        limit=limit + 1,
        programme_id=asked_programme(session, caller, programme_id),
        member_id=asked_member(session, caller, member_id),
        reference=reference,
        before=str(after[0]) if after else None,
    )
    return page_of(
        views, limit, lambda view: [view.redemption.id], lambda view: redemptions.read_redemption(session, view)
    )


@router.get("/{redemption_id}")
@allow(Policy(scope=Scope.POINTS_READ, member=True, auditor=True))
def get_redemption(redemption_id: str, session: SessionDep, caller: CallerDep) -> RedemptionRead:
    """One redemption with its state."""
    return redemptions.read_redemption(session, visible_redemption(session, caller, redemption_id))


@router.post("/{redemption_id}/capture", status_code=202, responses=_ACCEPTED)
@allow(Policy(scope=Scope.POINTS_SPEND))
def capture_redemption(
    redemption_id: str,
    body: CaptureCreate,
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    request_id: RequestIdDep,
) -> RedemptionRead:
    """Spends reserved points, all or some; the rest goes back to the member."""
    visible_redemption(session, caller, redemption_id)
    holds.capture(session, redemption_id, body.points, request_id)
    return _answer(request, response, session, redemption_id)


@router.post("/{redemption_id}/release", status_code=202, responses=_ACCEPTED)
@allow(Policy(scope=Scope.POINTS_SPEND))
def release_redemption(
    redemption_id: str,
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    request_id: RequestIdDep,
) -> RedemptionRead:
    """Ends a hold without spending."""
    visible_redemption(session, caller, redemption_id)
    holds.release(session, redemption_id, request_id)
    return _answer(request, response, session, redemption_id)


@router.post("/{redemption_id}/refunds", status_code=202, responses=_ACCEPTED)
@allow(Policy(scope=Scope.POINTS_REVERSE))
def create_refund(
    redemption_id: str,
    body: RefundCreate,
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    request_id: RequestIdDep,
) -> RefundRead:
    """Gives spent points back into their original lots. The same reference again answers the refund that is there."""
    visible_redemption(session, caller, redemption_id)
    refund, operation, is_new = refunds.create_refund(session, redemption_id, body, request_id)

    def render(fresh: Session) -> RefundRead:
        found, done, _ = refunds.find_refund(fresh, refund.id)
        return refunds.read_refund(fresh, found, done)

    answer_when_settled(request, operation.id, render, response)
    if not is_new:
        response.status_code = 200
    return refunds.read_refund(session, refund, operation)


@router.get("/{redemption_id}/refunds")
@allow(Policy(scope=Scope.POINTS_READ, member=True, auditor=True))
def list_refunds(
    redemption_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: CursorText = None
) -> Page[RefundRead]:
    """Refunds of a redemption, oldest first."""
    visible_redemption(session, caller, redemption_id)
    after = decode_cursor(cursor, str)
    rows = refunds.list_refunds(session, redemption_id, str(after[0]) if after else None, limit + 1)
    return page_of(rows, limit, lambda row: [row[0].id], lambda row: refunds.read_refund(session, *row))
