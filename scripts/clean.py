"""Ends the processes that killed runs left behind below .interpoints/."""

from __future__ import annotations

import sys
from pathlib import Path

from backend.stack.errors import StackError
from backend.stack.postgres import stop_leftover
from backend.stack.processes import ProcessTable
from backend.stack.state import StateFolder


def clean(state: Path) -> None:
    """End whatever still runs in the folders of `state`. Raises AlreadyRunningError when a stack is in use."""
    for path in sorted(state.iterdir()) if state.exists() else []:
        if not (path / "lock").exists():
            continue
        folder = StateFolder(path)
        folder.acquire()
        ProcessTable(folder).end_leftovers()
        stop_leftover(folder.postgres)
        folder.release()


if __name__ == "__main__":
    try:
        clean(Path(".interpoints"))
    except StackError as error:
        sys.exit(f"clean: {error}")
