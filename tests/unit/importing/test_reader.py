from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backend.importing.errors import MappingError, SourceError
from backend.importing.mapping import Columns, Csv, Mapping
from backend.importing.reader import fingerprint, read_parts

MAPPING = Mapping(columns=Columns(reference="r", member="m", amount="a", occurred_at="t"))
HEADER = "r,m,extra,a,t\n"


def _csv(folder: Path, rows: int) -> Path:
    path = folder / "events.csv"
    path.write_text(HEADER + "".join(f"{n},m{n},x,{n}.00,2017-01-01\n" for n in range(1, rows + 1)))
    return path


def _parquet(folder: Path, rows: int, group_rows: int = 7) -> Path:
    path = folder / "events.parquet"
    numbers = list(range(1, rows + 1))
    times = pa.array([n * 1_000_000_007 for n in numbers], pa.timestamp("ns"))
    table = pa.table({"r": numbers, "m": [f"m{n}" for n in numbers], "a": [n / 4 for n in numbers], "t": times})
    pq.write_table(table, path, row_group_size=group_rows)
    return path


def _references(path: Path, skip_rows: int = 0, part_rows: int = 4) -> list[str]:
    found = []
    expected = skip_rows + 1
    for part in read_parts(path, MAPPING, part_rows=part_rows, skip_rows=skip_rows):
        assert part.first_row == expected
        assert 0 < len(part.rows) <= part_rows
        expected += len(part.rows)
        found += [str(row["r"]) for row in part.rows if row is not None]
    return found


@pytest.mark.parametrize("make", [_csv, _parquet])
class TestReadParts:
    @pytest.mark.parametrize("skip_rows", [0, 1, 4, 6, 7, 8, 14, 20, 22, 23])
    def test_after_any_row__the_rest_comes_once_in_order(self, make: object, tmp_path: Path, skip_rows: int) -> None:
        assert callable(make)
        path = make(tmp_path, 23)
        assert _references(path, skip_rows) == [str(n) for n in range(skip_rows + 1, 24)]

    def test_fraction__ends_at_one(self, make: object, tmp_path: Path) -> None:
        assert callable(make)
        fractions = [part.done_fraction for part in read_parts(make(tmp_path, 23), MAPPING, part_rows=5)]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0

    def test_empty_file__has_no_parts(self, make: object, tmp_path: Path) -> None:
        assert callable(make)
        assert list(read_parts(make(tmp_path, 0), MAPPING, part_rows=5)) == []

    def test_missing_column__is_named(self, make: object, tmp_path: Path) -> None:
        assert callable(make)
        mapping = Mapping(columns=Columns(reference="number", member="m", amount="a", occurred_at="t"))
        with pytest.raises(MappingError, match="no column 'number'"):
            list(read_parts(make(tmp_path, 3), mapping, part_rows=5))


class TestCsv:
    def test_row_with_too_few_fields__is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "events.csv"
        path.write_text(HEADER + "1,m1,x,1.00,2017-01-01\n2,m2\n3,m3,x,3.00,2017-01-01\n")
        (part,) = read_parts(path, MAPPING, part_rows=10)
        assert [row and row["r"] for row in part.rows] == ["1", None, "3"]

    def test_own_delimiter_quotes_and_byte_order_mark__are_read(self, tmp_path: Path) -> None:
        path = tmp_path / "events.csv"
        path.write_bytes("\ufeffr;m;a;t\n'1;1';m;2,50;x\n".encode())
        mapping = MAPPING.model_copy(update={"csv": Csv(delimiter=";", quote="'")})
        (part,) = read_parts(path, mapping, part_rows=10)
        assert part.rows == [{"r": "1;1", "m": "m", "a": "2,50", "t": "x"}]

    @pytest.mark.parametrize("content", [b"r,m,a,t\n\xff\xfe,1,2,3\n", b'r,m,a,t\n1,"m,2,3\n4,5,6,7\n'])
    def test_not_csv__says_so(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "events.csv"
        path.write_bytes(content)
        with pytest.raises(SourceError, match="not readable as CSV"):
            list(read_parts(path, MAPPING, part_rows=10))

    def test_missing_file__says_so(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="No such file"):
            list(read_parts(tmp_path / "none.csv", MAPPING, part_rows=10))


class TestParquet:
    def test_nanoseconds__become_times(self, tmp_path: Path) -> None:
        (part,) = read_parts(_parquet(tmp_path, 1), MAPPING, part_rows=10)
        assert part.rows[0] is not None
        assert part.rows[0]["t"] == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC).replace(tzinfo=None)

    def test_not_parquet__says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "events.parquet"
        path.write_text("r,m\n")
        with pytest.raises(SourceError, match="not a readable Parquet file"):
            list(read_parts(path, MAPPING, part_rows=10))


class TestFingerprint:
    def test_same_file_and_mapping__same(self, tmp_path: Path) -> None:
        path = _csv(tmp_path, 3)
        assert fingerprint(path, MAPPING) == fingerprint(path, MAPPING)

    def test_other_rows_or_mapping__other(self, tmp_path: Path) -> None:
        path = _csv(tmp_path, 3)
        before = fingerprint(path, MAPPING)
        assert fingerprint(path, MAPPING.model_copy(update={"csv": Csv(delimiter=";")})) != before
        assert fingerprint(_csv(tmp_path, 4), MAPPING) != before
