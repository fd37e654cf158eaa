"""Find the swaps that came from another chain by their lane."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_arrivals"
down_revision = "0005_crossings"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_index(
        "ix_token_events_arrivals",
        "token_events",
        ["token", sa.text("(payload ->> 'lane_id')"), "block_number", "log_index"],
        unique=False,
        postgresql_where=sa.text("name IN ('SwapMinted', 'SwapRefused')"),
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_token_events_arrivals", table_name="token_events")
