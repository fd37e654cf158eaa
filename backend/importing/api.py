"""The importer's side of the API: bulk uploads, their outcome, and enrolments."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from backend.importing.errors import UploadError
from backend.importing.rows import EventRecord

_ENROLMENTS_A_CALL = 10_000
_FIRST_PAUSE_SECONDS = 0.2
_POLL_SECONDS = 0.05
_MAX_POLL_SECONDS = 1.0
_RETRY_STATUS = {429, 500, 502, 503, 504}


@dataclass(frozen=True)
class UploadOutcome:
    """What came of one upload."""

    duplicates: int
    rejections: list[tuple[int, str, str, str]]
    """Line in the upload (from 1), reference, reason, detail."""


class ImportApi:
    """Calls of one programme, with its API key. Answers that may come out well later are asked for again."""

    def __init__(self, url: str, api_key: str, tries: int = 8) -> None:
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=httpx.Timeout(120, connect=10)
        )
        self._programme_id: str | None = None
        self._tries = tries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def choose_programme(self, slug_or_id: str) -> str:
        """Work for this programme from now on; its id. The operator's key needs it, another is checked to be for it."""
        self._programme_id = str(self._call("GET", f"/v1/programmes/{slug_or_id}")["id"])
        return self._programme_id

    def enrol(self, references: Sequence[str]) -> None:
        """Make people with these customer numbers members; those who are stay as they are."""
        for first in range(0, len(references), _ENROLMENTS_A_CALL):
            part = references[first : first + _ENROLMENTS_A_CALL]
            lines = [{"reference": reference, "programme_id": self._programme_id} for reference in part]
            body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
            key = "enrol-" + hashlib.sha256(body).hexdigest()
            self._call("POST", "/v1/members/bulk", idempotency_key=key, body=body, content_type="application/x-ndjson")

    def upload(self, events: Sequence[EventRecord], idempotency_key: str) -> str:
        """Send events; the upload's id."""
        body = b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in events)
        answer = self._call(
            "POST",
            "/v1/events/uploads",
            query={"programme_id": self._programme_id} if self._programme_id else None,
            idempotency_key=idempotency_key,
            body=body,
            content_type="application/x-ndjson",
        )
        return str(answer["id"])

    def outcome(self, upload_id: str, deadline_seconds: float) -> UploadOutcome:
        """Wait until every row of an upload has been looked at. Raises UploadError after the deadline."""
        end, pause = time.monotonic() + deadline_seconds, _POLL_SECONDS
        path = f"/v1/events/uploads/{upload_id}"
        while not (state := self._call("GET", path))["completed_at"]:
            if time.monotonic() > end:
                raise UploadError(
                    f"The upload {upload_id} was accepted but not worked on within {deadline_seconds:.0f} seconds: "
                    "start a worker with the intake role, then import again."
                )
            time.sleep(pause)
            pause = min(pause * 1.5, _MAX_POLL_SECONDS)
        rejections = list(self._rejections(path)) if state["rejected_count"] else []
        return UploadOutcome(_count(state["duplicate_count"]), rejections)

    def _rejections(self, upload_path: str) -> Iterator[tuple[int, str, str, str]]:
        cursor: str | None = None
        while True:
            page = self._call("GET", f"{upload_path}/rejections", query={"cursor": cursor} if cursor else {})
            items = page["data"]
            assert isinstance(items, list)
            for item in items:
                yield int(item["line_number"]), str(item["reference"]), str(item["reason"]), str(item["detail"])
            cursor = str(page["next_cursor"]) if page["next_cursor"] else None
            if cursor is None:
                return

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        idempotency_key: str | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> dict[str, object]:
        headers = {"Content-Type": content_type} if body is not None else {}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        pause, problem, status = _FIRST_PAUSE_SECONDS, "", None
        for _ in range(self._tries):
            try:
                answer = self._client.request(method, path, params=query, headers=headers, content=body)
            except httpx.TransportError as error:
                problem, status = f"it does not answer ({error})", None
            else:
                if answer.is_success:
                    result: dict[str, object] = answer.json()
                    return result
                problem, status = _problem_of(answer), answer.status_code
                if status not in _RETRY_STATUS:
                    break
            time.sleep(pause)
            pause *= 2
        raise UploadError(f"The API at {self._client.base_url} refused {method} {path}: {problem}", status)


def _count(value: object) -> int:
    assert isinstance(value, int)
    return value


def _problem_of(answer: httpx.Response) -> str:
    """The detail of a problem answer (RFC 9457), or the status."""
    try:
        body = answer.json()
    except ValueError:
        return f"status {answer.status_code}"
    detail = body.get("detail") if isinstance(body, dict) else None
    return f"{detail or body} (status {answer.status_code})"
