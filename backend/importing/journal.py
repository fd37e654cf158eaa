"""What of a file has been imported, written so that a killed import goes on where it stopped.

The journal is a file of JSON lines: first what is imported, then one line for each finished part. A line is written and
flushed to the disk after the rejected rows of its part are, so the journal never claims more than happened. A part that
was under way is sent again; the API knows its events by their references and counts them as duplicates.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, TypedDict

from backend.chain.crashpoints import crash_point
from backend.importing.errors import SourceChangedError

REJECTED_COLUMNS = ("row", "reference", "reason", "detail")


@dataclass(frozen=True)
class Counts:
    """What came of some rows."""

    rows: int = 0
    processed: int = 0
    """Became events."""
    duplicates: int = 0
    """Were known already."""
    rejected: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Counts)))


@dataclass(frozen=True)
class Rejection:
    """A row that did not become an event."""

    row: int
    reference: str
    reason: str
    detail: str


class Journal:
    """Opened for one import; the file of rejected rows belongs to it."""

    def __init__(self, path: Path, rejected_path: Path, source: Path, fingerprint: str) -> None:
        self._path = path
        self._rejected_path = rejected_path
        self.counts = Counts()
        self.finished = False
        rejected_bytes = 0
        records, length_bytes = _complete_lines(path)
        if records and records[0].get("fingerprint") != fingerprint:
            raise SourceChangedError(source, path)
        for record in records[1:]:
            self.counts += Counts(**record["counts"])
            rejected_bytes = record["rejected_bytes"]
            self.finished = record["finished"]
        path.parent.mkdir(parents=True, exist_ok=True)
        rejected_path.parent.mkdir(parents=True, exist_ok=True)
        self._rejected = _open_at(rejected_path, rejected_bytes)
        self._journal = _open_at(path, length_bytes)
        self._writer = csv.writer(self._rejected)
        if not records:
            self._append({"source": source.name, "fingerprint": fingerprint})
        if rejected_bytes == 0:
            self._writer.writerow(REJECTED_COLUMNS)

    def record(self, counts: Counts, rejections: Iterable[Rejection], *, finished: bool) -> None:
        """Note that a part is done, and its rejected rows."""
        for rejection in rejections:
            self._writer.writerow((rejection.row, rejection.reference, rejection.reason, rejection.detail))
        _flush(self._rejected)
        crash_point("importer.after_rejections")
        self.counts += counts
        self.finished = finished
        rejected_bytes = self._rejected_path.stat().st_size
        self._append({"counts": asdict(counts), "rejected_bytes": rejected_bytes, "finished": finished})

    def close(self) -> None:
        """Close both files."""
        self._journal.close()
        self._rejected.close()

    def _append(self, record: _Record) -> None:
        self._journal.write(json.dumps(record) + "\n")
        _flush(self._journal)


class _Record(TypedDict, total=False):
    """A line of the journal: the first holds `source` and `fingerprint`, the others the rest."""

    source: str
    fingerprint: str
    counts: dict[str, int]
    rejected_bytes: int
    finished: bool


def _complete_lines(path: Path) -> tuple[list[_Record], int]:
    """The journal's records and their length in bytes; a last line that a kill cut short does not count."""
    if not path.exists():
        return [], 0
    complete, newline, _ = path.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in complete.splitlines()], len(complete + newline)


def _open_at(path: Path, length_bytes: int) -> IO[str]:
    """The file, cut to `length_bytes` and opened to go on there."""
    path.touch()
    os.truncate(path, min(length_bytes, path.stat().st_size))
    return path.open("a", encoding="utf-8", newline="")


def _flush(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())
