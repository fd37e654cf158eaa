"""Carries burnt swaps into partners' systems and tells the chain what came of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import outbox
from backend.chain.finality import final_block
from backend.chain.points_exchange import encode_confirm_posted, encode_refund_pending
from backend.database import make_id, transaction, utc_now
from backend.exchange.models import Swap
from backend.members.models import Enrolment
from backend.partners.burns import Burn, burns_of, ends_of, new_burns
from backend.partners.client import CallResult, Endpoint
from backend.partners.jobs import (
    OPERATION_PAUSE_SECONDS,
    JobConfig,
    PreparedCall,
    database_now,
    due,
    endpoints_of,
    operation_in_hand,
    pause_after_call,
    pick_due,
    prepare,
    record_call,
    take_further,
)
from backend.partners.machine import (
    ENDED_POSTINGS,
    Call,
    ChainAct,
    PostingState,
    SwapEnd,
    next_posting_step,
    posting_after,
)
from backend.partners.models import Posting
from backend.partners.secrets import SecretVault
from backend.partners.wire import Message, PostingMessage, RetryMessage, ReversalMessage, SwapFacts
from backend.points.clock import chain_timestamp, to_time
from backend.programmes.models import Programme

log = structlog.get_logger(__name__)
ENDED = sorted(ENDED_POSTINGS)
_RESTING = frozenset({PostingState.POSTED, PostingState.REFUSED})
"""States in which the partner is not asked any more: the chain is next."""
_LOOK_AGAIN_SECONDS = 600.0
"""How often all burns are looked through: a rebuilt projection, or an exchange added later, brings older ones."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A due posting with everything that what to do about it follows from."""

    posting: Posting
    programme: Programme
    source: str
    swap: Swap
    burn: Burn
    end: SwapEnd
    closing: bool
    window_over: bool
    endpoint: Endpoint | None
    now: datetime


class PostingDesk:
    """Works on postings. Any number may: each takes rows that others have not."""

    def __init__(
        self, sessions: sessionmaker[Session], vault: SecretVault, *, chain_id: int, exchange: bytes, config: JobConfig
    ) -> None:
        self._sessions = sessions
        self._vault = vault
        self._chain_id = chain_id
        self._exchange = exchange
        self._config = config
        self._seen_block = -1
        self._look_again_at = 0.0

    def discover(self) -> int:
        """Writes a posting for each swap whose burn has become final; answers how many."""
        with transaction(self._sessions) as session:
            last = final_block(session, self._chain_id)
            if time.monotonic() >= self._look_again_at:
                self._seen_block, self._look_again_at = -1, time.monotonic() + _LOOK_AGAIN_SECONDS
            if last <= self._seen_block:
                return 0
            found = new_burns(session, self._chain_id, self._exchange, self._seen_block, last)
            for swap, burn in found:
                _insert(session, swap, burn)
        self._seen_block = last
        return len(found)

    def claim(self, busy: Mapping[str, int]) -> tuple[int, list[PreparedCall]]:
        """Takes due postings one step further; answers how many changed, and the calls to make for them.

        What is to be asked of the chain is written with the change; a call is only prepared, and its intent recorded.
        `busy` says how many calls are under way to each programme's system.
        """
        with transaction(self._sessions) as session:
            cases = self._cases(session, pick_due(session, Posting, ENDED, self._config, busy))
            return take_further(session, [(case.posting, partial(self._advance, session, case)) for case in cases])

    def record(self, prepared: PreparedCall, result: CallResult) -> None:
        """Keeps the answer and draws the conclusion, unless somebody else has gone on meanwhile."""
        with transaction(self._sessions) as session:
            posting = session.get_one(Posting, prepared.subject_id, with_for_update=True)
            if record_call(session, prepared, result, posting):
                answer = result.answer
                posting.state = posting_after(prepared.call, answer.outcome, answer.reason, prepared.end)
                pause = timedelta(0) if posting.state in _RESTING else pause_after_call(posting, self._config)
                posting.next_attempt_at = database_now(session) + pause
                log.info("posting", posting=posting.id, call=prepared.call, outcome=answer.outcome, state=posting.state)
                if posting.state == PostingState.REVERSING and prepared.end is SwapEnd.REFUNDED:
                    log.error("reversal_owed", posting=posting.id, outcome=answer.outcome, reason=answer.reason)

    def _cases(self, session: Session, ids: list[str]) -> list[_Case]:
        query = (
            select(Posting, Swap, Programme)
            .join(Swap, Swap.id == Posting.swap_id)
            .join(Programme, Programme.id == Posting.programme_id)
            .where(Posting.id.in_(ids), due(Posting, ENDED))
            .with_for_update(of=Posting, skip_locked=True)
            .execution_options(populate_existing=True)
        )
        rows = session.execute(query).all() if ids else []
        if not rows:
            return []
        hashes = [swap.swap_hash for _, swap, _ in rows]
        burns = burns_of(session, self._exchange, hashes)
        ends = ends_of(session, self._exchange, hashes, final_block(session, self._chain_id))
        endpoints = endpoints_of(session, self._vault, {posting.programme_id for posting, _, _ in rows})
        slugs = {id_: slug for id_, slug in session.execute(select(Programme.id, Programme.slug))}  # noqa: C416
        timestamp = chain_timestamp(session, self._chain_id) or 0
        now = database_now(session)
        return [
            _Case(
                posting=posting,
                programme=programme,
                source=slugs[swap.programme_id],
                swap=swap,
                burn=burn,
                end=ends.get(swap.swap_hash, SwapEnd.OPEN),
                closing=timestamp + self._config.reserve_seconds >= burn.pending.refundable_from,
                window_over=timestamp >= burn.pending.refundable_from,
                endpoint=endpoints.get(posting.programme_id),
                now=now,
            )
            for posting, swap, programme in rows
            if (burn := burns.get(swap.swap_hash)) is not None  # Missing while the projection is being rebuilt.
        ]

    def _advance(self, session: Session, case: _Case) -> PreparedCall | None:
        posting, now = case.posting, case.now
        step = next_posting_step(
            PostingState(posting.state),
            case.end,
            closing=case.closing,
            reachable=case.endpoint is not None,
            given_up=posting.refund_unreversed and case.window_over,
        )
        if step.state != posting.state:
            log.info("posting", posting=posting.id, state=step.state, end=case.end)
            posting.state, posting.updated_at = step.state, utc_now()
        if step.call is None and step.act is None:
            posting.next_attempt_at = now + timedelta(seconds=self._config.longest_pause_seconds)
        if step.act is not None and not operation_in_hand(session, posting, now, self._config):
            _ask_chain(session, case, step.act)
        if step.call is None or case.endpoint is None:
            return None
        message = _message(case, step.call)
        prepared = prepare(posting, step.call, case.endpoint, message, now=now, config=self._config)
        return replace(prepared, end=case.end)


def posting_id(burn: Burn) -> str:
    """Follows from the burn, so that a database restored from an older state asks the partner under the same id."""
    digest = hashlib.sha256(burn.swap_hash).digest()
    return make_id("pst", burn.timestamp * 1000, int.from_bytes(digest[:10]))


def _insert(session: Session, swap: Swap, burn: Burn) -> None:
    now = utc_now()
    reference = session.scalars(select(Enrolment.reference).where(Enrolment.id == swap.destination_enrolment_id)).one()
    row = insert(Posting).values(
        id=posting_id(burn),
        swap_id=swap.id,
        programme_id=swap.destination_programme_id,
        member_reference=reference,
        points=burn.pending.points_out,
        state=PostingState.WAITING.value,
        next_attempt_at=database_now(session),
        refundable_from=to_time(burn.pending.refundable_from),
        created_at=now,
        updated_at=now,
    )
    session.execute(row.on_conflict_do_nothing(index_elements=["swap_id"]))


def _ask_chain(session: Session, case: _Case, act: ChainAct) -> None:
    posting, burn = case.posting, case.burn
    encode = encode_confirm_posted if act is ChainAct.CONFIRM else encode_refund_pending
    operation = outbox.enqueue(
        session,
        kind="confirm_posted" if act is ChainAct.CONFIRM else "refund_pending",
        programme_id=posting.programme_id,
        chain_id=case.programme.chain_id,
        signer=case.programme.issuer,
        target=burn.exchange,
        data=encode(burn.swap_hash, burn.pending),
        subject=posting.id,
    )
    posting.operation_id = operation.id
    posting.next_attempt_at = case.now + timedelta(seconds=OPERATION_PAUSE_SECONDS)


def _message(case: _Case, call: Call) -> Message:
    posting, swap = case.posting, case.swap
    original = PostingMessage(
        id=posting.id,
        member_reference=posting.member_reference,
        points=posting.points,
        occurred_at=to_time(case.burn.timestamp),
        swap=SwapFacts(id=swap.id, hash="0x" + swap.swap_hash.hex(), source=case.source),
    )
    if call is Call.POST:
        return original
    return (ReversalMessage if call is Call.REVERSE else RetryMessage)(id=posting.id, original=original)
