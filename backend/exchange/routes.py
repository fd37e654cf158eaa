"""Finds lanes, with their programmes, for those who may see them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.exchange.deployment import Exchanges, wrong_network
from backend.exchange.errors import LaneNotFoundError
from backend.exchange.identifiers import lane_between, parse_lane, slug_of
from backend.exchange.lanes import LaneState, lane_states
from backend.exchange.preflight import Route
from backend.members.models import Enrolment
from backend.points.clock import chain_now
from backend.programmes.models import Programme
from backend.programmes.repository import find_by_slug


def exchange_now(session: Session, exchanges: Exchanges) -> int:
    """Chain time of the exchanges, Unix seconds.

    Raises WrongNetworkError when the programmes of this database are on another chain, UnavailableError before the
    first block.
    """
    chains = session.scalars(select(Programme.chain_id).distinct()).all()
    if chains and exchanges.chain_id not in chains:
        raise wrong_network(f"The programmes of this database are on chain {chains[0]}", exchanges.here, chains[0])
    return chain_now(session, exchanges.chain_id)


def find_route(session: Session, exchanges: Exchanges, lane_text: str) -> Route:
    """A lane by its public id. Raises LaneNotFoundError."""
    lane, timestamp = parse_lane(lane_text), exchange_now(session, exchanges)
    states = lane_states(session, exchanges.addresses, [lane], timestamp)
    if lane not in states:
        raise LaneNotFoundError(f"There is no lane {lane_text}: nobody has proposed it.")
    state = states[lane]
    source, destination = (find_by_slug(session, slug_of(side)) for side in (state.source, state.destination))
    # On the exchange of this chain a lane with a branch is another lane than the one with its home.
    if source is None or destination is None or lane_between(source, destination) != lane:
        raise LaneNotFoundError(f"The lane {lane_text} leads to a programme that this deployment does not know.")
    return Route(exchanges.between(source, destination), state, source, destination, timestamp)


def visible_route(session: Session, exchanges: Exchanges, caller: Caller, lane_text: str) -> Route:
    """A lane that the caller may see. Raises LaneNotFoundError."""
    route = find_route(session, exchanges, lane_text)
    if not _sees(session, caller, route):
        raise LaneNotFoundError(f"There is no lane {lane_text} that you may see.")
    return route


def list_routes(session: Session, exchanges: Exchanges, caller: Caller) -> list[Route]:
    """Every lane that the caller may see, by source and destination."""
    programmes = session.scalars(select(Programme).where(Programme.chain_id == exchanges.chain_id)).all()
    pairs = [pair for pair in permutations(programmes, 2) if _may_see_pair(caller, pair)]
    lanes = {lane_between(*pair): pair for pair in pairs}
    timestamp = exchange_now(session, exchanges)
    states = lane_states(session, exchanges.addresses, list(lanes), timestamp)
    routes = [Route(exchanges.between(*lanes[lane]), state, *lanes[lane], timestamp) for lane, state in states.items()]
    if caller.member_id is not None:
        own = _enrolled_in(session, caller.member_id)
        routes = [route for route in routes if route.source.id in own and route.lane.is_open(timestamp)]
    return sorted(routes, key=lambda route: (route.source.slug, route.destination.slug))


def opposite(session: Session, route: Route) -> LaneState | None:
    """The lane in the other direction, if it was ever proposed."""
    lane = lane_between(route.destination, route.source)
    return lane_states(session, [route.exchange.address], [lane], route.timestamp).get(lane)


def _may_see_pair(caller: Caller, pair: Sequence[Programme]) -> bool:
    return caller.member_id is not None or any(caller.sees_programme(programme.id) for programme in pair)


def _sees(session: Session, caller: Caller, route: Route) -> bool:
    if caller.member_id is None:
        return _may_see_pair(caller, (route.source, route.destination))
    return route.source.id in _enrolled_in(session, caller.member_id)


def _enrolled_in(session: Session, member_id: str) -> set[str]:
    return set(session.scalars(select(Enrolment.programme_id).where(Enrolment.member_id == member_id)))
