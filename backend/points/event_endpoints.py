"""Endpoints of events."""

from __future__ import annotations

import hashlib

from fastapi import Request, Response
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from backend.auth.callers import Caller
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, SessionDep, admit, protected_router
from backend.auth.scopes import Scope
from backend.auth.units import RequestFacts, UnitOfWork, facts_of
from backend.context import AppContext
from backend.errors import InvalidRequestError
from backend.members.endpoints import asked_member
from backend.members.schemas import Reference
from backend.money import digits, format_minor, parse_minor
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.points import repository, service
from backend.points.errors import EventNotFoundError
from backend.points.identifiers import event_number
from backend.points.intake_lane import LaneEvent
from backend.points.policies import EVENT_POLICY
from backend.points.repository import EventRow
from backend.points.schemas import DryRunEvent, EventCreate, EventRead
from backend.programmes.endpoints import asked_programme

router = protected_router("/events", "events")
quick = protected_router("", "events")


def visible_event(session: Session, caller: Caller, event_id: str) -> EventRow:
    """An event that the caller may see. Raises EventNotFoundError."""
    number = event_number(event_id)
    row = repository.find_event_row(session, number) if number is not None else None
    seen = row is not None and (
        row[2] == caller.member_id if caller.member_id is not None else caller.sees_programme(row[0].programme_id)
    )
    if row is None or not seen:
        raise EventNotFoundError(f"There is no event {event_id} that you may see.")
    return row


@quick.post(
    "/v1/events",
    status_code=201,
    response_model=None,
    responses={
        200: {"model": EventRead | DryRunEvent, "description": "The event was known already, or a dry run"},
        201: {"model": EventRead, "description": "The event is recorded"},
    },
)
@allow(EVENT_POLICY)
async def create_event(body: EventCreate, request: Request) -> Response:
    """Records something that earns points, once per reference. Answered after it is committed.

    A known reference answers the known event if nothing differs, otherwise 409.
    """
    context: AppContext = request.app.state.context
    facts = facts_of(request, hashlib.sha256(await request.body()).digest())
    if body.mode == "commit":
        caller = await _caller(request, context, facts)
        event = _lane_event(caller, facts, body)
        answer = await context.event_lane.commit(event) if event is not None else None
        if answer is not None:
            location = f"/v1/events/evt_{answer.event_number}"
            return Response(answer.body, 201, {"location": location}, media_type="application/json")
    try:
        return await run_in_threadpool(_ordinary_way, context, facts, body)
    except IntegrityError:
        # Another process's quick way committed the same key meanwhile: now it is there to be replayed.
        return await run_in_threadpool(_ordinary_way, context, facts, body)


async def _caller(request: Request, context: AppContext, facts: RequestFacts) -> Caller:
    """Who asks, remembered for a second; of many that ask at once, one looks it up for all."""
    token = facts.token or ""
    caller = context.callers.get(token)
    if caller is None:
        caller = await context.callers.look_up(token, lambda: admit(request, EVENT_POLICY))
    else:
        context.rate_limiter.take(caller.name)
    EVENT_POLICY.check(caller)
    return caller


def _lane_event(caller: Caller, facts: RequestFacts, body: EventCreate) -> LaneEvent | None:
    """The event for the quick way; None when the ordinary way has to judge the request."""
    key, currency = facts.idempotency_key, body.value.currency
    if key is None or not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        return None
    try:
        programme_id = caller.programme(body.programme_id)
        amount_minor = parse_minor(body.value.amount, currency)
    except InvalidRequestError:
        return None
    exact = "." in body.value.amount and len(body.value.amount) - body.value.amount.index(".") - 1 == digits(currency)
    return LaneEvent(
        owner=caller.idempotency_owner,
        key=key,
        hash=facts.hash.hex(),
        caller=caller.name,
        path=facts.target,
        request_id=facts.request_id,
        programme_id=programme_id,
        member_id=body.member_id,
        member_reference=body.member_reference,
        reference=body.reference,
        kind=body.kind,
        currency=currency,
        amount=body.value.amount if exact and body.value.amount[0] != "0" else format_minor(amount_minor, currency),
        amount_minor=amount_minor,
        occurred_at=body.occurred_at.isoformat(),
        location=body.location,
        channel=body.channel,
    )


def _ordinary_way(context: AppContext, facts: RequestFacts, body: EventCreate) -> Response:
    unit = UnitOfWork(context, EVENT_POLICY, facts)
    try:
        stored = unit.begin()
        if stored is not None:
            unit.abort(stored.status_code)
            return stored
        programme_id = unit.caller.programme(body.programme_id)
        if body.mode == "dry_run":
            earning = service.examine_event(unit.session, programme_id, body)
            answer: Response = JSONResponse(service.read_dry_run(earning).model_dump(mode="json"))
            unit.abort(answer.status_code)
            return answer
        event, is_new = service.record_event(unit.session, programme_id, body)
        answer = Response(event.model_dump_json(), 201 if is_new else 200, media_type="application/json")
        answer.headers["location"] = f"/v1/events/{event.id}"
        unit.commit(answer)
    except BaseException as error:
        unit.abort(getattr(error, "status", 500))
        raise
    return answer


@router.get("")
@allow(Policy(scope=Scope.EVENTS_READ, member=True, auditor=True))
def list_events(
    session: SessionDep,
    caller: CallerDep,
    programme_id: str | None = None,
    member_id: str | None = None,
    reference: Reference | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[EventRead]:
    """Events, newest first."""
    after = decode_cursor(cursor, int)
    rows = repository.list_event_rows(
        session,
        programme_id=asked_programme(session, caller, programme_id),
        member_id=asked_member(session, caller, member_id),
        reference=reference,
        before=int(after[0]) if after else None,
        limit=limit + 1,
    )
    return page_of(rows, limit, lambda row: [row[0].id], service.read_event)


@router.get("/{event_id}")
@allow(Policy(scope=Scope.EVENTS_READ, member=True, auditor=True))
def get_event(event_id: str, session: SessionDep, caller: CallerDep) -> EventRead:
    """One event with what it earned."""
    return service.read_event(visible_event(session, caller, event_id))
