"""Every error as an RFC 9457 problem."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from backend.errors import (
    BadRequestError,
    ConflictError,
    InterpointsError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
    problem,
)
from backend.parameters import MOST_TOLD
from backend.wording import field_of, in_plain_words, pointed

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
_OF_HTTP = {kind.status: kind for kind in (NotFoundError, MethodNotAllowedError, TooLargeError)}


def _answer(
    request: Request,
    status: int,
    slug: str,
    title: str,
    detail: str,
    *,
    extensions: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    request_id = getattr(request.state, "request_id", None)
    body = problem(status, slug, title, detail, request_id) | (extensions or {})
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def _on_known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InterpointsError)
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_seconds" in error.extensions:
        headers["Retry-After"] = str(error.extensions["retry_after_seconds"])
    return _answer(
        request, error.status, error.slug, error.title, error.detail, extensions={**error.extensions}, headers=headers
    )


def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    told = error.errors()[:MOST_TOLD]
    errors = [{"field": field_of(entry), "message": in_plain_words(entry)} for entry in told]
    detail = "; ".join(map(pointed, told))
    return _answer(request, 422, "invalid-request", "Invalid request", detail, extensions={"errors": errors})


def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = _OF_HTTP.get(error.status_code, BadRequestError)
    headers = dict(error.headers) if error.headers else None
    return _answer(request, error.status_code, kind.slug, kind.title, str(error.detail), headers=headers)


def _on_database(request: Request, error: Exception) -> JSONResponse:
    log.error("database_unavailable", exc_info=error)
    return _on_known(
        request, UnavailableError("The database does not answer; try again with the same Idempotency-Key.")
    )


def _on_data(request: Request, error: Exception) -> JSONResponse:
    log.info("refused_by_database", exc_info=error)
    return _on_known(request, InvalidRequestError("A value holds a character or number that cannot be stored."))


def _on_collision(request: Request, error: Exception) -> JSONResponse:
    log.info("collision", exc_info=error)
    return _on_known(
        request, ConflictError("Another request got there first; try again with the same Idempotency-Key.")
    )


def _on_unknown(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected_error", exc_info=error)
    detail = "The request was not carried out. Tell us its id and we find out what happened."
    return _answer(request, 500, InterpointsError.slug, InterpointsError.title, detail)


def install_handlers(app: FastAPI) -> None:
    """Registers the handlers."""
    app.add_exception_handler(InterpointsError, _on_known)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(OperationalError, _on_database)
    app.add_exception_handler(DataError, _on_data)
    app.add_exception_handler(IntegrityError, _on_collision)
    app.add_exception_handler(Exception, _on_unknown)
