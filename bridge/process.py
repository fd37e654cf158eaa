"""The loop of a role's process: step, wait, step; errors are logged and tried again after a growing pause."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import structlog

from backend.chain.errors import ChainError
from bridge.errors import JournalGoneError
from bridge.metrics import STEP_FAILURES

log = structlog.get_logger(__name__)
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 15.0


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set: the step under way ends, then the process. Call in the main thread."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def run_role(role: str, step: Callable[[], bool], poll_seconds: float, stopping: threading.Event) -> None:
    """Steps until told to stop. `step` does a bounded amount of work and says whether there may be more.

    Errors: `JournalGoneError`: a process must not go on without its journal; its supervisor starts it anew.
    """
    pause = FIRST_PAUSE_SECONDS
    while not stopping.is_set():
        try:
            if not step():
                stopping.wait(poll_seconds)
            pause = FIRST_PAUSE_SECONDS
        except JournalGoneError:
            raise
        except Exception as error:
            # What is certain is in the journal and on the chains; a step that failed is made again.
            STEP_FAILURES.labels(role, "", type(error).__name__).inc()
            expected = isinstance(error, ChainError)
            log.error("step_failed", role=role, error=str(error), exc_info=None if expected else error)
            stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
