"""What a swap must come to, from docs/exchange.md: recomputed here, and not with the code that prices swaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from backend.chain.event_types import Lot
from backend.chain.exchange_types import LaneTerms, Price

BASIS_POINTS: Final = 10_000
_PRICE_UNIT: Final = 1_000_000
"""Points out that `settlement_price` is for."""


class Calendar(Protocol):
    """How a programme's lots expire."""

    @property
    def epoch_length_seconds(self) -> int:
        """Length of an epoch."""

    @property
    def validity_epochs(self) -> int:
        """Epochs after its own through which a lot stays valid."""


def rate(terms: LaneTerms) -> tuple[int, int]:
    """Points out for points in after the fee, without bonus, as a fraction."""
    return terms.rate_numerator * (BASIS_POINTS - terms.fee_bps), terms.rate_denominator * BASIS_POINTS


def points_out_rounding_down(terms: LaneTerms, points_in: int, bonus_bps: int) -> int:
    """Most points out for `points_in`."""
    net, den = rate(terms)
    return points_in * net * (BASIS_POINTS + bonus_bps) // (den * BASIS_POINTS)


def points_in_rounding_up(terms: LaneTerms, points_out: int, bonus_bps: int) -> int:
    """Fewest points in for `points_out`."""
    net, den = rate(terms)
    return -(-points_out * den * BASIS_POINTS // (net * (BASIS_POINTS + bonus_bps)))


def settlement_rounding_up(terms: LaneTerms, base_out: int) -> int:
    """What is owed for `base_out` points out, in the currency's smallest unit."""
    return -(-base_out * terms.settlement_price // _PRICE_UNIT)


def least_bonus(terms: LaneTerms, price: Price) -> int:
    """The smallest bonus, in basis points, with which `points_in` give as many as `points_out`."""
    net, den = rate(terms)
    return max(0, -(-price.points_out * den * BASIS_POINTS // (max(1, price.points_in) * net)) - BASIS_POINTS)


def price_problems(terms: LaneTerms, price: Price, bonus_bps: int) -> list[str]:
    """What of a swap's numbers does not follow from its terms and bonus; nothing when all does."""
    problems = []
    points_out = points_out_rounding_down(terms, price.points_in, bonus_bps)
    if price.points_out != points_out:
        problems.append(f"{price.points_in} points in give {points_out} out, not {price.points_out}")
    points_in = points_in_rounding_up(terms, price.points_out, bonus_bps)
    if price.points_in != points_in:
        problems.append(f"{price.points_out} points out need {points_in} in, not {price.points_in}")
    base_out = points_out_rounding_down(terms, price.points_in, 0)
    if price.base_out != base_out:
        problems.append(f"without the bonus it is {base_out} points out, not {price.base_out}")
    settlement = settlement_rounding_up(terms, base_out)
    if price.settlement != settlement:
        problems.append(f"{settlement} is owed for it, not {price.settlement}")
    if price.points_in < terms.minimum_in:
        problems.append(f"{price.points_in} points in are fewer than the lane's minimum of {terms.minimum_in}")
    return problems


def carried(
    lots: Sequence[Lot], points_out: int, source: Calendar, destination: Calendar, timestamp_seconds: int
) -> list[Lot] | None:
    """The lots that burnt `lots` become at the destination; None when one ends before any of its lots could."""
    points_in = sum(lot.amount for lot in lots)
    current = timestamp_seconds // destination.epoch_length_seconds
    before = given = 0
    shares: dict[int, int] = {}
    for lot in lots:
        end = (lot.epoch + source.validity_epochs + 1) * source.epoch_length_seconds
        epoch = end // destination.epoch_length_seconds - destination.validity_epochs - 1
        if epoch < max(0, current - destination.validity_epochs):
            return None
        before += lot.amount
        share = before * points_out // points_in - given
        given += share
        if share:
            epoch = min(epoch, current)
            shares[epoch] = shares.get(epoch, 0) + share
    return [Lot(epoch, amount) for epoch, amount in shares.items()]
