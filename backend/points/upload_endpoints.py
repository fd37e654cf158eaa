"""Endpoints of bulk uploads."""

from __future__ import annotations

import asyncio

from fastapi import Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from backend.auth.callers import Caller
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, protected_router
from backend.auth.scopes import Scope
from backend.auth.units import facts_of
from backend.errors import NotFoundError
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.points import repository
from backend.points.models import IntakeRejection, Upload
from backend.points.policies import UPLOAD_POLICY
from backend.points.schemas import RejectionRead, UploadRead
from backend.points.uploads import UploadReceiver, read_upload

router = protected_router("/events/uploads", "bulk events")
_PIECE_BYTES = 262_144
_ROWS = {"schema": {"type": "string"}}
_BODY = {
    "requestBody": {
        "required": True,
        "description": (
            "Rows with `reference`, `member_reference`, `amount` (decimal string in the programme's currency),"
            " `occurred_at` and, if wanted, `kind`, `location`, `channel`; CSV with a header line"
        ),
        "content": {"application/x-ndjson": _ROWS, "text/csv": _ROWS},
    }
}


@router.post(
    "",
    status_code=202,
    response_model=UploadRead,
    openapi_extra=_BODY,
)
@allow(UPLOAD_POLICY)
async def create_upload(request: Request, context: ContextDep, programme_id: str | None = None) -> Response:
    """Takes in many events at once: all rows or, when the body cannot be read, none. Rows are looked at afterwards."""
    receiver = UploadReceiver(context, facts_of(request, b""), programme_id, request.headers.get("content-type", ""))
    try:
        await run_in_threadpool(receiver.open)
        piece = bytearray()
        async for chunk in request.stream():
            piece += chunk
            if len(piece) >= _PIECE_BYTES:
                await run_in_threadpool(receiver.write, bytes(piece))
                piece.clear()
        await run_in_threadpool(receiver.write, bytes(piece))
        return await run_in_threadpool(receiver.finish)
    except BaseException as error:
        await asyncio.shield(run_in_threadpool(receiver.abort, getattr(error, "status", 500)))
        raise


def _visible(session: Session, caller: Caller, upload_id: str) -> Upload:
    upload = repository.find_upload(session, upload_id)
    if upload is None or not caller.sees_programme(upload.programme_id):
        raise NotFoundError(f"There is no upload {upload_id} that you may see.")
    return upload


@router.get("/{upload_id}")
@allow(Policy(scope=Scope.EVENTS_READ, auditor=True))
def get_upload(upload_id: str, session: SessionDep, caller: CallerDep) -> UploadRead:
    """How far an upload has come."""
    return read_upload(_visible(session, caller, upload_id))


def _read_rejection(row: IntakeRejection) -> RejectionRead:
    return RejectionRead(line_number=row.line_number, reference=row.reference, reason=row.reason, detail=row.detail)


@router.get("/{upload_id}/rejections")
@allow(Policy(scope=Scope.EVENTS_READ, auditor=True))
def list_rejections(
    upload_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: CursorText = None
) -> Page[RejectionRead]:
    """Rows that could not become events, by line."""
    after = decode_cursor(cursor, int)
    upload = _visible(session, caller, upload_id)
    rows = repository.list_rejections(session, upload.id, int(after[0]) if after else None, limit + 1)
    return page_of(rows, limit, lambda row: [row.line_number], _read_rejection)
