"""Errors about programmes."""

from __future__ import annotations

from backend.errors import ConflictError, NotFoundError


class ProgrammeNotFoundError(NotFoundError):
    """No such programme, or none that the caller may see."""


class ProgrammeMismatchError(ConflictError):
    """The manifest gives a programme another token or other terms than the database knows."""

    slug = "programme-mismatch"
    title = "The programme is deployed differently"
