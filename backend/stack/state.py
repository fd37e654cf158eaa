"""The folder that holds everything a local stack keeps, and the lock that lets one stack use it at a time."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from backend.stack.errors import AlreadyRunningError


@dataclass
class StateFolder:
    """Paths below one folder. Nothing of the stack is written anywhere else."""

    root: Path
    _lock: IO[str] | None = field(default=None, repr=False)

    @property
    def postgres(self) -> Path:
        """Data of the embedded PostgreSQL."""
        return self.root / "postgres"

    @property
    def chain(self) -> Path:
        """Saved blocks of the local chain."""
        return self.root / "chain"

    @property
    def logs(self) -> Path:
        """A log file for each process."""
        return self.root / "logs"

    @property
    def manifest(self) -> Path:
        """Deployment manifest."""
        return self.root / "manifest.json"

    @property
    def processes(self) -> Path:
        """Processes that were started, so that the next run can end what a killed run left behind."""
        return self.root / "processes.json"

    @property
    def addresses(self) -> Path:
        """Addresses and keys of the running stack, for other commands."""
        return self.root / "stack.json"

    def acquire(self) -> None:
        """Take the folder for this process until it ends, however it ends; make it when there is none.

        Harmless when it is taken by this object already. Raises AlreadyRunningError.
        """
        if self._lock is not None:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        lock = (self.root / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise AlreadyRunningError(self.root, int(holder) if holder.isdigit() else None) from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Let others use the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def clear(self) -> None:
        """Remove everything but the lock. Call it while no process of the stack runs."""
        for path in self.root.iterdir():
            if path.name == "lock":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def secret(self, name: str) -> str:
        """The random secret kept under `name`, made on first use and readable by the owner only."""
        path = self.root / "secrets.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(48)
            write_private(path, json.dumps(known))
        return known[name]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)
