"""What the member page needs to offer swaps: lanes between the member's programmes, and bonuses promised to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import permutations
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.callers import Caller, CallerKind
from backend.auth.sessions import EVERYWHERE
from backend.chain.models import TokenEvent
from backend.exchange import quotes
from backend.exchange.deployment import Exchange
from backend.exchange.identifiers import lane_between, lane_text
from backend.exchange.lane_views import lane_volume
from backend.exchange.preflight import Route
from backend.exchange.routes import list_routes
from backend.hexes import address_text
from backend.members.models import Enrolment
from backend.members.repository import enrolments_of
from backend.points.accounts import holding_of
from backend.programmes.models import Programme

_QUOTES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class LaneChoice:
    """An open lane between two of the member's programmes, as the page's script reads it."""

    id: str
    source: str
    destination: str
    points_out: int
    points_in: int
    """The rate: so many out for so many in, before the fee."""
    fee_bps: int
    minimum: int
    left: int
    """Points out that the daily cap still allows."""
    posted: bool
    available: int
    """What the member can give."""
    wallet: str | None
    """The wallet that has to sign; None when the brand keeps the points for the member."""
    allowed: bool
    """Whether this session may swap: it must be the source brand's, everybody's, or the wallet signs."""


@dataclass(frozen=True, slots=True)
class BonusChoice:
    """A signed quote that is still open."""

    id: str
    lane: str
    bonus_bps: int
    points: int
    """Most points to give."""
    expires_at: int


@dataclass(frozen=True, slots=True)
class SwapView:
    """All that can be swapped. No lanes: there is nothing to offer."""

    names: dict[str, str] = field(default_factory=dict)
    """Names of the programmes that occur, by slug."""
    lanes: list[LaneChoice] = field(default_factory=list)
    bonuses: list[BonusChoice] = field(default_factory=list)

    @property
    def sources(self) -> list[str]:
        """Slugs of the programmes whose points can be given."""
        return list(dict.fromkeys(lane.source for lane in self.lanes))

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def swap_view(session: Session, exchange: Exchange | None, member_id: str, wallets_in: str) -> SwapView:
    """What the member of this session can swap. `wallets_in` is the session's."""
    if exchange is None:
        return SwapView()
    caller = Caller(CallerKind.MEMBER, member_id=member_id, wallets_in=wallets_in)
    own = {enrolment.programme_id: enrolment for enrolment in enrolments_of(session, member_id)}
    routes = [route for route in list_routes(session, exchange, caller) if route.destination.id in own]
    order = list(own)  # As the page shows them.
    routes.sort(key=lambda route: (order.index(route.source.id), order.index(route.destination.id)))
    lanes = [_lane(session, route, own[route.source.id], wallets_in) for route in routes]
    names = {side.slug: side.name for route in routes for side in (route.source, route.destination)}
    return SwapView(names, lanes, _bonuses(session, exchange, caller))


def _lane(session: Session, route: Route, giver: Enrolment, wallets_in: str) -> LaneChoice:
    terms = route.agreement.terms
    holding = holding_of(session, route.source, giver.id, giver.account, route.timestamp)
    wallet = None if giver.wallet is None else address_text(giver.wallet)
    return LaneChoice(
        id=lane_text(route.lane.lane),
        source=route.source.slug,
        destination=route.destination.slug,
        points_out=terms.rate_numerator,
        points_in=terms.rate_denominator,
        fee_bps=terms.fee_bps,
        minimum=terms.minimum_in,
        left=lane_volume(session, route).available(terms, route.timestamp),
        posted=terms.posted,
        available=max(0, holding.available_points),
        wallet=wallet,
        allowed=wallet is not None or wallets_in in (EVERYWHERE, route.source.id),
    )


def _bonuses(session: Session, exchange: Exchange, caller: Caller) -> list[BonusChoice]:
    rows = quotes.visible_quotes(session, caller, limit=_QUOTES_SHOWN)
    read = quotes.read_quotes(session, exchange.address, exchange.chain_id, rows).values()
    return [
        BonusChoice(each.id, each.lane_id, each.bonus_bps, each.max_points_in, int(each.expires_at.timestamp()))
        for each in read
        if each.state == "open"
    ]


def swap_details(
    session: Session, exchange: Exchange | None, swap_hashes: Sequence[bytes]
) -> dict[bytes, tuple[str, str]]:
    """What swaps were, in words, by their id on chain: for what the points were given, and from what they came."""
    if exchange is None or not swap_hashes:
        return {}
    programmes = session.scalars(select(Programme).where(Programme.chain_id == exchange.chain_id)).all()
    ends = {"0x" + lane_between(*pair).hex(): pair for pair in permutations(programmes, 2)}
    query = select(TokenEvent.ref, TokenEvent.payload).where(
        TokenEvent.token == exchange.address, TokenEvent.name == "SwapBurnt", TokenEvent.ref.in_(swap_hashes)
    )
    details: dict[bytes, tuple[str, str]] = {}
    for ref, payload in session.execute(query):
        burnt = cast("Mapping[str, Any]", payload)
        pair = ends.get(burnt["lane_id"])
        if pair is not None and ref is not None:
            price = burnt["price"]
            given, got = (
                f"{price['points_in']:,} points of {pair[0].name}",
                f"{price['points_out']:,} of {pair[1].name}",
            )
            details[ref] = (f"for {got}", f"from {given}")
    return details
