"""Add lanes' quotes, swaps, clearing, partner systems and the role of a key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_exchange_and_clearing"
down_revision = "0002_operation_notifications"
branch_labels = None
depends_on = None

_HOUSE_LOGS = (
    "name IN ('ProgrammeJoined', 'CollateralDeposited', 'CollateralWithdrawn', 'CreditLineChanged', 'CycleClosed',"
    " 'PositionAdvised', 'CycleReadvised', 'DebtPaid', 'CollateralEnforced', 'CycleSettled', 'DefaultDeclared',"
    " 'LossAllocated', 'ClaimPaid', 'DefaultEnded', 'CycleDisputed')"
    " OR (name = 'ReservationEnded' AND payload @> '{\"paid\": true}')"
)


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "debt_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.BigInteger(), nullable=False),
        sa.Column("debtor", sa.LargeBinary(length=32), nullable=False),
        sa.Column("creditor", sa.LargeBinary(length=32), nullable=False),
        sa.Column("amount", sa.Numeric(precision=40, scale=0), nullable=False),
        sa.Column("swap_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_debt_entries_block", "debt_entries", ["chain_id", "block_number"], unique=False)
    op.create_index("ix_debt_entries_cycle", "debt_entries", ["chain_id", "cycle", "id"], unique=False)
    op.create_table(
        "debt_totals",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.BigInteger(), nullable=False),
        sa.Column("debtor", sa.LargeBinary(length=32), nullable=False),
        sa.Column("creditor", sa.LargeBinary(length=32), nullable=False),
        sa.Column("amount", sa.Numeric(precision=40, scale=0), nullable=False),
        sa.Column("swaps", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "cycle", "debtor", "creditor"),
    )
    op.create_table(
        "lane_volumes",
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("lane_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.Column("points_out", sa.BigInteger(), nullable=False),
        sa.Column("swaps", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chain_id", "lane_id", "bucket"),
    )
    op.create_table(
        "clearing_alerts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("used_minor", sa.Numeric(precision=40, scale=0), nullable=False),
        sa.Column("limit_minor", sa.Numeric(precision=40, scale=0), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programmes.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_clearing_alerts_open",
        "clearing_alerts",
        ["programme_id", "kind"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_table(
        "partner_systems",
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("base_url", sa.String(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programmes.id"],
        ),
        sa.PrimaryKeyConstraint("programme_id"),
    )
    op.create_table(
        "disputes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("note_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programmes.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("programme_id", "reference"),
    )
    op.create_index("ix_disputes_cycle", "disputes", ["cycle"], unique=False)
    op.create_table(
        "exchange_quotes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("enrolment_id", sa.String(length=40), nullable=False),
        sa.Column("lane_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("quote_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("max_points_in", sa.BigInteger(), nullable=False),
        sa.Column("bonus_bps", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"],
            ["enrolments.id"],
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programmes.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("quote_id"),
    )
    op.create_index("ix_exchange_quotes_enrolment", "exchange_quotes", ["enrolment_id"], unique=False)
    op.create_index("ix_exchange_quotes_lane", "exchange_quotes", ["lane_id"], unique=False)
    op.create_table(
        "swaps",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("destination_programme_id", sa.String(length=40), nullable=False),
        sa.Column("enrolment_id", sa.String(length=40), nullable=False),
        sa.Column("destination_enrolment_id", sa.String(length=40), nullable=False),
        sa.Column("requester", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.LargeBinary(length=32), nullable=False),
        sa.Column("swap_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("lane_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("recipient", sa.LargeBinary(length=20), nullable=False),
        sa.Column("max_points_in", sa.BigInteger(), nullable=False),
        sa.Column("min_points_out", sa.BigInteger(), nullable=False),
        sa.Column("expected_points_in", sa.BigInteger(), nullable=False),
        sa.Column("expected_points_out", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quote_id", sa.String(length=40), nullable=True),
        sa.Column("operation_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["destination_enrolment_id"],
            ["enrolments.id"],
        ),
        sa.ForeignKeyConstraint(
            ["destination_programme_id"],
            ["programmes.id"],
        ),
        sa.ForeignKeyConstraint(
            ["enrolment_id"],
            ["enrolments.id"],
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programmes.id"],
        ),
        sa.ForeignKeyConstraint(
            ["quote_id"],
            ["exchange_quotes.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("requester", "reference"),
        sa.UniqueConstraint("swap_hash"),
    )
    op.create_index("ix_swaps_destination", "swaps", ["destination_programme_id", "id"], unique=False)
    op.create_index("ix_swaps_enrolment", "swaps", ["enrolment_id"], unique=False)
    op.create_index("ix_swaps_source", "swaps", ["programme_id", "id"], unique=False)
    op.create_index("ix_swaps_lane", "swaps", ["lane_id", "id"], unique=False)
    op.create_index("ix_swaps_operation", "swaps", ["operation_id"], unique=False)
    op.create_index(
        "ix_operations_unsettled",
        "operations",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending','sent')"),
    )
    op.create_table(
        "postings",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("swap_id", sa.String(length=40), nullable=False),
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("member_reference", sa.String(length=64), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("partner_reference", sa.String(length=128), nullable=True),
        sa.Column("last_outcome", sa.String(length=16), nullable=True),
        sa.Column("last_detail", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refundable_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refund_unreversed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programmes.id"],
        ),
        sa.ForeignKeyConstraint(
            ["swap_id"],
            ["swaps.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("swap_id"),
    )
    op.create_index(
        "ix_postings_open",
        "postings",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('confirmed','refunded')"),
    )
    op.create_index("ix_postings_programme", "postings", ["programme_id", "id"], unique=False)
    op.create_table(
        "partner_transfers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("enrolment_id", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.LargeBinary(length=32), nullable=False),
        sa.Column("member_reference", sa.String(length=64), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("partner_reference", sa.String(length=128), nullable=True),
        sa.Column("last_outcome", sa.String(length=16), nullable=True),
        sa.Column("last_detail", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operation_id", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"],
            ["enrolments.id"],
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operations.id"],
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programmes.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("programme_id", "reference"),
    )
    op.create_index(
        "ix_partner_transfers_open",
        "partner_transfers",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('issued','refused')"),
    )
    op.create_table(
        "partner_calls",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("programme_id", sa.String(length=40), nullable=False),
        sa.Column("posting_id", sa.String(length=40), nullable=True),
        sa.Column("transfer_id", sa.String(length=40), nullable=True),
        sa.Column("call", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["posting_id"],
            ["postings.id"],
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"],
            ["programmes.id"],
        ),
        sa.ForeignKeyConstraint(
            ["transfer_id"],
            ["partner_transfers.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_partner_calls_posting",
        "partner_calls",
        ["posting_id"],
        unique=False,
        postgresql_where=sa.text("posting_id IS NOT NULL"),
    )
    op.create_index(
        "ix_partner_calls_transfer",
        "partner_calls",
        ["transfer_id"],
        unique=False,
        postgresql_where=sa.text("transfer_id IS NOT NULL"),
    )
    op.create_index(
        "ix_token_events_pending",
        "token_events",
        ["chain_id", "block_number"],
        unique=False,
        postgresql_where=sa.text("name = 'SwapPending'"),
    )
    op.create_index(
        "ix_token_events_house",
        "token_events",
        ["token", "block_number", "log_index"],
        unique=False,
        postgresql_where=sa.text(_HOUSE_LOGS),
    )
    op.create_index(
        "ix_token_events_reserved",
        "token_events",
        ["token", "ref"],
        unique=False,
        postgresql_where=sa.text("name = 'DebtReserved'"),
    )
    op.add_column("api_keys", sa.Column("role", sa.String(length=12), nullable=True))
    op.execute("UPDATE api_keys SET role = CASE WHEN programme_id IS NULL THEN 'operator' ELSE 'programme' END")
    op.alter_column("api_keys", "role", nullable=False)
    op.alter_column("operations", "subject", type_=sa.String(length=72))
    op.add_column("programmes", sa.Column("treasurer", sa.LargeBinary(length=20), nullable=True))
    op.add_column("programmes", sa.Column("quoter", sa.LargeBinary(length=20), nullable=True))
    op.execute("UPDATE programmes SET treasurer = issuer, quoter = issuer")
    op.alter_column("programmes", "treasurer", nullable=False)
    op.alter_column("programmes", "quoter", nullable=False)


def downgrade() -> None:
    """Takes the change back."""
    op.alter_column("operations", "subject", type_=sa.String(length=40), postgresql_using="left(subject, 40)")
    op.drop_column("programmes", "quoter")
    op.drop_column("programmes", "treasurer")
    op.drop_column("api_keys", "role")
    op.drop_index("ix_token_events_reserved", table_name="token_events")
    op.drop_index("ix_token_events_house", table_name="token_events")
    op.drop_index(
        "ix_token_events_pending", table_name="token_events", postgresql_where=sa.text("name = 'SwapPending'")
    )
    op.drop_index(
        "ix_partner_calls_transfer",
        table_name="partner_calls",
        postgresql_where=sa.text("transfer_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_partner_calls_posting", table_name="partner_calls", postgresql_where=sa.text("posting_id IS NOT NULL")
    )
    op.drop_table("partner_calls")
    op.drop_index(
        "ix_partner_transfers_open",
        table_name="partner_transfers",
        postgresql_where=sa.text("state NOT IN ('issued','refused')"),
    )
    op.drop_table("partner_transfers")
    op.drop_index("ix_postings_programme", table_name="postings")
    op.drop_index(
        "ix_postings_open", table_name="postings", postgresql_where=sa.text("state NOT IN ('confirmed','refunded')")
    )
    op.drop_table("postings")
    op.drop_index(
        "ix_operations_unsettled", table_name="operations", postgresql_where=sa.text("state IN ('pending','sent')")
    )
    op.drop_index("ix_swaps_operation", table_name="swaps")
    op.drop_index("ix_swaps_lane", table_name="swaps")
    op.drop_index("ix_swaps_source", table_name="swaps")
    op.drop_index("ix_swaps_enrolment", table_name="swaps")
    op.drop_index("ix_swaps_destination", table_name="swaps")
    op.drop_table("swaps")
    op.drop_index("ix_exchange_quotes_lane", table_name="exchange_quotes")
    op.drop_index("ix_exchange_quotes_enrolment", table_name="exchange_quotes")
    op.drop_table("exchange_quotes")
    op.drop_index("ix_disputes_cycle", table_name="disputes")
    op.drop_table("disputes")
    op.drop_table("partner_systems")
    op.drop_index(
        "ix_clearing_alerts_open", table_name="clearing_alerts", postgresql_where=sa.text("cleared_at IS NULL")
    )
    op.drop_table("clearing_alerts")
    op.drop_table("lane_volumes")
    op.drop_table("debt_totals")
    op.drop_index("ix_debt_entries_cycle", table_name="debt_entries")
    op.drop_index("ix_debt_entries_block", table_name="debt_entries")
    op.drop_table("debt_entries")
