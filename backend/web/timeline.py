"""Where the columns of the expiry time line stand, in the units of its drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

WIDTH, HEIGHT = 360, 132
_LEFT, _RIGHT = 26, 26
_BASE, _TOP = 100, 26
_SMALLEST = 4
_LABEL_ROOM = 46
"""Labels closer together than this would run into each other."""


@dataclass(frozen=True, slots=True)
class Column:
    """Points that expire at one moment. `x` is the middle, `y` the top; the column stands on the base line."""

    x: float
    y: float
    height: float
    points: int
    expires_at: int
    label: str
    """Day and month; empty where it would run into the one before."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The drawing: columns from now to the last expiry."""

    columns: tuple[Column, ...]
    base: int = _BASE
    start: int = _LEFT
    end: int = WIDTH - _RIGHT


def lay_out(lots: Sequence[tuple[int, int]], now: int) -> Timeline:
    """Columns for (expiry in Unix seconds, points); lots that expire together share one."""
    summed: dict[int, int] = {}
    for expires_at, points in lots:
        summed[expires_at] = summed.get(expires_at, 0) + points
    if not summed:
        return Timeline(())
    most, span = max(summed.values()), max(max(summed) - now, 1)
    room = WIDTH - _LEFT - _RIGHT
    columns, labelled = [], float(_LEFT)
    for expires_at, points in sorted(summed.items()):
        height = max(_SMALLEST, (_BASE - _TOP) * points / most)
        x = _LEFT + room * max(0, expires_at - now) / span
        label = ""
        if x - labelled >= _LABEL_ROOM:
            labelled, label = x, datetime.fromtimestamp(expires_at, UTC).strftime("%-d %b")
        columns.append(Column(round(x, 1), round(_BASE - height, 1), round(height, 1), points, expires_at, label))
    return Timeline(tuple(columns))
