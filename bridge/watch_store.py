"""What the watchdog keeps: rows of its book, how far it has read, and what it has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ConfigDict, TypeAdapter

from bridge.journal import Journal, Transaction
from bridge.relay_store import TABLES as SENDING_TABLES
from bridge.swap_book import Book, LaneSums, MessageRow, RouteSums, SwapRow

TABLES = (
    *SENDING_TABLES,
    """CREATE TABLE IF NOT EXISTS watch_rows (
        id BLOB NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS watch_cursors (
        chain_id INTEGER PRIMARY KEY, number INTEGER NOT NULL, hash BLOB NOT NULL, time INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS watch_findings (
        subject BLOB NOT NULL, kind TEXT NOT NULL, lane_id BLOB NOT NULL, at TEXT NOT NULL, PRIMARY KEY (subject, kind)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS watch_halts (
        lane_id BLOB NOT NULL, chain_id INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (lane_id, chain_id)
    ) STRICT, WITHOUT ROWID""",
)
_HEX = ConfigDict(ser_json_bytes="hex", val_json_bytes="hex")
# Rows in a list of one: only so does the setting reach the dataclasses.
_SWAPS = TypeAdapter(list[SwapRow], config=_HEX)
_MESSAGES = TypeAdapter(list[MessageRow], config=_HEX)
_LANES = TypeAdapter(list[LaneSums], config=_HEX)
_ROUTES = TypeAdapter(list[RouteSums], config=_HEX)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last block that was read; `time` in Unix seconds."""

    number: int
    hash: bytes
    time: int


def load_book(journal: Journal, chain_ids: tuple[int, ...]) -> Book:
    """The book as it was last saved."""
    book = Book(chain_ids)
    for row in journal.query("SELECT id, kind, content FROM watch_rows"):
        match row["kind"]:
            case "swap":
                book.swaps[row["id"]] = _SWAPS.validate_json(row["content"])[0]
            case "message":
                book.messages[row["id"]] = _MESSAGES.validate_json(row["content"])[0]
            case "lane":
                book.lanes[row["id"]] = _LANES.validate_json(row["content"])[0]
            case "route":
                source, _, destination = row["id"].decode().partition(">")
                book.routes[int(source), int(destination)] = _ROUTES.validate_json(row["content"])[0]
            case kind:
                raise ValueError(f"a row of the unknown kind {kind}")
    return book


def save_book(transaction: Transaction, book: Book) -> None:
    """Saves what was touched, in the transaction that moves the cursors; empties the list of what was touched."""
    rows: list[tuple[bytes, str, str]] = []
    for id_ in book.touched:
        transaction.execute("DELETE FROM watch_rows WHERE id = ?", id_)
        if id_ in book.swaps:
            rows.append((id_, "swap", _SWAPS.dump_json([book.swaps[id_]]).decode()))
        if id_ in book.messages:
            rows.append((id_, "message", _MESSAGES.dump_json([book.messages[id_]]).decode()))
        if id_ in book.lanes:
            rows.append((id_, "lane", _LANES.dump_json([book.lanes[id_]]).decode()))
    for (source, destination), sums in book.routes.items():
        rows.append((f"{source}>{destination}".encode(), "route", _ROUTES.dump_json([sums]).decode()))
    transaction.execute_many("INSERT OR REPLACE INTO watch_rows VALUES (?, ?, ?)", rows)
    book.touched.clear()


def load_cursors(journal: Journal) -> dict[int, Cursor]:
    """How far each chain was read."""
    return {
        row["chain_id"]: Cursor(row["number"], row["hash"], row["time"])
        for row in journal.query("SELECT * FROM watch_cursors")
    }


def save_cursors(transaction: Transaction, cursors: Mapping[int, Cursor]) -> None:
    """Moves the cursors: the last thing in the transaction."""
    rows = [(chain_id, each.number, each.hash, each.time) for chain_id, each in cursors.items()]
    transaction.execute_many("INSERT OR REPLACE INTO watch_cursors VALUES (?, ?, ?, ?)", rows)
