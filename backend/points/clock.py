"""Points time is chain time: the timestamp of the newest indexed block."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.chain.models import Block
from backend.errors import UnavailableError


def chain_timestamp(session: Session, chain_id: int) -> int | None:
    """Unix seconds of the newest indexed block; None before the first."""
    query = select(Block.timestamp).where(Block.chain_id == chain_id).order_by(Block.number.desc()).limit(1)
    return session.scalar(query)


def chain_now(session: Session, chain_id: int) -> int:
    """Unix seconds of the newest indexed block. Raises UnavailableError before the first."""
    timestamp = chain_timestamp(session, chain_id)
    if timestamp is None:
        raise UnavailableError("No block has been indexed yet, so the time for points is not known. Try again soon.")
    return timestamp


def to_time(timestamp: int) -> datetime:
    """Unix seconds as a time in UTC."""
    return datetime.fromtimestamp(timestamp, UTC)
