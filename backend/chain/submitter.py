"""Sends what the outbox asks for: allocate a nonce, sign, store, commit - and only then broadcast.

One submitter per (chain, signer) holds a lease. Nothing is signed for a revert that is certain, and nothing is called
failed while it may be mined: what became of a signed transaction is settled by the indexer, from final blocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.client import ChainClient
from backend.chain.crashpoints import crash_point
from backend.chain.errors import NodeError
from backend.chain.fees import FeePolicy, Fees
from backend.chain.inflight import InFlight
from backend.chain.lease import Lease, LeaseLostError
from backend.chain.manifest import Manifest
from backend.chain.metrics import FEE_CAPPED, OUTBOX_AGE_SECONDS, OUTBOX_OPEN
from backend.chain.models import Block, Cursor, Operation, OutboxTransaction, SignerAccount, TransactionAttempt
from backend.chain.nonces import check_nonces, look
from backend.chain.notifications import OPERATIONS, notify
from backend.chain.preflight import WAITING_FOR_A_PERSON, Verdict, confirm, preflight
from backend.chain.sending import ChainView, Sending, SubmitterConfig
from backend.chain.signers import Signer, signers_from_settings
from backend.database import transaction, utc_now
from backend.settings import Settings

log = structlog.get_logger(__name__)


class Submitter:
    """Sends with one signer on one chain."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        client: ChainClient,
        signer: Signer,
        chain_id: int,
        config: SubmitterConfig | None = None,
    ) -> None:
        config = config or SubmitterConfig()
        lease = Lease(sessions, chain_id, signer.address, config.lease_seconds)
        self._sending = Sending(sessions, client, signer, chain_id, config, lease)
        self._in_flight = InFlight(self._sending)

    @property
    def sending(self) -> Sending:
        """The signer, its chain and its bounds."""
        return self._sending

    def run_once(self) -> int:
        """One pass; answers how much was done, 0 when there is nothing to do or another submitter has the lease.

        Errors: `SubmitterHaltedError` (a person must look), `ChainUnavailableError`, `NodeError`, `SignerError`. After
        each of them the next pass goes on where this one stopped.
        """
        sending = self._sending
        if not sending.lease.exists():
            sending.lease.introduce(look(sending).pending_nonce)
        if not sending.lease.take():
            return 0
        view = look(sending)
        check_nonces(sending, view)
        self._measure()
        try:
            done = self._in_flight.offer_again(view)
            done += self._in_flight.fill_gaps(view, self._next_nonce())
            done += self._in_flight.replace_stuck(view)
            return done + self._send_queued(view)
        except LeaseLostError:
            log.warning("lease_lost", signer=sending.address)
            return 0

    def close(self) -> None:
        """Gives the lease up. To be called when the process ends in good order."""
        self._sending.lease.give_up()

    # New transactions

    def _send_queued(self, view: ChainView) -> int:
        rows = self._queued_rows()
        if not rows:
            return 0
        fees = self._sending.quote(view)
        if fees is None:
            FEE_CAPPED.labels(self._sending.address).inc()
            log.warning("fee_above_cap", signer=self._sending.address, next_base_fee=view.next_base_fee)
            return 0
        verdicts = preflight(self._sending.client, rows)
        with transaction(self._sending.sessions) as session:
            indexed = _indexed_hash(session, self._sending.chain_id)
        if indexed is not None:
            verdicts = confirm(self._sending.client, verdicts, indexed)
        crash_point("submitter.after_preflight")
        attempts, failed = self._store(verdicts, fees, view)
        self._in_flight.offer(attempts, view)
        return len(attempts) + failed

    def _queued_rows(self) -> list[OutboxTransaction]:
        mine = self._mine()
        with transaction(self._sending.sessions) as session:
            in_flight = session.scalar(
                select(func.count()).select_from(OutboxTransaction).where(*mine, OutboxTransaction.state == "sent")
            )
            room = self._sending.config.window - (in_flight or 0)
            queued = select(OutboxTransaction).where(*mine, OutboxTransaction.state == "queued")
            return list(session.scalars(queued.order_by(OutboxTransaction.id).limit(max(room, 0))))

    def _store(self, verdicts: Sequence[Verdict], fees: Fees, view: ChainView) -> tuple[list[TransactionAttempt], int]:
        """Signs what would work and fails what certainly would not, in one transaction; answers the attempts."""
        sending = self._sending
        attempts: list[TransactionAttempt] = []
        failed = 0
        with transaction(sending.sessions) as session, session.no_autoflush:
            account = sending.lease.lock(session)
            funds = view.balance_wei - self._committed_wei(session, view)
            rows, operations = _lock_queued(session, [verdict.row.id for verdict in verdicts])
            for verdict in verdicts:
                row = rows.get(verdict.row.id)
                if row is None:
                    continue
                operation = operations.get(row.operation_id or "")
                if verdict.gas is None:
                    failed += _refuse(session, row, operation, verdict)
                elif funds < verdict.gas * fees.max_fee:
                    detail = f"{sending.address} has too little to pay for gas; it goes on when it is topped up."
                    _note(operation, "InsufficientFunds", detail)
                else:
                    funds -= verdict.gas * fees.max_fee
                    attempts.append(self._sign(account, row, operation, verdict.gas, fees))
            session.add_all(attempts)
            if attempts or failed:
                notify(session, OPERATIONS)
            session.flush()
            crash_point("submitter.before_store")
        crash_point("submitter.after_store")
        return attempts, failed

    def _sign(
        self, account: SignerAccount, row: OutboxTransaction, operation: Operation | None, gas: int, fees: Fees
    ) -> TransactionAttempt:
        nonce = account.next_nonce
        row.nonce, row.gas_limit, row.state = nonce, gas, "sent"
        account.next_nonce += 1
        crash_point("submitter.before_sign")
        attempt = self._sending.sign(nonce, row, fees)
        crash_point("submitter.after_sign")
        if operation is not None:
            operation.state, operation.transaction_hash = "sent", attempt.hash
            operation.error_code = operation.error_detail = None
            operation.updated_at = utc_now()
            log.info(
                "transaction_signed",
                request_id=operation.request_id,
                operation=operation.id,
                kind=operation.kind,
                transaction="0x" + attempt.hash.hex(),
                nonce=nonce,
                gas=gas,
            )
        return attempt

    # Parts

    def _mine(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        sending = self._sending
        return OutboxTransaction.chain_id == sending.chain_id, OutboxTransaction.signer == sending.signer.address

    def _next_nonce(self) -> int:
        with transaction(self._sending.sessions) as session:
            account = session.get(SignerAccount, (self._sending.chain_id, self._sending.signer.address))
            if account is None:
                raise NodeError("The signer's row is gone.")
            return account.next_nonce

    def _committed_wei(self, session: Session, view: ChainView) -> int:
        """The most that transactions in flight can cost."""
        gas = dict(
            session.execute(
                select(OutboxTransaction.nonce, OutboxTransaction.gas_limit).where(
                    *self._mine(), OutboxTransaction.state == "sent"
                )
            ).all()
        )
        attempts = self._sending.unmined_attempts(session, view.latest_nonce)
        return sum(int(attempt.max_fee_per_gas) * (gas.get(attempt.nonce) or 21_000) for attempt in attempts)

    def _measure(self) -> None:
        label = self._sending.address
        with transaction(self._sending.sessions) as session:
            counts = dict(
                session.execute(
                    select(OutboxTransaction.state, func.count())
                    .where(*self._mine(), OutboxTransaction.state.in_(("queued", "sent", "mined")))
                    .group_by(OutboxTransaction.state)
                ).all()
            )
            age = session.scalar(
                select(func.extract("epoch", func.now() - func.min(OutboxTransaction.created_at))).where(
                    *self._mine(), OutboxTransaction.state == "queued"
                )
            )
        for state in ("queued", "sent", "mined"):
            OUTBOX_OPEN.labels(label, state).set(counts.get(state, 0))
        OUTBOX_AGE_SECONDS.labels(label).set(float(age or 0))


def _lock_queued(session: Session, ids: Sequence[int]) -> tuple[dict[int, OutboxTransaction], dict[str, Operation]]:
    """The rows of `ids` that are still queued, locked, and their operations."""
    queued = (
        select(OutboxTransaction)
        .where(OutboxTransaction.id.in_(ids), OutboxTransaction.state == "queued")
        .order_by(OutboxTransaction.id)
        .with_for_update()
    )
    rows = {row.id: row for row in session.scalars(queued)}
    wanted = [row.operation_id for row in rows.values() if row.operation_id]
    operations = session.scalars(select(Operation).where(Operation.id.in_(wanted)))
    return rows, {operation.id: operation for operation in operations}


def _refuse(session: Session, row: OutboxTransaction, operation: Operation | None, verdict: Verdict) -> int:
    """Fails a row whose revert is certain and answers 1; otherwise notes what is in the way, and it waits."""
    waits = verdict.revert is None or verdict.revert.name in WAITING_FOR_A_PERSON
    if waits or _may_still_change(session, row, verdict):
        _note(operation, verdict.code, verdict.detail)
        return 0
    row.state = "failed"
    _note(operation, verdict.code, verdict.detail, state="failed")
    return 1


def _may_still_change(session: Session, row: OutboxTransaction, verdict: Verdict) -> bool:
    """Whether something asked for earlier, of the same contract or by the same signer, may still change the answer.

    What counts as earlier and done must be what the revert was seen with: the indexed block is read after the rows, and
    must be the same still.
    """
    # One that waits for a person may wait for days; others are not kept in the dark that long.
    stuck = and_(OutboxTransaction.state == "queued", Operation.error_code.in_(WAITING_FOR_A_PERSON))
    earlier = (
        select(OutboxTransaction.id)
        .outerjoin(Operation, Operation.id == OutboxTransaction.operation_id)
        .where(
            OutboxTransaction.chain_id == row.chain_id,
            or_(OutboxTransaction.target == row.target, OutboxTransaction.signer == row.signer),
            OutboxTransaction.state.in_(("queued", "sent")),
            OutboxTransaction.id < row.id,
            not_(func.coalesce(stuck, False)),
        )
    )
    waits = session.scalar(earlier.limit(1)) is not None
    return waits or verdict.indexed_at is None or _indexed_hash(session, row.chain_id) != verdict.indexed_at


def _indexed_hash(session: Session, chain_id: int) -> bytes | None:
    """Hash of the last block in the projection."""
    return session.scalar(
        select(Block.hash)
        .join(Cursor, Cursor.chain_id == Block.chain_id)
        .where(Block.chain_id == chain_id, Block.number == Cursor.next_block - 1)
    )


def _note(operation: Operation | None, code: str, detail: str, state: str | None = None) -> None:
    """Tells on the operation what is in the way; `state` when that is the end of it."""
    if operation is None or (state is None and (operation.error_code, operation.error_detail) == (code, detail)):
        return
    operation.error_code, operation.error_detail = code, detail
    operation.state = state or operation.state
    operation.updated_at = utc_now()
    log.warning(
        "transaction_refused" if state else "transaction_waits",
        request_id=operation.request_id,
        operation=operation.id,
        kind=operation.kind,
        error=code,
        detail=detail,
    )


def build_submitters(
    settings: Settings, sessions: sessionmaker[Session], client: ChainClient, manifest: Manifest
) -> list[Submitter]:
    """A submitter for each account that the manifest's programmes send with, and the keeper. Errors: `SignerError`."""
    source = signers_from_settings(settings, manifest.chain_id)
    accounts = {entry.issuer for entry in manifest.programmes} | {entry.custodian for entry in manifest.programmes}
    if manifest.clearing is not None:
        accounts |= {entry.treasurer for entry in manifest.programmes} | {manifest.clearing.keeper}
    config = SubmitterConfig(
        fees=FeePolicy(cap=settings.max_fee_per_gas_gwei * 10**9),
        replace_after_blocks=settings.replace_after_blocks,
        window=settings.submit_window,
    )
    signers = [source.signer(bytes.fromhex(account[2:])) for account in sorted(accounts)]
    return [Submitter(sessions, client, signer, manifest.chain_id, config) for signer in signers]
