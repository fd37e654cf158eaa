"""Processes of the local stack: started with a log file, recorded, ended in order.

Every process is recorded with its start time before anything waits for it, so that a run that follows a killed one ends
exactly those processes and no others that got the same number meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from backend.stack.errors import ProcessFailedError
from backend.stack.state import StateFolder, write_private
from backend.stack.waiting import wait_until

# Long, for machines with more to do than they can: a chain that is killed has not saved its state.
STOP_DEADLINE_SECONDS = 60.0
READY_DEADLINE_SECONDS = 180.0
_LOG_TAIL_LINES = 3
_SAME_START_SECONDS = 5.0
"""A start time is told from that of the machine, in whole seconds, which moves when the clock is corrected."""


@dataclass(frozen=True)
class RunningProcess:
    """One process of ours."""

    name: str
    popen: subprocess.Popen[bytes]
    log_path: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    def failure(self, problem: str) -> ProcessFailedError:
        """The error that says what its log says last."""
        lines = self.log_path.read_text(errors="replace").strip().splitlines() if self.log_path.exists() else []
        return ProcessFailedError(self.name, problem, self.log_path, " / ".join(lines[-_LOG_TAIL_LINES:])[-600:])


class ProcessTable:
    """The processes of one state folder."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._running: list[RunningProcess] = []

    def take_over(self, say: Callable[[str], None]) -> None:
        """Take the folder if there is one, and end what a killed run left there. Raises AlreadyRunningError."""
        if not self._folder.root.exists():
            return
        self._folder.acquire()
        ended = self.end_leftovers()
        if ended:
            say(f"ended what a killed run left behind: {', '.join(ended)}")

    def end_leftovers(self) -> list[str]:
        """End what a killed run left behind; the names of what was ended."""
        path = self._folder.processes
        if not path.exists():
            return []
        ended = []
        for record in reversed(json.loads(path.read_text())):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(record["pid"])
                if abs(process.create_time() - record["created_at"]) < _SAME_START_SECONDS:
                    _end(process)
                    ended.append(str(record["name"]))
        path.unlink()
        return ended

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> RunningProcess:
        """Start a process. It is recorded at once; `await_ready` says when it can be used."""
        self._folder.logs.mkdir(parents=True, exist_ok=True)
        log_path = self._folder.logs / f"{name}.log"
        with log_path.open("ab") as log:
            # A session of its own: Ctrl-C reaches us alone, and we end the others in order.
            popen = subprocess.Popen(  # noqa: S603 - the command is ours
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        process = RunningProcess(name, popen, log_path)
        self._running.append(process)
        self._record()
        return process

    def await_ready(
        self, process: RunningProcess, ready: Callable[[], bool], deadline_seconds: float = READY_DEADLINE_SECONDS
    ) -> None:
        """Wait until a process is ready. Raises ProcessFailedError when it ends or takes too long."""
        if not wait_until(lambda: not process.alive() or ready(), deadline_seconds):
            raise process.failure(f"was not ready within {deadline_seconds:.0f} seconds")
        if not process.alive():
            raise process.failure(f"ended with status {process.popen.returncode}")

    def check(self) -> None:
        """Raise ProcessFailedError when one of ours has ended."""
        for process in self._running:
            if not process.alive():
                raise process.failure(f"ended with status {process.popen.returncode}")

    def stop(self, process: RunningProcess) -> None:
        """Ask one process to end, and make it end when it does not."""
        if process.alive():
            process.popen.send_signal(signal.SIGTERM)
            try:
                process.popen.wait(STOP_DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
        self._running.remove(process)
        self._record()

    def stop_all(self) -> None:
        """End all, the last started first."""
        for process in reversed(list(self._running)):
            self.stop(process)

    def _record(self) -> None:
        records = []
        for process in self._running:
            with contextlib.suppress(psutil.NoSuchProcess):
                created_at = psutil.Process(process.pid).create_time()
                records.append({"name": process.name, "pid": process.pid, "created_at": created_at})
        write_private(self._folder.processes, json.dumps(records))


def _end(process: psutil.Process) -> None:
    """SIGTERM, a while to comply, SIGKILL."""
    process.terminate()
    end = time.monotonic() + STOP_DEADLINE_SECONDS
    while time.monotonic() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    process.kill()
