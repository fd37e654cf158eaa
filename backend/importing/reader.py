"""Files of events, read in parts of bounded size: however long the file is, memory stays the same."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from backend.importing.errors import MappingError, SourceError
from backend.importing.mapping import Mapping
from backend.importing.rows import Cell

_PROBE_BYTES = 1 << 20


@dataclass(frozen=True)
class Part:
    """Some rows of the file, in order. A row whose number of fields is wrong is None."""

    first_row: int
    """Number of the first row; the first row of data is 1."""
    rows: list[dict[str, Cell] | None]
    done_fraction: float
    """How much of the file has been read after this part, 0 to 1."""


def fingerprint(path: Path, mapping: Mapping) -> str:
    """What tells this file and mapping from others: size, both ends, and the mapping. 64 hex digits."""
    digest = hashlib.sha256(mapping.model_dump_json().encode())
    try:
        size = path.stat().st_size
        with path.open("rb") as source:
            digest.update(f"{size}\n".encode() + source.read(_PROBE_BYTES))
            source.seek(max(0, size - _PROBE_BYTES))
            digest.update(source.read(_PROBE_BYTES))
    except OSError as error:
        raise SourceError(path, f"{error.strerror or error}.") from error
    return digest.hexdigest()


def read_parts(path: Path, mapping: Mapping, *, part_rows: int, skip_rows: int = 0) -> Iterator[Part]:
    """The rows after the first `skip_rows`, `part_rows` at a time.

    The kind of file follows from its suffix: `.parquet` or anything else for CSV. Raises SourceError and MappingError.
    """
    if path.suffix.lower() in {".parquet", ".pq"}:
        yield from _read_parquet(path, mapping, part_rows, skip_rows)
    else:
        yield from _read_csv(path, mapping, part_rows, skip_rows)


def _check_columns(path: Path, wanted: list[str], found: list[str]) -> None:
    for name in wanted:
        if name not in found:
            raise MappingError(None, f"{path.name} has no column {name!r}; it has {', '.join(map(repr, found))}.")


def _read_parquet(path: Path, mapping: Mapping, part_rows: int, skip_rows: int) -> Iterator[Part]:
    wanted = mapping.wanted_columns()
    try:
        with pq.ParquetFile(path) as source:
            _check_columns(path, wanted, source.schema_arrow.names)
            total = source.metadata.num_rows
            groups: list[int] = []
            before = 0
            for group in range(source.num_row_groups):
                size = source.metadata.row_group(group).num_rows
                # Whole row groups that were imported before are never read.
                if groups or before + size > skip_rows:
                    groups.append(group)
                else:
                    before += size
            row = before
            for batch in source.iter_batches(batch_size=part_rows, row_groups=groups, columns=wanted):
                skipped = min(batch.num_rows, max(0, skip_rows - row))
                rows = _rows_of(batch.slice(skipped))
                if rows:
                    yield Part(row + skipped + 1, rows, (row + batch.num_rows) / total)
                row += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise SourceError(path, f"it is not a readable Parquet file ({str(error).splitlines()[0]}).") from error


def _rows_of(batch: pa.RecordBatch) -> list[dict[str, Cell] | None]:
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        # Nanoseconds would become pandas timestamps; microseconds become datetimes, and tills don't count finer.
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            column = column.cast(pa.timestamp("us", field.type.tz), safe=False)  # noqa: PLW2901
        columns.append(column.to_pylist())
    names = batch.schema.names
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _read_csv(path: Path, mapping: Mapping, part_rows: int, skip_rows: int) -> Iterator[Part]:
    rules = mapping.csv
    wanted = mapping.wanted_columns()
    row = skip_rows
    try:
        size = max(1, path.stat().st_size)
        with path.open("rb") as binary, io.TextIOWrapper(binary, encoding=rules.encoding, newline="") as source:
            lines = csv.reader(source, delimiter=rules.delimiter, quotechar=rules.quote, strict=True)
            header = [name.strip() for name in next(lines, [])]
            _check_columns(path, wanted, header)
            places = [(name, header.index(name)) for name in wanted]
            for _ in islice(lines, skip_rows):
                pass
            while cells := list(islice(lines, part_rows)):
                rows: list[dict[str, Cell] | None] = [
                    {name: line[place] for name, place in places} if len(line) == len(header) else None
                    for line in cells
                ]
                yield Part(row + 1, rows, min(1.0, binary.tell() / size))
                row += len(rows)
    except (csv.Error, UnicodeDecodeError, LookupError) as error:
        raise SourceError(path, f"it is not readable as CSV in {rules.encoding} after row {row} ({error}).") from error
    except OSError as error:
        raise SourceError(path, f"{error.strerror or error}.") from error
