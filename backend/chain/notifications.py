"""Wake-ups over PostgreSQL's LISTEN/NOTIFY. A lost one costs only the time until the next look."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

OUTBOX = "interpoints_outbox"
"""There is something to send."""
OPERATIONS = "interpoints_operations"
"""Operations have changed state."""
BLOCKS = "interpoints_blocks"
"""The projection has moved on (or back)."""


def notify(session: Session, channel: str) -> None:
    """Wakes listeners when the transaction commits. Same-named ones in a transaction count once."""
    session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})


class WorkWaiter:
    """Waits for work on a connection of its own."""

    def __init__(self, database_url: str, channels: Sequence[str]) -> None:
        url = make_url(database_url).set(drivername="postgresql")
        self._conninfo = url.render_as_string(hide_password=False)
        self._channels = channels
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None

    def wait_for_work(self, timeout_seconds: float) -> bool:
        """Returns True on a notification, False after `timeout_seconds`. A lost connection is made anew next time."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self._conninfo, autocommit=True)
                for channel in self._channels:
                    self._connection.execute(f"LISTEN {channel}")
                return True  # What came before LISTEN was not heard.
            return any(True for _ in self._connection.notifies(timeout=timeout_seconds, stop_after=1))
        except psycopg.OperationalError:
            self.close()
            return False

    def close(self) -> None:
        """Ends the listening connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
