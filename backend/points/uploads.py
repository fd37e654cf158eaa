"""Bulk uploads: streamed into `intake_rows` by COPY in one transaction; the intake worker does the rest."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from typing import cast

import psycopg
from psycopg import Copy
from sqlalchemy import insert, text
from sqlalchemy.orm import Session
from starlette.responses import Response

from backend.auth.errors import IdempotencyKeyReusedError
from backend.auth.units import REPLAYED_HEADER, RequestFacts, UnitOfWork
from backend.context import AppContext
from backend.database import new_id, utc_now
from backend.errors import InterpointsError, TooLargeError
from backend.points.models import IntakeRejection, Upload
from backend.points.policies import UPLOAD_POLICY
from backend.points.schemas import UploadRead
from backend.points.upload_format import UploadParser, reader_for
from backend.programmes.repository import get_programme

INTAKE_CHANNEL = "interpoints_intake"
"""Notified when rows wait for the intake worker."""
_COPY = (
    "COPY intake_rows (upload_id, line_number, reference, member_reference, kind, amount, occurred_at, location,"
    " channel) FROM STDIN"
)


class UploadReceiver:
    """One upload as it comes in. The methods block: call them in a worker thread, one after the other."""

    def __init__(self, context: AppContext, facts: RequestFacts, programme_id: str | None, content_type: str) -> None:
        self._unit = UnitOfWork(context, UPLOAD_POLICY, facts)
        self._facts = facts
        self._asked_programme = programme_id
        self._parser = UploadParser(new_id("upl"), reader_for(content_type))
        self._upload_id = self._parser.upload_id
        self._hash = hashlib.sha256(f"{facts.method} {facts.target}\n".encode())
        self._bytes_left = context.settings.max_upload_bytes
        self._stack = ExitStack()
        self._copy: Copy | None = None
        self._stored_hash: bytes | None = None

    def open(self) -> None:
        """Checks the caller and starts the COPY, or only compares when the upload was taken in before."""
        self._unit.admit()
        programme = get_programme(self._unit.session, self._unit.caller.programme(self._asked_programme))
        record = self._unit.find_record()
        if record is not None:
            self._stored_hash = record.request_hash
            self._stored = Response(record.body, record.status, {**record.headers, REPLAYED_HEADER: "true"})
            return
        self._unit.session.add(Upload(id=self._upload_id, programme_id=programme.id, created_at=utc_now()))
        self._unit.session.flush()
        self._copy = self._stack.enter_context(_driver(self._unit.session).cursor().copy(_COPY))

    def write(self, chunk: bytes) -> None:
        """Takes in a piece of the body."""
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            raise TooLargeError("Send the rows in several uploads.")
        self._hash.update(chunk)
        if self._copy is not None:
            self._copy.write(self._parser.feed(chunk))

    def finish(self) -> Response:
        """Commits and answers the upload."""
        digest = self._hash.digest()
        if self._copy is None:
            self._unit.abort(self._stored.status_code)
            if self._stored_hash != digest:
                raise IdempotencyKeyReusedError("This Idempotency-Key came with other rows before; use a new one.")
            return self._stored
        self._copy.write(self._parser.finish())
        self._stack.close()
        upload = self._settle()
        answer = Response(read_upload(upload).model_dump_json(), 202, media_type="application/json")
        answer.headers["location"] = f"/v1/events/uploads/{upload.id}"
        self._unit.commit(answer, digest)
        return answer

    def abort(self, status: int) -> None:
        """Gives up: nothing of the upload stays."""
        try:
            if self._copy is not None:
                self._stack.__exit__(InterpointsError, InterpointsError("given up"), None)
        except (psycopg.Error, InterpointsError):
            pass  # The COPY ends with an error, as it should; the transaction is rolled back next.
        finally:
            self._unit.abort(status)

    def _settle(self) -> Upload:
        session, malformed = self._unit.session, self._parser.malformed
        upload = session.get_one(Upload, self._upload_id)
        upload.accepted_count = self._parser.row_count
        upload.rejected_count = len(malformed)
        if self._parser.row_count == 0:
            upload.completed_at = utc_now()
        if malformed:
            rows = [
                {
                    "upload_id": upload.id,
                    "line_number": line.line_number,
                    "reference": line.reference,
                    "reason": "malformed",
                    "detail": line.detail,
                }
                for line in malformed
            ]
            session.execute(insert(IntakeRejection), rows)
        session.execute(text(f"SELECT pg_notify('{INTAKE_CHANNEL}', '')"))
        session.flush()
        return upload


def _driver(session: Session) -> psycopg.Connection[tuple[object, ...]]:
    connection = session.connection().connection.driver_connection
    return cast("psycopg.Connection[tuple[object, ...]]", connection)


def read_upload(upload: Upload) -> UploadRead:
    """An upload as it is shown."""
    return UploadRead(
        id=upload.id,
        programme_id=upload.programme_id,
        state="processing" if upload.completed_at is None else "completed",
        accepted_count=upload.accepted_count,
        processed_count=upload.processed_count,
        duplicate_count=upload.duplicate_count,
        rejected_count=upload.rejected_count,
        created_at=upload.created_at,
        completed_at=upload.completed_at,
    )
