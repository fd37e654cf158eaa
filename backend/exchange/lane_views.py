"""Lanes and their history as they are shown."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from backend.chain.exchange_types import LaneTerms
from backend.chain.lane_pricing import window_out
from backend.chain.points_exchange import terms_hash
from backend.exchange.identifiers import lane_text, programme_key
from backend.exchange.lane_schemas import (
    AgreementRead,
    CapRead,
    LaneEventRead,
    LaneRead,
    PartyRead,
    ProposalRead,
)
from backend.exchange.lanes import Agreement, LaneEvent, lane_events, volumes_of
from backend.exchange.preflight import Route, Volume
from backend.exchange.repository import leaving_out
from backend.exchange.terms import Terms, last_time
from backend.hexes import address_text, hex_text
from backend.points.clock import to_time
from backend.programmes.models import Programme

_KINDS: dict[str, Literal["proposed", "withdrawn", "agreed", "stopped"]] = {
    "LaneProposed": "proposed",
    "ProposalWithdrawn": "withdrawn",
    "LaneAgreed": "agreed",
    "LaneStopped": "stopped",
}


def lane_volume(session: Session, route: Route) -> Volume:
    """What counts against the lane's cap."""
    lane = route.lane.lane
    by_bucket = volumes_of(session, route.exchange.chain_id, lane, route.timestamp)
    return Volume(by_bucket, leaving_out(session, lane))


def read_lane(session: Session, route: Route) -> LaneRead:
    """A lane as it is shown."""
    lane = route.lane
    return LaneRead(
        id=lane_text(lane.lane),
        source=_party(route.source),
        destination=_party(route.destination),
        state=lane.state(route.timestamp),
        exchange=address_text(route.exchange.address),
        agreement=_agreement(lane.present, route),
        coming=_agreement(lane.coming, route),
        proposals=[
            ProposalRead(
                proposer_programme_id=programme.id,
                terms_hash=hex_text(terms_hash(terms)),
                terms=Terms.of(terms, route.exchange.currency),
            )
            for programme in (route.source, route.destination)
            if (terms := lane.proposals.get(programme_key(programme.slug))) is not None
        ],
        cap=_cap(session, route),
    )


def _party(programme: Programme) -> PartyRead:
    return PartyRead(id=programme.id, slug=programme.slug, name=programme.name, chain_id=programme.home_chain_id)


def _agreement(agreement: Agreement | None, route: Route) -> AgreementRead | None:
    if agreement is None:
        return None
    return AgreementRead(
        version=agreement.version,
        terms_hash=hex_text(terms_hash(agreement.terms)),
        effective_from=last_time(agreement.effective_from),
        terms=Terms.of(agreement.terms, route.exchange.currency),
    )


def _cap(session: Session, route: Route) -> CapRead | None:
    if route.lane.present is None or not route.lane.is_open(route.timestamp):
        return None
    volume = lane_volume(session, route)
    return CapRead(
        used_points_out=window_out(volume.by_bucket, route.timestamp),
        leaving_points_out=volume.leaving_points,
        available_points_out=volume.available(route.lane.present.terms, route.timestamp),
    )


def read_history(session: Session, route: Route) -> list[LaneEventRead]:
    """Everything that happened to a lane, oldest first."""
    by_key = {programme_key(programme.slug): programme for programme in (route.source, route.destination)}
    offers: dict[bytes, LaneTerms] = {}
    answer = []
    for event in lane_events(session, [route.exchange.address], [route.lane.lane]):
        actor = by_key.get(event.actor) if event.actor is not None else None
        if event.name == "LaneAgreed":
            actor = _acceptor(by_key, offers, event)
        if event.name == "LaneProposed" and event.actor is not None:
            offers[event.actor] = event.terms
        elif event.name == "ProposalWithdrawn" and event.actor is not None:
            offers.pop(event.actor, None)
        else:
            offers.clear()
        answer.append(_read_event(event, actor, route))
    return answer


def _acceptor(by_key: dict[bytes, Programme], offers: dict[bytes, LaneTerms], event: LaneEvent) -> Programme | None:
    """Who accepted: the one whose partner had offered these terms; nobody can say when both had offered them."""
    proposers = [key for key, terms in offers.items() if terms == event.terms]
    others = [programme for key, programme in by_key.items() if key not in proposers]
    return others[0] if len(proposers) == 1 and len(others) == 1 else None


def _read_event(event: LaneEvent, actor: Programme | None, route: Route) -> LaneEventRead:
    terms = event.terms if "terms" in event.payload else None
    agreed = event.name == "LaneAgreed"
    return LaneEventRead(
        kind=_KINDS[event.name],
        programme_id=actor.id if actor is not None else None,
        version=event.payload["version"] if agreed else None,
        effective_from=last_time(event.payload["effective_from"]) if agreed else None,
        terms_hash=hex_text(terms_hash(terms)) if terms is not None else None,
        terms=Terms.of(terms, route.exchange.currency) if terms is not None else None,
        block_number=event.block_number,
        block_time=to_time(event.timestamp),
        transaction_hash=hex_text(event.transaction_hash),
        log_index=event.log_index,
    )
