"""The role `clear`: closes cycles whose time is over, settles those that all have paid, and keeps alerts.

It sends only what anyone may send. Enforcing a payment is left to a person: it can end in a default.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import outbox
from backend.chain.clearing_house import encode_close_cycle, encode_settle_cycle
from backend.chain.models import Block, Operation
from backend.clearing.alerts import sync_alerts
from backend.clearing.deployment import House, find_house
from backend.clearing.reading import ClearingReader, read_clearing
from backend.database import transaction, utc_now
from backend.settings import Settings

log = structlog.get_logger(__name__)

_LOCK = 0x436C656172  # "Clear"
RETRY_AFTER = timedelta(seconds=60)
"""How long after a refusal the same is not asked again."""


class Keeper:
    """Does what is due at the newest indexed block. Any number may run: one acts, the others find nothing to do."""

    def __init__(self, sessions: sessionmaker[Session], settings: Settings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._seen: tuple[int, bytes] | None = None
        """Newest block when there was nothing to do."""

    def run_once(self) -> int:
        """One pass; answers how much it did."""
        house = find_house(self._settings)
        if house is None:
            return 0
        with transaction(self._sessions) as session:
            head = _head(session, house)
            if head is None or head == self._seen or not _take_lock(session):
                return 0
            reader = read_clearing(session, self._settings)
            done = _close_or_settle(session, reader)
            done += sync_alerts(session, reader, self._settings.clearing_alert_percent)
        self._seen = head
        return done


def _head(session: Session, house: House) -> tuple[int, bytes] | None:
    query = select(Block.number, Block.hash).where(Block.chain_id == house.chain_id)
    row = session.execute(query.order_by(Block.number.desc()).limit(1)).one_or_none()
    return None if row is None else (row.number, row.hash)


def _take_lock(session: Session) -> bool:
    """Whether this worker is the one that acts, until its transaction ends."""
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(text(str(_LOCK))))))


def _close_or_settle(session: Session, reader: ClearingReader) -> int:
    clearing, state = reader.clearing, reader.clearing.state
    settling = clearing.settling
    if settling is not None:
        if any(state.outstanding(programme) for programme in state.programmes):
            return 0
        return _ask(session, clearing.house, "settle_cycle", settling, encode_settle_cycle())
    closes_at = state.closes_at
    if closes_at is None or clearing.timestamp < closes_at or not state.programmes:
        return 0
    return _ask(session, clearing.house, "close_cycle", state.open_cycle, encode_close_cycle())


def _ask(session: Session, house: House, kind: str, cycle: int, data: bytes) -> int:
    """Asks for it unless it has been asked for: never twice for the same cycle while one may still happen."""
    subject = f"cycle_{cycle}"
    may_still_happen = Operation.state.in_(("pending", "sent", "mined"))
    lately = Operation.updated_at > utc_now() - RETRY_AFTER
    asked = select(Operation.id).where(
        Operation.kind == kind, Operation.subject == subject, or_(may_still_happen, lately)
    )
    if session.scalar(asked.limit(1)) is not None:
        return 0
    operation = outbox.enqueue(
        session,
        kind=kind,
        programme_id=None,
        chain_id=house.chain_id,
        signer=house.keeper,
        target=house.address,
        data=data,
        subject=subject,
    )
    log.info(kind, cycle=cycle, operation=operation.id)
    return 1
