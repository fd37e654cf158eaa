"""`interpoints bridge status`: where every swap between the chains is, read from the chains alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table

from backend.chain.client import RpcBlock, RpcLog
from backend.chain.crosschain_exchange import CrosschainExchange
from backend.chain.errors import AnswerTooLargeError, NodeError
from backend.chain.event_types import ChainEvent
from backend.chain.events import RawLog, decode_logs
from bridge.chains import Chain, Chains, open_chains
from bridge.endpoints import careful, tagged_block
from bridge.messages import Arrival, Stage, SwapStage
from bridge.settings import BridgeSettings
from bridge.swap_book import Book, LaneSums, MessageRow, SwapRow

_BLOCKS_AT_A_TIME = 10_000
_MOST_READINGS = 3


class ChainStatus(BaseModel):
    """A chain as it was read. `final` is -1 when nothing is final yet."""

    name: str
    chain_id: int
    block: int
    final: int


class Oldest(BaseModel):
    """What has waited longest; `age_seconds` by the clock of the chain that sent it."""

    id: str
    message_id: str
    stage: str
    sent_at: int
    age_seconds: int


class RouteStatus(BaseModel):
    """Messages from one chain to another. `failed` ones were delivered, and are retried; they are among `waiting`."""

    source: str
    destination: str
    sent: int
    delivered: int
    waiting: int
    failed: int
    oldest: Oldest | None


class LaneStatus(BaseModel):
    """Swaps over a lane. Burned and refunded points are the source's, promised and minted ones the destination's."""

    lane_id: str
    source: str
    destination: str
    source_chain: str
    destination_chain: str
    open: bool | None
    sent: int
    minted: int
    refused: int
    refunded: int
    in_flight: int
    burned_points: int
    promised_points: int
    minted_points: int
    refunded_points: int
    oldest: Oldest | None


class ViolationStatus(BaseModel):
    """A swap of which something is said that must never be."""

    swap_id: str
    lane_id: str
    kinds: list[str]


class StatusReport(BaseModel):
    """All of it."""

    chains: list[ChainStatus]
    in_flight: int
    oldest: Oldest | None
    lanes: list[LaneStatus]
    routes: list[RouteStatus]
    violations: list[ViolationStatus]

    def json(self) -> str:  # type: ignore[override]
        """For machines."""
        return self.model_dump_json(indent=2)

    def text(self) -> str:
        """For people."""
        console = Console(file=io.StringIO(), width=140, color_system=None)
        for chain in self.chains:
            console.print(f"{chain.name} ({chain.chain_id}): read to block {chain.block}, final to {chain.final}")
        console.print(_lane_table(self.lanes))
        console.print(_route_table(self.routes))
        console.print(f"In flight: {self.in_flight} swaps. {_oldest_text(self.oldest)}")
        for each in self.violations:
            console.print(f"VIOLATION swap {each.swap_id}: {', '.join(each.kinds)}", soft_wrap=True)
        return cast("io.StringIO", console.file).getvalue()


def report(settings: BridgeSettings) -> StatusReport:
    """Reads the chains' logs and adds them up. Errors: `ChainUnavailableError`, `NodeError`."""
    chains = open_chains(settings.chain)
    try:
        return report_of(chains)
    finally:
        for chain in chains.values():
            chain.close()


def report_of(chains: Chains) -> StatusReport:
    """The same, of chains that are open."""
    book = Book(tuple(chains))
    found: dict[int, ChainStatus] = {}
    for _ in range(_MOST_READINGS):
        for chain in chains.values():
            first = found[chain.chain_id].block + 1 if chain.chain_id in found else chain.start_block
            found[chain.chain_id] = _chain_status(chain)
            events = _logs(chain, first, found[chain.chain_id].block)
            book.take(chain.chain_id, ((event, event.block_number) for event in events))
        if not any(book.suspects()):
            break  # Otherwise a chain that was read later may only have known more than one that was read before.
    return summary(chains, book, list(found.values()), _date(chains, book))


def summary(chains: Chains, book: Book, found: list[ChainStatus], now: Mapping[int, int]) -> StatusReport:
    """What a book says, in words and sums; `now` is the time of each chain's newest block, Unix seconds."""
    final = {each.chain_id: each.final for each in found}
    telling = _Telling(chains, book, final, now)
    flying = book.in_flight()
    return StatusReport(
        chains=found,
        in_flight=len(flying),
        oldest=telling.oldest_swap(flying),
        lanes=[telling.lane(lane) for lane in _sorted(book)],
        routes=[telling.route(*ends) for ends in sorted(book.routes)],
        violations=[
            ViolationStatus(swap_id=_hex(row.swap_id), lane_id=_hex(row.lane_id), kinds=[kind.value for kind in kinds])
            for row, kinds in book.suspects()
        ],
    )


@dataclass(frozen=True)
class _Telling:
    chains: Chains
    book: Book
    final: Mapping[int, int]
    now: Mapping[int, int]

    def name(self, chain_id: int) -> str:
        return self.chains[chain_id].name if chain_id in self.chains else str(chain_id)

    def lane(self, lane: LaneSums) -> LaneStatus:
        flying = [row for row in self.book.in_flight() if row.lane_id == lane.lane_id]
        return LaneStatus(
            lane_id=_hex(lane.lane_id),
            source=lane.source,
            destination=lane.destination,
            source_chain=self.name(lane.source_chain),
            destination_chain=self.name(lane.destination_chain),
            open=_is_open(self.chains, lane),
            sent=lane.sent,
            minted=lane.minted,
            refused=lane.refused,
            refunded=lane.refunded,
            in_flight=len(flying),
            burned_points=lane.burned_points,
            promised_points=lane.promised_points,
            minted_points=lane.minted_points,
            refunded_points=lane.refunded_points,
            oldest=self.oldest_swap(flying),
        )

    def route(self, source: int, destination: int) -> RouteStatus:
        sums = self.book.routes[source, destination]
        rows = [
            row for row in self.book.waiting() if (row.source_chain, row.destination_chain) == (source, destination)
        ]
        return RouteStatus(
            source=self.name(source),
            destination=self.name(destination),
            sent=sums.sent,
            delivered=sums.delivered,
            waiting=len(rows),
            failed=sum(row.arrival is Arrival.FAILED for row in rows),
            oldest=self._oldest_message(rows[0]) if rows else None,
        )

    def oldest_swap(self, rows: list[SwapRow]) -> Oldest | None:
        if not rows:
            return None
        row = rows[0]
        chain = self.book.lanes[row.lane_id].source_chain
        message = self.book.messages.get(row.message_id)
        stage = row.state.stage.value
        if row.state.stage is SwapStage.UNDER_WAY and message is not None:
            stage = self._stage(message).value
        return self._oldest(row.swap_id, row.message_id, stage, chain, row.sent_at)

    def _oldest_message(self, row: MessageRow) -> Oldest:
        return self._oldest(row.message_id, row.message_id, self._stage(row).value, row.source_chain, row.sent_at)

    def _oldest(self, id_: bytes, message_id: bytes, stage: str, chain: int, sent_at: int) -> Oldest:
        age_seconds = max(0, self.now.get(chain, sent_at) - sent_at)
        return Oldest(id=_hex(id_), message_id=_hex(message_id), stage=stage, sent_at=sent_at, age_seconds=age_seconds)

    def _stage(self, row: MessageRow) -> Stage:
        """As far as the chains alone can tell: who has signed, they do not know before a delivery."""
        if row.arrival is Arrival.FAILED:
            return Stage.FAILED
        return Stage.FINAL if row.sent_block <= self.final.get(row.source_chain, -1) else Stage.SENT


def _chain_status(chain: Chain) -> ChainStatus:
    head = tagged_block(chain.client, "latest")
    if head is None:
        raise NodeError(f"{chain.name}: the endpoint has no newest block.")
    final = chain.finality.final_number(tagged_block(chain.client, chain.finality.tag))
    return ChainStatus(name=chain.name, chain_id=chain.chain_id, block=int(head["number"], 16), final=final)


def _logs(chain: Chain, first: int, last: int) -> Iterator[ChainEvent]:
    """Everything that gateway and exchange have logged in those blocks, in order."""
    addresses = ["0x" + each.hex() for each in (chain.gateway, chain.exchange) if each is not None]
    step = _BLOCKS_AT_A_TIME
    while first <= last:
        until = min(last, first + step - 1)
        try:
            raws: list[RpcLog] = chain.client.get_logs(addresses, fromBlock=hex(first), toBlock=hex(until))
        except AnswerTooLargeError:
            if step == 1:
                raise
            step = max(1, step // 4)
            continue
        with careful(chain.client):
            yield from decode_logs(cast("list[RawLog]", raws))
        first = until + 1


def _date(chains: Chains, book: Book) -> dict[int, int]:
    """Gives what waits the time of its block in place of its number; answers the time of each chain's newest block."""
    now: dict[int, int] = {}
    messages, swaps = book.waiting(), book.in_flight()
    for chain in chains.values():
        rows: list[MessageRow | SwapRow] = [row for row in messages if row.source_chain == chain.chain_id]
        rows += [row for row in swaps if book.lanes[row.lane_id].source_chain == chain.chain_id]
        numbers = sorted({row.sent_block for row in rows})
        with careful(chain.client):
            answers = chain.client.blocks(["latest", *numbers])
            stamps = [int(cast("RpcBlock", answer)["timestamp"], 16) for answer in answers]
        now[chain.chain_id] = stamps[0]
        times = dict(zip(numbers, stamps[1:], strict=True))
        for row in rows:
            row.sent_at = times[row.sent_block]
    return now


def _is_open(chains: Chains, lane: LaneSums) -> bool | None:
    """Whether the destination still mints over the lane; None when it is not configured."""
    chain = chains.get(lane.destination_chain)
    if chain is None or chain.exchange is None:
        return None
    return CrosschainExchange(chain.client, chain.exchange).lane_of(lane.lane_id).open


def _sorted(book: Book) -> list[LaneSums]:
    lanes = [lane for lane in book.lanes.values() if lane.source_chain != lane.destination_chain]
    return sorted(lanes, key=lambda lane: (lane.source, lane.destination, lane.lane_id))


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _oldest_text(oldest: Oldest | None) -> str:
    if oldest is None:
        return "Nothing waits."
    return f"The oldest, {oldest.id[:18]}…, has been {oldest.stage} for {oldest.age_seconds} seconds."


def _lane_table(lanes: list[LaneStatus]) -> Table:
    table = Table(box=box.SIMPLE, title="Swaps", title_justify="left")
    table.add_column("lane")
    for column in ("sent", "minted", "refunded", "in flight", "burned", "promised", "minted", "given back", "oldest"):
        table.add_column(column, justify="right")
    for lane in lanes:
        stopped = " (stopped)" if lane.open is False else ""
        numbers = (lane.sent, lane.minted, lane.refunded, lane.in_flight)
        points = (lane.burned_points, lane.promised_points, lane.minted_points, lane.refunded_points)
        oldest = "" if lane.oldest is None else f"{lane.oldest.age_seconds} s, {lane.oldest.stage}"
        cells = [f"{number:,}" for number in (*numbers, *points)]
        table.add_row(f"{lane.source} → {lane.destination}{stopped}", *cells, oldest)
    return table


def _route_table(routes: list[RouteStatus]) -> Table:
    table = Table(box=box.SIMPLE, title="Messages", title_justify="left")
    table.add_column("route")
    for column in ("sent", "delivered", "waiting", "failed", "oldest"):
        table.add_column(column, justify="right")
    for route in routes:
        numbers = [f"{number:,}" for number in (route.sent, route.delivered, route.waiting, route.failed)]
        oldest = "" if route.oldest is None else f"{route.oldest.age_seconds} s, {route.oldest.stage}"
        table.add_row(f"{route.source} → {route.destination}", *numbers, oldest)
    return table
