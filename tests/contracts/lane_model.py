"""A plain-Python model of a lane: terms, prices, expiry and caps. It is written from docs/exchange.md.

Rates are exact fractions and caps are counted over a list of all swaps, so nothing here is packed or rounded twice.
"""

from dataclasses import astuple, dataclass, field
from fractions import Fraction
from math import ceil, floor

from tests.contracts.model import Lots, PointsModel, RefusedError

BPS = 10_000
LOT_LIMIT = 1 << 48
BUCKET_SECONDS = 6 * 3_600
EARLIER_BUCKETS = 4


@dataclass(frozen=True)
class LaneTerms:
    """What two programmes agreed for one direction, in the order of the contract's struct."""

    rate_numerator: int
    rate_denominator: int
    fee_bps: int
    max_bonus_bps: int
    minimum_in: int
    daily_cap_out: int
    valid_until: int
    settlement_price: int
    carry_expiry: bool
    posted: bool

    @property
    def net_rate(self) -> Fraction:
        """Points out for one point in, after the fee."""
        return Fraction(self.rate_numerator, self.rate_denominator) * (1 - Fraction(self.fee_bps, BPS))

    @property
    def struct(self) -> tuple[int | bool, ...]:
        """The terms as the contract takes them."""
        return astuple(self)


@dataclass(frozen=True)
class Price:
    """What a swap comes to."""

    points_in: int
    points_out: int
    base_out: int
    settlement: int


def price_of(terms: LaneTerms, max_in: int, bonus_bps: int) -> Price:
    """Points out rounded down, the fewest points in that give them, what is settled without the bonus rounded up."""
    rate = terms.net_rate * (1 + Fraction(bonus_bps, BPS))
    points_out = floor(max_in * rate)
    points_in = ceil(points_out / rate)
    base_out = floor(points_in * terms.net_rate)
    return Price(points_in, points_out, base_out, ceil(Fraction(base_out * terms.settlement_price, 1_000_000)))


def gains_there_and_back(there: LaneTerms, back: LaneTerms) -> bool:
    """Whether a point that goes there and back could come out as more than a point."""
    return there.net_rate * back.net_rate > 1


def shares_of(lots: Lots, points_out: int) -> Lots:
    """Points out for each burnt lot, earliest first: running sums in proportion, rounded down."""
    whole, before, given, shares = sum(lots.values()), 0, 0, {}
    for epoch in sorted(lots):
        before += lots[epoch]
        share = floor(Fraction(before * points_out, whole)) - given
        given += share
        shares[epoch] = share
    return shares


def carried(source: PointsModel, destination: PointsModel, lots: Lots, points_out: int) -> Lots:
    """The destination's lots that end no later than the burnt ones did, each as late as that allows."""
    minted: Lots = {}
    length = destination.terms.epoch_length_seconds
    validity = destination.terms.validity_epochs
    for epoch, share in shares_of(lots, points_out).items():
        ends = (epoch + source.terms.validity_epochs + 1) * source.terms.epoch_length_seconds
        latest = min(ends // length - validity - 1, destination.epoch)
        if latest + validity < destination.epoch:
            raise RefusedError("ExpiryNotCarriable")
        if share:
            minted[latest] = minted.get(latest, 0) + share
    return minted


@dataclass
class LaneModel:
    """One direction: the terms agreed so far and every swap that went out."""

    source: str
    destination: str
    version: int = 0
    agreements: int = 0
    terms: LaneTerms | None = None
    next_from: int = 0
    next_terms: LaneTerms | None = None
    stopped: bool = False
    proposals: dict[str, LaneTerms] = field(default_factory=dict)
    sent: list[tuple[int, int]] = field(default_factory=list)

    def settle_time(self, now: int) -> None:
        """Lets agreed terms come into force when their time has come."""
        if self.next_terms is not None and now >= self.next_from:
            self.version, self.terms = self.agreements, self.next_terms
            self.next_from, self.next_terms = 0, None

    def is_open(self, now: int) -> bool:
        """Whether terms are in force."""
        return self.terms is not None and not self.stopped and now <= self.terms.valid_until

    def volume_out(self, now: int) -> int:
        """Points out in the present bucket and the four before it."""
        bucket = now // BUCKET_SECONDS
        return sum(points for at, points in self.sent if bucket - at // BUCKET_SECONDS <= EARLIER_BUCKETS)

    def available_out(self, now: int) -> int:
        """Points out that the cap still allows."""
        if self.terms is None or not self.is_open(now):
            return 0
        return max(0, self.terms.daily_cap_out - self.volume_out(now))

    def busiest_day(self) -> int:
        """Most points out in any 24 hours so far, wherever they begin."""
        return max(
            (sum(points for at, points in self.sent if start <= at < start + 86_400) for start, _ in self.sent),
            default=0,
        )
