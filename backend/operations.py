"""Waiting for operations to move on: one LISTEN connection a process wakes whoever waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator

import psycopg
import structlog

log = structlog.get_logger(__name__)

CHANNEL = "interpoints_operation"
"""A trigger on `operations` notifies it with the id of each operation that changes its state."""
_POLL_SECONDS = 1.0
_RECONNECT_SECONDS = 1.0


def plain_url(database_url: str) -> str:
    """The URL as libpq reads it."""
    return database_url.replace("postgresql+psycopg://", "postgresql://", 1)


class OperationWatcher:
    """Tells waiters that an operation may have changed.

    Notifications only shorten the wait: without them waiters look once a second, so a lost connection loses nothing.
    """

    def __init__(self, database_url: str) -> None:
        self._url = plain_url(database_url)
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts listening."""
        self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stops listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def changes(self, operation_id: str, seconds: float) -> AsyncIterator[None]:
        """Yields at once and then whenever the operation may have changed, until `seconds` are over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        event = asyncio.Event()
        self._waiters[operation_id].add(event)
        try:
            yield
            while (left := deadline - loop.time()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), min(left, _POLL_SECONDS))
                event.clear()
                yield
        finally:
            self._waiters[operation_id].discard(event)
            if not self._waiters[operation_id]:
                del self._waiters[operation_id]

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for notification in connection.notifies():
                        for event in self._waiters.get(notification.payload, ()):
                            event.set()
            except psycopg.Error as error:
                log.warning("operation_listener_lost", error=str(error))
                await asyncio.sleep(_RECONNECT_SECONDS)
