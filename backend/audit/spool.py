"""What an audit must remember of each operation, in a temporary file: memory does not grow with their number."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.chain.event_types import Lot


@dataclass(frozen=True, slots=True)
class Redemption:
    """The lots a redemption took, earliest first, and how many points of it have not been refunded."""

    lots: tuple[Lot, ...]
    remaining_points: int


class Spool:
    """References used, and redemptions that may still be refunded."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE refs (ref BLOB PRIMARY KEY) WITHOUT ROWID")
        connection.execute(
            "CREATE TABLE redemptions (ref BLOB PRIMARY KEY, remaining INTEGER, lots BLOB) WITHOUT ROWID"
        )
        connection.execute("BEGIN")

    def use_once(self, ref: bytes) -> bool:
        """Marks a reference as used; False when it was already."""
        return self._connection.execute("INSERT OR IGNORE INTO refs VALUES (?)", (ref,)).rowcount == 1

    def put_redemption(self, token: bytes, account: bytes, ref: bytes, redemption: Redemption) -> None:
        """Remembers a redemption, or how much of it is left."""
        lots = b"".join(number.to_bytes(8) for lot in redemption.lots for number in lot)
        row = (token + account + ref, redemption.remaining_points, lots)
        self._connection.execute("INSERT OR REPLACE INTO redemptions VALUES (?, ?, ?)", row)

    def redemption(self, token: bytes, account: bytes, ref: bytes) -> Redemption | None:
        """The redemption of `account` under `ref`, if there was one."""
        query = "SELECT remaining, lots FROM redemptions WHERE ref = ?"
        row: tuple[int, bytes] | None = self._connection.execute(query, (token + account + ref,)).fetchone()
        if row is None:
            return None
        remaining, packed = row
        numbers = [int.from_bytes(packed[at : at + 8]) for at in range(0, len(packed), 8)]
        lots = tuple(Lot(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))
        return Redemption(lots, remaining)


@contextmanager
def open_spool() -> Iterator[Spool]:
    """A spool in a temporary folder that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="interpoints-audit-") as folder:
        connection = sqlite3.connect(Path(folder) / "spool.sqlite", isolation_level=None)
        try:
            yield Spool(connection)
        finally:
            connection.close()
