"""Endpoints of the clearing that read: house, positions, cycles, statements, alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, protected_router
from backend.auth.scopes import Scope
from backend.chain.programme_registry import programme_id as on_chain_id
from backend.clearing import alerts
from backend.clearing.disputes import read_disputes
from backend.clearing.order_endpoints import router as orders
from backend.clearing.reading import read_clearing
from backend.clearing.repository import list_entries
from backend.clearing.schemas import (
    AlertRead,
    ClearingRead,
    CycleNumber,
    CycleRead,
    DisputeRead,
    EntryRead,
    PositionRead,
    StatementRead,
)
from backend.clearing.statements import entries_csv, read_cycle, read_entry, read_statement, statement_csv
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.programmes.endpoints import visible_programme
from backend.programmes.models import Programme

router = protected_router("/clearing", "clearing")
_POLICY = Policy(scope=Scope.CLEARING_READ, auditor=True)
CSV = "text/csv; charset=utf-8"
_CSV_RESPONSE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}

Format = Annotated[
    Literal["json", "csv"] | None,
    Query(description="`csv` answers CSV, as `Accept: text/csv` does"),
]


def _wants_csv(request: Request, asked: str | None) -> bool:
    if asked is not None:
        return asked == "csv"
    return "text/csv" in request.headers.get("accept", "").lower()


def _own(session: Session, caller: Caller) -> Programme | None:
    """The programme that alone the caller may see; None for those that see everything."""
    return None if caller.programme_id is None else session.get_one(Programme, caller.programme_id)


def _own_id(session: Session, caller: Caller) -> bytes | None:
    own = _own(session, caller)
    return None if own is None else on_chain_id(own.slug)


@router.get("")
@allow(_POLICY)
def get_clearing(session: SessionDep, context: ContextDep) -> ClearingRead:
    """The clearing house: currency, cycles and who takes part."""
    return read_clearing(session, context.settings).house()


@router.get("/positions")
@allow(_POLICY)
def list_positions(session: SessionDep, caller: CallerDep, context: ContextDep) -> Page[PositionRead]:
    """Positions: a programme's own with its pairs; all for operator and auditors. At most 32: one page."""
    reader = read_clearing(session, context.settings)
    own = _own(session, caller)
    mine = (reader.position(each) for each, row in reader.programmes.items() if own is not None and row.id == own.id)
    return Page(data=reader.positions() if own is None else list(mine), next_cursor=None)


@router.get("/positions/{programme_id}")
@allow(_POLICY)
def get_position(programme_id: str, session: SessionDep, caller: CallerDep, context: ContextDep) -> PositionRead:
    """One programme's position, by id or slug."""
    programme = visible_programme(session, caller, programme_id)
    reader = read_clearing(session, context.settings)
    return reader.position(reader.joined(programme))


@router.get("/cycles")
@allow(_POLICY)
def list_cycles(
    session: SessionDep, caller: CallerDep, context: ContextDep, limit: Limit = 50, cursor: CursorText = None
) -> Page[CycleRead]:
    """Cycles, newest first."""
    reader = read_clearing(session, context.settings)
    own = _own_id(session, caller)
    after = decode_cursor(cursor, int)
    before = int(after[0]) if after else 1 << 62
    numbers = sorted((each for each in reader.clearing.cycles if each < before), reverse=True)[: limit + 1]
    rows = [reader.clearing.cycles[number] for number in numbers]
    return page_of(rows, limit, lambda cycle: [cycle.number], lambda cycle: read_cycle(cycle, own))


@router.get("/cycles/{cycle}")
@allow(_POLICY)
def get_cycle(cycle: CycleNumber, session: SessionDep, caller: CallerDep, context: ContextDep) -> CycleRead:
    """One cycle."""
    reader = read_clearing(session, context.settings)
    return read_cycle(reader.clearing.cycle(cycle), _own_id(session, caller))


@router.get("/cycles/{cycle}/disputes")
@allow(_POLICY)
def list_disputes(cycle: CycleNumber, session: SessionDep, caller: CallerDep, context: ContextDep) -> Page[DisputeRead]:
    """Disputes of a cycle with their notes, for those that owed or were owed in it. One page, whatever their number."""
    reader = read_clearing(session, context.settings)
    return Page(data=read_disputes(session, reader, caller, reader.clearing.cycle(cycle)), next_cursor=None)


@router.get("/cycles/{cycle}/statements/{programme_id}", response_model=StatementRead, responses=_CSV_RESPONSE)
@allow(_POLICY)
def get_statement(
    cycle: CycleNumber,
    programme_id: str,
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    format: Format = None,  # noqa: A002 - the name is the query parameter's
) -> StatementRead | Response:
    """A programme's account of a cycle, as JSON or CSV."""
    programme = visible_programme(session, caller, programme_id)
    reader = read_clearing(session, context.settings)
    found = reader.clearing.cycle(cycle)
    disputes = read_disputes(session, reader, caller, found)
    statement = read_statement(reader, found, reader.joined(programme), disputes)
    if not _wants_csv(request, format):
        return statement
    name = f"statement-{cycle}-{programme.slug}.csv"
    return Response(statement_csv(statement), headers=_as_file(name), media_type=CSV)


@router.get(
    "/cycles/{cycle}/statements/{programme_id}/entries", response_model=Page[EntryRead], responses=_CSV_RESPONSE
)
@allow(_POLICY)
def list_statement_entries(
    cycle: CycleNumber,
    programme_id: str,
    request: Request,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    format: Format = None,  # noqa: A002
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[EntryRead] | Response:
    """Every booking behind a statement, oldest first; as CSV all of them in one answer."""
    programme = visible_programme(session, caller, programme_id)
    reader = read_clearing(session, context.settings)
    reader.clearing.cycle(cycle)
    on_chain, house = reader.joined(programme), reader.clearing.house
    if _wants_csv(request, format):
        lines: Iterator[str] = entries_csv(context.sessions, reader, house, cycle, on_chain)
        return StreamingResponse(lines, headers=_as_file(f"entries-{cycle}-{programme.slug}.csv"), media_type=CSV)
    after = decode_cursor(cursor, int)
    rows = list_entries(session, house, cycle, on_chain, after=int(after[0]) if after else 0, limit=limit + 1)
    return page_of(rows, limit, lambda row: [row[0].id], lambda row: read_entry(reader, on_chain, *row))


@router.get("/alerts")
@allow(_POLICY)
def list_alerts(
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    open_only: Annotated[bool, Query(alias="open", description="Only those that are not over")] = True,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[AlertRead]:
    """Alerts, newest first."""
    reader = read_clearing(session, context.settings)
    after = decode_cursor(cursor, str)
    before = str(after[0]) if after else None
    rows = alerts.list_alerts(session, caller.programme_id, open_only=open_only, before=before, limit=limit + 1)
    return page_of(rows, limit, lambda row: [row[0].id], lambda row: alerts.read_alert(reader, *row))


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


routers = (router, orders)
