"""The journal of a role: one SQLite file that is written, and on the disk, before anything leaves the process.

WAL with synchronous=FULL: a commit that returned has survived `kill -9` and a power cut. One process a role and
folder, held by a lock on a file; commands of a person (`resume`) write beside it, which SQLite serialises.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from bridge.errors import ForeignJournalError, HaltedError, JournalError, JournalGoneError, JournalInUseError

Value = int | str | bytes | float | None
Row = sqlite3.Row
BUSY_SECONDS = 5.0
"""How long a write waits for another process's, such as `resume`."""

_COMMON = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS positions (
        chain_id INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (chain_id, number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS nonces (
        chain_id INTEGER NOT NULL, destination_chain INTEGER NOT NULL, number INTEGER NOT NULL, nonce INTEGER NOT NULL,
        PRIMARY KEY (chain_id, destination_chain, number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS halts (
        id INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,
        chain_id INTEGER, resumed_at TEXT, resume_reason TEXT, accept_chain INTEGER NOT NULL DEFAULT 0,
        accepted_at TEXT
    ) STRICT""",
)


@dataclass(frozen=True, slots=True)
class Halt:
    """Why a role stands still, and how it was resumed. Times are RFC 3339 in UTC, for people only."""

    id: int
    at: str
    kind: str
    reason: str
    chain_id: int | None
    resumed_at: str | None
    resume_reason: str | None
    accept_chain: bool
    accepted_at: str | None


@dataclass(slots=True)
class Transaction:
    """Writes of one transaction; made by `Journal.transaction`."""

    _connection: sqlite3.Connection
    path: str

    def execute(self, statement: str, *values: Value) -> list[Row]:
        """One statement with `?` for each value; answers its rows."""
        return self._connection.execute(statement, values).fetchall()

    def execute_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> None:
        """One statement for each row of values."""
        self._connection.executemany(statement, rows)


@dataclass
class Journal:
    """`role`.sqlite3 below `folder`, with the role's own `tables` (CREATE ... IF NOT EXISTS) beside the common ones.

    Safe to use from several threads. Errors of every method: `JournalError`, and `JournalGoneError` when the file is
    not the one that was opened. `exclusive` takes the role's lock (`JournalInUseError`).
    """

    folder: Path
    role: str
    tables: Sequence[str] = ()
    exclusive: bool = True
    _connection: sqlite3.Connection = field(init=False)
    _lock: threading.RLock = field(init=False, default_factory=threading.RLock)
    _held: IO[bytes] | None = field(init=False, default=None)
    _identity: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.path = self.folder / f"{self.role}.sqlite3"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise JournalError(str(self.path), str(error)) from error
        if self.exclusive:
            self._hold()
        try:
            self._open()
        except JournalError:
            self._release()
            raise

    def _hold(self) -> None:
        lock_path = self.path.with_suffix(".lock")
        try:
            held = lock_path.open("ab")
        except OSError as error:
            raise JournalError(str(self.path), str(error)) from error
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held.close()
            raise JournalInUseError(str(self.path), "another process has it open") from error
        self._held = held

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _open(self) -> None:
        with _typed(self.path):
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            for statement in (*_COMMON, *self.tables):
                self._connection.execute(statement)
        self._identity = self._identity_now()

    def close(self) -> None:
        """Closes the file and lets go of the lock."""
        with self._lock:
            self._connection.close()
            self._release()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that is on the disk when the block has ended well, and has not happened otherwise."""
        with self._lock, _typed(self.path):
            self.check_present()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection, str(self.path))
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def query(self, statement: str, *values: Value) -> list[Row]:
        """Rows of one reading statement."""
        with self._lock, _typed(self.path):
            return self._connection.execute(statement, values).fetchall()

    def check_present(self) -> None:
        """Refuses to go on with a file that is no longer at its path. Errors: `JournalGoneError`."""
        if self._identity_now() != self._identity:
            raise JournalGoneError(str(self.path), "the file was replaced")

    def check_writable(self) -> None:
        """Writes the time of the last look, for people; nothing is decided by it. Errors: `JournalError`."""
        now = utc_text()
        with self.transaction() as transaction:
            transaction.execute("INSERT INTO meta VALUES ('checked', ?) ON CONFLICT DO UPDATE SET value = ?", now, now)

    def _identity_now(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise JournalGoneError(str(self.path), str(error)) from error
        return found.st_dev, found.st_ino

    # Identity

    def bind(self, identity: Mapping[str, str]) -> None:
        """Writes down what the journal is for. Errors: `ForeignJournalError` when it is for something else."""
        with self.transaction() as transaction:
            for key, value in identity.items():
                found = transaction.execute("SELECT value FROM meta WHERE key = ?", key)
                if found and found[0]["value"] != value:
                    raise ForeignJournalError(key, found[0]["value"], value)
                transaction.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", key, value)

    # Halting

    def halt(self, kind: str, reason: str, chain_id: int | None = None) -> None:
        """Stands still from now on, also after a restart."""
        with self.transaction() as transaction:
            if not transaction.execute("SELECT 1 FROM halts WHERE resumed_at IS NULL"):
                transaction.execute(
                    "INSERT INTO halts (at, kind, reason, chain_id) VALUES (?, ?, ?, ?)",
                    *(utc_text(), kind, reason, chain_id),
                )

    def halted(self) -> Halt | None:
        """The halt that nobody has resumed."""
        rows = self.query("SELECT * FROM halts WHERE resumed_at IS NULL ORDER BY id LIMIT 1")
        return _halt(rows[0]) if rows else None

    def check_not_halted(self) -> None:
        """Errors: `HaltedError`."""
        found = self.halted()
        if found is not None:
            raise HaltedError(self.role, found.at, found.reason)

    def resume(self, reason: str, *, accept_chain: bool = False) -> Halt | None:
        """A person lets the role go on; answers the halt that was resumed, None when there was none."""
        with self.transaction() as transaction:
            rows = transaction.execute("SELECT * FROM halts WHERE resumed_at IS NULL ORDER BY id LIMIT 1")
            if not rows:
                return None
            transaction.execute(
                "UPDATE halts SET resumed_at = ?, resume_reason = ?, accept_chain = ? WHERE id = ?",
                *(utc_text(), reason, int(accept_chain), rows[0]["id"]),
            )
        return _halt(rows[0])

    def accepted(self, transaction: Transaction, halt_id: int) -> None:
        """Writes down that what `resume` let go was let go."""
        transaction.execute("UPDATE halts SET accepted_at = ? WHERE id = ?", utc_text(), halt_id)

    def halts(self) -> list[Halt]:
        """All halts, the oldest first."""
        return [_halt(row) for row in self.query("SELECT * FROM halts ORDER BY id")]


def utc_text() -> str:
    """Now, for people to read; nothing is decided by it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _halt(row: Row) -> Halt:
    return Halt(**{**dict(row), "accept_chain": bool(row["accept_chain"])})


@contextmanager
def _typed(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(str(path), str(error)) from error
