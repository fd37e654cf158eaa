"""A plain-Python model of the exchange: lanes agreed and stopped, quotes, swaps, and swaps that wait.

Points are kept by one `PointsModel` a programme, debts by a `ClearingModel`. Where an operation breaks several
rules, the refusal names all of them, parted by `|`: a contract may check them in any order.
"""

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
from tests.contracts.model import Lots, PointsModel, Problems, RefusedError

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
        if not self._in_range(terms, self.now_seconds):
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
        begins = self.now_seconds + (self.notice_seconds if lane.is_open(self.now_seconds) else 0)
        problems.unless(self._in_range(terms, begins), "InvalidLaneTerms")
        back = self.lane(destination, source)
        against = [back.terms] if back.is_open(self.now_seconds) else []
        for opposite in (*against, back.next_terms):
            if opposite is not None:
                problems.unless(not gains_there_and_back(terms, opposite), "RoundTripGains")
        problems.stop()
        lane.proposals.clear()
        lane.agreements += 1
        if begins > self.now_seconds:
            lane.next_terms, lane.next_from = terms, begins
            return begins
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
        problems = Problems()
        lane, terms = self._open_lane(problems, route, account, ref, deadline)
        bonus = self._bonus(problems, lane, terms, account, quote)
        price = price_of(terms, max_in, bonus)
        problems.unless(max_in < LOT_LIMIT and 0 < price.points_out < LOT_LIMIT, "InvalidSwapAmount")
        problems.unless(price.points_in >= terms.minimum_in, "BelowMinimum")
        problems.unless(quote is None or price.points_in <= quote.max_in, "QuoteExceeded")
        problems.unless(price.points_out >= min_out, "InsufficientOutput")
        problems.unless(price.points_out <= lane.available_out(self.now_seconds), "DailyCapExceeded")
        source, destination = (self.programmes[side] for side in route)
        problems.unless(source.balance_of(account) >= price.points_in, "ERC20InsufficientBalance")
        problems.unless(route[0] not in self.paused_tokens, "EnforcedPause")
        problems.unless(terms.posted or route[1] not in self.paused_tokens, "EnforcedPause")
        if price.settlement:
            problems.reasons += self.clearing.refusals(route, price.settlement, reserve=terms.posted)
        minted = None if terms.posted else self._mintable(problems, source, destination, account, price, terms)
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
        if pending.settlement:
            self.clearing.book_reserved(pending.lane, pending.settlement, swap)
        self.statuses[swap] = "completed"

    def refund(self, swap: tuple[str, str], *, by_destination: bool) -> tuple[Lots, int]:
        """Gives the burnt lots back; the live ones, and how many points had expired."""
        pending = self._waiting(swap)
        problems = Problems()
        problems.unless(by_destination or self.now_seconds >= pending.refundable_from, "NotRefundableYet")
        problems.unless(pending.lane[0] not in self.paused_tokens, "EnforcedPause")
        problems.stop()
        if pending.settlement:
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

    @staticmethod
    def _in_range(terms: LaneTerms, begins: int) -> bool:
        return (
            terms.rate_numerator > 0
            and terms.rate_denominator > 0
            and terms.fee_bps < BPS
            and terms.max_bonus_bps <= BPS
            and terms.minimum_in > 0
            and terms.daily_cap_out < 1 << 44
            and terms.valid_until >= begins
        )

    def _open_lane(
        self, problems: Problems, route: tuple[str, str], account: str, ref: str, deadline: int
    ) -> tuple[LaneModel, LaneTerms]:
        lane = self.lane(*route)
        problems.unless(not self.paused, "EnforcedPause")
        problems.unless(self.now_seconds <= deadline, "SwapExpired")
        problems.unless((account, ref) not in self.statuses, "SwapRefUsed")
        if lane.terms is None or not lane.is_open(self.now_seconds):
            raise RefusedError("|".join([*problems.reasons, "LaneNotOpen"]))
        return lane, lane.terms

    def _bonus(
        self, problems: Problems, lane: LaneModel, terms: LaneTerms, account: str, quote: QuoteModel | None
    ) -> int:
        if quote is None:
            return 0
        fits = (quote.lane, quote.version, quote.account) == ((lane.source, lane.destination), lane.version, account)
        problems.unless(fits, "QuoteMismatch")
        problems.unless(self.now_seconds <= quote.expires_at, "QuoteExpired")
        problems.unless((lane.destination, quote.quote_id) not in self.used_quotes, "QuoteUsed")
        problems.unless(quote.bonus_bps <= terms.max_bonus_bps, "BonusTooHigh")
        problems.unless(quote.genuine, "InvalidQuoteSignature")
        return quote.bonus_bps

    @staticmethod
    def _mintable(
        problems: Problems,
        source: PointsModel,
        destination: PointsModel,
        account: str,
        price: Price,
        terms: LaneTerms,
    ) -> Lots:
        """The lots that a completed swap mints."""
        increased = destination.total_supply() + price.points_out
        problems.unless(increased <= destination.terms.supply_cap_points, "SupplyCapExceeded")
        if not terms.carry_expiry:
            return {destination.epoch: price.points_out}
        try:
            return carried(source, destination, source.earliest(account, price.points_in), price.points_out)
        except RefusedError as refused:
            problems.reasons.append(refused.reason)
            return {}

    def _end_legs(
        self, swap: tuple[str, str], route: tuple[str, str], to: str, price: Price, burnt: Lots, minted: Lots | None
    ) -> None:
        if minted is None:
            if price.settlement:
                self.clearing.reserve(route, price.settlement, swap)
            self.statuses[swap] = "pending"
            refundable_from = self.now_seconds + POSTING_WINDOW_SECONDS
            self.pending[swap] = PendingModel(
                route, swap[0], to, price.points_out, price.settlement, refundable_from, burnt
            )
            return
        if price.settlement:
            self.clearing.book(route, price.settlement)
        self.statuses[swap] = "completed"
        self.programmes[route[1]].mint_lots(to, minted)

    def _waiting(self, swap: tuple[str, str]) -> PendingModel:
        if self.statuses.get(swap) != "pending":
            raise RefusedError("PendingMismatch")
        return self.pending[swap]
