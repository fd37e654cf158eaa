"""How far the projection is final."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.chain.models import Cursor


def final_block(session: Session, chain_id: int) -> int:
    """The last block that is final and in the projection; -1 before the first."""
    cursor = session.get(Cursor, chain_id)
    return -1 if cursor is None else min(cursor.finalized_block, cursor.next_block - 1)
