"""Queries on API keys and idempotency records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from backend.auth.models import ApiKey, IdempotencyRecord


def find_key_by_hash(session: Session, secret_hash: bytes) -> ApiKey | None:
    """The key whose secret has this SHA-256."""
    return session.scalar(select(ApiKey).where(ApiKey.secret_hash == secret_hash))


def find_key(session: Session, key_id: str, programme_id: str | None) -> ApiKey | None:
    """A key of a programme; of any when `programme_id` is empty."""
    query = select(ApiKey).where(ApiKey.id == key_id)
    return session.scalar(query if programme_id is None else query.where(ApiKey.programme_id == programme_id))


def list_keys(session: Session, programme_id: str | None, after: str | None, limit: int) -> Sequence[ApiKey]:
    """Keys by id, of one programme or of all."""
    query = select(ApiKey).order_by(ApiKey.id).limit(limit)
    if programme_id is not None:
        query = query.where(ApiKey.programme_id == programme_id)
    if after is not None:
        query = query.where(ApiKey.id > after)
    return session.scalars(query).all()


def lock_idempotency_key(session: Session, owner: str, key: str) -> None:
    """Waits until nobody else works under this key; held until the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{owner}\n{key}", 0))))


def find_record(session: Session, owner: str, key: str) -> IdempotencyRecord | None:
    """The stored answer under this key."""
    return session.get(IdempotencyRecord, (owner, key))


def delete_records_before(session: Session, when: datetime) -> int:
    """Forgets answers older than `when`; answers how many."""
    answer = session.execute(
        delete(IdempotencyRecord).where(IdempotencyRecord.created_at < when).returning(IdempotencyRecord.key)
    )
    return len(answer.all())
