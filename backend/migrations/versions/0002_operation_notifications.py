"""Notify whoever waits for an operation when its state changes."""

from __future__ import annotations

from alembic import op

revision = "0002_operation_notifications"
down_revision = "0001_initial"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.execute(
        """
        CREATE FUNCTION interpoints_notify_operation() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_notify('interpoints_operation', NEW.id);
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER operations_notify AFTER UPDATE ON operations FOR EACH ROW
        WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION interpoints_notify_operation()
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.execute("DROP TRIGGER operations_notify ON operations")
    op.execute("DROP FUNCTION interpoints_notify_operation()")
