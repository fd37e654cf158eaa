"""What the `type` of a problem leads to: its meaning, taken from the error's own class."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from fastapi import APIRouter
from pydantic import BaseModel

from backend.auth.policies import Policy, allow
from backend.auth.routing import OpenRoute, protected_router
from backend.errors import InterpointsError, NotFoundError

router: APIRouter = protected_router("/problems", "problems", OpenRoute)


class ProblemType(BaseModel):
    """A kind of problem."""

    type: str
    title: str
    status: int
    meaning: str


def _kinds(base: type[InterpointsError] = InterpointsError) -> Iterator[type[InterpointsError]]:
    yield base
    for kind in base.__subclasses__():
        yield from _kinds(kind)


@router.get("/{slug}")
@allow(Policy(public=True, own_transaction=True))
async def get_problem_type(slug: str) -> ProblemType:
    """What a problem of this type means."""
    for kind in _kinds():
        if kind.slug == slug:
            meaning = inspect.getdoc(kind) or kind.title
            return ProblemType(type=f"/problems/{slug}", title=kind.title, status=kind.status, meaning=meaning)
    raise NotFoundError(f"There is no problem type {slug}.")
