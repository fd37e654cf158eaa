"""Say of each programme on which chain its points live."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_branches"
down_revision = "0003_exchange_and_clearing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.add_column("programmes", sa.Column("home_chain_id", sa.BigInteger(), nullable=True))
    op.execute("UPDATE programmes SET home_chain_id = chain_id")
    op.alter_column("programmes", "home_chain_id", nullable=False)


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("programmes", "home_chain_id")
