"""Undoes blocks: the projection goes back to what it was before them, in one database transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from backend.chain.client import ChainClient
from backend.chain.debts import take_back
from backend.chain.models import Block, TokenEvent
from backend.chain.reconcile import unsettle

_ANCESTOR_STEP = 64


def common_ancestor(session: Session, client: ChainClient, chain_id: int, below: int) -> int | None:
    """Number of the newest stored block, at most `below`, that the chain still has; None when there is none stored."""
    while True:
        stored = session.execute(
            select(Block.number, Block.hash)
            .where(Block.chain_id == chain_id, Block.number <= below)
            .order_by(Block.number.desc())
            .limit(_ANCESTOR_STEP)
        ).all()
        if not stored:
            return None
        found = _newest_shared(client, [(number, hash_) for number, hash_ in stored])
        if found is not None:
            return found
        below = stored[-1][0] - 1


def _newest_shared(client: ChainClient, stored: Sequence[tuple[int, bytes]]) -> int | None:
    present = client.blocks([number for number, _ in stored])
    for (number, hash_), block in zip(stored, present, strict=True):
        if block is not None and block["hash"] == "0x" + hash_.hex():
            return number
    return None


def undo_from(session: Session, chain_id: int, first: int) -> None:
    """Takes blocks from `first` on out of the projection, and their transactions back to sent."""
    rewind(session, chain_id, first)
    unsettle(session, chain_id, first)


def rewind(session: Session, chain_id: int, first: int) -> None:
    """Takes blocks from `first` on out of the projection only."""
    parameters = {"chain_id": chain_id, "first": first}
    session.execute(text(_TAKE_BACK_LOTS), parameters)
    session.execute(text(_DROP_EMPTY), {"chain_id": chain_id})
    take_back(session, chain_id, first)
    session.execute(delete(TokenEvent).where(TokenEvent.chain_id == chain_id, TokenEvent.block_number >= first))
    session.execute(delete(Block).where(Block.chain_id == chain_id, Block.number >= first))


_TAKE_BACK_LOTS = """
WITH gone AS (
    DELETE FROM lot_entries WHERE chain_id = :chain_id AND block_number >= :first
    RETURNING token, account, epoch, points
)
INSERT INTO lots (chain_id, token, account, epoch, points)
SELECT :chain_id, token, account, epoch, -sum(points) FROM gone GROUP BY token, account, epoch HAVING sum(points) <> 0
ON CONFLICT (token, account, epoch) DO UPDATE SET points = lots.points + excluded.points
"""
_DROP_EMPTY = "DELETE FROM lots WHERE chain_id = :chain_id AND points = 0"
