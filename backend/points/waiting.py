"""`Prefer: wait=N` (RFC 7240): the answer comes when the chain has done its part, or after N seconds as it is then."""

from __future__ import annotations

import re
from collections.abc import Callable

from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from backend.chain.models import Operation
from backend.context import AppContext

MAX_WAIT_SECONDS = 60
SETTLED = ("mined", "final", "failed")
"""States that end the wait: the chain has decided, though perhaps not for good."""
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,4})", re.ASCII)


def preferred_wait_seconds(request: Request) -> int:
    """How long the caller would wait; 0 when it says nothing."""
    match = _WAIT.search(request.headers.get("prefer", ""))
    return min(int(match.group(1)), MAX_WAIT_SECONDS) if match else 0


async def wait_until_settled(context: AppContext, operation_id: str, seconds: float) -> str:
    """Waits until the chain has decided about an operation, at most `seconds`; answers its state."""
    state = ""

    def look() -> str:
        with context.sessions() as session:
            return session.get_one(Operation, operation_id).state

    async for _ in context.operations.changes(operation_id, seconds):
        state = await run_in_threadpool(look)
        if state in SETTLED:
            break
    return state


def answer_when_settled(
    request: Request, operation_id: str, render: Callable[[Session], BaseModel], response: Response
) -> None:
    """Makes the answer a 202 that points at the operation, and honours `Prefer: wait` after the commit."""
    response.status_code = 202
    response.headers["Location"] = f"/v1/operations/{operation_id}"
    seconds = preferred_wait_seconds(request)
    if seconds == 0:
        return
    context: AppContext = request.app.state.context

    def read() -> bytes:
        with context.sessions() as session:
            return render(session).model_dump_json().encode()

    async def finish(first: Response) -> Response:
        state = await wait_until_settled(context, operation_id, seconds)
        headers = {"location": first.headers["location"], "preference-applied": f"wait={seconds}"}
        status = 200 if state in SETTLED else 202
        return Response(await run_in_threadpool(read), status, headers, media_type="application/json")

    request.state.after_commit = finish
