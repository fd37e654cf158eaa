"""The journal: written before anything leaves the process, held by one process, kept from what is not its own."""

from __future__ import annotations

import resource
import sqlite3
from pathlib import Path

import pytest

from bridge.errors import (
    ForeignJournalError,
    HaltedError,
    JournalError,
    JournalGoneError,
    JournalInUseError,
)
from bridge.journal import Journal

TABLES = ("CREATE TABLE IF NOT EXISTS things (name TEXT PRIMARY KEY) STRICT",)


def _names(journal: Journal) -> list[str]:
    return [row["name"] for row in journal.query("SELECT name FROM things ORDER BY name")]


class TestTransaction:
    def test_commit__another_connection_sees_it(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "attest", TABLES)
        with journal.transaction() as transaction:
            transaction.execute_many("INSERT INTO things VALUES (?)", [("one",), ("two",)])
        with sqlite3.connect(journal.path) as other:
            assert other.execute("SELECT count(*) FROM things").fetchone() == (2,)
        other.close()
        journal.close()

    def test_error_inside__nothing_happened_and_the_next_works(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "attest", TABLES)
        with pytest.raises(RuntimeError), journal.transaction() as transaction:  # noqa: PT012
            transaction.execute("INSERT INTO things VALUES ('one')")
            raise RuntimeError("something else")
        with pytest.raises(JournalError, match="UNIQUE"), journal.transaction() as transaction:
            transaction.execute_many("INSERT INTO things VALUES (?)", [("one",), ("one",)])
        assert _names(journal) == []
        with journal.transaction() as transaction:
            transaction.execute("INSERT INTO things VALUES ('two')")
        assert _names(journal) == ["two"]
        journal.close()

    def test_synchronous__full(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "attest")
        assert journal.query("PRAGMA synchronous")[0][0] == 2
        assert journal.query("PRAGMA journal_mode")[0][0] == "wal"
        journal.close()

    def test_disk_full__refused_and_nothing_happened__goes_on_with_room(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "attest", TABLES)
        journal.query(f"PRAGMA max_page_count = {journal.query('PRAGMA page_count')[0][0]}")
        rows = [(f"{number:0200}",) for number in range(500)]
        with pytest.raises(JournalError, match="full"), journal.transaction() as transaction:
            transaction.execute_many("INSERT INTO things VALUES (?)", rows)
        assert _names(journal) == []
        journal.query("PRAGMA max_page_count = 100000")
        with journal.transaction() as transaction:
            transaction.execute_many("INSERT INTO things VALUES (?)", rows)
        assert len(_names(journal)) == 500
        journal.close()

    def test_write_refused_by_the_system__nothing_happened__goes_on_afterwards(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "attest", TABLES)
        rows = [(f"{number:0200}",) for number in range(500)]
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
        try:
            with pytest.raises(JournalError, match="disk"), journal.transaction() as transaction:
                transaction.execute_many("INSERT INTO things VALUES (?)", rows)
            assert _names(journal) == []
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        with journal.transaction() as transaction:
            transaction.execute_many("INSERT INTO things VALUES (?)", rows)
        journal.close()
        journal = Journal(tmp_path, "attest", TABLES)
        assert len(_names(journal)) == 500
        journal.close()

    @pytest.mark.parametrize("replaced", [False, True])
    def test_file_gone_or_replaced__refused(self, tmp_path: Path, replaced: bool) -> None:
        journal = Journal(tmp_path, "attest", TABLES)
        journal.path.rename(tmp_path / "elsewhere")
        if replaced:
            journal.path.write_bytes(b"")
        with pytest.raises(JournalGoneError), journal.transaction():
            pass
        with pytest.raises(JournalGoneError):
            journal.check_writable()
        journal.close()


class TestOpening:
    def test_open__second_process_of_a_role__refused_until_the_first_ends(self, tmp_path: Path) -> None:
        first = Journal(tmp_path, "attest")
        with pytest.raises(JournalInUseError):
            Journal(tmp_path, "attest")
        Journal(tmp_path, "relay").close()
        first.close()
        Journal(tmp_path, "attest").close()

    def test_open__not_a_database__refused_and_the_lock_is_free(self, tmp_path: Path) -> None:
        (tmp_path / "attest.sqlite3").write_bytes(b"not a database at all" * 100)
        with pytest.raises(JournalError, match="not a database"):
            Journal(tmp_path, "attest")
        (tmp_path / "attest.sqlite3").unlink()
        Journal(tmp_path, "attest").close()

    def test_open__folder_cannot_be_made__refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(JournalError):
            Journal(tmp_path / "file" / "folder", "attest")

    def test_bind__something_else__refused(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "attest")
        journal.bind({"the attester": "0x01"})
        journal.bind({"the attester": "0x01", "the gateway of chain 1": "0x02"})
        with pytest.raises(ForeignJournalError, match="0x02"):
            journal.bind({"the gateway of chain 1": "0x03"})
        journal.close()


class TestHalting:
    def test_halt__kept_until_a_person_resumes(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path, "attest")
        journal.check_not_halted()
        journal.halt("equivocation", "two contents", 31337)
        journal.halt("equivocation", "the same again", 31337)
        journal.close()
        journal = Journal(tmp_path, "attest")
        with pytest.raises(HaltedError, match="two contents"):
            journal.check_not_halted()
        beside = Journal(tmp_path, "attest", exclusive=False)
        halt = beside.resume("looked at it")
        assert halt is not None
        assert (halt.reason, halt.chain_id) == ("two contents", 31337)
        assert beside.resume("once more") is None
        beside.close()
        journal.check_not_halted()
        assert [(each.reason, each.resume_reason) for each in journal.halts()] == [("two contents", "looked at it")]
        journal.close()
