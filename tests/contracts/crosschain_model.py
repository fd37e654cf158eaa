"""A plain-Python model of one end of the exchange across chains: what leaves, what arrives, and what comes back.

The other chain is not modelled: what comes from there is given, as the messages of a counterpart that may lie. It is
written from docs/bridge.md and the interface, and keeps lanes, quotes and points as `ExchangeModel` does.
"""

from dataclasses import dataclass, field

from tests.contracts.exchange_model import ExchangeModel, QuoteModel, SwapOutcome
from tests.contracts.lane_model import BUCKET_SECONDS, EARLIER_BUCKETS, LOT_LIMIT, LaneTerms, Price, carried, price_of
from tests.contracts.model import Lots, PointsModel, Problems, RefusedError

MAX_TRANSIT_SECONDS = 7 * 86_400
Route = tuple[str, str]


@dataclass(frozen=True)
class Arrival:
    """A swap that the counterpart says it burnt."""

    route: Route
    number: int
    to: str
    points_in: int
    points_out: int
    bonus_bps: int
    deadline: int
    lots: Lots


@dataclass(frozen=True)
class Departure:
    """A swap that was burnt here."""

    route: Route
    number: int
    account: str
    points_out: int
    lots: Lots


@dataclass
class CrosschainModel(ExchangeModel):
    """Lanes of programmes here with programmes elsewhere. A swap that left is *pending* until it is refunded."""

    departures: dict[tuple[str, str], Departure] = field(default_factory=dict)
    outcomes: dict[tuple[Route, int], str] = field(default_factory=dict)
    refunds: dict[Route, list[tuple[int, int]]] = field(default_factory=dict)
    gateway_paused: bool = False

    # ---- what leaves

    def sent_count(self, route: Route) -> int:
        """How many swaps left on a lane."""
        return sum(departure.route == route for departure in self.departures.values())

    def swap(
        self,
        route: Route,
        account: str,
        to: str,
        ref: str,
        bounds: tuple[int, int, int],
        quote: QuoteModel | None = None,
    ) -> SwapOutcome:
        """The burn leg; nothing is minted and nothing owed here."""
        max_in, min_out, deadline = bounds
        problems = Problems()
        lane, terms = self._open_lane(problems, route, account, ref, deadline)
        bonus = self._bonus(problems, lane, terms, account, quote)
        price = price_of(terms, max_in, bonus)
        problems.unless(deadline <= self.now_seconds + MAX_TRANSIT_SECONDS, "DeadlineTooFar")
        problems.unless(max_in < LOT_LIMIT and 0 < price.points_out < LOT_LIMIT, "InvalidSwapAmount")
        problems.unless(price.points_in >= terms.minimum_in, "BelowMinimum")
        problems.unless(quote is None or price.points_in <= quote.max_in, "QuoteExceeded")
        problems.unless(price.points_out >= min_out, "InsufficientOutput")
        problems.unless(price.points_out <= lane.available_out(self.now_seconds), "DailyCapExceeded")
        source = self.programmes[route[0]]
        problems.unless(source.balance_of(account) >= price.points_in, "ERC20InsufficientBalance")
        problems.unless(route[0] not in self.paused_tokens and not self.gateway_paused, "EnforcedPause")
        problems.stop()
        burnt = source.burn(account, price.points_in)
        lane.sent.append((self.now_seconds, price.points_out))
        if quote is not None:
            self.used_quotes.add((route[1], quote.quote_id))
        number = self.sent_count(route) + 1
        self.departures[account, ref] = Departure(route, number, account, price.points_out, burnt)
        self.statuses[account, ref] = "pending"
        return SwapOutcome(price, lane.version, burnt, None)

    # ---- what arrives

    def arrive(self, arrival: Arrival) -> str:
        """What becomes of a swap: `completed`, or why it is refused. Raises when it waits or came before."""
        key = arrival.route, arrival.number
        if key in self.outcomes:
            raise RefusedError("AlreadyArrived")
        lane = self.lane(*arrival.route)
        if self.now_seconds > arrival.deadline:
            return self._refuse(key, "DeadlinePast")
        if lane.terms is None or not lane.is_open(self.now_seconds):
            return self._refuse(key, "LaneNotOpen")
        price = self._agreed_price(lane.terms, arrival)
        if price is None:
            return self._refuse(key, "PriceDiffers")
        self._mint(arrival, lane.terms, price)
        lane.sent.append((self.now_seconds, arrival.points_out))
        self.outcomes[key] = "completed"
        return "completed"

    # ---- what comes back

    def give_back(self, swap: tuple[str, str]) -> tuple[Lots, int]:
        """Restores what was burnt; the live lots, and how many points had expired."""
        departure = self.departures[swap]
        problems = Problems()
        problems.unless(self.statuses[swap] == "pending", "PendingMismatch")
        used = self._refunded(departure.route)
        terms = self.lane(*departure.route).terms
        cap = terms.daily_cap_out if terms else 0
        problems.unless(used == 0 or used < cap, "RefundCapExceeded")
        problems.unless(departure.route[0] not in self.paused_tokens, "EnforcedPause")
        problems.stop()
        self.refunds.setdefault(departure.route, []).append((self.now_seconds, departure.points_out))
        self.statuses[swap] = "refunded"
        restored = self.programmes[departure.route[0]].restore_lots(departure.account, departure.lots)
        return restored, sum(departure.lots.values()) - sum(restored.values())

    # ---- parts

    def _refuse(self, key: tuple[Route, int], reason: str) -> str:
        self.outcomes[key] = "refunded"
        return reason

    def _refunded(self, route: Route) -> int:
        bucket = self.now_seconds // BUCKET_SECONDS
        refunded = self.refunds.get(route, [])
        return sum(points for at, points in refunded if bucket - at // BUCKET_SECONDS <= EARLIER_BUCKETS)

    @staticmethod
    def _agreed_price(terms: LaneTerms, arrival: Arrival) -> Price | None:
        if arrival.points_in < terms.minimum_in or arrival.bonus_bps > terms.max_bonus_bps:
            return None
        price = price_of(terms, arrival.points_in, arrival.bonus_bps)
        agreed = (price.points_in, price.points_out) == (arrival.points_in, arrival.points_out)
        return price if agreed and price.points_out else None

    def _mint(self, arrival: Arrival, terms: LaneTerms, price: Price) -> None:
        route = arrival.route
        destination = self.programmes[route[1]]
        problems = Problems()
        problems.unless(not self.paused and route[1] not in self.paused_tokens, "EnforcedPause")
        problems.unless(sum(arrival.lots.values()) == arrival.points_in, "InvalidMessage")
        available = self.lane(*route).available_out(self.now_seconds)
        problems.unless(arrival.points_out <= available, "DailyCapExceeded")
        if price.settlement:
            problems.reasons += self.clearing.refusals(route, price.settlement, reserve=False)
        increased = destination.total_supply() + arrival.points_out
        problems.unless(increased <= destination.terms.supply_cap_points, "SupplyCapExceeded")
        minted = self._lots(problems, self.programmes[route[0]], destination, arrival, terms)
        problems.stop()
        if price.settlement:
            self.clearing.book(route, price.settlement)
        destination.mint_lots(arrival.to, minted)

    @staticmethod
    def _lots(
        problems: Problems, source: PointsModel, destination: PointsModel, arrival: Arrival, terms: LaneTerms
    ) -> Lots:
        if not terms.carry_expiry:
            return {destination.epoch: arrival.points_out}
        try:
            return carried(source, destination, arrival.lots, arrival.points_out)
        except RefusedError as refused:
            problems.reasons.append(refused.reason)
            return {}
