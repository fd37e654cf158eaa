"""Lanes, replayed from the exchange's logs: which terms were in force when, and whether both programmes agreed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from backend.audit.pricing import BASIS_POINTS, rate
from backend.audit.report import Check
from backend.chain.event_types import ChainEvent
from backend.chain.exchange_events import HomeDeclared, LaneAgreed, LaneProposed, LaneStopped, ProposalWithdrawn
from backend.chain.exchange_types import LaneTerms
from backend.chain.points_exchange import crosschain_lane_id

BUCKET_SECONDS: Final = 21_600
BUCKETS: Final = 5
"""Buckets that a lane's cap counts together: the present one and the four before, which cover any 24 hours."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Terms that both agreed to, and from when they hold (Unix seconds)."""

    version: int
    effective_from: int
    terms: LaneTerms


@dataclass(slots=True)
class LaneState:
    """One lane, as the logs have it."""

    source: bytes
    destination: bytes
    proposals: dict[bytes, LaneTerms] = field(default_factory=dict)
    version: int = 0
    """The newest number given, in force or not."""
    agreed: Agreement | None = None
    """In force unless its last second is past."""
    last: Agreement | None = None
    """In force before the lane was stopped."""
    next: Agreement | None = None
    accepted_from: frozenset[bytes] = frozenset()
    """Who had proposed the terms that were agreed last."""
    volumes: dict[int, int] = field(default_factory=dict)
    """Points out by bucket, the last few."""
    refunds: dict[int, int] = field(default_factory=dict)
    """Points out of swaps that came back from another chain, likewise."""

    def in_force(self, timestamp_seconds: int) -> Agreement | None:
        """The agreement that holds at a time; None when the lane is not open."""
        if self.next is not None and timestamp_seconds >= self.next.effective_from:
            self.agreed, self.next = self.next, None
        if self.agreed is None or timestamp_seconds > self.agreed.terms.valid_until:
            return None
        return self.agreed

    def to_come(self, timestamp_seconds: int) -> Iterator[Agreement]:
        """The agreements that hold at a time or will."""
        present = self.in_force(timestamp_seconds)
        for agreement in (present, self.next):
            if agreement is not None:
                yield agreement

    def count_out(self, points: int, timestamp_seconds: int) -> int:
        """Adds points out; answers how many the cap counts together now."""
        self.volumes = _counted(self.volumes, points, timestamp_seconds)
        return sum(self.volumes.values())

    def count_back(self, points: int, timestamp_seconds: int) -> int:
        """Adds points out of a swap that came back; answers how many had come back before it within the day."""
        before = sum(_counted(self.refunds, 0, timestamp_seconds).values())
        self.refunds = _counted(self.refunds, points, timestamp_seconds)
        return before


def _counted(volumes: dict[int, int], points: int, timestamp_seconds: int) -> dict[int, int]:
    """The buckets that a cap counts together now, with these points in the present one."""
    bucket = timestamp_seconds // BUCKET_SECONDS
    recent = {each: out for each, out in volumes.items() if each > bucket - BUCKETS}
    recent[bucket] = recent.get(bucket, 0) + points
    return recent


class LaneBook:
    """All lanes of one exchange, moved on by its logs; what breaks the rules goes into `check`.

    With `crosschain`, of an exchange with other chains: lanes are between homes, and a guardian may stop them.
    """

    def __init__(self, chain_id: int, notice_period_seconds: int, check: Check, *, crosschain: bool = False) -> None:
        self.lanes: dict[bytes, LaneState] = {}
        self.chain_id = chain_id
        self.crosschain = crosschain
        self._homes: dict[bytes, int] = {}
        self._notice_seconds = notice_period_seconds
        self._check = check

    def apply(self, event: ChainEvent, timestamp_seconds: int) -> None:
        """One log of the exchange; others than those of lanes are left alone."""
        match event:
            case LaneProposed():
                self._on_proposed(event)
            case ProposalWithdrawn():
                self._on_withdrawn(event)
            case LaneAgreed():
                self._on_agreed(event, timestamp_seconds)
            case LaneStopped():
                self._on_stopped(event, timestamp_seconds)
            case HomeDeclared():
                self._on_declared(event)

    def home_of(self, programme: bytes) -> int:
        """Chain where a programme's points live."""
        return self._homes.get(programme, self.chain_id)

    def _lane_id(self, source: bytes, destination: bytes) -> bytes:
        return crosschain_lane_id(self.home_of(source), source, self.home_of(destination), destination)

    def _on_declared(self, event: HomeDeclared) -> None:
        self._check.examined += 1
        if event.programme_id in self._homes:
            self._fail(event, f"{name(event.programme_id)} had a home already")
            return
        self._homes[event.programme_id] = event.chain_id

    def _on_proposed(self, event: LaneProposed) -> None:
        self._check.examined += 1
        if event.lane_id != self._lane_id(event.source, event.destination):
            self._fail(event, "the lane's id is not that of its two programmes and their chains")
        homes = {self.home_of(event.source), self.home_of(event.destination)}
        if (len(homes) == 2 and self.chain_id in homes) is not self.crosschain:
            self._fail(event, "its programmes are not at home where this exchange's lanes lead")
        if event.source == event.destination:
            self._fail(event, "a lane needs two different programmes")
        if event.proposer not in {event.source, event.destination}:
            self._fail(event, f"{name(event.proposer)} proposed terms for a lane of others")
        lane = self.lanes.setdefault(event.lane_id, LaneState(event.source, event.destination))
        lane.proposals[event.proposer] = event.terms

    def _on_withdrawn(self, event: ProposalWithdrawn) -> None:
        self._check.examined += 1
        lane = self.lanes.get(event.lane_id)
        if lane is None or lane.proposals.pop(event.proposer, None) is None:
            self._fail(event, "there was no such proposal")

    def _on_agreed(self, event: LaneAgreed, now: int) -> None:
        self._check.examined += 1
        lane = self.lanes.get(event.lane_id)
        if lane is None:
            self._fail(event, "terms were agreed that nobody had proposed")
            return
        lane.accepted_from = frozenset(by for by, terms in lane.proposals.items() if terms == event.terms)
        if not lane.accepted_from:
            self._fail(event, "the agreed terms are not those that were proposed")
        lane.proposals.clear()
        if event.version != lane.version + 1:
            self._fail(event, f"version {event.version} follows {lane.version}")
        lane.version = event.version
        self._judge_terms(event, now)
        agreement = Agreement(event.version, event.effective_from, event.terms)
        if lane.in_force(now) is None:
            if event.effective_from < now:
                self._fail(event, f"in force {now - event.effective_from} s before it was agreed")
        elif event.effective_from < now + self._notice_seconds:
            self._fail(event, f"a notice of {event.effective_from - now} s instead of {self._notice_seconds} s")
        self._judge_round_trip(event, lane, agreement, now)
        lane.next = agreement
        lane.in_force(now)

    def _judge_terms(self, event: LaneAgreed, now: int) -> None:
        terms = event.terms
        in_range = (
            terms.rate_numerator
            and terms.rate_denominator
            and terms.fee_bps < BASIS_POINTS
            and terms.max_bonus_bps <= BASIS_POINTS
            and terms.minimum_in >= 1
            and terms.valid_until >= max(now, event.effective_from)
        )
        if not in_range:
            self._fail(event, "a term is outside its range")

    def _judge_round_trip(self, event: LaneAgreed, lane: LaneState, new: Agreement, now: int) -> None:
        opposite = self.lanes.get(self._lane_id(lane.destination, lane.source))
        for other in opposite.to_come(now) if opposite is not None else ():
            meet = other.effective_from <= new.terms.valid_until and new.effective_from <= other.terms.valid_until
            there, back = rate(new.terms), rate(other.terms)
            if meet and there[0] * back[0] > there[1] * back[1]:
                self._fail(event, f"with version {other.version} of the opposite lane, points there and back gain")

    def _on_stopped(self, event: LaneStopped, timestamp_seconds: int) -> None:
        self._check.examined += 1
        lane = self.lanes.get(event.lane_id)
        if lane is None:
            self._fail(event, "a lane was stopped that never had a proposal")
            return
        by_guardian = self.crosschain and not any(event.programme_id)
        if event.programme_id not in {lane.source, lane.destination} and not by_guardian:
            self._fail(event, f"{name(event.programme_id)} stopped a lane of others")
        lane.proposals.clear()
        lane.in_force(timestamp_seconds)
        lane.last = lane.agreed or lane.last
        lane.agreed = lane.next = None

    def _fail(self, event: ChainEvent, detail: str) -> None:
        lane = self.lanes.get(getattr(event, "lane_id", b""))
        subject = f"{title(lane)}: {type(event).__name__}, log {event.log_index}"
        self._check.fail(subject, detail, block=event.block_number, transaction=event.transaction_hash)


def name(programme: bytes) -> str:
    """A programme's slug, from its id."""
    return programme.rstrip(b"\0").decode("ascii", "replace")


def title(lane: LaneState | None) -> str:
    """A lane for people."""
    return "unknown lane" if lane is None else f"{name(lane.source)} to {name(lane.destination)}"
