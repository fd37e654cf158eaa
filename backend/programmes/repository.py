"""Queries on programmes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.programmes.errors import ProgrammeNotFoundError
from backend.programmes.models import Programme


def get_programme(session: Session, programme_id: str) -> Programme:
    """A programme by id or slug. Raises ProgrammeNotFoundError."""
    query = select(Programme).where((Programme.id == programme_id) | (Programme.slug == programme_id))
    programme = session.scalar(query)
    if programme is None:
        raise ProgrammeNotFoundError(f"There is no programme {programme_id}.")
    return programme


def find_by_slug(session: Session, slug: str) -> Programme | None:
    """A programme by its slug."""
    return session.scalar(select(Programme).where(Programme.slug == slug))


def list_programmes(session: Session, only: str | None, after: str | None, limit: int) -> Sequence[Programme]:
    """Programmes by id; `only` one when given."""
    query = select(Programme).order_by(Programme.id).limit(limit)
    if only is not None:
        query = query.where(Programme.id == only)
    if after is not None:
        query = query.where(Programme.id > after)
    return session.scalars(query).all()
