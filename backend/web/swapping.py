"""What the member page needs to offer swaps: lanes between the member's programmes, and bonuses promised to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import permutations
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.callers import Caller, CallerKind
from backend.auth.sessions import EVERYWHERE
from backend.exchange import quotes, repository
from backend.exchange.deployment import Exchanges
from backend.exchange.identifiers import lane_between, lane_text
from backend.exchange.lane_views import lane_volume
from backend.exchange.models import Crossing, Swap
from backend.exchange.preflight import Route
from backend.exchange.routes import list_routes
from backend.exchange.states import Events, Outcome
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


def swap_view(session: Session, exchanges: Exchanges | None, member_id: str, wallets_in: str) -> SwapView:
    """What the member of this session can swap. `wallets_in` is the session's."""
    if exchanges is None:
        return SwapView()
    caller = Caller(CallerKind.MEMBER, member_id=member_id, wallets_in=wallets_in)
    own = {enrolment.programme_id: enrolment for enrolment in enrolments_of(session, member_id)}
    found = list_routes(session, exchanges, caller)
    # To another chain the member would have to name an account there, which this page does not know.
    routes = [route for route in found if route.destination.id in own and not route.crosses]
    order = list(own)  # As the page shows them.
    routes.sort(key=lambda route: (order.index(route.source.id), order.index(route.destination.id)))
    lanes = [_lane(session, route, own[route.source.id], wallets_in) for route in routes]
    names = {side.slug: side.name for route in routes for side in (route.source, route.destination)}
    return SwapView(names, lanes, _bonuses(session, exchanges, caller))


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


def _bonuses(session: Session, exchanges: Exchanges, caller: Caller) -> list[BonusChoice]:
    rows = quotes.visible_quotes(session, caller, limit=_QUOTES_SHOWN)
    read = quotes.read_quotes(session, exchanges, rows).values()
    return [
        BonusChoice(each.id, each.lane_id, each.bonus_bps, each.max_points_in, int(each.expires_at.timestamp()))
        for each in read
        if each.state == "open"
    ]


def swap_details(
    session: Session, exchanges: Exchanges | None, swap_hashes: Sequence[bytes]
) -> dict[bytes, tuple[str, str]]:
    """What swaps were, in words, by their id on chain: for what the points were given, and from what they came."""
    if exchanges is None or not swap_hashes:
        return {}
    programmes = session.scalars(select(Programme).where(Programme.chain_id == exchanges.chain_id)).all()
    ends = {"0x" + lane_between(*pair).hex(): pair for pair in permutations(programmes, 2)}
    arrived = _known_to_have_arrived(session, swap_hashes)
    details = {}
    for swap_hash, events in repository.swap_events(session, exchanges.addresses, swap_hashes).items():
        legs = [events[name] for name in ("SwapBurnt", "SwapMinted") if name in events]
        pair = ends.get(legs[0]["lane_id"]) if legs else None
        if pair is not None:
            details[swap_hash] = (_what_for(pair[1], events, swap_hash in arrived), _from_what(pair[0], events))
    return details


def _what_for(destination: Programme, events: Events, arrived: bool) -> str:
    if "SwapBurnt" not in events:
        return ""
    got = f"for {events['SwapBurnt']['price']['points_out']:,} of {destination.name}"
    if "SwapSent" not in events or "SwapRefunded" in events:
        return got
    where = f"chain {destination.home_chain_id}"
    return f"{got}, {'on' if arrived else 'on their way to'} {where}"


def _from_what(source: Programme, events: Events) -> str:
    if "SwapBurnt" not in events:
        return f"from points of {source.name}, on chain {source.home_chain_id}"
    return f"from {events['SwapBurnt']['price']['points_in']:,} points of {source.name}"


def _known_to_have_arrived(session: Session, swap_hashes: Sequence[bytes]) -> set[bytes]:
    query = (
        select(Swap.swap_hash)
        .join(Crossing, Crossing.swap_id == Swap.id)
        .where(Swap.swap_hash.in_(swap_hashes), Crossing.outcome == Outcome.MINTED.value)
    )
    return set(session.scalars(query))
