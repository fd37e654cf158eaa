"""Around every request: its size, its id, one log line, metrics. Plain ASGI: it is on the path of every event."""

from __future__ import annotations

import re
import secrets
import time

import structlog
from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("interpoints.api")

REQUESTS = Counter("interpoints_api_requests_total", "Requests answered", ["method", "route", "status"])
DURATION = Histogram(
    "interpoints_api_request_seconds",
    "Time to answer a request",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)

MAX_BODY_BYTES = 4 * 2**20
"""Largest body of a request, bulk uploads of events aside."""
UPLOADS_PATH = "/v1/events/uploads"
"""The setting `max_upload_bytes` says how much this takes; it counts by itself."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_MEMBER_LINK = "/m/{token}"
_QUIET = frozenset({"/health", "/ready", "/metrics"})


class BodyLimit:
    """Answers 413, as a problem like every other error, to a body of more than MAX_BODY_BYTES."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http" or scope["path"] == UPLOADS_PATH:
            await self._app(scope, receive, send)
            return
        told = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if told.isdigit() and int(told) <= MAX_BODY_BYTES:  # The server reads no more than that.
            await self._app(scope, receive, send)
            return
        size = int(told) if told.isdigit() else 0

        async def receive_limited() -> Message:
            nonlocal size
            message = await receive() if size <= MAX_BODY_BYTES else {"type": "http.request"}
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise HTTPException(413, f"A request holds at most {MAX_BODY_BYTES} bytes; send several.")
            return message

        await self._app(scope, receive_limited, send)


class RequestObserver:
    """Takes over `X-Request-Id` or makes one, binds it to the logs, answers it, counts and logs the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 500
        started = time.perf_counter()

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, observe)
        finally:
            _record(scope, status, time.perf_counter() - started)
            structlog.contextvars.unbind_contextvars("request_id")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = str(value, "latin-1")
            if _REQUEST_ID.fullmatch(text):
                return text
    return secrets.token_hex(12)


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", None) or "none"
    method = scope["method"]
    REQUESTS.labels(method, route, status).inc()
    DURATION.labels(method, route).observe(seconds)
    # A member link signs its member in: it must not stand in a log.
    path = route if route == _MEMBER_LINK else scope["path"]
    if path not in _QUIET:
        log.info("request", method=method, path=path, status=status, milliseconds=round(seconds * 1000, 1))
