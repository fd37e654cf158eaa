"""The stack's own processes are what is tested here: everything runs as a user would run it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.clean import clean

ROOT = Path(__file__).parents[3]


PATIENCE_SECONDS = 240
"""For what certainly comes, on a machine of which other tests have most."""


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        threading.Event().wait(0.05)


@dataclass
class Up:
    """A running `interpoints up`."""

    process: subprocess.Popen[str]
    state: Path
    errors: Path

    def environment(self) -> dict[str, str]:
        lines = (self.state / "environment").read_text().splitlines()
        return {name: value.strip("'") for name, value in (line.split("=", 1) for line in lines)}

    def wait_until_up(self) -> None:
        out = self.process.stdout
        assert out is not None
        for line in out:
            if line.startswith("Ctrl-C"):
                return
        pytest.fail(f"it ended: {self.errors.read_text()}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE_SECONDS)
        self._close()
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


class Starter:
    """Starts `interpoints up` on one state folder."""

    def __init__(self, folder: Path, state: Path | None = None) -> None:
        self.state = state or folder / "state"
        self._folder = folder
        self._started: list[Up] = []

    def start(self, *options: str) -> Up:
        command = [sys.executable, "-m", "backend.cli", "up", "--state", str(self.state), *options]
        errors = self._folder / f"errors-{len(self._started)}.txt"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with errors.open("w") as stderr:
            process = subprocess.Popen(
                command, cwd=self._folder, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
            )
        started = Up(process, self.state, errors)
        self._started.append(started)
        return started

    def end_all(self) -> None:
        for each in self._started:
            if each.process.poll() is None:
                each.stop()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test's own. As root, PostgreSQL runs as another user, who cannot reach into pytest's folders."""
    path = Path(tempfile.mkdtemp(prefix="interpoints-stack-"))
    yield path
    # What a test killed is ended as `make clean` would.
    for each in (path, path / "state", path / ".interpoints"):
        clean(each)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def starter(folder: Path) -> Iterator[Starter]:
    started = Starter(folder)
    yield started
    started.end_all()
