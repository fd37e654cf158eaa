"""The batcher: matured accruals of a programme become one credit per account in one transaction."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import outbox
from backend.chain.models import LotBalance
from backend.chain.points_token import encode_issue_batch
from backend.database import new_id, transaction, utc_now
from backend.members.models import Enrolment
from backend.points.accounts import current_epoch
from backend.points.clock import chain_timestamp, to_time
from backend.points.gas import BASE_GAS, MAX_TRANSACTION_GAS, credit_gas
from backend.points.models import Accrual, Batch, EarnEvent, ShortfallEntry
from backend.points.receipts import Receipt, ReceiptTree, event_hash
from backend.points.rules import net_shortfall
from backend.points.settlement import Settler
from backend.programmes.models import Programme
from backend.settings import Settings

log = structlog.get_logger(__name__)
MAX_RECEIPTS = 10_000
"""Most accruals in one batch."""
CLEAN_EVERY_SECONDS = 600
"""How often answers to writes that are too old to be kept are deleted."""
MINED_WITHIN_SECONDS = 3600
"""How long (chain time) a batch's gas limit allows for it to be mined."""
BATCHES = Counter("interpoints_batches_total", "Batches made", ["programme"])
CREDITS = Histogram(
    "interpoints_batch_credits", "Credits in a batch", buckets=(1, 10, 50, 100, 250, 500, 1000, 1500, 2000, 2200)
)
GAS = Histogram("interpoints_batch_gas_limit", "Gas limit of a batch", buckets=[n * 2**20 for n in range(1, 17)])


class _Open(NamedTuple):
    """A matured accrual that is in no batch."""

    id: int
    enrolment_id: str
    points: int
    salt: bytes
    reference: str
    received_at: datetime
    account: bytes


@dataclass(frozen=True, slots=True)
class _Settled:
    """An accrual with what of it is kept back and what is credited."""

    accrual: _Open
    netted_points: int
    credited_points: int


class Batcher:
    """Makes batches. Any number may run: a programme is batched by one at a time, others take other programmes.

    A batch is closed when it is full (credits, gas or receipts) or its oldest accrual has waited
    `batch_max_age_seconds` by the wall clock. It is one transaction, so a batcher that dies leaves nothing half done.
    What follows from the chain's answers is settled in the same rounds (backend/points/settlement.py).
    """

    def __init__(self, sessions: sessionmaker[Session], settings: Settings) -> None:
        self._sessions = sessions
        self._max_credits = settings.batch_max_credits
        self._max_age = timedelta(seconds=settings.batch_max_age_seconds)
        self._settler = Settler(sessions)
        self._keep_hours = settings.idempotency_keep_hours
        self._next_cleaning = 0.0

    def run_once(self) -> bool:
        """Settles what the chain has answered, then tries each programme once; False when there was nothing to do."""
        settled = self._settler.run_once()
        if time.monotonic() >= self._next_cleaning:
            self._next_cleaning = time.monotonic() + CLEAN_EVERY_SECONDS
            self._settler.forget_old_answers(self._keep_hours)
        return self.make_batches() or settled

    def make_batches(self) -> bool:
        """Tries each programme once; whether a batch was made."""
        with self._sessions() as session:
            programme_ids = session.scalars(select(Programme.id).order_by(Programme.id)).all()
        made = [self._batch(programme_id) for programme_id in programme_ids]
        return any(made)

    def _batch(self, programme_id: str) -> bool:
        with transaction(self._sessions) as session:
            query = select(Programme).where(Programme.id == programme_id)
            programme = session.scalar(query.with_for_update(key_share=True, skip_locked=True))
            timestamp = chain_timestamp(session, programme.chain_id) if programme is not None else None
            if programme is None or timestamp is None:
                return False
            waiting = _matured(session, programme, timestamp)
            if not waiting or not self._is_due(waiting):
                return False
            chosen, gas_limit = self._choose(session, programme, timestamp, waiting)
            _write(session, programme, _net(session, chosen), gas_limit)
        return True

    def _is_due(self, waiting: Sequence[_Open]) -> bool:
        if len(waiting) == MAX_RECEIPTS or len({accrual.account for accrual in waiting}) >= self._max_credits:
            return True
        return min(accrual.received_at for accrual in waiting) <= utc_now() - self._max_age

    def _choose(
        self, session: Session, programme: Programme, timestamp: int, waiting: Sequence[_Open]
    ) -> tuple[list[_Open], int]:
        """As many accruals, oldest first, as fit into one transaction, and its gas limit."""
        epochs = _epochs_held(session, programme, {accrual.account for accrual in waiting})
        # The batch may be mined a little later, in the next epoch: what costs more counts.
        possible = {current_epoch(programme, moment) for moment in (timestamp, timestamp + MINED_WITHIN_SECONDS)}
        gas = BASE_GAS
        accounts: set[bytes] = set()
        chosen = []
        for accrual in waiting:
            if accrual.account not in accounts:
                held = epochs[accrual.account]
                cost = max(credit_gas(held, epoch, programme.validity_epochs) for epoch in possible)
                if len(accounts) == self._max_credits or gas + cost > MAX_TRANSACTION_GAS:
                    continue
                gas += cost
                accounts.add(accrual.account)
            chosen.append(accrual)
        return chosen, gas


def _matured(session: Session, programme: Programme, timestamp: int) -> list[_Open]:
    """Matured accruals that nobody else has in hand, oldest first."""
    query = (
        select(
            Accrual.id,
            Accrual.enrolment_id,
            Accrual.points - Accrual.reversed_points - Accrual.netted_points,
            Accrual.salt,
            EarnEvent.reference,
            EarnEvent.received_at,
            Enrolment.account,
        )
        .join(EarnEvent, EarnEvent.id == Accrual.event_id)
        .join(Enrolment, Enrolment.id == Accrual.enrolment_id)
        .where(
            Accrual.programme_id == programme.id,
            Accrual.batch_id.is_(None),
            Accrual.points > Accrual.reversed_points + Accrual.netted_points,
            Accrual.matures_at <= to_time(timestamp),
        )
        .order_by(Accrual.matures_at, Accrual.id)
        .limit(MAX_RECEIPTS)
        .with_for_update(of=Accrual, skip_locked=True)
    )
    return [_Open(*row) for row in session.execute(query)]


def _epochs_held(session: Session, programme: Programme, accounts: set[bytes]) -> defaultdict[bytes, list[int]]:
    query = select(LotBalance.account, LotBalance.epoch).where(
        LotBalance.token == programme.token, LotBalance.account.in_(accounts)
    )
    held: defaultdict[bytes, list[int]] = defaultdict(list)
    for account, epoch in session.execute(query):
        held[account].append(epoch)
    return held


def _net(session: Session, chosen: Sequence[_Open]) -> list[_Settled]:
    """Serves what members owe from what they have earned, oldest accrual first."""
    owed_query = (
        select(ShortfallEntry.enrolment_id, func.sum(ShortfallEntry.points))
        .where(ShortfallEntry.enrolment_id.in_({accrual.enrolment_id for accrual in chosen}))
        .group_by(ShortfallEntry.enrolment_id)
    )
    owed = {enrolment_id: int(points) for enrolment_id, points in session.execute(owed_query)}
    settled = []
    for accrual in chosen:
        kept, credited = net_shortfall(max(0, owed.get(accrual.enrolment_id, 0)), accrual.points)
        if kept:
            owed[accrual.enrolment_id] -= kept
        settled.append(_Settled(accrual, kept, credited))
    return settled


def _write(session: Session, programme: Programme, settled: Sequence[_Settled], gas_limit: int) -> None:
    now = utc_now()
    credited = [entry for entry in settled if entry.credited_points]
    batch_id = _issue(session, programme, credited, gas_limit) if credited else None
    places = {entry.accrual.id: index for index, entry in enumerate(credited)}
    session.execute(
        text(_ASSIGN),
        {
            "ids": [entry.accrual.id for entry in settled],
            "netted": [entry.netted_points for entry in settled],
            "places": [places.get(entry.accrual.id) for entry in settled],
            "accounts": [entry.accrual.account for entry in settled],
            "batch_id": batch_id,
        },
    )
    entries = [
        {
            "enrolment_id": entry.accrual.enrolment_id,
            "points": -entry.netted_points,
            "accrual_id": entry.accrual.id,
            "created_at": now,
        }
        for entry in settled
        if entry.netted_points
    ]
    if entries:
        session.execute(insert(ShortfallEntry), entries)


_ASSIGN = """
UPDATE accruals SET netted_points = netted_points + chosen.netted,
    batch_id = CASE WHEN chosen.place IS NOT NULL THEN :batch_id END, leaf_index = chosen.place,
    account = CASE WHEN chosen.place IS NOT NULL THEN chosen.account END
FROM unnest(CAST(:ids AS bigint[]), CAST(:netted AS bigint[]), CAST(:places AS integer[]), CAST(:accounts AS bytea[]))
    AS chosen(id, netted, place, account)
WHERE accruals.id = chosen.id
"""


def _issue(session: Session, programme: Programme, credited: Sequence[_Settled], gas_limit: int) -> str:
    """Writes the batch and asks for its transaction; answers its id."""
    sums: defaultdict[bytes, int] = defaultdict(int)
    for entry in credited:
        sums[entry.accrual.account] += entry.credited_points
    tree = ReceiptTree(
        [
            Receipt(
                entry.accrual.account, entry.credited_points, event_hash(entry.accrual.salt, entry.accrual.reference)
            )
            for entry in credited
        ]
    )
    batch_id = new_id("bat")
    operation = outbox.enqueue(
        session,
        kind="issue_batch",
        programme_id=programme.id,
        chain_id=programme.chain_id,
        signer=programme.issuer,
        target=programme.token,
        data=encode_issue_batch(tree.root, list(sums.items())),
        subject=batch_id,
        gas_limit=gas_limit,
    )
    session.add(
        Batch(
            id=batch_id,
            programme_id=programme.id,
            root=tree.root,
            operation_id=operation.id,
            receipt_count=len(credited),
            credit_count=len(sums),
            total_points=sum(sums.values()),
            created_at=utc_now(),
        )
    )
    session.flush()
    BATCHES.labels(programme.slug).inc()
    CREDITS.observe(len(sums))
    GAS.observe(gas_limit)
    log.info("batch", batch=batch_id, operation=operation.id, credits=len(sums), receipts=len(credited), gas=gas_limit)
    return batch_id
