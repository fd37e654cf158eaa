from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.importing.conftest import Service

FIRST = datetime(2017, 1, 2, 9)  # noqa: DTZ001 - as a till writes it
HEADER = ("receipt", "customer", "total", "sold_at", "store", "remark")


def _row(number: int) -> list[str]:
    sold_at = FIRST + timedelta(minutes=number)
    return [f"r{number}", f"c{number % 7}", f"{number}.{number % 100:02}", sold_at.isoformat(), "s1", "x"]


def _write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER)
        writer.writerows(rows)
    return path


def _rejected(service: Service) -> list[list[str]]:
    (path,) = service.folder.glob(".interpoints/imports/*.rejected.csv")
    with path.open(newline="") as rows:
        return list(csv.reader(rows))[1:]


@pytest.fixture
def purchases(tmp_path: Path) -> Path:
    """100 good rows."""
    return _write_csv(tmp_path / "purchases.csv", [_row(number) for number in range(1, 101)])


EXPECTED_MINOR = sum(number * 100 + number % 100 for number in range(1, 101))


class TestImport:
    def test_csv__every_row_becomes_an_event(self, service: Service, purchases: Path) -> None:
        done = service.run(purchases, "--enrol")
        assert done.returncode == 0, done.stderr
        assert "100 rows: 100 became events, 0 were known, 0 were rejected." in done.stdout
        assert (service.count("events"), service.count("accruals"), service.count("enrolments")) == (100, 100, 7)
        assert service.sum_minor() == EXPECTED_MINOR

    def test_parquet__every_row_becomes_an_event(self, service: Service, tmp_path: Path) -> None:
        numbers = list(range(1, 101))
        table = pa.table(
            {
                "receipt": numbers,
                "customer": [f"c{number % 7}" for number in numbers],
                "total": [(number * 100 + number % 100) / 100 for number in numbers],
                "sold_at": pa.array([FIRST + timedelta(minutes=n) for n in numbers], pa.timestamp("ns")),
                "store": [1.0 if number % 2 else None for number in numbers],
            }
        )
        path = tmp_path / "purchases.parquet"
        pq.write_table(table, path, row_group_size=30)
        done = service.run(path, "--enrol", "--part-rows", "16")
        assert done.returncode == 0, done.stderr
        assert service.count("events") == 100
        assert service.sum_minor() == EXPECTED_MINOR

    def test_second_import__changes_nothing(self, service: Service, purchases: Path) -> None:
        service.run(purchases, "--enrol")
        again = service.run(purchases, "--enrol")
        assert again.returncode == 0, again.stderr
        assert service.count("uploads") == 1
        elsewhere = service.run(purchases, "--journal", "other.journal", "--part-rows", "30")
        assert "100 rows: 0 became events, 100 were known, 0 were rejected." in elsewhere.stdout
        assert (service.count("events"), service.sum_minor()) == (100, EXPECTED_MINOR)

    def test_rows_that_cannot_be_events__are_listed_with_their_reasons(self, service: Service, tmp_path: Path) -> None:
        rows = [_row(number) for number in range(1, 11)]
        rows[1][2] = "twelve"
        rows[2] = ["r3", "c1"]
        rows[3][3] = "noon"
        rows[4][0] = "  "
        rows[5][1] = "stranger"
        rows[6][2] = "-1.00"
        service.run(_write_csv(tmp_path / "first.csv", [_row(n) for n in (2, 3, 4, 5, 6, 7, 8)]), "--enrol")
        rows[7][2] = "99.00"
        for path in service.folder.glob(".interpoints/imports/*"):
            path.unlink()
        done = service.run(_write_csv(tmp_path / "second.csv", rows), "--part-rows", "4")
        assert done.returncode == 3, done.stderr
        assert "10 rows: 3 became events, 0 were known, 7 were rejected." in done.stdout
        found = [(row[0], row[1], row[2]) for row in _rejected(service)]
        assert found == [
            ("2", "r2", "bad_amount"),
            ("3", "", "malformed_row"),
            ("4", "r4", "bad_time"),
            ("5", "", "missing_reference"),
            ("6", "r6", "unknown_member"),
            ("7", "r7", "invalid_amount"),
            ("8", "r8", "reference_reused"),
        ]
        assert all(row[3] for row in _rejected(service))


@pytest.mark.parametrize(
    "crash_at",
    [
        "importer.before_record:1",
        "importer.after_upload:3",
        "importer.after_rejections:3",
        "importer.after_record:2",
    ],
)
def test_killed_import__goes_on_and_counts_once(service: Service, tmp_path: Path, crash_at: str) -> None:
    rows = [_row(number) for number in range(1, 101)]
    for place in (10, 40, 90):
        rows[place][2] = "none"
    path = _write_csv(tmp_path / "purchases.csv", rows)
    killed = service.run(path, "--enrol", "--part-rows", "20", crash_at=crash_at)
    assert killed.returncode == -9
    done = service.run(path, "--enrol", "--part-rows", "20")
    assert done.returncode == 3, done.stderr
    assert service.count("events") == 97
    assert [row[0] for row in _rejected(service)] == ["11", "41", "91"]
    assert "100 rows:" in done.stdout
    assert "3 were rejected." in done.stdout


class TestRefusals:
    def test_wrong_key__is_one_sentence(self, service: Service, purchases: Path) -> None:
        done = service.run(purchases, "--api-key", "ip_none_none")
        assert done.returncode == 1
        assert "This API key is not known" in done.stderr
        assert "Traceback" not in done.stderr

    def test_api_that_does_not_answer__is_one_sentence(self, service: Service, purchases: Path) -> None:
        done = service.run(purchases, "--api-url", "http://127.0.0.1:9", "--tries", "2")
        assert done.returncode == 1
        assert "does not answer" in done.stderr
        assert "Traceback" not in done.stderr

    def test_column_that_is_not_there__is_named(self, service: Service, tmp_path: Path) -> None:
        path = tmp_path / "other.csv"
        path.write_text("receipt,customer,total,sold_at\n1,2,3,4\n")
        done = service.run(path)
        assert done.returncode == 1
        assert "no column 'store'" in done.stderr
