from __future__ import annotations

from pathlib import Path

import pytest

from backend.importing.errors import SourceChangedError
from backend.importing.journal import Counts, Journal, Rejection

SOURCE = Path("events.csv")
HEADER = "row,reference,reason,detail"


def _open(folder: Path, fingerprint: str = "f1") -> Journal:
    return Journal(folder / "journal", folder / "rejected.csv", SOURCE, fingerprint)


def _rejected(folder: Path) -> list[str]:
    return (folder / "rejected.csv").read_text().splitlines()


class TestJournal:
    def test_next_run__goes_on_with_the_counts(self, tmp_path: Path) -> None:
        journal = _open(tmp_path)
        journal.record(Counts(10, 8, 1, 1), [Rejection(3, "r3", "bad_time", "no, time")], finished=False)
        journal.record(Counts(5, 5, 0, 0), [], finished=False)
        journal.close()
        again = _open(tmp_path)
        assert again.counts == Counts(15, 13, 1, 1)
        assert not again.finished
        again.close()
        assert _rejected(tmp_path) == [HEADER, '3,r3,bad_time,"no, time"']

    def test_finished__stays_so(self, tmp_path: Path) -> None:
        journal = _open(tmp_path)
        journal.record(Counts(1, 1), [], finished=True)
        journal.close()
        again = _open(tmp_path)
        assert again.finished
        again.close()

    def test_killed_between_rejections_and_record__writes_them_once(self, tmp_path: Path) -> None:
        journal = _open(tmp_path)
        journal.record(Counts(2, 1, 0, 1), [Rejection(2, "a", "bad_time", "")], finished=False)
        journal.close()
        with (tmp_path / "rejected.csv").open("a") as rejected:
            rejected.write("4,b,bad_time,\n")
        again = _open(tmp_path)
        again.record(Counts(2, 1, 0, 1), [Rejection(4, "b", "bad_time", "")], finished=False)
        again.close()
        assert _rejected(tmp_path) == [HEADER, "2,a,bad_time,", "4,b,bad_time,"]

    def test_last_record_cut_short__does_not_count(self, tmp_path: Path) -> None:
        journal = _open(tmp_path)
        journal.record(Counts(2, 2), [], finished=False)
        journal.close()
        with (tmp_path / "journal").open("a") as file:
            file.write('{"counts": {"rows": 2,')
        again = _open(tmp_path)
        assert again.counts == Counts(2, 2)
        again.record(Counts(3, 3), [], finished=False)
        again.close()
        last = _open(tmp_path)
        assert last.counts == Counts(5, 5)
        last.close()

    def test_other_file__is_refused(self, tmp_path: Path) -> None:
        _open(tmp_path).close()
        with pytest.raises(SourceChangedError, match=r"events\.csv or its mapping has changed"):
            _open(tmp_path, "f2")
