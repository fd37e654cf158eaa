"""The loop of a role: goes on after failures, ends when told, and ends by itself without its journal."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from backend.chain.errors import ChainUnavailableError
from bridge.errors import JournalGoneError
from bridge.process import run_role


def _steps(stopping: threading.Event, *outcomes: bool | Exception) -> Callable[[], bool]:
    """A step that does these one after the other, and then says stop."""
    left = list(outcomes)

    def step() -> bool:
        outcome = left.pop(0)
        if not left:
            stopping.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return step


def test_run__failures__tried_again() -> None:
    stopping = threading.Event()
    failures = (ChainUnavailableError("nobody answers"), ValueError("a fault of ours"))
    run_role("attest", _steps(stopping, True, *failures, True), 60, stopping)
    assert stopping.is_set()


def test_run__journal_gone__ends_the_process() -> None:
    stopping = threading.Event()
    with pytest.raises(JournalGoneError):
        run_role("attest", _steps(stopping, True, JournalGoneError("file", "gone"), True), 60, stopping)
    assert not stopping.is_set()
