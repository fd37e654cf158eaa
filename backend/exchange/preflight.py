"""Whether a swap can happen, and what it comes to, by the same arithmetic as the chain's. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from backend.chain.crosschain_exchange import MAX_TRANSIT_SECONDS
from backend.chain.errors import ContractRevertedError
from backend.chain.event_types import Lot
from backend.chain.exchange_types import LaneTerms, Price
from backend.chain.lane_pricing import carry, price, window_out
from backend.errors import InterpointsError
from backend.exchange import errors
from backend.exchange.deployment import Exchange
from backend.exchange.lanes import Agreement, LaneState, frees_at
from backend.exchange.models import ExchangeQuote
from backend.exchange.refusals import typed
from backend.exchange.schemas import CROSSING_DEADLINE_SECONDS, DEFAULT_DEADLINE_SECONDS
from backend.exchange.terms import last_time
from backend.points.accounts import Holding, LotAmount, current_epoch
from backend.points.clock import to_time
from backend.points.errors import InsufficientPointsError
from backend.programmes.models import Programme


@dataclass(frozen=True, slots=True)
class Route:
    """A lane with its two programmes, at a moment of chain time (Unix seconds)."""

    exchange: Exchange
    lane: LaneState
    source: Programme
    destination: Programme
    timestamp: int

    @property
    def crosses(self) -> bool:
        """Whether the two programmes are at home on different chains."""
        return self.source.home_chain_id != self.destination.home_chain_id

    @property
    def leads_abroad(self) -> bool:
        """Whether swaps begin on this chain and end on another."""
        return self.destination.home_chain_id != self.exchange.chain_id

    @property
    def usual_deadline(self) -> int:
        """Last second of a swap that names none."""
        usual = CROSSING_DEADLINE_SECONDS if self.leads_abroad else DEFAULT_DEADLINE_SECONDS
        return self.timestamp + usual

    def check_begins_here(self) -> None:
        """Raises LaneStartsAbroadError when swaps on this lane begin on another chain."""
        home = self.source.home_chain_id
        if home != self.exchange.chain_id:
            raise errors.LaneStartsAbroadError(
                f"The points of {self.source.name} live on chain {home}: swaps on this lane begin there. Ask the"
                f" deployment of {self.source.name} on that chain, under the same lane id.",
                chain_id=home,
            )

    @property
    def agreement(self) -> Agreement:
        """The terms in force. Raises LaneNotAgreedError and LaneStoppedError."""
        names = f"from {self.source.name} to {self.destination.name}"
        if self.lane.present is None:
            raise errors.LaneNotAgreedError(
                f"The lane {names} is not agreed: one of the two programmes has to accept the other's proposal."
            )
        if self.lane.stopped:
            raise errors.LaneStoppedError(f"The lane {names} was stopped; it needs a new agreement of both programmes.")
        if not self.lane.is_open(self.timestamp):
            raise errors.LaneStoppedError(
                f"The terms of the lane {names} ended; both programmes have to agree to new ones.",
                ended_at=last_time(self.lane.present.terms.valid_until).isoformat(),
            )
        return self.lane.present


@dataclass(frozen=True, slots=True)
class Volume:
    """Points out that count against a lane's cap: on the chain by bucket, and of swaps on their way there."""

    by_bucket: dict[int, int]
    leaving_points: int

    def available(self, terms: LaneTerms, timestamp: int) -> int:
        """What can go now."""
        return max(0, terms.daily_cap_out - window_out(self.by_bucket, timestamp) - self.leaving_points)


@dataclass(frozen=True, slots=True)
class QuoteFacts:
    """A quote, and whether it has been used."""

    quote: ExchangeQuote
    used: bool


@dataclass(frozen=True, slots=True)
class SwapFacts:
    """All that decides about a swap."""

    route: Route
    account: bytes
    holding: Holding
    volume: Volume
    max_points_in: int
    min_points_out: int = 1
    deadline: int | None = None
    quote: QuoteFacts | None = None

    @property
    def bonus_bps(self) -> int:
        """The bonus of the quote, or none."""
        return self.quote.quote.bonus_bps if self.quote is not None else 0


@dataclass(slots=True)
class Outlook:
    """What a swap would come to, and why it would be refused."""

    price: Price | None = None
    lots_in: list[LotAmount] = field(default_factory=list)
    lots_out: list[LotAmount] | None = None
    """None when the destination keeps its points elsewhere."""
    refusals: list[InterpointsError] = field(default_factory=list)

    def raise_first(self) -> Price:
        """The price. Raises the first refusal."""
        for error in self.refusals:
            raise error
        assert self.price is not None, "a swap without a price is refused"
        return self.price


def examine(facts: SwapFacts) -> Outlook:
    """What the swap would come to at the facts' moment."""
    outlook, route = Outlook(), facts.route
    try:
        route.exchange.check_network(route.source, route.destination)
        agreement = route.agreement
        outlook.refusals += _of_request(facts, agreement)
        outlook.price = price(agreement.terms, facts.max_points_in, facts.bonus_bps)
    except ContractRevertedError as error:
        outlook.refusals.append(typed(error, route.exchange.currency))
    except InterpointsError as error:
        outlook.refusals.append(error)
    if outlook.price is not None:
        outlook.refusals += _of_price(facts, route.agreement.terms, outlook.price)
        _add_lots(facts, route.agreement.terms, outlook.price, outlook)
    return outlook


def _of_request(facts: SwapFacts, agreement: Agreement) -> Iterator[InterpointsError]:
    """What stands in the way whatever the price."""
    now = facts.route.timestamp
    if facts.deadline is not None and facts.deadline < now:
        yield errors.DeadlinePastError(
            f"The deadline {to_time(facts.deadline).isoformat()} is past: it is {to_time(now).isoformat()} on the"
            " chain. Name a later one, or leave it out.",
            chain_time=to_time(now).isoformat(),
        )
    latest = now + MAX_TRANSIT_SECONDS
    if facts.route.leads_abroad and (facts.deadline or 0) > latest:
        yield errors.DeadlineTooFarError(
            f"A swap to another chain may wait seven days, until {to_time(latest).isoformat()}. Name an earlier"
            " deadline, or leave it out.",
            latest=to_time(latest).isoformat(),
        )
    if facts.quote is not None:
        yield from _of_quote(facts, facts.quote, agreement)


def _of_quote(facts: SwapFacts, known: QuoteFacts, agreement: Agreement) -> Iterator[InterpointsError]:
    quote, now = known.quote, facts.route.timestamp
    if quote.lane_id != facts.route.lane.lane or quote.account != facts.account:
        whose = "another lane" if quote.lane_id != facts.route.lane.lane else "another account"
        yield errors.QuoteMismatchError(f"The quote {quote.id} is for {whose}; leave it out, or ask for one for this.")
        return
    if quote.version != agreement.version:
        yield errors.QuoteTermsChangedError(
            f"The quote {quote.id} was given on terms number {quote.version} of the lane, and number"
            f" {agreement.version} is in force. Ask the destination programme for a new one.",
            version=agreement.version,
        )
    if now > quote.expires_at.timestamp():
        yield errors.QuoteExpiredError(
            f"The quote {quote.id} was good until {quote.expires_at.isoformat()}. Ask the destination programme for a"
            " new one, or swap without it.",
            expired_at=quote.expires_at.isoformat(),
        )
    if known.used:
        yield errors.QuoteUsedError(f"The quote {quote.id} has been used; a quote works once. Swap without it.")


def _of_price(facts: SwapFacts, terms: LaneTerms, priced: Price) -> Iterator[InterpointsError]:
    """What stands in the way at this price."""
    quote = facts.quote.quote if facts.quote is not None else None
    if quote is not None and priced.points_in > quote.max_points_in:
        yield errors.QuoteExceededError(
            f"The quote {quote.id} is good for {quote.max_points_in} points, not {priced.points_in}: give fewer.",
            max_points_in=quote.max_points_in,
        )
    if priced.points_out < facts.min_points_out:
        yield errors.OutputBelowMinimumError(
            f"{priced.points_in} points come to {priced.points_out}, fewer than the {facts.min_points_out} asked for:"
            " lower `min_points_out`, or give more points.",
            points_out=priced.points_out,
        )
    yield from _of_cap(facts, terms, priced)
    available = facts.holding.available_points
    if priced.points_in > available:
        yield InsufficientPointsError(
            f"The member can give {available} points now, not {priced.points_in}.", available_points=available
        )


def _of_cap(facts: SwapFacts, terms: LaneTerms, priced: Price) -> Iterator[InterpointsError]:
    now, volume = facts.route.timestamp, facts.volume
    available = volume.available(terms, now)
    if priced.points_out <= available:
        return
    room = terms.daily_cap_out - volume.leaving_points - priced.points_out
    free = frees_at(volume.by_bucket, room, now)
    later = "The lane never gives as many at once: swap fewer."
    if free is not None:
        later = f"From {to_time(free).isoformat()} on there is room for this; swap fewer until then."
    yield errors.DailyCapReachedError(
        f"This lane gives {terms.daily_cap_out} points in any 24 hours; {available} can go now, not"
        f" {priced.points_out}. {later}",
        available_points_out=available,
        frees_at=to_time(free).isoformat() if free is not None else None,
    )


def _add_lots(facts: SwapFacts, terms: LaneTerms, priced: Price, outlook: Outlook) -> None:
    """The lots that would be burnt and minted; the refusal when their expiry cannot be carried."""
    if priced.points_in > facts.holding.available_points:
        return
    route = facts.route
    outlook.lots_in = facts.holding.lots_for(priced.points_in)
    if terms.posted or route.leads_abroad:
        return  # Which lots come of it is decided where they are minted.
    if not terms.carry_expiry:
        outlook.lots_out = [LotAmount(current_epoch(route.destination, route.timestamp), priced.points_out)]
        return
    lots = [Lot(lot.epoch, lot.points) for lot in outlook.lots_in]
    try:
        carried = carry(lots, priced.points_out, route.source, route.destination, route.timestamp)
    except ContractRevertedError as error:
        outlook.refusals.append(typed(error, route.exchange.currency))
        return
    outlook.lots_out = [LotAmount(lot.epoch, lot.amount) for lot in carried]
