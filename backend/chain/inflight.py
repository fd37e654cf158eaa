"""Transactions under way: offered until a node has them, replaced when stuck, their nonces always used up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import ScalarSelect, exists, func, select, update
from sqlalchemy.orm import Session, aliased

from backend.chain.crashpoints import crash_point
from backend.chain.errors import (
    AlreadyKnownError,
    NodeError,
    NonceTooLowError,
    ReplacementUnderpricedError,
    TransactionInvalidError,
)
from backend.chain.fees import Fees
from backend.chain.metrics import FEE_CAPPED, REFUSALS, REPLACEMENTS
from backend.chain.models import Operation, OutboxTransaction, TransactionAttempt
from backend.chain.sending import ChainView, Sending, fees_of, record_offers
from backend.database import transaction, utc_now

log = structlog.get_logger(__name__)

_AS_GOOD_AS_TAKEN = (AlreadyKnownError, NonceTooLowError, ReplacementUnderpricedError)
"""The node has it, or something else under this nonce: which of our hashes was mined, only the index can say."""
_MOST_BLOCKS_HELD = 50


class InFlight:
    """Looks after one signer's unmined transactions."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._started = False
        self._offered_at: dict[bytes, str] = {}
        """Head's hash when an attempt was last offered, so that it is offered at most once a block."""
        self._held: tuple[int, int] | None = None
        """The nonce that is held back, and the head's number when that began."""

    def offer_again(self, view: ChainView) -> int:
        """Offers what no node has taken, what the node's pool lacks, and after a start everything."""
        with transaction(self._sending.sessions) as session:
            attempts = self._sending.unmined_attempts(session, view.latest_nonce)
            first_held = self._held_for_long(self._first_held_back(session, attempts), view.number)
        known = {attempt.hash for attempt in attempts}
        self._offered_at = {hash_: head for hash_, head in self._offered_at.items() if hash_ in known}
        wanted = [
            attempt
            for attempt in attempts
            if (first_held is None or attempt.nonce < first_held)
            and (
                not self._started
                or (
                    (attempt.broadcast_at is None or attempt.nonce >= view.pending_nonce)
                    and self._offered_at.get(attempt.hash) != view.head["hash"]
                )
            )
        ]
        # What the first endpoint loses is given to all of them.
        everywhere = any(attempt.broadcast_at is not None for attempt in wanted)
        self.offer(wanted, view, everywhere=everywhere)
        self._started = True
        return len(wanted)

    def _first_held_back(self, session: Session, attempts: Sequence[TransactionAttempt]) -> int | None:
        """The lowest nonce that must wait: a reorganisation took it back, and with it an earlier one of another signer.

        It was signed because that earlier one had been mined; sent at the same time, it could come first and fail.
        """
        earlier = aliased(OutboxTransaction)
        undone = [attempt.outbox_id for attempt in attempts if attempt.broadcast_at is None]
        before = exists().where(
            earlier.chain_id == OutboxTransaction.chain_id,
            earlier.target == OutboxTransaction.target,
            earlier.signer != OutboxTransaction.signer,
            earlier.state == "sent",
            # Not as they were asked for: what failed and was signed anew comes later than when it was asked for.
            _signed_at(earlier) < _signed_at(OutboxTransaction),
        )
        held = select(func.min(OutboxTransaction.nonce)).where(
            OutboxTransaction.id.in_(undone), OutboxTransaction.undone, before
        )
        return session.scalar(held)

    def _held_for_long(self, nonce: int | None, head: int) -> int | None:
        """`nonce` while it is held back and not for too long: the earlier one may wait for something else."""
        if nonce is None or self._held is None or self._held[0] != nonce:
            self._held = None if nonce is None else (nonce, head)
            return nonce
        return nonce if head - self._held[1] <= _MOST_BLOCKS_HELD else None

    def offer(self, attempts: Sequence[TransactionAttempt], view: ChainView, *, everywhere: bool = False) -> None:
        """Broadcasts stored attempts, in order of nonce. Errors: `ChainUnavailableError` (they may be out even so)."""
        if not attempts:
            return
        crash_point("submitter.before_broadcast")
        refusals = self._sending.client.send_raw_many([attempt.raw for attempt in attempts], everywhere=everywhere)
        crash_point("submitter.after_broadcast")
        taken = []
        for attempt, refusal in zip(attempts, refusals, strict=True):
            self._offered_at[attempt.hash] = view.head["hash"]
            if refusal is None or isinstance(refusal, _AS_GOOD_AS_TAKEN):
                taken.append(attempt.hash)
            if refusal is not None and not isinstance(refusal, AlreadyKnownError | NonceTooLowError):
                self._note_refusal(attempt, refusal)
        with transaction(self._sending.sessions) as session:
            record_offers(session, [attempt.hash for attempt in attempts], taken, view.number)
            crash_point("submitter.before_acknowledge")
        crash_point("submitter.after_acknowledge")
        for attempt, refusal in zip(attempts, refusals, strict=True):
            if isinstance(refusal, TransactionInvalidError) and attempt.outbox_id is not None:
                self._give_up_bytes(attempt, refusal, view)

    def _note_refusal(self, attempt: TransactionAttempt, refusal: NodeError) -> None:
        REFUSALS.labels(self._sending.address, type(refusal).__name__).inc()
        log.warning(
            "broadcast_refused",
            transaction="0x" + attempt.hash.hex(),
            nonce=attempt.nonce,
            reason=type(refusal).__name__,
            detail=refusal.detail,
        )

    def replace_stuck(self, view: ChainView) -> int:
        """Raises the fee of what waited too long: the first in line, and all that offer less than the next base fee."""
        waited_since = view.number - self._sending.config.replace_after_blocks
        with transaction(self._sending.sessions) as session:
            attempts = self._sending.unmined_attempts(session, view.latest_nonce)
        stuck = [
            attempt
            for attempt in attempts
            if attempt.broadcast_block is not None
            and attempt.broadcast_block <= waited_since
            and (attempt.nonce == view.latest_nonce or attempt.max_fee_per_gas <= view.next_base_fee)
        ]
        replacements = self._sign_replacements(stuck, view)
        self.offer(replacements, view)
        return len(replacements)

    def _sign_replacements(self, stuck: Sequence[TransactionAttempt], view: ChainView) -> list[TransactionAttempt]:
        sending, signed = self._sending, []
        quote = sending.quote(view) or Fees(sending.config.fees.cap, sending.config.fees.minimum_tip)
        priced = [(attempt, sending.config.fees.replacement(fees_of(attempt), quote)) for attempt in stuck]
        priced_in_reach = [(attempt, fees) for attempt, fees in priced if fees is not None]
        FEE_CAPPED.labels(sending.address).inc(len(priced) - len(priced_in_reach))
        if not priced_in_reach:
            return []
        with transaction(sending.sessions) as session:
            sending.lease.lock(session)
            for attempt, fees in priced_in_reach:
                row = None if attempt.outbox_id is None else session.get(OutboxTransaction, attempt.outbox_id)
                if row is not None and (row.state, row.nonce) != ("sent", attempt.nonce):
                    continue
                replacement = sending.sign(attempt.nonce, row, fees)
                session.add(replacement)
                if row is not None:
                    _show(session, row, transaction_hash=replacement.hash)
                signed.append(replacement)
        crash_point("submitter.after_store_replacement")
        REPLACEMENTS.labels(sending.address).inc(len(signed))
        return signed

    def _give_up_bytes(self, attempt: TransactionAttempt, refusal: NodeError, view: ChainView) -> None:
        """No node will ever mine these bytes: says so, and uses their nonce up with a transfer to ourselves."""
        sending = self._sending
        quote = sending.quote(view) or Fees(sending.config.fees.cap, sending.config.fees.minimum_tip)
        fees = sending.config.fees.replacement(fees_of(attempt), quote)
        if fees is None:
            return
        with transaction(sending.sessions) as session:
            sending.lease.lock(session)
            row = session.get(OutboxTransaction, attempt.outbox_id)
            if row is None or row.state != "sent":
                return
            _show(session, row, error_code="TransactionInvalid", error_detail=refusal.detail)
            filler = sending.sign(attempt.nonce, None, fees)
            session.add(filler)
        self.offer([filler], view)

    def fill_gaps(self, view: ChainView, next_nonce: int) -> int:
        """Uses up nonces below ours for which nothing signed exists, so that later ones can be mined."""
        sending = self._sending
        quote = sending.quote(view)
        with transaction(sending.sessions) as session:
            present = set(
                session.scalars(
                    select(TransactionAttempt.nonce).where(
                        TransactionAttempt.chain_id == sending.chain_id,
                        TransactionAttempt.signer == sending.signer.address,
                        TransactionAttempt.nonce >= view.latest_nonce,
                    )
                )
            )
            gaps = [nonce for nonce in range(view.latest_nonce, next_nonce) if nonce not in present]
            if not gaps or quote is None:
                return 0
            sending.lease.lock(session)
            fillers = [sending.sign(nonce, None, quote) for nonce in gaps[: sending.config.window]]
            session.add_all(fillers)
        self.offer(fillers, view)
        return len(fillers)


def _signed_at(row: type[OutboxTransaction]) -> ScalarSelect[datetime]:
    """When a transaction was first signed under its present nonce. One signer's are signed in order of nonce."""
    return (
        select(func.min(TransactionAttempt.signed_at))
        .where(
            TransactionAttempt.chain_id == row.chain_id,
            TransactionAttempt.signer == row.signer,
            TransactionAttempt.nonce == row.nonce,
        )
        .correlate(row)
        .scalar_subquery()
    )


def _show(session: Session, row: OutboxTransaction, **values: object) -> None:
    """Writes to the operation that a row stands for."""
    if row.operation_id is not None:
        session.execute(
            update(Operation).where(Operation.id == row.operation_id).values(updated_at=utc_now(), **values)
        )
