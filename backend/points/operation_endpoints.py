"""Endpoints of operations: poll, await, stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from backend.auth.callers import Caller
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, admit, protected_router
from backend.auth.scopes import Scope
from backend.context import AppContext
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.points import operations
from backend.points.schemas import OperationRead, OperationState
from backend.points.waiting import preferred_wait_seconds, wait_until_settled
from backend.programmes.endpoints import asked_programme

router = protected_router("/operations", "operations")
_POLICY = Policy(scope=Scope.POINTS_READ, member=True, auditor=True)
_OWN = Policy(scope=Scope.POINTS_READ, member=True, own_transaction=True, auditor=True)
LONGEST_STREAM_SECONDS = 600
_ENDED = ("final", "failed")


@router.get("")
@allow(_POLICY)
def list_operations(
    session: SessionDep,
    caller: CallerDep,
    programme_id: str | None = None,
    subject: Annotated[str | None, Query(max_length=72)] = None,
    state: OperationState | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[OperationRead]:
    """Operations, newest first."""
    after = decode_cursor(cursor, str)
    rows = operations.list_operations(
        session,
        caller,
        limit=limit + 1,
        programme_id=asked_programme(session, caller, programme_id),
        subject=subject,
        state=state,
        before=str(after[0]) if after else None,
    )
    return page_of(rows, limit, lambda row: [row.id], operations.read_operation)


def _read(context: AppContext, caller: Caller, operation_id: str) -> OperationRead:
    with context.sessions() as session:
        return operations.read_operation(operations.find_operation(session, caller, operation_id))


@router.get("/{operation_id}")
@allow(_OWN)
async def get_operation(operation_id: str, request: Request, response: Response, context: ContextDep) -> OperationRead:
    """One operation. `Prefer: wait=N` answers when it is mined or failed, or after N seconds (at most 60)."""
    caller = await admit(request, _OWN)
    operation = await run_in_threadpool(_read, context, caller, operation_id)
    seconds = preferred_wait_seconds(request)
    if seconds and operation.state in ("pending", "sent"):
        await wait_until_settled(context, operation_id, seconds)
        operation = await run_in_threadpool(_read, context, caller, operation_id)
    if seconds:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    return operation


@router.get(
    "/{operation_id}/events",
    response_class=EventSourceResponse,
    responses={200: {"description": "Events named `operation`", "content": {"text/event-stream": {}}}},
)
@allow(_OWN)
async def stream_operation(operation_id: str, request: Request, context: ContextDep) -> EventSourceResponse:
    """The operation now and whenever its state changes, as server-sent events, until it is final or failed."""
    caller = await admit(request, _OWN)
    first = await run_in_threadpool(_read, context, caller, operation_id)
    return EventSourceResponse(_changes(context, caller, first))


async def _changes(context: AppContext, caller: Caller, operation: OperationRead) -> AsyncIterator[ServerSentEvent]:
    shown: str | None = None
    async for _ in context.operations.changes(operation.id, LONGEST_STREAM_SECONDS):
        operation = await run_in_threadpool(_read, context, caller, operation.id)
        if operation.state != shown:
            shown = operation.state
            yield ServerSentEvent(operation.model_dump_json(), event="operation", id=shown)
        if shown in _ENDED:
            return
