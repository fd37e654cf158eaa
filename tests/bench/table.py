"""What a benchmark returns: one row per figure, ours beside its peer, measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is ours over the peer's, whatever direction is better; `reach` says what we aim for."""

    name: str
    unit: str
    ours: float
    peer: float | None
    peer_name: str
    reach: str

    @property
    def ratio(self) -> float | None:
        return None if not self.peer else self.ours / self.peer
