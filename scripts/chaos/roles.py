"""What runs in a process of the bridge: the command `interpoints`, as its users start it."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.cli import main as interpoints


def main(arguments: Sequence[str], environment: Mapping[str, str], log_path: Path) -> None:
    """Runs `interpoints ARGUMENTS`."""
    os.environ.update(environment)
    with log_path.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = ["interpoints", *arguments]
    interpoints()


def _end_with_parent() -> None:
    """Ends this process when the one that started it has ended, however that came about."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
