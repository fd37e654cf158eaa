"""What the rules for burns and for endings of swaps share."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backend.audit.lanes import Agreement, LaneBook, LaneState, name, title
from backend.audit.legs import Leg
from backend.audit.report import LaneFigures, Report
from backend.audit.spool import Spool
from backend.chain.clearing_events import DebtBooked, DebtReserved, ReservationEnded
from backend.chain.event_types import ChainEvent
from backend.chain.exchange_events import SwapBurnt
from backend.chain.manifest import ProgrammeEntry

DebtEvent = DebtBooked | DebtReserved | ReservationEnded
Debts = dict[bytes, list[DebtEvent]]
"""What a transaction logged of debts and has not been accounted for yet, by swap."""


@dataclass(frozen=True, slots=True)
class BurntSwap:
    """A swap of the present transaction whose other half has not been seen yet. No agreement: none was in force."""

    event: SwapBurnt
    lane: LaneState
    agreement: Agreement | None


@dataclass(slots=True)
class Transaction:
    """What one transaction did and has not been accounted for yet; legs by token, debts by swap."""

    now: int
    """Its block's time, Unix seconds."""
    debts: Debts
    burns: dict[bytes, deque[Leg]] = field(default_factory=dict)
    mints: dict[bytes, deque[Leg]] = field(default_factory=dict)
    opened: dict[bytes, BurntSwap] = field(default_factory=dict)
    restored: list[Leg] = field(default_factory=list)
    """Mints that gave points back; no supply cap bounds them."""


def debts_of(events: Sequence[ChainEvent]) -> Debts:
    """Those of the clearing house's logs that belong to swaps."""
    debts: Debts = {}
    for event in events:
        if isinstance(event, DebtBooked | DebtReserved | ReservationEnded):
            debts.setdefault(event.swap_id, []).append(event)
    return debts


@dataclass(frozen=True, slots=True)
class SwapContext:
    """Where the rules look things up, and where they put what they find."""

    report: Report
    lanes: LaneBook
    programmes: Mapping[bytes, ProgrammeEntry]
    """The manifest's programmes by their id in the registry."""
    exchange: bytes
    has_house: bool
    spool: Spool
    figures: dict[bytes, LaneFigures] = field(default_factory=dict)

    def figures_of(self, lane_id: bytes) -> LaneFigures:
        """What is counted of a lane."""
        found = self.figures.get(lane_id)
        if found is None:
            lane = self.lanes.lanes[lane_id]
            found = LaneFigures("0x" + lane_id.hex(), name(lane.source), name(lane.destination))
            self.figures[lane_id] = found
            self.report.lanes.append(found)
        return found

    def token_of(self, programme: bytes) -> bytes:
        """The programme's token; empty when the manifest does not have it."""
        entry = self.programmes.get(programme)
        return b"" if entry is None else entry.token_bytes

    def examine(self, check: str) -> None:
        """Counts a question."""
        self.report.check(check).examined += 1

    def fail(self, check: str, event: ChainEvent, detail: str) -> None:
        """Notes a failure at a log."""
        lane = self.lanes.lanes.get(getattr(event, "lane_id", b""))
        where = title(lane) if lane is not None else f"0x{event.contract.hex()}"
        subject = f"{where}: {type(event).__name__}, log {event.log_index}"
        self.report.check(check).fail(subject, detail, block=event.block_number, transaction=event.transaction_hash)
