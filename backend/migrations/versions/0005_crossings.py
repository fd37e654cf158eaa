"""Let swaps end on another chain, and keep what is learnt from there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_crossings"
down_revision = "0004_branches"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.alter_column("swaps", "destination_enrolment_id", nullable=True)
    op.create_table(
        "crossings",
        sa.Column("swap_id", sa.String(length=40), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("lane_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("block_number", sa.BigInteger(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["swap_id"],
            ["swaps.id"],
        ),
        sa.PrimaryKeyConstraint("swap_id"),
    )
    op.create_index(
        "ix_crossings_open",
        "crossings",
        ["chain_id", "next_check_at"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index(
        "ix_token_events_sent",
        "token_events",
        ["chain_id", "block_number"],
        unique=False,
        postgresql_where=sa.text("name = 'SwapSent'"),
    )


def downgrade() -> None:
    """Takes the change back. Swaps to other chains cannot be told in the older schema and are removed."""
    op.drop_index("ix_token_events_sent", table_name="token_events")
    op.drop_table("crossings")
    op.execute("DELETE FROM swaps WHERE destination_enrolment_id IS NULL")
    op.alter_column("swaps", "destination_enrolment_id", nullable=False)
