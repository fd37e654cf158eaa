"""Takes points out of members' accounts in partners' systems, and has as many issued on chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import outbox
from backend.chain.finality import final_block
from backend.chain.models import TokenEvent
from backend.chain.points_token import encode_issue
from backend.database import transaction, utc_now
from backend.members.models import Enrolment
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
from backend.partners.machine import ENDED_TRANSFERS, Call, TransferState, next_transfer_step, transfer_after
from backend.partners.models import PartnerTransfer
from backend.partners.secrets import SecretVault
from backend.partners.wire import Message, RetryMessage, ReversalMessage, TransferMessage
from backend.programmes.models import Programme

log = structlog.get_logger(__name__)
ENDED = sorted(ENDED_TRANSFERS)


@dataclass(frozen=True, slots=True)
class _Case:
    """A due transfer with everything that what to do about it follows from."""

    transfer: PartnerTransfer
    programme: Programme
    account: bytes
    issued: bool
    endpoint: Endpoint | None
    now: datetime


class TransferDesk:
    """Works on transfers. Any number may: each takes rows that others have not."""

    def __init__(
        self, sessions: sessionmaker[Session], vault: SecretVault, *, chain_id: int, config: JobConfig
    ) -> None:
        self._sessions = sessions
        self._vault = vault
        self._chain_id = chain_id
        self._config = config

    def claim(self, busy: Mapping[str, int]) -> tuple[int, list[PreparedCall]]:
        """Takes due transfers one step further; answers how many changed, and the calls to make for them."""
        with transaction(self._sessions) as session:
            cases = self._cases(session, pick_due(session, PartnerTransfer, ENDED, self._config, busy))
            return take_further(session, [(case.transfer, partial(self._advance, session, case)) for case in cases])

    def record(self, prepared: PreparedCall, result: CallResult) -> None:
        """Keeps the answer and draws the conclusion, unless somebody else has gone on meanwhile."""
        with transaction(self._sessions) as session:
            transfer = session.get_one(PartnerTransfer, prepared.subject_id, with_for_update=True)
            if record_call(session, prepared, result, transfer):
                answer = result.answer
                transfer.state = transfer_after(prepared.call, answer.outcome, answer.reason)
                taken = transfer.state == TransferState.TAKEN
                pause = timedelta(0) if taken else pause_after_call(transfer, self._config)
                transfer.next_attempt_at = database_now(session) + pause
                log.info("transfer", transfer=transfer.id, outcome=answer.outcome, state=transfer.state)

    def _cases(self, session: Session, ids: list[str]) -> list[_Case]:
        query = (
            select(PartnerTransfer, Programme, Enrolment.account)
            .join(Programme, Programme.id == PartnerTransfer.programme_id)
            .join(Enrolment, Enrolment.id == PartnerTransfer.enrolment_id)
            .where(PartnerTransfer.id.in_(ids), due(PartnerTransfer, ENDED))
            .with_for_update(of=PartnerTransfer, skip_locked=True)
            .execution_options(populate_existing=True)
        )
        rows = session.execute(query).all() if ids else []
        if not rows:
            return []
        issued_query = select(TokenEvent.ref).where(
            TokenEvent.token.in_({programme.token for _, programme, _ in rows}),
            TokenEvent.ref.in_([transfer.ref for transfer, _, _ in rows]),
            TokenEvent.name == "PointsIssued",
            TokenEvent.block_number <= final_block(session, self._chain_id),
        )
        issued = set(session.scalars(issued_query))
        endpoints = endpoints_of(session, self._vault, {programme.id for _, programme, _ in rows})
        now = database_now(session)
        return [
            _Case(transfer, programme, account, transfer.ref in issued, endpoints.get(programme.id), now)
            for transfer, programme, account in rows
        ]

    def _advance(self, session: Session, case: _Case) -> PreparedCall | None:
        transfer, now = case.transfer, case.now
        reachable = case.endpoint is not None
        step = next_transfer_step(TransferState(transfer.state), issued=case.issued, reachable=reachable)
        if step.state != transfer.state:
            transfer.state, transfer.updated_at = step.state, utc_now()
        if step.call is not None and case.endpoint is not None:
            message = _message(transfer, step.call)
            return prepare(transfer, step.call, case.endpoint, message, now=now, config=self._config)
        if step.act is not None:
            if not operation_in_hand(session, transfer, now, self._config):
                _issue(session, case)
        else:
            transfer.next_attempt_at = now + timedelta(seconds=self._config.longest_pause_seconds)
        return None


def _issue(session: Session, case: _Case) -> None:
    """Asks for the points. However often this is asked, a ref issues once."""
    transfer, programme = case.transfer, case.programme
    operation = outbox.enqueue(
        session,
        kind="issue",
        programme_id=programme.id,
        chain_id=programme.chain_id,
        signer=programme.issuer,
        target=programme.token,
        data=encode_issue(case.account, transfer.points, transfer.ref),
        subject=transfer.id,
    )
    transfer.operation_id = operation.id
    transfer.next_attempt_at = case.now + timedelta(seconds=OPERATION_PAUSE_SECONDS)


def _message(transfer: PartnerTransfer, call: Call) -> Message:
    original = TransferMessage(
        id=transfer.id,
        member_reference=transfer.member_reference,
        points=transfer.points,
        occurred_at=transfer.created_at,
    )
    if call is Call.TRANSFER:
        return original
    return (ReversalMessage if call is Call.REVERSE else RetryMessage)(id=transfer.id, original=original)
