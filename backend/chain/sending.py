"""What the parts of a submitter share: its settings, what it sees of the chain, and signed attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from eth_utils.address import to_checksum_address
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.client import ChainClient, RpcBlock
from backend.chain.fees import FeePolicy, Fees, base_fee_of_next
from backend.chain.lease import Lease
from backend.chain.metrics import SIGNED
from backend.chain.models import OutboxTransaction, TransactionAttempt
from backend.chain.signers import Signer, transaction_hash
from backend.database import utc_now

log = structlog.get_logger(__name__)
_SELF_SEND_GAS = 21_000


@dataclass(frozen=True, slots=True)
class SubmitterConfig:
    """Bounds of a submitter. Fees in wei per gas."""

    fees: FeePolicy = field(default_factory=lambda: FeePolicy(cap=500 * 10**9))
    replace_after_blocks: int = 3
    window: int = 64
    """Most transactions in flight at a time: nodes keep only so many for one sender."""
    lease_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class ChainView:
    """What the node says at the start of a pass."""

    head: RpcBlock
    latest_nonce: int
    """Nonces used in the newest block."""
    pending_nonce: int
    """The same, with what is in the node's pool."""
    balance_wei: int
    suggested_tip: int

    @property
    def number(self) -> int:
        """Number of the head."""
        return int(self.head["number"], 16)

    @property
    def next_base_fee(self) -> int:
        """Base fee of the next block, in wei."""
        return base_fee_of_next(self.head)


@dataclass
class Sending:
    """One signer on one chain."""

    sessions: sessionmaker[Session]
    client: ChainClient
    signer: Signer
    chain_id: int
    config: SubmitterConfig
    lease: Lease

    @property
    def address(self) -> str:
        """The signer's address with checksum; also the label of its metrics."""
        return to_checksum_address(self.signer.address)

    def quote(self, view: ChainView) -> Fees | None:
        """Fees for a new transaction; None while the chain costs more than the cap."""
        return self.config.fees.quote(view.next_base_fee, view.suggested_tip)

    def sign(self, nonce: int, row: OutboxTransaction | None, fees: Fees) -> TransactionAttempt:
        """Signs `row` under a nonce; without a row, a transfer of nothing to the signer itself, which uses it up."""
        gas = _SELF_SEND_GAS if row is None or row.gas_limit is None else row.gas_limit
        raw = self.signer.sign_transaction(
            {
                "type": 2,
                "chainId": self.chain_id,
                "nonce": nonce,
                "to": self.address if row is None else to_checksum_address(row.target),
                "value": 0,
                "data": "0x" if row is None else "0x" + row.data.hex(),
                "gas": gas,
                "maxFeePerGas": fees.max_fee,
                "maxPriorityFeePerGas": fees.tip,
            }
        )
        SIGNED.labels(self.address).inc()
        return TransactionAttempt(
            hash=transaction_hash(raw),
            outbox_id=None if row is None else row.id,
            chain_id=self.chain_id,
            signer=self.signer.address,
            nonce=nonce,
            raw=raw,
            max_fee_per_gas=fees.max_fee,
            max_priority_fee_per_gas=fees.tip,
            signed_at=utc_now(),
        )

    def unmined_attempts(self, session: Session, from_nonce: int) -> list[TransactionAttempt]:
        """The best-paying attempt of each nonce from `from_nonce` on that no indexed block holds, by nonce."""
        mine = (TransactionAttempt.chain_id == self.chain_id, TransactionAttempt.signer == self.signer.address)
        rows = session.scalars(
            select(TransactionAttempt)
            .where(*mine, TransactionAttempt.nonce >= from_nonce)
            .order_by(TransactionAttempt.nonce, TransactionAttempt.max_fee_per_gas)
        )
        best = {attempt.nonce: attempt for attempt in rows}  # The last of a nonce pays most.
        return [attempt for attempt in best.values() if attempt.block_number is None]


def fees_of(attempt: TransactionAttempt) -> Fees:
    """Fees that an attempt offers."""
    return Fees(int(attempt.max_fee_per_gas), int(attempt.max_priority_fee_per_gas))


def record_offers(session: Session, offered: Sequence[bytes], taken: Sequence[bytes], head_number: int) -> None:
    """Notes which attempts were offered, and which of them a node took."""
    session.execute(
        update(TransactionAttempt)
        .where(TransactionAttempt.hash.in_(offered), TransactionAttempt.broadcast_block.is_(None))
        .values(broadcast_block=head_number)
    )
    session.execute(
        update(TransactionAttempt)
        .where(TransactionAttempt.hash.in_(taken), TransactionAttempt.broadcast_at.is_(None))
        .values(broadcast_at=utc_now())
    )
