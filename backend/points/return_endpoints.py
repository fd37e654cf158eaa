"""Endpoints of what follows an event: its receipt and its returns."""

from __future__ import annotations

from fastapi import Response

from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, RequestIdDep, SessionDep, protected_router
from backend.auth.scopes import Scope
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.points import returns
from backend.points.event_endpoints import visible_event
from backend.points.receipt_service import read_receipt
from backend.points.schemas import ReceiptRead, ReturnCreate, ReturnRead

router = protected_router("/events", "events")


@router.get("/{event_id}/receipt")
@allow(Policy(scope=Scope.POINTS_READ, member=True, auditor=True))
def get_receipt(event_id: str, session: SessionDep, caller: CallerDep) -> ReceiptRead:
    """Proof that the event was credited on the chain."""
    return read_receipt(session, visible_event(session, caller, event_id)[0].id)


@router.post(
    "/{event_id}/returns",
    status_code=201,
    responses={202: {"model": ReturnRead, "description": "The chain still has to take points back"}},
)
@allow(Policy(scope=Scope.POINTS_REVERSE))
def create_return(
    event_id: str,
    body: ReturnCreate,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    request_id: RequestIdDep,
) -> ReturnRead:
    """Takes back the points of what was brought back: first those not on the chain yet, then by clawback.

    201 when settled, 202 while the chain has to answer, 200 when the reference was known with the same content.
    """
    row = visible_event(session, caller, event_id)
    returned, is_new = returns.create_return(session, row[0].id, body, request_id)
    answer = returns.read_return(session, returned)
    response.headers["Location"] = (
        f"/v1/operations/{returned.operation_id}" if returned.operation_id else f"/v1/events/{event_id}/returns"
    )
    response.status_code = 200 if not is_new else 201 if answer.state == "settled" else 202
    return answer


@router.get("/{event_id}/returns")
@allow(Policy(scope=Scope.EVENTS_READ, member=True, auditor=True))
def list_returns(
    event_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: CursorText = None
) -> Page[ReturnRead]:
    """Returns of an event, oldest first."""
    row = visible_event(session, caller, event_id)
    after = decode_cursor(cursor, str)
    rows = returns.list_returns(session, row[0].id, str(after[0]) if after else None, limit + 1)
    return page_of(rows, limit, lambda row: [row.id], lambda row: returns.read_return(session, row))
