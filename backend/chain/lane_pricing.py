"""What a swap comes to, as the exchange computes it (docs/exchange.md, "Numbers"): rounding is in the names.

What the contract would refuse is refused here with the same error, `ContractRevertedError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from backend.chain.event_types import Lot
from backend.chain.exchange_types import LaneTerms, Price
from backend.chain.reverts import refusal

BPS: Final = 10_000
"""The whole, in hundredths of a percent."""
BUCKET_SECONDS: Final = 21_600
"""A lane's volume is counted in buckets of six hours."""
BUCKETS: Final = 5
"""The present bucket and the four before it cover any 24 hours."""
_PRICE_UNIT: Final = 1_000_000
_POINTS_LIMIT: Final = 1 << 48


class Calendar(Protocol):
    """How a programme's lots expire; the manifest's and the token's terms both say it."""

    @property
    def epoch_length_seconds(self) -> int:
        """Length of an epoch."""

    @property
    def validity_epochs(self) -> int:
        """Epochs after its own through which a lot is valid."""


def points_out_rounding_down(terms: LaneTerms, points_in: int, bonus_bps: int) -> int:
    """Most points out for `points_in`."""
    net, den = net_rate(terms)
    return points_in * net * (BPS + bonus_bps) // (den * BPS)


def points_in_rounding_up(terms: LaneTerms, points_out: int, bonus_bps: int) -> int:
    """Fewest points in that give `points_out`."""
    net, den = net_rate(terms)
    return -(-points_out * den * BPS // (net * (BPS + bonus_bps)))


def settlement_rounding_up(terms: LaneTerms, base_out: int) -> int:
    """What the source owes for `base_out` points, in the smallest unit of the settlement currency."""
    return -(-base_out * terms.settlement_price // _PRICE_UNIT)


def net_rate(terms: LaneTerms) -> tuple[int, int]:
    """Points out for points in, without bonus, as a fraction."""
    return terms.rate_numerator * (BPS - terms.fee_bps), terms.rate_denominator * BPS


def price(terms: LaneTerms, max_in: int, bonus_bps: int = 0) -> Price:
    """What at most `max_in` points come to. Checks amount, bonus and minimum; no cap and no balance.

    Errors: `ContractRevertedError` named `BonusTooHigh`, `InvalidSwapAmount` or `BelowMinimum`.
    """
    if bonus_bps > terms.max_bonus_bps:
        raise refusal("BonusTooHigh", bonusBps=bonus_bps, maxBonusBps=terms.max_bonus_bps)
    if not 0 < max_in < _POINTS_LIMIT:
        raise refusal("InvalidSwapAmount", maxIn=max_in)
    points_out = points_out_rounding_down(terms, max_in, bonus_bps)
    if not 0 < points_out < _POINTS_LIMIT:
        raise refusal("InvalidSwapAmount", maxIn=max_in)
    points_in = points_in_rounding_up(terms, points_out, bonus_bps)
    if points_in < terms.minimum_in:
        raise refusal("BelowMinimum", pointsIn=points_in, minimumIn=terms.minimum_in)
    base_out = points_out_rounding_down(terms, points_in, 0)
    return Price(points_in, points_out, base_out, settlement_rounding_up(terms, base_out))


def round_trip_gains(there: LaneTerms, back: LaneTerms) -> bool:
    """Whether points that go there and back can come to more than before, quotes apart: such terms are refused."""
    net_there, den_there = net_rate(there)
    net_back, den_back = net_rate(back)
    return net_there * net_back > den_there * den_back


def carry(
    lots: Sequence[Lot], points_out: int, source_terms: Calendar, destination_terms: Calendar, timestamp: int
) -> tuple[Lot, ...]:
    """What burnt `lots` (earliest first) become at the destination, `points_out` together, in a block of that time.

    Errors: `ContractRevertedError` named `ExpiryNotCarriable` when a lot ends before any lot of the destination could.
    """
    points_in = sum(lot.amount for lot in lots)
    before = given = 0
    carried: list[Lot] = []
    for lot in lots:
        epoch = _epoch_ending_by(lot, source_terms, destination_terms, timestamp)
        before += lot.amount
        share = before * points_out // points_in - given
        given += share
        if not share:
            continue
        if carried and carried[-1].epoch == epoch:
            carried[-1] = Lot(epoch, carried[-1].amount + share)
        else:
            carried.append(Lot(epoch, share))
    return tuple(carried)


def _epoch_ending_by(lot: Lot, source: Calendar, destination: Calendar, timestamp: int) -> int:
    """The destination's latest epoch that ends no later than `lot`, or the present one if that is earlier."""
    end = expires_at(lot.epoch, source)
    present = timestamp // destination.epoch_length_seconds
    epoch = end // destination.epoch_length_seconds - destination.validity_epochs - 1
    if epoch < max(present - destination.validity_epochs, 0):
        raise refusal("ExpiryNotCarriable", epoch=lot.epoch, amount=lot.amount)
    return min(epoch, present)


def expires_at(epoch: int, calendar: Calendar) -> int:
    """When a lot of `epoch` is worth nothing any more, Unix seconds."""
    return (epoch + calendar.validity_epochs + 1) * calendar.epoch_length_seconds


def bucket_of(timestamp: int) -> int:
    """Bucket that a block of that time counts in."""
    return timestamp // BUCKET_SECONDS


def window_out(volumes: Mapping[int, int], timestamp: int) -> int:
    """What counts against a lane's cap at `timestamp`: points out of the five buckets; `volumes` by bucket."""
    last = bucket_of(timestamp)
    return sum(volumes.get(bucket, 0) for bucket in range(last - BUCKETS + 1, last + 1))
