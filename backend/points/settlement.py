"""What follows from the chain's answers: clawbacks, shortfalls, batches that failed, points that arrived late."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, exists, select, text
from sqlalchemy.orm import Session, sessionmaker

from backend.auth import repository as auth_repository
from backend.chain.models import Block, LotBalance, Operation, TokenEvent
from backend.database import transaction, utc_now
from backend.members.models import Enrolment
from backend.members.moving import move_points
from backend.points.accounts import UNSETTLED
from backend.points.models import Accrual, ReturnedEvent
from backend.points.returns import claw_back_if_mined, forgive, settle
from backend.programmes.models import Programme

log = structlog.get_logger(__name__)
RETRY_SECONDS = 30
"""How long after a refusal the same is tried again."""
_MOST = 500

_RELEASE = """
WITH refused AS (
    SELECT b.id FROM batches b JOIN operations o ON o.id = b.operation_id
    WHERE o.state = 'failed' AND o.updated_at < now() - make_interval(secs => :retry_seconds)
        AND EXISTS (SELECT FROM accruals a WHERE a.batch_id = b.id)
    LIMIT 20
)
UPDATE accruals SET batch_id = NULL, leaf_index = NULL, account = NULL FROM refused WHERE batch_id = refused.id
RETURNING accruals.event_id
"""


class Settler:
    """Goes through what waits for the chain's answer. Any number may run: each takes rows that others have not."""

    def __init__(self, sessions: sessionmaker[Session], *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._sessions = sessions
        self._retry_seconds = retry_seconds

    def run_once(self) -> bool:
        """One round; whether anything was done."""
        done = [self._release_refused(), self._settle_returns(), self._move_late_points()]
        return any(done)

    def forget_old_answers(self, keep_hours: int) -> int:
        """Deletes idempotency records older than `keep_hours`; answers how many."""
        with transaction(self._sessions) as session:
            before = utc_now() - timedelta(hours=keep_hours)
            return auth_repository.delete_records_before(session, before)

    def _release_refused(self) -> bool:
        """Accruals of a batch that failed for good wait for the next one; returns of them are reversed here."""
        with transaction(self._sessions) as session:
            event_ids = session.scalars(text(_RELEASE), {"retry_seconds": self._retry_seconds}).all()
            if event_ids:
                log.warning("batch_refused", accruals=len(event_ids))
                query = select(ReturnedEvent).where(
                    ReturnedEvent.event_id.in_(event_ids), ReturnedEvent.taken_points.is_(None)
                )
                for returned in session.scalars(query.with_for_update()):
                    _reverse(session, returned)
            return bool(event_ids)

    def _settle_returns(self) -> bool:
        with transaction(self._sessions) as session:
            query = (
                select(ReturnedEvent)
                .where(ReturnedEvent.taken_points.is_(None))
                .order_by(ReturnedEvent.id)
                .limit(_MOST)
                .with_for_update(skip_locked=True, key_share=True)
            )
            settled = [self._settle_return(session, returned) for returned in session.scalars(query).all()]
            return any(settled)

    def _settle_return(self, session: Session, returned: ReturnedEvent) -> bool:
        if returned.operation_id is None:
            return claw_back_if_mined(session, returned, None)
        operation = session.get_one(Operation, returned.operation_id)
        enrolment_id = session.scalars(select(Accrual.enrolment_id).where(Accrual.event_id == returned.event_id)).one()
        if operation.state == "final":
            settle(session, returned, enrolment_id, taken_points=_taken(session, returned))
            return True
        if operation.state != "failed":
            return False
        if operation.error_code == "ClawbackWindowClosed":
            forgive(session, returned, enrolment_id)
            return True
        if operation.updated_at < utc_now() - timedelta(seconds=self._retry_seconds):
            returned.operation_id = None
            return claw_back_if_mined(session, returned, operation.request_id)
        return False

    def _move_late_points(self) -> bool:
        """Points that reach a managed account after its member has linked a wallet are moved there as well."""
        recently = utc_now() - timedelta(seconds=self._retry_seconds)
        busy = exists().where(
            Operation.subject == Enrolment.id,
            Operation.kind == "link_wallet",
            Operation.state.in_(UNSETTLED) | ((Operation.state == "failed") & (Operation.updated_at > recently)),
        )
        query = (
            select(Enrolment, Programme)
            .join(Programme, Programme.id == Enrolment.programme_id)
            .where(
                Enrolment.wallet.is_not(None),
                exists().where(
                    LotBalance.token == Programme.token,
                    LotBalance.account == Enrolment.managed_account,
                    LotBalance.points > 0,
                    LotBalance.epoch >= _oldest_live_epoch(),
                ),
                ~busy,
            )
            .limit(_MOST)
            .with_for_update(of=Enrolment, skip_locked=True, key_share=True)
        )
        with transaction(self._sessions) as session:
            found = session.execute(query).all()
            for enrolment, programme in found:
                move_points(session, programme, enrolment, None)
            return bool(found)


def _oldest_live_epoch() -> ColumnElement[int]:
    """The oldest epoch whose lots are worth something, for the programme of the surrounding query."""
    newest = (
        select(Block.timestamp)
        .where(Block.chain_id == Programme.chain_id)
        .order_by(Block.number.desc())
        .limit(1)
        .correlate(Programme)
        .scalar_subquery()
    )
    return newest // Programme.epoch_length_seconds - Programme.validity_epochs


def _taken(session: Session, returned: ReturnedEvent) -> int:
    """What the log of the clawback says was there."""
    query = select(TokenEvent.payload).where(TokenEvent.ref == returned.ref, TokenEvent.name == "PointsClawedBack")
    payload = session.scalars(query).one()
    taken = payload["taken"]
    assert isinstance(taken, int)
    return taken


def _reverse(session: Session, returned: ReturnedEvent) -> None:
    accrual = session.scalars(select(Accrual).where(Accrual.event_id == returned.event_id).with_for_update()).one()
    accrual.reversed_points += returned.clawback_points
    returned.reversed_points += returned.clawback_points
    returned.clawback_points = 0
    settle(session, returned, accrual.enrolment_id, taken_points=0)
