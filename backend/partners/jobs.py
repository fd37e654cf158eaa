"""What postings and transfers have in common: calls that are prepared in one transaction, made outside of any, and
recorded in another."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from backend.chain.crashpoints import crash_point
from backend.chain.models import Operation
from backend.database import utc_now
from backend.errors import InterpointsError
from backend.partners.client import CallResult, Endpoint
from backend.partners.machine import Call, PostingState, SwapEnd, TransferState, pause_seconds
from backend.partners.models import PartnerCall, PartnerSystem, PartnerTransfer, Posting
from backend.partners.secrets import SecretVault
from backend.partners.wire import Message, encode, path_of

log = structlog.get_logger(__name__)
_SETTLED = ("final", "failed")
_CHAIN_IS_NEXT = (PostingState.POSTED, PostingState.REFUSED, TransferState.TAKEN)
"""States in which the partner has said its last word."""
CHANNEL = "interpoints_partners"
"""Notified when a person wants something done now."""
OPERATION_PAUSE_SECONDS = 3600.0
"""While the chain has something in hand: the end of the operation makes the row due before this."""


@dataclass(frozen=True, slots=True)
class JobConfig:
    """Bounds of the work on postings and transfers."""

    reserve_seconds: int = 86_400
    """This long before a swap becomes refundable, no answer is waited for any more (chain time)."""
    first_pause_seconds: float = 2.0
    longest_pause_seconds: float = 900.0
    lease_margin_seconds: float = 15.0
    """Beyond the partner's time-out, before a call that was begun and never recorded is followed by a retry."""
    refusal_pause_seconds: float = 30.0
    """After a refusal of the chain, the first time; doubled up to an hour."""
    most_calls: int = 32
    """Rows taken at a time."""
    most_calls_a_partner: int = 4
    """Calls under way to one partner, so that a slow one does not hold up the others."""
    turn_seconds: float = 0.5
    """How long a step waits for the calls under way before it looks for others to begin."""


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A call whose intent is recorded. `attempts` and `state` tell its answer from one that came too late."""

    subject_id: str
    programme_id: str
    state: str
    attempts: int
    call: Call
    endpoint: Endpoint
    path: str
    message_id: str
    body: bytes
    end: SwapEnd = SwapEnd.OPEN


Job = Posting | PartnerTransfer


def due(kind: type[Posting] | type[PartnerTransfer], ended: Sequence[str]) -> ColumnElement[bool]:
    """Rows that are not ended and have something to be done: their time has come, or the chain has answered."""
    answered = exists().where(Operation.id == kind.operation_id, Operation.state.in_(_SETTLED))
    wakes = kind.state.in_(_CHAIN_IS_NEXT) & answered
    return kind.state.not_in(ended) & or_(kind.next_attempt_at <= func.now(), wakes)


def pick_due(
    session: Session,
    kind: type[Posting] | type[PartnerTransfer],
    ended: Sequence[str],
    config: JobConfig,
    busy: Mapping[str, int],
) -> list[str]:
    """Ids of due rows, the longest due first: a few of each partner, fewer where calls are under way (`busy`)."""
    chain_is_next = kind.state.in_(_CHAIN_IS_NEXT)
    place = func.row_number().over(partition_by=(kind.programme_id, chain_is_next), order_by=kind.next_attempt_at)
    ranked = select(kind.id, kind.programme_id, chain_is_next.label("chain_is_next"), place.label("place")).where(
        due(kind, ended)
    )
    rows = ranked.subquery()
    query = select(rows).where(rows.c.place <= config.most_calls_a_partner).order_by(rows.c.place)
    found = session.execute(query.limit(config.most_calls))
    return [
        row_id
        for row_id, programme_id, is_next, number in found
        if is_next or number <= config.most_calls_a_partner - busy.get(programme_id, 0)
    ]


def database_now(session: Session) -> datetime:
    """The time at which the transaction began, by the database's clock."""
    now: datetime = session.execute(select(func.now())).scalar_one()
    return now


def endpoints_of(session: Session, vault: SecretVault, programme_ids: set[str]) -> dict[str, Endpoint]:
    """Where these programmes take calls; one whose secret cannot be read is left out, loudly."""
    found = {}
    for system in session.scalars(select(PartnerSystem).where(PartnerSystem.programme_id.in_(programme_ids))):
        try:
            secret = vault.open(system.programme_id, system.secret)
        except InterpointsError as error:
            log.error("partner_secret_unreadable", programme=system.programme_id, error=error.detail)
            continue
        found[system.programme_id] = Endpoint(system.base_url, secret, system.timeout_seconds)
    return found


def prepare(
    job: Job, call: Call, endpoint: Endpoint, message: Message, *, now: datetime, config: JobConfig
) -> PreparedCall:
    """Records the intent: whoever finds the row later, whatever happens to this process, knows that it was asked."""
    job.attempts += 1
    job.next_attempt_at = now + timedelta(seconds=endpoint.timeout_seconds + config.lease_margin_seconds)
    return PreparedCall(
        subject_id=job.id,
        programme_id=job.programme_id,
        state=job.state,
        attempts=job.attempts,
        call=call,
        endpoint=endpoint,
        path=path_of(call, job.id),
        message_id=f"{job.id}_{job.attempts}",
        body=encode(message),
    )


def take_further(
    session: Session, steps: Sequence[tuple[Job, Callable[[], PreparedCall | None]]]
) -> tuple[int, list[PreparedCall]]:
    """Takes each job its step further; answers how many changed, and the calls to make for them."""
    before = [(job.state, job.operation_id) for job, _ in steps]
    calls = [prepared for _, advance in steps if (prepared := advance()) is not None]
    changed = sum((job.state, job.operation_id) != old for old, (job, _) in zip(before, steps, strict=True))
    session.flush()
    crash_point("poster.before_intent")
    return changed + len(calls), calls


def record_call(session: Session, prepared: PreparedCall, result: CallResult, job: Job) -> bool:
    """Keeps what a call came to; whether the job may follow it. Somebody else may have gone on meanwhile."""
    is_posting = isinstance(job, Posting)
    session.add(
        PartnerCall(
            programme_id=prepared.programme_id,
            posting_id=job.id if is_posting else None,
            transfer_id=None if is_posting else job.id,
            call=prepared.call.value,
            outcome=result.answer.outcome.value,
            http_status=result.http_status,
            detail=result.answer.reason,
            duration_ms=result.duration_ms,
            created_at=utc_now(),
        )
    )
    if (job.state, job.attempts) != (prepared.state, prepared.attempts):
        log.warning("late_partner_answer", subject=job.id, call=prepared.call, outcome=result.answer.outcome)
        return False
    job.last_outcome, job.last_detail = result.answer.outcome.value, result.answer.reason
    job.partner_reference = result.answer.reference or job.partner_reference
    job.updated_at = utc_now()
    return True


def pause_after_call(job: Job, config: JobConfig) -> timedelta:
    """How long to wait before the partner is asked again."""
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    return timedelta(
        seconds=pause_seconds(job.attempts, config.first_pause_seconds, config.longest_pause_seconds, jitter)
    )


def operation_in_hand(session: Session, job: Job, now: datetime, config: JobConfig) -> bool:
    """Whether the chain has been asked already. A refusal is forgotten after a pause, and then asked again."""
    if job.operation_id is None:
        return False
    operation = session.get_one(Operation, job.operation_id, populate_existing=True)
    if operation.state != "failed":
        # Final without its event: the projection is being rebuilt.
        pause = config.refusal_pause_seconds if operation.state == "final" else OPERATION_PAUSE_SECONDS
        job.next_attempt_at = now + timedelta(seconds=pause)
        return True
    failures = select(func.count()).where(Operation.subject == job.id, Operation.state == "failed")
    pause = pause_seconds(session.execute(failures).scalar_one(), config.refusal_pause_seconds, 3600.0, 0.0)
    log.warning("partner_operation_refused", subject=job.id, operation=operation.id, error=operation.error_code)
    job.operation_id, job.next_attempt_at = None, now + timedelta(seconds=pause)
    return True
