"""Lanes as they follow from what the exchange has logged: proposed, agreed, stopped; terms now and to come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.chain.exchange_types import LaneTerms
from backend.chain.lane_pricing import BUCKET_SECONDS, BUCKETS, bucket_of
from backend.chain.models import Block, LaneVolume, TokenEvent
from backend.chain.points_exchange import terms_hash

LANE_EVENTS = ("LaneProposed", "ProposalWithdrawn", "LaneAgreed", "LaneStopped")


@dataclass(frozen=True, slots=True)
class LaneEvent:
    """A log about a lane, with where it stands."""

    name: str
    lane: bytes
    payload: dict[str, Any]
    block_number: int
    timestamp: int
    transaction_hash: bytes
    log_index: int

    @property
    def terms(self) -> LaneTerms:
        """The terms it is about."""
        return LaneTerms(**self.payload["terms"])

    @property
    def actor(self) -> bytes | None:
        """Programme that did it, by its id in the registry. An acceptance does not log who accepted."""
        text = self.payload.get("proposer") or self.payload.get("programme_id")
        return bytes.fromhex(text[2:]) if text else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Terms that both agreed to, their number, and since when they hold (Unix seconds)."""

    version: int
    effective_from: int
    terms: LaneTerms


@dataclass(slots=True)
class LaneState:
    """A lane at a moment."""

    lane: bytes
    source: bytes
    destination: bytes
    proposals: dict[bytes, LaneTerms] = field(default_factory=dict)
    """By the programme that offers them."""
    present: Agreement | None = None
    """The terms in force, or the last ones."""
    coming: Agreement | None = None
    """Agreed terms whose notice runs."""
    stopped: bool = False

    def advance(self, timestamp: int) -> None:
        """Lets terms whose notice is over come into force."""
        if self.coming is not None and timestamp >= self.coming.effective_from:
            self.present, self.coming = self.coming, None

    def is_open(self, timestamp: int) -> bool:
        """Whether terms are in force."""
        return self.present is not None and not self.stopped and timestamp <= self.present.terms.valid_until

    def apply(self, event: LaneEvent) -> None:
        """Takes a log into account; logs come in their order."""
        self.advance(event.timestamp)
        if event.name == "LaneProposed":
            assert event.actor is not None, "a proposal names its proposer"
            self.proposals[event.actor] = event.terms
        elif event.name == "ProposalWithdrawn":
            self.proposals.pop(event.actor or b"", None)
        elif event.name == "LaneAgreed":
            self._agree(event)
        else:
            self.stopped, self.coming = True, None
            self.proposals.clear()

    def _agree(self, event: LaneEvent) -> None:
        agreed = Agreement(event.payload["version"], event.payload["effective_from"], event.terms)
        self.proposals.clear()
        if agreed.effective_from > event.timestamp:
            self.coming = agreed
        else:
            self.present, self.coming, self.stopped = agreed, None, False

    def state(self, timestamp: int) -> Literal["proposed", "open", "stopped", "ended", "withdrawn"]:
        """The lane in one word."""
        if self.present is None:
            return "proposed" if self.proposals else "stopped" if self.stopped else "withdrawn"
        if self.stopped:
            return "stopped"
        return "open" if self.is_open(timestamp) else "ended"

    def proposal_with(self, wanted: bytes, proposer: bytes) -> LaneTerms | None:
        """What `proposer` offers, if it has this hash."""
        terms = self.proposals.get(proposer)
        return terms if terms is not None and terms_hash(terms) == wanted else None


def lane_events(session: Session, exchanges: Sequence[bytes], lanes: Sequence[bytes]) -> list[LaneEvent]:
    """Everything that these exchanges logged about these lanes, oldest first. No two have a lane in common."""
    if not lanes:
        return []
    query = (
        select(TokenEvent, Block.timestamp)
        .join(Block, (Block.chain_id == TokenEvent.chain_id) & (Block.number == TokenEvent.block_number))
        .where(TokenEvent.token.in_(exchanges), TokenEvent.ref.in_(lanes), TokenEvent.name.in_(LANE_EVENTS))
        .order_by(TokenEvent.block_number, TokenEvent.log_index)
    )
    return [_event(row, timestamp) for row, timestamp in session.execute(query)]


def _event(row: TokenEvent, timestamp: int) -> LaneEvent:
    assert row.ref is not None, "logs of lanes are stored under the lane's id"
    payload = cast("dict[str, Any]", row.payload)
    return LaneEvent(row.name, row.ref, payload, row.block_number, timestamp, row.transaction_hash, row.log_index)


def replay(events: Iterable[LaneEvent], timestamp: int) -> dict[bytes, LaneState]:
    """Lanes by their id, as they are at `timestamp`. A lane is there from its first proposal on."""
    lanes: dict[bytes, LaneState] = {}
    for event in events:
        if event.lane not in lanes:
            assert event.name == "LaneProposed", "a lane begins with a proposal"
            source, destination = (bytes.fromhex(event.payload[side][2:]) for side in ("source", "destination"))
            lanes[event.lane] = LaneState(event.lane, source, destination)
        lanes[event.lane].apply(event)
    for lane in lanes.values():
        lane.advance(timestamp)
    return lanes


def lane_states(
    session: Session, exchanges: Sequence[bytes], lanes: Sequence[bytes], timestamp: int
) -> dict[bytes, LaneState]:
    """Those of these lanes that were ever proposed."""
    return replay(lane_events(session, exchanges, lanes), timestamp)


def volumes_of(session: Session, chain_id: int, lane: bytes, timestamp: int) -> dict[int, int]:
    """Points out by bucket, as far as they count against the cap at `timestamp`."""
    bucket = bucket_of(timestamp)
    query = select(LaneVolume.bucket, LaneVolume.points_out).where(
        LaneVolume.chain_id == chain_id,
        LaneVolume.lane_id == lane,
        LaneVolume.bucket > bucket - BUCKETS,
    )
    return {number: points for number, points in session.execute(query) if points}


def frees_at(volumes: dict[int, int], room: int, timestamp: int) -> int | None:
    """When the buckets that count come to `room` points or fewer (Unix seconds); None when they never do."""
    if room < 0:
        return None
    counted = dict(volumes)
    if sum(counted.values()) <= room:
        return timestamp
    for bucket in sorted(counted):
        counted.pop(bucket)
        if sum(counted.values()) <= room:
            return (bucket + BUCKETS) * BUCKET_SECONDS
    return None
