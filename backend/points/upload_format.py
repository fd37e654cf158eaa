"""Reading a bulk upload as it streams in: NDJSON or CSV, line by line, into rows for COPY. Memory stays flat."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from backend.points.errors import UploadFormatError

COLUMNS = ("reference", "member_reference", "kind", "amount", "occurred_at", "location", "channel")
"""What a row has. The last two and `kind` may be empty."""
REQUIRED = ("reference", "member_reference", "amount", "occurred_at")
MAX_LINE_BYTES = 16_384
MAX_MALFORMED = 10_000
"""More lines than this that cannot be read refuse the whole upload."""
_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class MalformedLine:
    """A line that is no row."""

    line_number: int
    reference: str
    detail: str


class RowReader(Protocol):
    """Turns a line into the row's seven values; raises ValueError with what is wrong."""

    def read(self, lines: Sequence[bytes]) -> Iterator[list[str | None] | ValueError | None]:
        """For each line its values, what is wrong with it, or None when it holds no row."""


class JsonLines:
    """NDJSON: an object a line."""

    def read(self, lines: Sequence[bytes]) -> Iterator[list[str | None] | ValueError | None]:
        """For each line its values, what is wrong with it, or None when it is blank."""
        loads = orjson.loads
        for line in lines:
            try:
                found = loads(line)
                row = [found.get(column) for column in COLUMNS]
            except (ValueError, AttributeError):
                yield ValueError("not a JSON object") if line.strip() else None
                continue
            yield row


class CsvLines:
    """CSV with a header line that names the columns; a quoted field cannot hold a line break."""

    def __init__(self) -> None:
        self._positions: list[int | None] | None = None

    def read(self, lines: Sequence[bytes]) -> Iterator[list[str | None] | ValueError | None]:
        """For each line its values, what is wrong with it, or None for the header and blank lines."""
        for line in lines:
            try:
                fields = next(csv.reader([line.decode().rstrip("\r")], strict=True), [])
            except (ValueError, csv.Error) as error:
                yield ValueError(f"not a line of CSV: {error}")
                continue
            if self._positions is None:
                self._positions = _header(fields)
                yield None
            elif fields:
                yield [fields[at] or None if at is not None and at < len(fields) else None for at in self._positions]
            else:
                yield None


def _header(fields: Sequence[str]) -> list[int | None]:
    names = [field.strip().removeprefix("\ufeff") for field in fields]
    missing = [column for column in REQUIRED if column not in names]
    if missing:
        raise UploadFormatError(f"The CSV's first line must name its columns; missing: {', '.join(missing)}.")
    return [names.index(column) if column in names else None for column in COLUMNS]


def reader_for(content_type: str) -> RowReader:
    """The reader for a Content-Type. Raises UploadFormatError."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/jsonl", "application/ndjson"):
        return JsonLines()
    if kind == "text/csv":
        return CsvLines()
    raise UploadFormatError("Send the rows as application/x-ndjson or text/csv.")


class UploadParser:
    """Chunks of bytes in, lines for COPY out."""

    def __init__(self, upload_id: str, reader: RowReader) -> None:
        self.upload_id = upload_id
        self._prefix = upload_id + "\t"
        self._reader = reader
        self._rest = b""
        self._line_number = 0
        self.row_count = 0
        self.malformed: list[MalformedLine] = []

    def feed(self, chunk: bytes) -> bytes:
        """Rows of the lines that are complete by now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise UploadFormatError(f"Line {self._line_number + len(lines) + 1} is longer than {MAX_LINE_BYTES} bytes.")
        return self._rows(lines)

    def finish(self) -> bytes:
        """The row of a last line without a line break."""
        rest, self._rest = self._rest, b""
        return self._rows([rest]) if rest else b""

    def _rows(self, lines: Sequence[bytes]) -> bytes:
        rows: list[str] = []
        number = self._line_number
        for row in self._reader.read(lines):
            number += 1
            if row is None:
                continue
            text = _copy_line(row) if isinstance(row, list) else row
            if isinstance(text, str):
                rows.append(f"{self._prefix}{number}\t{text}\n")
            else:
                self._note(number, row, text)
        self._line_number = number
        self.row_count += len(rows)
        return "".join(rows).encode()

    def _note(self, number: int, row: list[str | None] | ValueError, error: ValueError) -> None:
        reference = row[0] if isinstance(row, list) and isinstance(row[0], str) else ""
        self.malformed.append(MalformedLine(number, reference.replace("\0", "")[:64], str(error)))
        if len(self.malformed) > MAX_MALFORMED:
            raise UploadFormatError(f"More than {MAX_MALFORMED} lines cannot be read; nothing was taken in.")


def _copy_line(row: Iterable[str | None]) -> str | ValueError:
    values = list(row)
    if None in (values[0], values[1], values[3], values[4]):
        missing = [
            column for column, value in zip(COLUMNS, values, strict=True) if column in REQUIRED and value is None
        ]
        return ValueError(f"missing: {', '.join(missing)}")
    try:
        line = "\t".join([_NULL if value is None else value.translate(_ESCAPES) for value in values])
    except AttributeError:
        return ValueError('every value is a text; amounts are decimal strings such as "12.90"')
    return ValueError("holds a NUL character") if "\0" in line else line
