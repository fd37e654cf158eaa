"""Drives submitters and an indexer step by step, as the worker does in a loop."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import points_token
from backend.chain.client import ChainClient
from backend.chain.fees import FeePolicy
from backend.chain.indexer import Indexer, IndexerConfig
from backend.chain.models import (
    Cursor,
    LotBalance,
    LotEntry,
    Operation,
    OutboxTransaction,
    TokenEvent,
    TransactionAttempt,
)
from backend.chain.outbox import enqueue
from backend.chain.points_token import PointsToken
from backend.chain.sending import SubmitterConfig
from backend.chain.submitter import Submitter
from backend.database import transaction
from tests.support.anvil import Deployment

FINALITY_BLOCKS = 8
"""anvil with four slots an epoch calls a block final when it is two epochs old."""
CONFIG = SubmitterConfig(fees=FeePolicy(cap=500 * 10**9), replace_after_blocks=2)


@dataclass(frozen=True)
class Snapshot:
    """What must be the same after a fault as without it."""

    lots: list[str]
    entries: list[str]
    events: list[str]
    operations: list[str]


class Service:
    """One installation: a submitter per signer, an indexer, a database."""

    def __init__(
        self,
        deployment: Deployment,
        sessions: sessionmaker[Session],
        urls: Sequence[str] | None = None,
        config: SubmitterConfig = CONFIG,
        indexer_config: IndexerConfig | None = None,
    ) -> None:
        self.deployment = deployment
        self.chain = deployment.chain
        self.sessions = sessions
        self.client = ChainClient(
            urls or [self.chain.url], deployment.manifest.chain_id, timeout_seconds=60, attempts=2, backoff_seconds=0.01
        )
        self.entry = deployment.manifest.programmes[0]
        self.token = PointsToken(self.chain.client, self.entry.token_bytes)
        self.issuer, self.custodian = deployment.accounts[1], deployment.accounts[2]
        self.config = config
        self.submitters = [self.submitter(self.issuer), self.submitter(self.custodian)]
        self.indexer = Indexer(sessions, self.client, deployment.manifest, indexer_config)

    def submitter(self, signer: bytes, config: SubmitterConfig | None = None) -> Submitter:
        """A submitter of its own for a signer."""
        source = self.deployment.signers.signer(signer)
        return Submitter(self.sessions, self.client, source, self.deployment.manifest.chain_id, config or self.config)

    def with_fee_cap(self, cap_gwei: int) -> Submitter:
        """A submitter for the issuer that pays at most `cap_gwei`."""
        config = replace(self.config, fees=FeePolicy(cap=cap_gwei * 10**9))
        return self.submitter(self.issuer, config)

    # Asking

    def ask(self, kind: str, data: bytes, signer: bytes | None = None, gas_limit: int | None = None) -> str:
        """Writes an operation and answers its id."""
        with transaction(self.sessions) as session:
            operation = enqueue(
                session,
                kind=kind,
                programme_id=None,
                chain_id=self.deployment.manifest.chain_id,
                signer=signer or self.issuer,
                target=self.entry.token_bytes,
                data=data,
                request_id="req-" + kind,
                gas_limit=gas_limit,
            )
            return operation.id

    def ask_issue(self, account: bytes, points: int, ref: bytes | None = None) -> str:
        """Asks for points."""
        return self.ask("issue", points_token.encode_issue(account, points, ref or secrets.token_bytes(32)))

    def ask_redeem(self, member_key: bytes, points: int, ref: bytes | None = None) -> str:
        """Asks for a redemption from a managed account."""
        data = points_token.encode_redeem_managed(member_key, points, ref or secrets.token_bytes(32))
        return self.ask("redeem", data, self.custodian)

    def account(self, member_key: bytes) -> bytes:
        """The managed account of a key."""
        return points_token.managed_account(self.entry.token_bytes, member_key)

    # Driving

    def submit(self, *submitters: Submitter) -> int:
        """One pass of these submitters, or of every one; what they send is in a block then."""
        with self.chain.one_block():
            return sum(submitter.run_once() for submitter in submitters or self.submitters)

    def index(self) -> int:
        """Steps of the indexer until it has nothing more to do."""
        total = 0
        while done := self.indexer.run_once():
            total += done
        return total

    def settle(self, rounds: int = 12) -> None:
        """Submits, mines and indexes until everything asked for is final or failed."""
        for _ in range(rounds):
            self.submit()
            self.chain.mine(1)
            self.index()
            if not self.open_operations():
                return
        raise AssertionError(f"not settled: {[(o.kind, o.state, o.error_code) for o in self.operations()]}")

    def finish(self) -> None:
        """Like `settle`, with finality brought about by mining."""
        self.submit()
        for _ in range(6):
            self.chain.mine(FINALITY_BLOCKS + 1)
            self.index()
            if not self.open_operations():
                return
            self.submit()
        raise AssertionError(f"not final: {[(o.kind, o.state, o.error_code) for o in self.operations()]}")

    def until(self, condition: Callable[[], bool], rounds: int = 10) -> None:
        """Submits, mines and indexes until `condition` holds."""
        for _ in range(rounds):
            if condition():
                return
            self.submit()
            self.chain.mine(1)
            self.index()
        raise AssertionError("the condition did not come about")

    # Looking

    def operation(self, operation_id: str) -> Operation:
        """The operation as it stands."""
        with transaction(self.sessions) as session:
            return session.get_one(Operation, operation_id)

    def operations(self) -> list[Operation]:
        """All operations, oldest first."""
        with transaction(self.sessions) as session:
            return list(session.scalars(select(Operation).order_by(Operation.id)))

    def open_operations(self) -> list[Operation]:
        """Operations that are neither final nor failed."""
        return [operation for operation in self.operations() if operation.state not in {"final", "failed"}]

    def attempts(self) -> list[TransactionAttempt]:
        """Everything ever signed, by nonce and fee."""
        with transaction(self.sessions) as session:
            order = (TransactionAttempt.signer, TransactionAttempt.nonce, TransactionAttempt.max_fee_per_gas)
            return list(session.scalars(select(TransactionAttempt).order_by(*order)))

    def outbox(self) -> list[OutboxTransaction]:
        """All outbox rows, oldest first."""
        with transaction(self.sessions) as session:
            return list(session.scalars(select(OutboxTransaction).order_by(OutboxTransaction.id)))

    def cursor(self) -> Cursor:
        """The projection's cursor."""
        with transaction(self.sessions) as session:
            return session.get_one(Cursor, self.deployment.manifest.chain_id)

    def projected_lots(self, account: bytes) -> dict[int, int]:
        """Lots of an account in the projection."""
        with transaction(self.sessions) as session:
            rows = session.scalars(select(LotBalance).where(LotBalance.account == account))
            return {row.epoch: row.points for row in rows}

    def snapshot(self) -> Snapshot:
        """The projection and the outcomes, without what may differ between two runs (hashes, numbers, times)."""
        with transaction(self.sessions) as session:
            lots = session.execute(select(LotBalance.account, LotBalance.epoch, LotBalance.points)).all()
            entries = session.execute(
                select(LotEntry.account, LotEntry.epoch, LotEntry.points, LotEntry.kind, LotEntry.ref)
            ).all()
            events = session.execute(select(TokenEvent.name, TokenEvent.ref, TokenEvent.account)).all()
            operations = session.execute(select(Operation.kind, Operation.state, Operation.error_code)).all()
        return Snapshot(
            sorted(map(str, lots)), sorted(map(str, entries)), sorted(map(str, events)), sorted(map(str, operations))
        )

    def assert_consistent(self) -> None:
        """Projection equals chain, lots equal their entries, nonces are gapless, one outcome per operation."""
        with transaction(self.sessions) as session:
            accounts = set(session.scalars(select(LotEntry.account)))
            sums: dict[tuple[bytes, int], int] = {}
            for row in session.scalars(select(LotEntry)):
                sums[row.account, row.epoch] = sums.get((row.account, row.epoch), 0) + row.points
            lots = {(row.account, row.epoch): row.points for row in session.scalars(select(LotBalance))}
        assert lots == {key: points for key, points in sums.items() if points}
        first_live = self.token.current_epoch() - self.entry.terms.validity_epochs
        for account in accounts:
            live = {lot.epoch: lot.amount for lot in self.token.lots_of(account)}
            ours = {epoch: points for (owner, epoch), points in lots.items() if owner == account}
            assert {epoch: points for epoch, points in ours.items() if epoch >= first_live} == live
        for signer in (self.issuer, self.custodian):
            used = self.chain.client.transaction_count("0x" + signer.hex())
            nonces = sorted({attempt.nonce for attempt in self.attempts() if attempt.signer == signer})
            assert nonces == list(range(used)), "nonces are not gapless"
            mined = [a.nonce for a in self.attempts() if a.signer == signer and a.block_number is not None]
            assert sorted(mined) == list(range(used)), "a nonce was mined twice or never"
