"""Lanes: proposed, accepted, withdrawn and stopped in a programme's name, by its treasurer."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.chain import outbox
from backend.chain.errors import ContractRevertedError
from backend.chain.exchange_types import LaneTerms
from backend.chain.lane_pricing import price, round_trip_gains
from backend.chain.models import Operation
from backend.chain.points_exchange import (
    encode_accept,
    encode_propose,
    encode_stop,
    encode_withdraw_proposal,
    terms_hash,
)
from backend.errors import InterpointsError, InvalidRequestError
from backend.exchange import errors
from backend.exchange.deployment import Exchange, Exchanges
from backend.exchange.identifiers import lane_between, lane_text, programme_key
from backend.exchange.lane_schemas import DryRunLane, ExamplePrice, LaneCreate, Reason
from backend.exchange.lanes import LaneState, lane_states
from backend.exchange.preflight import Route
from backend.exchange.routes import exchange_now, opposite
from backend.exchange.settlement_money import SettlementMoney
from backend.exchange.terms import last_time
from backend.hexes import hex_text, parse_hash
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme

_EXAMPLES = (100, 1_000, 10_000)


def route_for(session: Session, exchanges: Exchanges, body: LaneCreate, proposer: Programme) -> Route:
    """The lane that a proposal is for, whether or not it was ever proposed.

    Raises ProgrammeNotFoundError, WrongNetworkError, ExchangeNotDeployedError, and InvalidRequestError when the
    proposer has no part in it.
    """
    source, destination = get_programme(session, body.source), get_programme(session, body.destination)
    if source.id == destination.id:
        raise InvalidRequestError("A lane needs two different programmes.")
    if proposer.id not in (source.id, destination.id):
        raise InvalidRequestError("Only the two programmes of a lane can propose terms for it.")
    exchanges.here.check_network(source, destination)
    exchange = exchanges.between(source, destination)
    lane, timestamp = lane_between(source, destination), exchange_now(session, exchanges)
    state = lane_states(session, [exchange.address], [lane], timestamp).get(lane)
    fresh = LaneState(lane, programme_key(source.slug), programme_key(destination.slug))
    return Route(exchange, state or fresh, source, destination, timestamp)


def examine_proposal(session: Session, route: Route, body: LaneCreate) -> DryRunLane:
    """What proposing these terms would mean, with nothing written."""
    exchange, terms = route.exchange, body.terms.on_chain(route.exchange.currency)
    problems = [*_range_problems(terms, route), *_gains(session, route, terms)]
    notice = exchange.notice_period_seconds if route.lane.is_open(route.timestamp) else 0
    return DryRunLane(
        possible=not problems,
        reasons=[Reason(code=error.slug, detail=error.detail) for error in problems],
        lane_id=lane_text(route.lane.lane),
        terms_hash=hex_text(terms_hash(terms)),
        effective_from=last_time(route.timestamp + notice),
        examples=[_example(terms, points, exchange) for points in (terms.minimum_in, *_EXAMPLES)],
    )


def propose(session: Session, route: Route, body: LaneCreate, proposer: Programme, request_id: str) -> Operation:
    """Asks the chain to offer the terms. Raises LaneTermsError."""
    terms = body.terms.on_chain(route.exchange.currency)
    for error in _range_problems(terms, route):
        raise error
    data = encode_propose(route.lane.source, route.lane.destination, programme_key(proposer.slug), terms)
    return _enqueue(session, "propose_lane", route, proposer, data=data, request_id=request_id)


def accept(session: Session, route: Route, acceptor: Programme, wanted: str, request_id: str) -> Operation:
    """Asks the chain to accept the other's proposal, which must have this hash.

    Raises ProposalChangedError, RoundTripGainsError, LaneTermsError.
    """
    other = _other(route, acceptor)
    terms = route.lane.proposal_with(parse_hash(wanted), programme_key(other.slug))
    if terms is None:
        present = route.lane.proposals.get(programme_key(other.slug))
        raise errors.ProposalChangedError(
            f"{other.name} offers no terms with this hash now. Read the lane again and accept the hash there.",
            terms_hash=hex_text(terms_hash(present)) if present is not None else None,
        )
    notice = route.exchange.notice_period_seconds if route.lane.is_open(route.timestamp) else 0
    for error in [*_range_problems(terms, route, notice), *_gains(session, route, terms)]:
        raise error
    data = encode_accept(route.lane.source, route.lane.destination, programme_key(acceptor.slug), terms)
    return _enqueue(session, "accept_lane", route, acceptor, data=data, request_id=request_id)


def withdraw(session: Session, route: Route, proposer: Programme, request_id: str) -> Operation:
    """Asks the chain to take the programme's own proposal back. Raises ProposalChangedError when there is none."""
    _other(route, proposer)
    if programme_key(proposer.slug) not in route.lane.proposals:
        raise errors.ProposalChangedError(f"{proposer.name} offers no terms for this lane now; nothing to withdraw.")
    data = encode_withdraw_proposal(route.lane.source, route.lane.destination, programme_key(proposer.slug))
    return _enqueue(session, "withdraw_lane", route, proposer, data=data, request_id=request_id)


def stop(session: Session, route: Route, programme: Programme, request_id: str) -> Operation:
    """Asks the chain to end the lane's terms, coming ones and proposals, at once."""
    _other(route, programme)
    data = encode_stop(route.lane.source, route.lane.destination, programme_key(programme.slug))
    return _enqueue(session, "stop_lane", route, programme, data=data, request_id=request_id)


def _enqueue(
    session: Session, kind: str, route: Route, programme: Programme, *, data: bytes, request_id: str
) -> Operation:
    return outbox.enqueue(
        session,
        kind=kind,
        programme_id=programme.id,
        chain_id=route.exchange.chain_id,
        signer=programme.treasurer,
        target=route.exchange.address,
        data=data,
        subject=lane_text(route.lane.lane),
        request_id=request_id,
    )


def _other(route: Route, programme: Programme) -> Programme:
    """The partner of `programme`. Raises InvalidRequestError when it has no part in the lane."""
    if programme.id == route.source.id:
        return route.destination
    if programme.id != route.destination.id:
        raise InvalidRequestError(f"{programme.name} is none of the two programmes of this lane.")
    return route.source


def _range_problems(terms: LaneTerms, route: Route, notice_seconds: int = 0) -> list[InterpointsError]:
    """What the ranges of the fields do not say already."""
    problems: list[InterpointsError] = []
    if terms.valid_until < route.timestamp + notice_seconds:
        problems.append(
            errors.LaneTermsError("`valid_until` is before the terms would come into force; propose a later one.")
        )
    if terms.posted and route.crosses:
        problems.append(
            errors.LaneTermsError("A lane between two chains cannot be `posted`; propose `delivery: minted`.")
        )
    return problems


def _gains(session: Session, route: Route, terms: LaneTerms) -> list[InterpointsError]:
    """Whether the opposite lane, now or after its notice, makes points grow by going there and back."""
    back = opposite(session, route)
    if back is None:
        return []
    present = [back.present] if back.present is not None and back.is_open(route.timestamp) else []
    against = [*present, *([back.coming] if back.coming is not None else [])]
    if not any(round_trip_gains(terms, agreement.terms) for agreement in against):
        return []
    return [
        errors.RoundTripGainsError(
            f"With the lane from {route.destination.name} to {route.source.name}, points there and back would come to"
            " more than before. Agree to a lower rate or a fee, here or there, first."
        )
    ]


def _example(terms: LaneTerms, points: int, exchange: Exchange) -> ExamplePrice:
    try:
        priced = price(terms, points)
    except ContractRevertedError:
        return ExamplePrice(max_points_in=points, points_in=None, points_out=None, settlement=None)
    return ExamplePrice(
        max_points_in=points,
        points_in=priced.points_in,
        points_out=priced.points_out,
        settlement=SettlementMoney.of_units(priced.settlement, exchange.currency),
    )
