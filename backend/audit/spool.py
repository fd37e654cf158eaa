"""What an audit must remember of each operation, in a temporary file: memory does not grow with their number."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.chain.event_types import Lot
from backend.chain.exchange_types import PendingSwap


@dataclass(frozen=True, slots=True)
class Redemption:
    """The lots a redemption took, earliest first, and how many points of it have not been refunded."""

    lots: tuple[Lot, ...]
    remaining_points: int


class Spool:
    """References used, redemptions that may still be refunded, and swaps that wait."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE refs (ref BLOB PRIMARY KEY) WITHOUT ROWID")
        connection.execute(
            "CREATE TABLE redemptions (ref BLOB PRIMARY KEY, remaining INTEGER, lots BLOB) WITHOUT ROWID"
        )
        connection.execute("CREATE TABLE pending (swap BLOB PRIMARY KEY, fixed BLOB, lots BLOB) WITHOUT ROWID")
        connection.execute("BEGIN")

    def use_once(self, ref: bytes) -> bool:
        """Marks a reference as used; False when it was already."""
        return self._connection.execute("INSERT OR IGNORE INTO refs VALUES (?)", (ref,)).rowcount == 1

    def put_redemption(self, token: bytes, account: bytes, ref: bytes, redemption: Redemption) -> None:
        """Remembers a redemption, or how much of it is left."""
        row = (token + account + ref, redemption.remaining_points, _pack(redemption.lots))
        self._connection.execute("INSERT OR REPLACE INTO redemptions VALUES (?, ?, ?)", row)

    def redemption(self, token: bytes, account: bytes, ref: bytes) -> Redemption | None:
        """The redemption of `account` under `ref`, if there was one."""
        query = "SELECT remaining, lots FROM redemptions WHERE ref = ?"
        row: tuple[int, bytes] | None = self._connection.execute(query, (token + account + ref,)).fetchone()
        if row is None:
            return None
        remaining, packed = row
        return Redemption(_unpack(packed), remaining)

    def put_pending(self, swap_id: bytes, pending: PendingSwap) -> None:
        """Remembers a swap that waits for its destination."""
        numbers = (pending.points_out, pending.settlement, pending.refundable_from)
        fixed = pending.lane_id + pending.account + pending.to + b"".join(number.to_bytes(32) for number in numbers)
        row = (swap_id, fixed, _pack(pending.lots))
        self._connection.execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", row)

    def take_pending(self, swap_id: bytes) -> PendingSwap | None:
        """The waiting swap, which is forgotten; None when none waits under this id."""
        query = "DELETE FROM pending WHERE swap = ? RETURNING fixed, lots"
        row: tuple[bytes, bytes] | None = self._connection.execute(query, (swap_id,)).fetchone()
        if row is None:
            return None
        fixed, lots = row
        points_out, settlement, refundable_from = (int.from_bytes(fixed[at : at + 32]) for at in (72, 104, 136))
        accounts = (fixed[32:52], fixed[52:72])
        return PendingSwap(fixed[:32], *accounts, points_out, settlement, refundable_from, _unpack(lots))

    def pending_ids(self) -> Iterator[bytes]:
        """Ids of the swaps that still wait."""
        for (swap_id,) in self._connection.execute("SELECT swap FROM pending"):
            yield swap_id


def _pack(lots: Sequence[Lot]) -> bytes:
    return b"".join(number.to_bytes(8) for lot in lots for number in lot)


def _unpack(packed: bytes) -> tuple[Lot, ...]:
    numbers = [int.from_bytes(packed[at : at + 8]) for at in range(0, len(packed), 8)]
    return tuple(Lot(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))


@contextmanager
def open_spool() -> Iterator[Spool]:
    """A spool in a temporary folder that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="interpoints-audit-") as folder:
        connection = sqlite3.connect(Path(folder) / "spool.sqlite", isolation_level=None)
        try:
            yield Spool(connection)
        finally:
            connection.close()
