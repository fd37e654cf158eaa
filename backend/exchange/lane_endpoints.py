"""Endpoints of lanes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, Writing, WritingDep, protected_router
from backend.auth.scopes import Scope
from backend.chain.models import Operation
from backend.exchange import lane_service
from backend.exchange.arrivals import list_arrivals, read_arrivals
from backend.exchange.deployment import exchanges_of
from backend.exchange.errors import LaneNotFoundError
from backend.exchange.identifiers import lane_text
from backend.exchange.lane_schemas import (
    ArrivalRead,
    DryRunLane,
    LaneAccept,
    LaneAct,
    LaneChange,
    LaneCreate,
    LaneEventRead,
    LaneRead,
)
from backend.exchange.lane_views import read_history, read_lane
from backend.exchange.preflight import Route
from backend.exchange.routes import find_route, list_routes, visible_route
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.points.waiting import answer_when_settled
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme

router = protected_router("/lanes", "lanes")
_READ = Policy(scope=Scope.LANES_READ, member=True, auditor=True)
_WRITE = Policy(scope=Scope.LANES_WRITE)
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"description": "On its way; `Location` is the operation"}}


def _acting(writing: Writing, programme_id: str | None) -> Programme:
    return get_programme(writing.session, writing.caller.programme(programme_id))


def _route(writing: Writing, lane_id: str) -> Route:
    return visible_route(writing.session, exchanges_of(writing.context.settings), writing.caller, lane_id)


def _changed(writing: Writing, operation: Operation, lane: str, terms_hash: str | None) -> LaneChange:
    exchanges = exchanges_of(writing.context.settings)

    def render(fresh: Session) -> LaneChange:
        try:
            read = read_lane(fresh, find_route(fresh, exchanges, lane))
        except LaneNotFoundError:
            read = None
        return LaneChange(operation_id=operation.id, terms_hash=terms_hash, lane=read)

    answer_when_settled(writing.request, operation.id, render, writing.response)
    return render(writing.session)


@router.post(
    "",
    status_code=202,
    response_model=LaneChange | DryRunLane,
    responses=_ACCEPTED | {200: {"model": LaneChange | DryRunLane, "description": "Settled, or a dry run"}},
)
@allow(_WRITE)
def propose_lane(body: LaneCreate, writing: WritingDep) -> BaseModel:
    """Offers terms to the other programme. `mode: dry_run` checks them and shows what swaps would come to."""
    proposer = _acting(writing, body.programme_id)
    route = lane_service.route_for(writing.session, exchanges_of(writing.context.settings), body, proposer)
    examined = lane_service.examine_proposal(writing.session, route, body)
    if body.mode == "dry_run":
        writing.request.state.nothing_written = True
        writing.response.status_code = 200
        return examined
    operation = lane_service.propose(writing.session, route, body, proposer, writing.request_id)
    return _changed(writing, operation, lane_text(route.lane.lane), examined.terms_hash)


@router.get("")
@allow(_READ)
def list_lanes(
    session: SessionDep, caller: CallerDep, context: ContextDep, limit: Limit = 50, cursor: CursorText = None
) -> Page[LaneRead]:
    """Lanes by source and destination: a programme's own, a member's open ones, or all for operator and auditors."""
    after = decode_cursor(cursor, str, str)

    def key(route: Route) -> list[str | int]:
        return [route.source.slug, route.destination.slug]

    routes = list_routes(session, exchanges_of(context.settings), caller)
    rows = [route for route in routes if after is None or key(route) > after][: limit + 1]
    return page_of(rows, limit, key, lambda route: read_lane(session, route))


@router.get("/{lane_id}")
@allow(_READ)
def get_lane(lane_id: str, session: SessionDep, caller: CallerDep, context: ContextDep) -> LaneRead:
    """One lane: terms in force and to come, proposals, and what its daily cap still allows."""
    return read_lane(session, visible_route(session, exchanges_of(context.settings), caller, lane_id))


@router.get("/{lane_id}/history")
@allow(_READ)
def get_lane_history(
    lane_id: str,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[LaneEventRead]:
    """Every proposal, agreement and stop, oldest first, with its block."""
    route = visible_route(session, exchanges_of(context.settings), caller, lane_id)
    after = decode_cursor(cursor, int, int)

    def key(event: LaneEventRead) -> list[str | int]:
        return [event.block_number, event.log_index]

    events = [event for event in read_history(session, route) if after is None or key(event) > after]
    return page_of(events[: limit + 1], limit, key, lambda event: event)


@router.get("/{lane_id}/arrivals")
@allow(Policy(scope=Scope.SWAPS_READ, auditor=True))
def get_lane_arrivals(
    lane_id: str,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[ArrivalRead]:
    """Swaps that ended here, having begun on another chain: what was minted or refused, newest first."""
    route = visible_route(session, exchanges_of(context.settings), caller, lane_id)
    after = decode_cursor(cursor, int, int)
    before = (int(after[0]), int(after[1])) if after else None
    rows = list_arrivals(session, route, before=before, limit=limit + 1)
    read = read_arrivals(session, caller, route, rows)
    return page_of(
        rows, limit, lambda row: [row.event.block_number, row.event.log_index], lambda row: read[row.event.id]
    )


@router.post("/{lane_id}/accept", status_code=202, responses=_ACCEPTED)
@allow(_WRITE)
def accept_lane(lane_id: str, body: LaneAccept, writing: WritingDep) -> LaneChange:
    """Accepts the other programme's proposal: exactly the terms with this hash."""
    route = _route(writing, lane_id)
    acceptor = _acting(writing, body.programme_id)
    operation = lane_service.accept(writing.session, route, acceptor, body.terms_hash, writing.request_id)
    return _changed(writing, operation, lane_id, body.terms_hash)


@router.post("/{lane_id}/withdraw", status_code=202, responses=_ACCEPTED)
@allow(_WRITE)
def withdraw_lane(lane_id: str, body: LaneAct, writing: WritingDep) -> LaneChange:
    """Takes the programme's own proposal back."""
    route = _route(writing, lane_id)
    operation = lane_service.withdraw(writing.session, route, _acting(writing, body.programme_id), writing.request_id)
    return _changed(writing, operation, lane_id, None)


@router.post("/{lane_id}/stop", status_code=202, responses=_ACCEPTED)
@allow(_WRITE)
def stop_lane(lane_id: str, body: LaneAct, writing: WritingDep) -> LaneChange:
    """Stops the lane at once, for new swaps; those that the chain has burnt end as they must."""
    route = _route(writing, lane_id)
    operation = lane_service.stop(writing.session, route, _acting(writing, body.programme_id), writing.request_id)
    return _changed(writing, operation, lane_id, None)
