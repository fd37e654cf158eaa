"""Starts and kills the bridge's processes.

They are real processes, started from a server that has the modules loaded: without that each of several hundred starts
would take seconds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import psutil

from scripts.chaos.roles import main

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["scripts.chaos.preloaded"])
_END_SECONDS = 20.0
Json = dict[str, Any]
"""An answer as the role documents it."""


class Process:
    """One process, started again as often as it is killed, always with the same folder and log.

    `port` is where it serves what it has to say.
    """

    def __init__(self, name: str, arguments: Sequence[str], log_path: Path, port: int = 0) -> None:
        self.name = name
        self.log_path = log_path
        self.port = port
        self._arguments = tuple(arguments)
        self._process: BaseProcess | None = None

    def start(self, *, crash_at: str = "") -> None:
        """Starts it; at the crash point `crash_at` it kills itself."""
        assert not self.alive(), f"{self.name} runs already"
        environment = {"INTERPOINTS_CRASH_AT": crash_at}
        arguments = (self._arguments, environment, self.log_path)
        self._process = _FORKS.Process(target=main, args=arguments, daemon=True)
        self._process.start()

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._process is not None

    def killed_itself(self) -> bool:
        """Whether it has ended by SIGKILL."""
        return self._process is not None and self._process.exitcode == -signal.SIGKILL

    @property
    def exit_status(self) -> int | None:
        """Its exit status; None while it runs."""
        return None if self._process is None else self._process.exitcode

    def limit_files(self, largest_bytes: int | None) -> None:
        """From now on it can write no file beyond so many bytes, as on a full disk; None: as much as it likes."""
        if self._process is not None and self._process.pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                limit = psutil.RLIM_INFINITY if largest_bytes is None else largest_bytes
                psutil.Process(self._process.pid).rlimit(psutil.RLIMIT_FSIZE, (limit, psutil.RLIM_INFINITY))

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def stop(self) -> None:
        """Asks it to end, and makes it end when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.join(_END_SECONDS)
        self.kill()

    def log_tail(self, lines: int = 6) -> str:
        """What it said last."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    # What it says

    def ask(self, path: str, **query: int) -> Json:
        """Its answer to a question over HTTP. Errors: `httpx.HTTPError`."""
        answer: Json = httpx.get(f"http://127.0.0.1:{self.port}{path}", params=query, timeout=5).json()
        return answer

    def signed(self, source_chain: int, destination_chain: int) -> list[Json]:
        """What an attester has signed for a route; nothing when it does not answer or stands still."""
        query = {"source_chain": source_chain, "destination_chain": destination_chain, "from_block": 0}
        try:
            found: list[Json] = self.ask("/v1/attestations", **query).get("attestations", [])
        except httpx.HTTPError:
            return []
        return found

    def has_signed(self, source_chain: int, destination_chain: int, block_number: int) -> bool:
        """Whether an attester serves a signature for a block."""
        return any(each["block_number"] == block_number for each in self.signed(source_chain, destination_chain))

    def halted(self) -> bool:
        """Whether it stands still until a person resumes it."""
        try:
            return str(self.ask("/ready")["checks"]["journal"]["detail"]).startswith("halted")
        except httpx.HTTPError:
            return False

    def counts(self) -> tuple[int, int]:
        """Swaps minted and refunded over all lanes, as a watcher says; -1 when it does not answer."""
        try:
            lanes = self.ask("/v1/status")["lanes"]
        except httpx.HTTPError:
            return -1, -1
        return sum(lane["minted"] for lane in lanes), sum(lane["refunded"] for lane in lanes)
