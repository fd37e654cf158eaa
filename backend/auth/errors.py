"""Errors of authentication, authorisation and idempotency."""

from __future__ import annotations

from backend.errors import ConflictError, InterpointsError, InvalidRequestError


class UnauthenticatedError(InterpointsError):
    """Nothing was shown that says who is asking, or it is not valid."""

    status = 401
    slug = "unauthenticated"
    title = "Not signed in"


class ForbiddenError(InterpointsError):
    """The caller is known and may not do this."""

    status = 403
    slug = "forbidden"
    title = "Not allowed"


class RateLimitedError(InterpointsError):
    """Too many requests with one key; `retry_after_seconds` says when there is room again."""

    status = 429
    slug = "rate-limited"
    title = "Too many requests"


class IdempotencyKeyMissingError(InterpointsError):
    """A write came without `Idempotency-Key`."""

    status = 400
    slug = "idempotency-key-missing"
    title = "Idempotency-Key is required"


class IdempotencyKeyReusedError(InvalidRequestError):
    """The key was used for another request."""

    slug = "idempotency-key-reused"
    title = "Idempotency-Key was used for another request"


class RequestInProgressError(ConflictError):
    """A request with this key is being carried out and did not finish in time."""

    slug = "request-in-progress"
    title = "The same request is being carried out"


class LinkInvalidError(UnauthenticatedError):
    """A member link or session is expired or not ours."""

    slug = "link-invalid"
    title = "The link is not valid any more"
