"""Starts again what has killed itself, as a supervisor does."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.chaos.processes import Process

_PATIENCE = 40
"""Ticks for which a dead process waits for the other victims to die too, so that all are down at the same time."""


class Doctor:
    """Looks after the victims: processes that were started with a crash point."""

    def __init__(self, victims: Sequence[Process] = ()) -> None:
        self._dead_for = dict.fromkeys(victims, 0)
        self._cured: set[Process] = set()
        self._supervised: list[Process] = []

    def supervise(self, process: Process) -> None:
        """From now on a process is started again however it ends."""
        self._supervised.append(process)

    def visit(self) -> None:
        """Starts the dead, when all victims are dead or have been waited for long enough."""
        for process in self._supervised:
            if not process.alive():
                process.start()
        waiting = [victim for victim in self._dead_for if victim not in self._cured]
        dead = [victim for victim in waiting if victim.killed_itself()]
        for victim in dead:
            self._dead_for[victim] += 1
            if len(dead) == len(waiting) or self._dead_for[victim] > _PATIENCE:
                victim.start()
                self._cured.add(victim)

    def missing(self) -> list[str]:
        """Victims that have not died."""
        return [victim.name for victim in self._dead_for if victim not in self._cured and not victim.killed_itself()]

    @property
    def done(self) -> bool:
        """Whether every victim has died and runs again."""
        return len(self._cured) == len(self._dead_for)
