"""Base of every error of the backend, and its form as an RFC 9457 problem."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class InterpointsError(Exception):
    """An error that a caller can act on.

    `status` is the HTTP status, `slug` the stable last part of the problem's `type`, `title` the same for every
    occurrence; `detail` says what happened and what to do. Keyword arguments become extension members.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str, **extensions: str | int | bool | list[str] | None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extensions = extensions


class NotFoundError(InterpointsError):
    """No such resource, or none that the caller may see."""

    status = 404
    slug = "not-found"
    title = "Not found"


class ConflictError(InterpointsError):
    """The request contradicts the present state."""

    status = 409
    slug = "conflict"
    title = "Conflict"


class InvalidRequestError(InterpointsError):
    """The request is well-formed but cannot be carried out as it stands."""

    status = 422
    slug = "invalid-request"
    title = "Invalid request"


class BadRequestError(InterpointsError):
    """The request is not one that can be read."""

    status = 400
    slug = "bad-request"
    title = "Bad request"


class MethodNotAllowedError(InterpointsError):
    """The resource is there, but not for this method; `Allow` says for which."""

    status = 405
    slug = "method-not-allowed"
    title = "Method not allowed"


class TooLargeError(InterpointsError):
    """The request or the upload is larger than what is taken at once."""

    status = 413
    slug = "too-large"
    title = "Too large"


class UnavailableError(InterpointsError):
    """Something the answer depends on does not answer now; trying again may help."""

    status = 503
    slug = "unavailable"
    title = "Temporarily unavailable"


class Problem(BaseModel):
    """What went wrong, by RFC 9457. Further members depend on `type`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="Stable address of this kind of problem, relative to the API", examples=["/problems/conflict"]
    )
    title: str = Field(description="The same for every problem of this type")
    status: int = Field(description="The HTTP status")
    detail: str | None = Field(default=None, description="What happened this time, and what to do")
    instance: str | None = Field(default=None, description="The request id, to be found in the logs")


def problem(status: int, slug: str, title: str, detail: str, request_id: str | None) -> dict[str, object]:
    """The body of an `application/problem+json` answer."""
    return {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": f"request:{request_id}" if request_id else None,
    }
