"""What a scenario is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scripts.chaos.rig import Rig


@dataclass(frozen=True)
class Scenario:
    """A fault, and what is done to bring it about; `run` raises when the bridge does not survive it."""

    name: str
    """Group and name, such as `kill/relayer.after_store`."""
    fault: str
    """The fault in a few words, for the table."""
    run: Callable[[Rig], None]
    quick: bool = False
    """Whether it is one of the representative few."""
    judged: bool = True
    """Whether everything must have ended well after it; otherwise `run` says all there is to say."""

    @property
    def group(self) -> str:
        """The part of the name before the first slash."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Result:
    """What came of a scenario."""

    name: str
    fault: str
    seconds: float
    problem: str = ""
    """Why it failed; empty when the fault was survived."""
    minted: int = 0
    refunded: int = 0

    @property
    def group(self) -> str:
        """The part of the name before the first slash."""
        return self.name.partition("/")[0]
