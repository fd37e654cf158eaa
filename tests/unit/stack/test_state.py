from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from backend.stack.errors import AlreadyRunningError
from backend.stack.state import StateFolder, write_private


class TestAcquire:
    def test_second_holder__is_told_who_holds(self, tmp_path: Path) -> None:
        first, second = StateFolder(tmp_path / "stack"), StateFolder(tmp_path / "stack")
        first.acquire()
        with pytest.raises(AlreadyRunningError) as caught:
            second.acquire()
        assert caught.value.pid == os.getpid()
        assert caught.value.folder == tmp_path / "stack"
        first.release()

    def test_after_release__can_be_taken(self, tmp_path: Path) -> None:
        first, second = StateFolder(tmp_path), StateFolder(tmp_path)
        first.acquire()
        first.release()
        second.acquire()
        second.release()

    def test_lock_file_of_a_dead_process__can_be_taken(self, tmp_path: Path) -> None:
        (tmp_path / "lock").write_text("999999")
        folder = StateFolder(tmp_path)
        folder.acquire()
        assert (tmp_path / "lock").read_text() == str(os.getpid())
        folder.release()


class TestSecret:
    def test_same_name__same_secret(self, tmp_path: Path) -> None:
        folder = StateFolder(tmp_path)
        assert folder.secret("one") == StateFolder(tmp_path).secret("one")
        assert folder.secret("one") != folder.secret("two")
        assert len(folder.secret("one")) >= 32

    def test_file__is_for_its_owner_only(self, tmp_path: Path) -> None:
        StateFolder(tmp_path).secret("one")
        assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


class TestClear:
    def test_everything_but_the_lock__is_gone(self, tmp_path: Path) -> None:
        folder = StateFolder(tmp_path)
        folder.acquire()
        folder.secret("one")
        folder.logs.mkdir()
        (folder.logs / "api.log").write_text("x")
        folder.clear()
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
        folder.release()


def test_write_private__replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file.json"
    write_private(path, "first, and longer")
    write_private(path, "second")
    assert path.read_text() == "second"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]
