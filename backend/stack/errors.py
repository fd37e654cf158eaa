"""What can keep the local stack from running. Each says in one sentence what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class StackError(Exception):
    """The local stack cannot run; the message says what to do."""


class PortTakenError(StackError):
    """Somebody else listens on a port that was asked for."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(
            f"Port {port} of 127.0.0.1 is taken by another program: stop it, or choose another port with {setting}."
        )
        self.port = port
        self.setting = setting


class AlreadyRunningError(StackError):
    """Another process holds the state folder."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid else "another process"
        super().__init__(f"A stack is running in {folder} already ({holder}): stop it first, with Ctrl-C.")
        self.folder = folder
        self.pid = pid


class AnvilMissingError(StackError):
    """There is no local chain to start."""

    def __init__(self) -> None:
        super().__init__(
            "The local chain needs anvil: install Node 20 or later and run `npm ci`, or put anvil on the PATH."
        )


class ProcessFailedError(StackError):
    """A process ended, or was not ready in time."""

    def __init__(self, name: str, problem: str, log_path: Path, log_tail: str) -> None:
        super().__init__(
            f"{name} {problem}; its log is {log_path}" + (f" and ends with: {log_tail}" if log_tail else ".")
        )
        self.name = name
        self.problem = problem
        self.log_path = log_path


class PostgresFailedError(StackError):
    """The embedded PostgreSQL does not start."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"The embedded PostgreSQL in {folder} does not start ({reason}): remove its state with `make clean`, "
            "or give a server of your own with INTERPOINTS_DATABASE_URL."
        )
        self.folder = folder
        self.reason = reason


class PostgresEndedError(StackError):
    """The embedded PostgreSQL has ended while the stack was running."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"PostgreSQL in {folder} has ended by itself: start again; what it had stored is kept.")
        self.folder = folder


class StacksApartError(StackError):
    """Of two stacks that belong together one is not there, or is another than it was."""

    def __init__(self, folders: Sequence[Path]) -> None:
        names = " and ".join(map(str, folders))
        super().__init__(
            f"{names} do not hold two stacks that belong together: begin both anew with --fresh, "
            "or leave them as they are and name another folder with --state."
        )
        self.folders = tuple(folders)


class ChainLostError(StackError):
    """The local chain came back without blocks that the database knows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"The local chain in {folder} was killed before it could save its blocks, so the database is ahead of it: "
            "begin anew with --fresh."
        )
        self.folder = folder
