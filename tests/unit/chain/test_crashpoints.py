from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_LOOP = "from backend.chain.crashpoints import crash_point\nfor _ in range(3): crash_point('here'); print('passed')"


@pytest.mark.parametrize(
    ("crash_at", "status", "passages"),
    [("", 0, 3), ("elsewhere", 0, 3), ("here", -signal.SIGKILL, 0), ("here:3", -signal.SIGKILL, 2), ("here:4", 0, 3)],
)
def test_crash_point__kills_only_where_and_when_named(crash_at: str, status: int, passages: int) -> None:
    done = subprocess.run(
        [sys.executable, "-u", "-c", _LOOP],
        env={"INTERPOINTS_CRASH_AT": crash_at, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout.count(b"passed")) == (status, passages)
