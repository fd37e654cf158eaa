"""What the logs of gateways and crosschain exchanges add up to: messages and swaps under way, and sums per lane.

Pure: events in, rows out. The watchdog feeds it final blocks and keeps its rows; `status` feeds it all logs once. What
has ended well is only counted, so that whatever is said of it afterwards stands out as having no beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from backend.chain.crosschain_exchange import lane_id
from backend.chain.event_types import ChainEvent
from backend.chain.exchange_events import LaneProposed, SwapMinted, SwapRefunded, SwapRefused, SwapSent
from backend.chain.gateway_events import MessageDelivered, MessageFailed, MessageQueued
from bridge.messages import (
    Arrival,
    Burnt,
    Minted,
    Refunded,
    Refused,
    SwapObservation,
    SwapStage,
    SwapState,
    Violation,
    observe_swap,
    violations,
)


@dataclass
class LaneSums:
    """A lane between chains. Burned and refunded points are the source's, promised and minted the other's."""

    lane_id: bytes
    source: str = ""
    destination: str = ""
    source_chain: int = 0
    destination_chain: int = 0
    sent: int = 0
    minted: int = 0
    refused: int = 0
    refunded: int = 0
    burned_points: int = 0
    promised_points: int = 0
    minted_points: int = 0
    refunded_points: int = 0

    @property
    def mints_too_much(self) -> bool:
        """More was minted than all burns together promised."""
        return self.minted_points > self.promised_points


@dataclass
class SwapRow:
    """A swap that has not ended well. Times are Unix seconds of the block; zero while its burn was not read."""

    swap_id: bytes
    lane_id: bytes
    state: SwapState = field(default_factory=SwapState)
    chain_id: int = 0
    """Chain of the last log about it."""
    message_id: bytes = b""
    sent_block: int = 0
    sent_at: int = 0
    points_in: int = 0
    changed_at: int = 0
    """Time of the last log's block."""

    @property
    def ended_well(self) -> bool:
        """Minted, or refunded after a refusal, and nothing else."""
        ended = self.state.stage in {SwapStage.MINTED, SwapStage.REFUNDED}
        return ended and self.state.burnt is not None and not violations(self.state)


@dataclass
class MessageRow:
    """A message that was not taken yet, or was taken before its sending was read."""

    message_id: bytes
    source_chain: int
    destination_chain: int
    nonce: int
    sent_block: int = -1
    """-1 while its sending was not read."""
    sent_at: int = 0
    arrival: Arrival = Arrival.UNSEEN


@dataclass
class RouteSums:
    """Messages from one chain to another."""

    sent: int = 0
    delivered: int = 0


@dataclass
class Book:
    """Rows and sums. `changed_*` and `ended_*` are for whoever keeps them, and empties them."""

    chain_ids: tuple[int, ...]
    lanes: dict[bytes, LaneSums] = field(default_factory=dict)
    routes: dict[tuple[int, int], RouteSums] = field(default_factory=dict)
    swaps: dict[bytes, SwapRow] = field(default_factory=dict)
    messages: dict[bytes, MessageRow] = field(default_factory=dict)
    touched: set[bytes] = field(default_factory=set)
    """Ids of rows and lanes that changed or went away."""

    def take(self, chain_id: int, events: Iterable[tuple[ChainEvent, int]]) -> None:
        """Events of one chain in their order, each with its block's time."""
        for event, at in events:
            match event:
                case LaneProposed():
                    self._name(event)
                case SwapSent() | SwapMinted() | SwapRefused() | SwapRefunded():
                    self._take_swap(chain_id, event, at)
                case MessageQueued() | MessageDelivered() | MessageFailed():
                    self._take_message(chain_id, event, at)
                case _:
                    pass

    def suspects(self) -> Iterator[tuple[SwapRow, tuple[Violation, ...]]]:
        """Swaps of which something is said that must never be, unless the other chain has not been read so far."""
        for row in self.swaps.values():
            found = violations(row.state)
            if found:
                yield row, found

    def in_flight(self) -> list[SwapRow]:
        """Swaps whose burn was read and that are neither minted nor refunded, the oldest first."""
        ended = {SwapStage.MINTED, SwapStage.REFUNDED}
        rows = [row for row in self.swaps.values() if row.state.burnt is not None and row.state.stage not in ended]
        return sorted(rows, key=lambda row: (row.sent_at, row.sent_block, row.swap_id))

    def waiting(self) -> list[MessageRow]:
        """Messages that were sent and not taken, the oldest first."""
        rows = [row for row in self.messages.values() if row.sent_block >= 0 and row.arrival is not Arrival.TAKEN]
        return sorted(rows, key=lambda row: (row.sent_at, row.sent_block, row.nonce))

    def lane(self, id_: bytes) -> LaneSums:
        """The lane's sums, to be changed."""
        self.touched.add(id_)
        return self.lanes.setdefault(id_, LaneSums(id_))

    # Parts

    def _name(self, event: LaneProposed) -> None:
        """Both chains log the agreement; which home makes the lane's id is tried."""
        if event.lane_id in self.lanes and self.lanes[event.lane_id].source:
            return
        for source in self.chain_ids:
            for destination in self.chain_ids:
                if lane_id(source, event.source, destination, event.destination) == event.lane_id:
                    lane = self.lane(event.lane_id)
                    lane.source, lane.destination = slug_of(event.source), slug_of(event.destination)
                    lane.source_chain, lane.destination_chain = source, destination

    def _take_swap(self, chain_id: int, event: SwapSent | SwapMinted | SwapRefused | SwapRefunded, at: int) -> None:
        row = self.swaps.setdefault(event.swap_id, SwapRow(event.swap_id, event.lane_id))
        lane = self.lane(event.lane_id)
        row.state = observe_swap(row.state, _observation(event))
        row.chain_id, row.changed_at = chain_id, at
        match event:
            case SwapSent():
                row.message_id, row.points_in = event.message_id, event.swap.points_in
                row.sent_block, row.sent_at = event.block_number, at
                lane.source_chain = chain_id
                lane.sent += 1
                lane.burned_points += event.swap.points_in
                lane.promised_points += event.swap.points_out
            case SwapMinted():
                lane.destination_chain = lane.destination_chain or chain_id
                lane.minted += 1
                lane.minted_points += event.points_out
            case SwapRefused():
                lane.refused += 1
            case SwapRefunded():
                lane.refunded += 1
                lane.refunded_points += sum(lot.amount for lot in event.restored) + event.expired_amount
        self.touched.add(event.swap_id)
        if row.ended_well:
            del self.swaps[event.swap_id]

    def _take_message(self, chain_id: int, event: MessageQueued | MessageDelivered | MessageFailed, at: int) -> None:
        if isinstance(event, MessageQueued):
            ends = (chain_id, event.destination_chain)
        else:
            ends = (event.source_chain, chain_id)
        row = self.messages.setdefault(event.message_id, MessageRow(event.message_id, *ends, event.nonce))
        route = self.routes.setdefault(ends, RouteSums())
        match event:
            case MessageQueued():
                row.sent_block, row.sent_at = event.block_number, at
                route.sent += 1
            case MessageDelivered():
                row.arrival = Arrival.TAKEN
                route.delivered += 1
            case MessageFailed():
                row.arrival = Arrival.FAILED
        self.touched.add(event.message_id)
        if row.arrival is Arrival.TAKEN and row.sent_block >= 0:
            del self.messages[event.message_id]


def _observation(event: SwapSent | SwapMinted | SwapRefused | SwapRefunded) -> SwapObservation:
    match event:
        case SwapSent():
            return Burnt(_content(event.lane_id, event.swap.to, event.swap.points_out))
        case SwapMinted():
            return Minted(_content(event.lane_id, event.to, event.points_out))
        case SwapRefused():
            return Refused()
        case SwapRefunded():
            return Refunded()


def _content(lane: bytes, to: bytes, points_out: int) -> bytes:
    """What a mint must have in common with its burn."""
    return lane + to + points_out.to_bytes(32)


def slug_of(programme_id: bytes) -> str:
    """The programme's short name."""
    return programme_id.rstrip(b"\0").decode(errors="replace")
