"""A plain-Python model of the exchange: lanes agreed and stopped, quotes, swaps, and swaps that wait.

Points are kept by one `PointsModel` a programme, debts by a `ClearingModel`. Where an operation breaks several
rules, the refusal names all of them, parted by `|`: a contract may check them in any order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.contracts.clearing_model import ClearingModel
from tests.contracts.lane_model import (
    BPS,
    LOT_LIMIT,
    LaneModel,
    LaneTerms,
    Price,
    carried,
    gains_there_and_back,
    price_of,
)
from tests.contracts.model import Lots, PointsModel, RefusedError

POSTING_WINDOW_SECONDS = 7 * 86_400


@dataclass(frozen=True)
class QuoteModel:
    """A bonus promised to an account, as the contract's struct without signer and signature."""

    quote_id: str
    lane: tuple[str, str]
    version: int
    account: str
    max_in: int
    bonus_bps: int
    expires_at: int
    genuine: bool = True


@dataclass
class PendingModel:
    """A burnt swap that waits for its destination."""

    lane: tuple[str, str]
    account: str
    to: str
    points_out: int
    settlement: int
    refundable_from: int
    lots: Lots


@dataclass(frozen=True)
class SwapOutcome:
    """What a swap did: the price, the lots burnt and the lots minted (none when it waits)."""

    price: Price
    version: int
    burnt: Lots
    minted: Lots | None


class Problems:
    """All rules an operation breaks: a contract may name any one of them."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def unless(self, condition: bool, reason: str) -> None:
        """Notes a broken rule."""
        if not condition:
            self.reasons.append(reason)

    def stop(self) -> None:
        """Refuses when anything is broken."""
        if self.reasons:
            raise RefusedError("|".join(self.reasons))


@dataclass
class ExchangeModel:
    """Lanes between programmes, and the swaps on them."""

    programmes: dict[str, PointsModel]
    clearing: ClearingModel
    notice_seconds: int
    lanes: dict[tuple[str, str], LaneModel] = field(default_factory=dict)
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    pending: dict[tuple[str, str], PendingModel] = field(default_factory=dict)
    used_quotes: set[tuple[str, str]] = field(default_factory=set)
    paused_tokens: set[str] = field(default_factory=set)
    paused: bool = False
    now_seconds: int = 0

    def at(self, seconds: int) -> None:
        """Sets the time everywhere."""
        self.now_seconds = self.clearing.now_seconds = seconds
        for points in self.programmes.values():
            points.now_seconds = seconds
        for lane in self.lanes.values():
            lane.settle_time(seconds)

    def lane(self, source: str, destination: str) -> LaneModel:
        """The lane, which may have no terms."""
        return self.lanes.setdefault((source, destination), LaneModel(source, destination))

    # ---- lanes

    def propose(self, source: str, destination: str, proposer: str, terms: LaneTerms) -> None:
        """Offers terms, in place of the former offer."""
        self._other(source, destination, proposer)
        if not self._in_range(terms):
            raise RefusedError("InvalidLaneTerms")
        self.lane(source, destination).proposals[proposer] = terms

    def withdraw(self, source: str, destination: str, proposer: str) -> None:
        """Takes an offer back."""
        if self.lane(source, destination).proposals.pop(proposer, None) is None:
            raise RefusedError("ProposalMismatch")

    def accept(self, source: str, destination: str, acceptor: str, terms: LaneTerms) -> int:
        """Agrees to what the other offered; when it comes into force."""
        lane = self.lane(source, destination)
        other = self._other(source, destination, acceptor)
        problems = Problems()
        problems.unless(lane.proposals.get(other) == terms, "ProposalMismatch")
        problems.unless(self._in_range(terms), "InvalidLaneTerms")
        back = self.lane(destination, source)
        against = [back.terms] if back.is_open(self.now_seconds) else []
        for opposite in (*against, back.next_terms):
            if opposite is not None:
                problems.unless(not gains_there_and_back(terms, opposite), "RoundTripGains")
        problems.stop()
        lane.proposals.clear()
        lane.agreements += 1
        if lane.is_open(self.now_seconds):
            lane.next_terms, lane.next_from = terms, self.now_seconds + self.notice_seconds
            return lane.next_from
        lane.version, lane.terms, lane.stopped = lane.agreements, terms, False
        lane.next_from, lane.next_terms = 0, None
        return self.now_seconds

    def stop(self, source: str, destination: str) -> None:
        """Ends terms, coming terms and offers."""
        lane = self.lane(source, destination)
        lane.stopped = True
        lane.next_from, lane.next_terms = 0, None
        lane.proposals.clear()

    # ---- swaps

    def swap(
        self,
        route: tuple[str, str],
        account: str,
        to: str,
        ref: str,
        bounds: tuple[int, int, int],
        quote: QuoteModel | None = None,
    ) -> SwapOutcome:
        """Swaps up to `bounds[0]` points for at least `bounds[1]` until `bounds[2]`."""
        max_in, min_out, deadline = bounds
        lane, terms = self._open_lane(route, account, ref, deadline)
        bonus = self._bonus(lane, terms, account, quote)
        problems = Problems()
        problems.unless(0 < max_in < LOT_LIMIT, "InvalidSwapAmount")
        problems.stop()
        price = price_of(terms, max_in, bonus)
        problems.unless(0 < price.points_out < LOT_LIMIT, "InvalidSwapAmount")
        problems.unless(price.points_in >= terms.minimum_in, "BelowMinimum")
        problems.unless(quote is None or price.points_in <= quote.max_in, "QuoteExceeded")
        problems.unless(price.points_out >= min_out, "InsufficientOutput")
        problems.unless(price.points_out <= lane.available_out(self.now_seconds), "DailyCapExceeded")
        source, destination = (self.programmes[side] for side in route)
        problems.unless(source.balance_of(account) >= price.points_in, "ERC20InsufficientBalance")
        problems.unless(route[0] not in self.paused_tokens, "EnforcedPause")
        problems.unless(terms.posted or route[1] not in self.paused_tokens, "EnforcedPause")
        problems.reasons += self.clearing.refusals(route, price.settlement, reserve=terms.posted)
        minted: Lots | None = None
        if not terms.posted:
            minted, reasons = self._mintable(source, destination, account, price, terms)
            problems.reasons += reasons
        problems.stop()
        burnt = source.burn(account, price.points_in)
        lane.sent.append((self.now_seconds, price.points_out))
        if quote is not None:
            self.used_quotes.add((route[1], quote.quote_id))
        self._end_legs((account, ref), route, to, price, burnt, minted)
        return SwapOutcome(price, lane.version, burnt, minted)

    def confirm(self, swap: tuple[str, str]) -> None:
        """The destination says that the points arrived."""
        pending = self._waiting(swap)
        self.clearing.book_reserved(pending.lane, pending.settlement, swap)
        self.statuses[swap] = "completed"

    def refund(self, swap: tuple[str, str], *, by_destination: bool) -> tuple[Lots, int]:
        """Gives the burnt lots back; the live ones, and how many points had expired."""
        pending = self.pending.get(swap)
        problems = Problems()
        problems.unless(self.statuses.get(swap) == "pending", "PendingMismatch")
        late = pending is not None and self.now_seconds >= pending.refundable_from
        problems.unless(by_destination or late, "NotRefundableYet")
        if pending is not None:
            problems.unless(pending.lane[0] not in self.paused_tokens, "EnforcedPause")
        problems.stop()
        pending = self._waiting(swap)
        self.clearing.release(pending.lane, pending.settlement, swap)
        self.statuses[swap] = "refunded"
        restored = self.programmes[pending.lane[0]].restore_lots(pending.account, pending.lots)
        return restored, sum(pending.lots.values()) - sum(restored.values())

    # ---- parts

    @staticmethod
    def _other(source: str, destination: str, programme: str) -> str:
        if programme not in (source, destination):
            raise RefusedError("NotAuthorized")
        return destination if programme == source else source

    def _in_range(self, terms: LaneTerms) -> bool:
        return (
            terms.rate_numerator > 0
            and terms.rate_denominator > 0
            and terms.fee_bps < BPS
            and terms.max_bonus_bps <= BPS
            and terms.minimum_in > 0
            and terms.daily_cap_out < 1 << 44
            and terms.valid_until >= self.now_seconds
        )

    def _open_lane(self, route: tuple[str, str], account: str, ref: str, deadline: int) -> tuple[LaneModel, LaneTerms]:
        lane = self.lane(*route)
        problems = Problems()
        problems.unless(not self.paused, "EnforcedPause")
        problems.unless(self.now_seconds <= deadline, "SwapExpired")
        problems.unless((account, ref) not in self.statuses, "SwapRefUsed")
        problems.unless(lane.is_open(self.now_seconds), "LaneNotOpen")
        if lane.terms is None:
            problems.unless(False, "LaneNotOpen")
            problems.stop()
            raise AssertionError("stopped above")
        if problems.reasons and not lane.is_open(self.now_seconds):
            problems.stop()
        problems.stop()
        return lane, lane.terms

    def _bonus(self, lane: LaneModel, terms: LaneTerms, account: str, quote: QuoteModel | None) -> int:
        if quote is None:
            return 0
        problems = Problems()
        fits = (quote.lane, quote.version, quote.account) == ((lane.source, lane.destination), lane.version, account)
        problems.unless(fits, "QuoteMismatch")
        problems.unless(self.now_seconds <= quote.expires_at, "QuoteExpired")
        problems.unless((lane.destination, quote.quote_id) not in self.used_quotes, "QuoteUsed")
        problems.unless(quote.bonus_bps <= terms.max_bonus_bps, "BonusTooHigh")
        problems.unless(quote.genuine, "InvalidQuoteSignature")
        problems.stop()
        return quote.bonus_bps

    def _mintable(
        self, source: PointsModel, destination: PointsModel, account: str, price: Price, terms: LaneTerms
    ) -> tuple[Lots, Iterable[str]]:
        """The lots a completed swap mints, and why it cannot."""
        reasons = []
        if destination.total_supply() + price.points_out > destination.terms.supply_cap_points:
            reasons.append("SupplyCapExceeded")
        if not terms.carry_expiry:
            return {destination.epoch: price.points_out}, reasons
        try:
            return carried(source, destination, source.earliest(account, price.points_in), price.points_out), reasons
        except RefusedError as refused:
            return {}, [*reasons, refused.reason]

    def _end_legs(
        self, swap: tuple[str, str], route: tuple[str, str], to: str, price: Price, burnt: Lots, minted: Lots | None
    ) -> None:
        if minted is None:
            self.clearing.reserve(route, price.settlement, swap)
            self.statuses[swap] = "pending"
            refundable_from = self.now_seconds + POSTING_WINDOW_SECONDS
            self.pending[swap] = PendingModel(
                route, swap[0], to, price.points_out, price.settlement, refundable_from, burnt
            )
            return
        self.clearing.book(route, price.settlement)
        self.statuses[swap] = "completed"
        self.programmes[route[1]].mint_lots(to, minted)

    def _waiting(self, swap: tuple[str, str]) -> PendingModel:
        if self.statuses.get(swap) != "pending":
            raise RefusedError("PendingMismatch")
        return self.pending[swap]
