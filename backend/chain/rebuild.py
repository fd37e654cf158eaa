"""Drops the projection of a chain and replays it from the start. The outbox stays: it says which nonces were used."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.indexer import Indexer
from backend.chain.models import (
    Block,
    Cursor,
    DebtEntry,
    DebtTotal,
    LaneVolume,
    LotBalance,
    LotEntry,
    TokenEvent,
)
from backend.database import transaction


def rebuild_projection(
    sessions: sessionmaker[Session],
    indexer: Indexer,
    chain_id: int,
    on_progress: Callable[[int], None] = lambda _blocks: None,
) -> int:
    """Replays everything and answers the number of blocks. Also ends a halt: a person has asked for it.

    `on_progress` gets the number of blocks of each step. Stopped in between, it goes on when the worker (or this) runs
    again. Errors: those of `Indexer.run_once`.
    """
    with transaction(sessions) as session:
        for table in (LotBalance, LotEntry, DebtEntry, DebtTotal, LaneVolume, TokenEvent, Block, Cursor):
            session.execute(delete(table).where(table.chain_id == chain_id))
    indexer.start()
    total = 0
    while blocks := indexer.run_once():
        total += blocks
        on_progress(blocks)
    return total
