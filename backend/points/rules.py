"""Arithmetic of earning: integers only, and the name of each function says which way it rounds."""

from __future__ import annotations

POINTS_LIMIT = 1 << 48
"""Amounts of points stay below this, on chain and here."""


def points_earned_down(amount_minor: int, earn_points: int, earn_per_minor: int) -> int:
    """Points that a value of `amount_minor` earns at `earn_points` for every `earn_per_minor`, rounded down.

    Down, so that splitting a purchase never earns more than the whole does.
    """
    if amount_minor < 0 or earn_points < 0 or earn_per_minor <= 0:
        raise ValueError("an amount and a rule are not negative, and a rule's price is more than nothing")
    return amount_minor * earn_points // earn_per_minor


def points_kept_down(earned_points: int, amount_minor: int, returned_minor: int) -> int:
    """Points that stay earned when `returned_minor` of `amount_minor` have been brought back, rounded down.

    Returning all keeps none; how often a return is split does not change the sum.
    """
    if not 0 <= returned_minor <= amount_minor:
        raise ValueError("no more can be brought back than was bought")
    if amount_minor == 0:
        return earned_points
    return earned_points * (amount_minor - returned_minor) // amount_minor


def net_shortfall(owed_points: int, earned_points: int) -> tuple[int, int]:
    """(points kept back, points credited) of an accrual while `owed_points` are owed: the debt is served first."""
    kept = min(owed_points, earned_points)
    return kept, earned_points - kept
