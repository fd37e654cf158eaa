"""Tables of the outbox (what the chain must do) and of the projection (what the chain has done).

The projection - blocks, cursors, token_events, lot_entries, lots, debt_entries, debt_totals, lane_volumes - can be
dropped and rebuilt from block 0. The outbox cannot: it holds signed bytes and the nonces they used.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Numeric, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Address, Base, Hash, Points, PublicId, RowId, Time


class Operation(Base):
    """Something the chain was asked to do, as callers see it: *pending → sent → mined → final*, or *failed*.

    `failed` is said only when the chain has refused for good (a reverted transaction in a final block, or a refusal
    before anything was signed). While nobody knows, it stays `sent`.
    """

    __tablename__ = "operations"
    __table_args__ = (
        Index("ix_operations_subject", "subject"),
        Index("ix_operations_unsettled", "id", postgresql_where=text("state IN ('pending','sent')")),
    )

    id: Mapped[PublicId]  # op_
    programme_id: Mapped[str | None] = mapped_column(ForeignKey("programmes.id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    """issue_batch, redeem, hold, capture, release, refund, clawback, link_wallet, swap, propose_lane, ..."""
    subject: Mapped[str | None] = mapped_column(String(72))
    """Id of the resource it is about, such as `red_...`."""
    state: Mapped[str] = mapped_column(String(8))
    error_code: Mapped[str | None] = mapped_column(String(64))
    """Name of the contract's custom error, or of ours."""
    error_detail: Mapped[str | None]
    transaction_hash: Mapped[Hash | None]
    block_number: Mapped[int | None] = mapped_column(BigInteger)
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class OutboxTransaction(Base):
    """A transaction to be sent: written with the change that asks for it, in one database transaction."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_open", "chain_id", "signer", "id", postgresql_where=text("state IN ('queued','sent','mined')")
        ),
        Index(
            "ix_outbox_nonce", "chain_id", "signer", "nonce", unique=True, postgresql_where=text("nonce IS NOT NULL")
        ),
    )

    id: Mapped[RowId]
    operation_id: Mapped[str | None] = mapped_column(ForeignKey("operations.id"), index=True)
    chain_id: Mapped[int] = mapped_column(BigInteger)
    signer: Mapped[Address]
    target: Mapped[Address]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    gas_limit: Mapped[int | None] = mapped_column(BigInteger)
    """Set by the caller when known exactly (batches); otherwise estimated before signing."""
    state: Mapped[str] = mapped_column(String(8), server_default=text("'queued'"))
    """queued, sent (a nonce is taken and signed bytes are stored), mined, final, failed"""
    nonce: Mapped[int | None] = mapped_column(BigInteger)
    undone: Mapped[bool] = mapped_column(server_default=text("false"))
    """A reorganisation took it, or what it may build on, out of a block: if it fails now, it is tried again."""
    created_at: Mapped[Time] = mapped_column(server_default=text("now()"))


class TransactionAttempt(Base):
    """Signed bytes, stored before they are broadcast. Several may share a nonce; at most one of them is mined."""

    __tablename__ = "transaction_attempts"
    __table_args__ = (
        Index("ix_attempts_nonce", "chain_id", "signer", "nonce"),
        Index("ix_attempts_outbox", "outbox_id"),
    )

    hash: Mapped[Hash] = mapped_column(primary_key=True)
    outbox_id: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"))
    """Empty for a self-send that fills a nonce."""
    chain_id: Mapped[int] = mapped_column(BigInteger)
    signer: Mapped[Address]
    nonce: Mapped[int] = mapped_column(BigInteger)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    max_fee_per_gas: Mapped[int] = mapped_column(Numeric(78, 0))
    max_priority_fee_per_gas: Mapped[int] = mapped_column(Numeric(78, 0))
    signed_at: Mapped[Time]
    broadcast_at: Mapped[Time | None]
    """Empty while no node is known to have taken it; emptied again when a reorganisation drops it."""
    broadcast_block: Mapped[int | None] = mapped_column(BigInteger)
    """Head when it was first offered under this fee: waiting is counted in blocks, not by a clock."""
    block_number: Mapped[int | None] = mapped_column(BigInteger)
    block_hash: Mapped[Hash | None]
    succeeded: Mapped[bool | None]
    gas_used: Mapped[int | None] = mapped_column(BigInteger)


class SignerAccount(Base):
    """An account that sends: its next nonce, and who may send now."""

    __tablename__ = "signer_accounts"

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    address: Mapped[Address] = mapped_column(primary_key=True)
    next_nonce: Mapped[int] = mapped_column(BigInteger)
    leased_by: Mapped[str | None] = mapped_column(String(64))
    leased_until: Mapped[Time | None]
    """By the database's clock."""
    halted_reason: Mapped[str | None]
    """Set while the chain knows nonces of this account that the database does not: nothing is signed."""


class Block(Base):
    """A block that the projection includes."""

    __tablename__ = "blocks"

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hash: Mapped[Hash]
    parent_hash: Mapped[Hash]
    timestamp: Mapped[int] = mapped_column(BigInteger)
    """Unix seconds."""


class Cursor(Base):
    """How far the projection of a chain has come. Moves last, in the transaction that wrote the blocks."""

    __tablename__ = "cursors"

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    genesis_hash: Mapped[Hash]
    next_block: Mapped[int] = mapped_column(BigInteger)
    finalized_block: Mapped[int] = mapped_column(BigInteger)
    halted_reason: Mapped[str | None]
    """Set when a reorganisation went past finality: a person must look."""
    tokens: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary(20)))
    """Contracts whose logs the projection holds: tokens, exchange and clearing house. One that is missing is indexed
    from its deployment on."""


HOUSE_LOGS = (
    "name IN ('ProgrammeJoined', 'CollateralDeposited', 'CollateralWithdrawn', 'CreditLineChanged', 'CycleClosed',"
    " 'PositionAdvised', 'CycleReadvised', 'DebtPaid', 'CollateralEnforced', 'CycleSettled', 'DefaultDeclared',"
    " 'LossAllocated', 'ClaimPaid', 'DefaultEnded', 'CycleDisputed')"
    " OR (name = 'ReservationEnded' AND payload @> '{\"paid\": true}')"
)
"""Logs of a clearing house that do not come with every swap; an index holds them apart."""


class TokenEvent(Base):
    """A log of a points token, the exchange or the clearing house, by what it is about; no Transfer, no DebtBooked.

    `token` is the contract; `ref` is the ref or batch id of a token's log, the swap or lane id of the exchange's, the
    programme of the clearing house's (the debtor where there are two), or the swap of a reservation.
    """

    __tablename__ = "token_events"
    __table_args__ = (
        UniqueConstraint("chain_id", "block_number", "log_index"),
        Index("ix_token_events_ref", "token", "ref"),
        Index("ix_token_events_account", "token", "account"),
        Index("ix_token_events_pending", "chain_id", "block_number", postgresql_where=text("name = 'SwapPending'")),
        Index("ix_token_events_sent", "chain_id", "block_number", postgresql_where=text("name = 'SwapSent'")),
        Index(
            "ix_token_events_arrivals",
            "token",
            text("(payload ->> 'lane_id')"),
            "block_number",
            "log_index",
            postgresql_where=text("name IN ('SwapMinted', 'SwapRefused')"),
        ),
        Index("ix_token_events_house", "token", "block_number", "log_index", postgresql_where=text(HOUSE_LOGS)),
        Index("ix_token_events_reserved", "token", "ref", postgresql_where=text("name = 'DebtReserved'")),
    )

    id: Mapped[RowId]
    chain_id: Mapped[int] = mapped_column(BigInteger)
    token: Mapped[Address]
    block_number: Mapped[int] = mapped_column(BigInteger)
    transaction_hash: Mapped[Hash]
    log_index: Mapped[int]
    name: Mapped[str] = mapped_column(String(32))
    ref: Mapped[Hash | None]
    """ref or batch id"""
    account: Mapped[Address | None]
    payload: Mapped[dict[str, object]] = mapped_column(JSONB)
    """The event's other arguments: integers as numbers, bytes as 0x strings, lots as [[epoch, amount], ...]."""


class DebtEntry(Base):
    """A debt that a swap left between two programmes: append-only. Amounts in the currency's smallest unit."""

    __tablename__ = "debt_entries"
    __table_args__ = (
        Index("ix_debt_entries_block", "chain_id", "block_number"),
        Index("ix_debt_entries_cycle", "chain_id", "cycle", "id"),
    )

    id: Mapped[RowId]
    chain_id: Mapped[int] = mapped_column(BigInteger)
    cycle: Mapped[int] = mapped_column(BigInteger)
    debtor: Mapped[Hash]
    """Programme id of the registry, as are all programmes of these three tables."""
    creditor: Mapped[Hash]
    amount: Mapped[int] = mapped_column(Numeric(40, 0))
    swap_hash: Mapped[Hash]
    block_number: Mapped[int] = mapped_column(BigInteger)
    transaction_hash: Mapped[Hash]
    log_index: Mapped[int]


class DebtTotal(Base):
    """Sum and number of the `debt_entries` of a cycle, debtor and creditor, kept in step with them."""

    __tablename__ = "debt_totals"

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    cycle: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    debtor: Mapped[Hash] = mapped_column(primary_key=True)
    creditor: Mapped[Hash] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(Numeric(40, 0))
    swaps: Mapped[int] = mapped_column(BigInteger)


class LaneVolume(Base):
    """Points out of a lane in a bucket of six hours (`timestamp // 21600`): what its daily cap counts."""

    __tablename__ = "lane_volumes"

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    lane_id: Mapped[Hash] = mapped_column(primary_key=True)
    bucket: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    points_out: Mapped[Points]
    swaps: Mapped[int] = mapped_column(BigInteger)


class LotEntry(Base):
    """One change of one lot: append-only, signed. The sum over an account and epoch is its lot."""

    __tablename__ = "lot_entries"
    __table_args__ = (
        Index("ix_lot_entries_account", "token", "account", "block_number", "log_index"),
        Index("ix_lot_entries_block", "chain_id", "block_number"),
    )

    id: Mapped[RowId]
    chain_id: Mapped[int] = mapped_column(BigInteger)
    token: Mapped[Address]
    account: Mapped[Address]
    epoch: Mapped[int]
    points: Mapped[Points]
    kind: Mapped[str] = mapped_column(String(16))
    """issue, redeem, refund, clawback, hold, capture, release, expire, transfer, link, swap, swap_refund, crosschain"""
    counterparty: Mapped[Address]
    """The other side of the movement; the zero address for mints and burns."""
    block_number: Mapped[int] = mapped_column(BigInteger)
    transaction_hash: Mapped[Hash]
    log_index: Mapped[int]
    """Of the Transfer."""
    ref: Mapped[Hash | None]
    """The operation's ref or batch id; of swap and swap_refund, the swap's id on chain."""


class LotBalance(Base):
    """The present lots: the sum of `lot_entries`, kept in step with them. Expired lots stay until removed on chain."""

    __tablename__ = "lots"

    token: Mapped[Address] = mapped_column(primary_key=True)
    account: Mapped[Address] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(BigInteger)
    points: Mapped[Points]
