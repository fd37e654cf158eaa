"""The worker: one process that does some or all of the work behind the API.

Each role runs in a thread of its own: it works until there is nothing to do, then waits to be woken by PostgreSQL
(LISTEN/NOTIFY) or for a short time, whichever comes first. SIGTERM lets the step under way end. Any number of workers
may run, on any number of machines: the database decides who does what.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import OperationalError

from backend.chain.errors import ChainError
from backend.chain.notifications import WorkWaiter

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 15.0
STALE_SECONDS = 60.0
"""A role whose last step ended longer ago than this is reported as not healthy."""

STEPS = Counter("interpoints_worker_steps", "Steps that found work", ["role"])
FAILURES = Counter("interpoints_worker_failures", "Steps that failed and will be tried again", ["role", "error"])
LAST_STEP = Gauge("interpoints_worker_last_step_timestamp_seconds", "When the last step ended well", ["role"])


class Role(StrEnum):
    """What a worker can do."""

    INTAKE = "intake"
    """Turn uploaded rows into events."""
    BATCH = "batch"
    """Pack matured accruals into transactions."""
    SUBMIT = "submit"
    """Sign and send what is in the outbox."""
    INDEX = "index"
    """Follow the chain."""
    POST = "post"
    """Carry swaps into partners' own systems."""
    CLEAR = "clear"
    """Close and settle cycles, and keep the alerts on positions."""
    FOLLOW = "follow"
    """Learn on other chains what became of the swaps that went there."""


@dataclass
class RoleLoop:
    """One role's loop. `step` does a bounded amount of work and says whether there may be more."""

    role: Role
    step: Callable[[], bool]
    waiter: WorkWaiter
    idle_seconds: float
    stopping: threading.Event
    close: Callable[[], None] = lambda: None
    """Gives back what the role holds, when it ends in good order."""
    last_error: str | None = None
    last_end: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Work until told to stop. A failure is logged and tried again, after a pause that grows."""
        pause = FIRST_PAUSE_SECONDS
        while not self.stopping.is_set():
            try:
                if self._step():
                    STEPS.labels(self.role).inc()
                elif not self.stopping.is_set():
                    self.waiter.wait_for_work(self.idle_seconds)
                pause = FIRST_PAUSE_SECONDS
            except Exception as error:  # noqa: BLE001
                # Whatever went wrong in one step must not end the other roles; what is certain is in the database.
                self._note(error)
                self.stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        self.waiter.close()
        self.close()

    def _step(self) -> bool:
        worked = self.step()
        self.last_error, self.last_end = None, time.monotonic()
        LAST_STEP.labels(self.role).set_to_current_time()
        return worked

    def _note(self, error: Exception) -> None:
        self.last_error = str(error).split("\n", 1)[0]
        FAILURES.labels(self.role, type(error).__name__).inc()
        expected = isinstance(error, ChainError | OperationalError)
        log.error("step_failed", role=self.role, error=self.last_error, exc_info=None if expected else error)

    def problem(self) -> str | None:
        """Why this role is not healthy; None when it is."""
        if self.last_error is not None:
            return self.last_error
        silent_seconds = time.monotonic() - self.last_end
        return f"no step ended for {silent_seconds:.0f} seconds" if silent_seconds > STALE_SECONDS else None


class Worker:
    """The loops of one process."""

    def __init__(self, loops: Sequence[RoleLoop], stopping: threading.Event) -> None:
        self._loops = loops
        self._stopping = stopping
        self._threads = [threading.Thread(target=loop.run, name=loop.role, daemon=True) for loop in loops]

    def start(self) -> None:
        """Start all loops."""
        for thread in self._threads:
            thread.start()

    def stop(self, deadline_seconds: float = 15.0) -> bool:
        """Let every loop end its step; False when one did not within the deadline."""
        self._stopping.set()
        end = time.monotonic() + deadline_seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def problems(self) -> Mapping[str, str]:
        """What is wrong, by role; empty when all is well."""
        return {loop.role.value: problem for loop in self._loops if (problem := loop.problem()) is not None}
