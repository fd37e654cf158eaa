"""What left one chain and came to another: every burn held against its mint, or its refusal and its refund.

Each chain's audit puts down what its logs say; when all have, they are compared. The facts are in a temporary file, so
that memory does not grow with the number of swaps.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from backend.audit.checks import CROSSING_CHECKS
from backend.audit.lanes import name
from backend.audit.pricing import carried, points_out_rounding_down, price_problems, settlement_rounding_up
from backend.audit.report import Check
from backend.chain.crosschain_exchange import decode_payload, encode_payload
from backend.chain.event_types import Lot
from backend.chain.exchange_types import CrosschainSwap, LaneTerms, MessageKind, Price, RefusalReason

_TABLES: Final = (
    "CREATE TABLE sent (swap BLOB PRIMARY KEY, chain INTEGER, destination INTEGER, payload BLOB, block INTEGER)",
    """CREATE TABLE arrived (swap BLOB PRIMARY KEY, chain INTEGER, lane BLOB, minted INTEGER, reason INTEGER,
    recipient BLOB, points_out INTEGER, debt TEXT, lots BLOB, terms INTEGER, time INTEGER, block INTEGER)""",
    "CREATE TABLE refunded (swap BLOB PRIMARY KEY, chain INTEGER, block INTEGER)",
    "CREATE TABLE queued (id BLOB PRIMARY KEY, chain INTEGER, destination INTEGER, nonce INTEGER)",
    "CREATE TABLE taken (id BLOB, chain INTEGER, source INTEGER, nonce INTEGER, block INTEGER)",
)


@dataclass(frozen=True, slots=True)
class Calendar:
    """How a programme's lots expire."""

    epoch_length_seconds: int
    validity_epochs: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a destination made of a swap. `terms` were in force there, None: none; `debt` is what was booked."""

    swap_id: bytes
    chain_id: int
    lane_id: bytes
    terms: LaneTerms | None
    calendar: Calendar | None
    """Of the destination's programme; None when the manifest does not have it."""
    timestamp_seconds: int
    block: int
    reason: RefusalReason | None = None
    """None: it was minted."""
    recipient: bytes = b""
    points_out: int = 0
    lots: tuple[Lot, ...] = ()
    debt: int | None = None
    """None where there is no clearing house."""


@dataclass(slots=True)
class CrossingFigures:
    """One lane between chains: swaps, and points out of them, by what became of them."""

    lane_id: str
    source: str
    source_chain: int
    destination: str
    destination_chain: int
    burnt: int = 0
    minted: int = 0
    refunded: int = 0
    returning: int = 0
    """Refused, and not given back yet."""
    under_way: int = 0
    burnt_points: int = 0
    minted_points: int = 0
    refunded_points: int = 0
    oldest_under_way_block: int | None = None


@dataclass(slots=True)
class CrossingReport:
    """What a comparison of all chains says."""

    checks: list[Check] = field(default_factory=lambda: [Check(*each) for each in CROSSING_CHECKS])
    lanes: list[CrossingFigures] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


class Crossings:
    """The facts of all chains, and the comparison."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._terms: list[tuple[LaneTerms | None, Calendar | None]] = []
        self._places: dict[tuple[LaneTerms | None, Calendar | None], int] = {}
        self._ends: dict[bytes, tuple[bytes, bytes]] = {}
        self._chains: set[int] = set()
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        for table in _TABLES:
            connection.execute(table)
        connection.execute("BEGIN")

    # ---- facts

    def add_chain(self, chain_id: int) -> None:
        """A chain that is audited."""
        self._chains.add(chain_id)

    def add_sent(
        self, chain_id: int, ends: tuple[bytes, bytes], destination: int, swap: CrosschainSwap, block: int
    ) -> None:
        """A swap left a chain, on the lane between the programmes `ends`."""
        self._ends[swap.lane_id] = ends
        row = (swap.swap_id, chain_id, destination, encode_payload(MessageKind.MINT, swap), block)
        self._connection.execute("INSERT OR IGNORE INTO sent VALUES (?, ?, ?, ?, ?)", row)

    def sent(self, swap_id: bytes) -> CrosschainSwap | None:
        """The swap that left under an id."""
        row: tuple[bytes] | None = self._connection.execute(
            "SELECT payload FROM sent WHERE swap = ?", (swap_id,)
        ).fetchone()
        return None if row is None else decode_payload(row[0])[1]

    def add_arrival(self, arrival: Arrival) -> bool:
        """A swap was minted or refused; False when it had arrived before."""
        key = (arrival.terms, arrival.calendar)
        if key not in self._places:
            self._places[key] = len(self._terms)
            self._terms.append(key)
        row = (
            arrival.swap_id,
            arrival.chain_id,
            arrival.lane_id,
            arrival.reason is None,
            arrival.reason,
            arrival.recipient,
            arrival.points_out,
            None if arrival.debt is None else str(arrival.debt),
            b"".join(number.to_bytes(8) for lot in arrival.lots for number in lot),
            self._places[key],
            arrival.timestamp_seconds,
            arrival.block,
        )
        return self._inserted("arrived", row)

    def add_refund(self, swap_id: bytes, chain_id: int, block: int) -> bool:
        """A swap was given back; False when it had been before."""
        return self._inserted("refunded", (swap_id, chain_id, block))

    def add_queued(self, message_id: bytes, chain_id: int, destination: int, nonce: int) -> None:
        """A gateway was given a message."""
        self._inserted("queued", (message_id, chain_id, destination, nonce))

    def add_taken(self, message_id: bytes, chain_id: int, source: int, nonce: int, block: int) -> None:
        """A gateway's recipient was given a message, for the first time."""
        self._connection.execute(
            "INSERT INTO taken VALUES (?, ?, ?, ?, ?)", (message_id, chain_id, source, nonce, block)
        )

    def _inserted(self, table: str, row: Sequence[object]) -> bool:
        places = ", ".join("?" * len(row))
        return self._connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", row).rowcount == 1  # noqa: S608

    # ---- the comparison

    def judge(self) -> CrossingReport:
        """Compares what all chains say."""
        report = CrossingReport()
        crossings, messages = report.checks
        lanes: dict[bytes, CrossingFigures] = {}
        self._judge_sent(lanes)
        self._judge_arrivals(crossings)
        self._judge_refunds(crossings)
        self._judge_messages(messages)
        report.lanes = list(lanes.values())
        for lane in report.lanes:
            crossings.examined += 1
            if lane.minted_points + lane.refunded_points > lane.burnt_points:
                crossings.fail(
                    f"{lane.source} to {lane.destination}",
                    f"{lane.minted_points} points minted and {lane.refunded_points} refunded of {lane.burnt_points}",
                )
        return report

    def _judge_sent(self, lanes: dict[bytes, CrossingFigures]) -> None:
        """The figures of each lane, from its burns."""
        query = (
            "SELECT sent.chain, sent.destination, sent.payload, sent.block, arrived.minted, refunded.swap"
            " FROM sent LEFT JOIN arrived USING (swap) LEFT JOIN refunded ON refunded.swap = sent.swap"
            " ORDER BY sent.rowid"
        )
        for chain, destination, payload, block, minted, refunded in self._connection.execute(query):
            swap = decode_payload(payload)[1]
            lane = lanes.get(swap.lane_id)
            if lane is None:
                ends = [name(each) for each in self._ends[swap.lane_id]]
                lane = CrossingFigures("0x" + swap.lane_id.hex(), ends[0], chain, ends[1], destination)
                lanes[swap.lane_id] = lane
            lane.burnt += 1
            lane.burnt_points += swap.points_out
            lane.minted += minted == 1
            lane.minted_points += swap.points_out if minted == 1 else 0
            lane.refunded += refunded is not None
            lane.refunded_points += swap.points_out if refunded is not None else 0
            lane.returning += minted == 0 and refunded is None
            if minted is None and refunded is None:
                lane.under_way += 1
                if lane.oldest_under_way_block is None:
                    lane.oldest_under_way_block = block

    def _judge_arrivals(self, check: Check) -> None:
        query = (
            "SELECT arrived.*, sent.chain, sent.destination, sent.payload"
            " FROM arrived LEFT JOIN sent USING (swap) ORDER BY arrived.rowid"
        )
        for row in self._connection.execute(query):
            arrival = self._arrival(row)
            source_chain, destination, payload = row[-3:]
            check.examined += 1
            subject = f"swap 0x{arrival.swap_id.hex()}"
            if payload is None:
                check.fail(subject, "arrived, and no audited chain burnt points for it", block=arrival.block)
                continue
            swap = decode_payload(payload)[1]
            if (destination, swap.lane_id) != (arrival.chain_id, arrival.lane_id):
                check.fail(subject, "arrived on another chain or lane than it was sent to", block=arrival.block)
            refunded = self._connection.execute("SELECT 1 FROM refunded WHERE swap = ?", (arrival.swap_id,)).fetchone()
            if arrival.reason is None and refunded is not None:
                check.fail(subject, f"minted, and given back on chain {source_chain}", block=arrival.block)
            problems = _refusal_problems(arrival, swap) if arrival.reason is not None else _mint_problems(arrival, swap)
            for problem in problems:
                check.fail(subject, problem, block=arrival.block)

    def _arrival(self, row: Sequence[int | bytes | str | None]) -> Arrival:
        """A row of `arrived`, as it was put down."""
        swap, chain, lane, minted, reason, recipient, points_out, debt, lots, place, time, block = row[:12]
        packed = _bytes(lots)
        numbers = [int.from_bytes(packed[at : at + 8]) for at in range(0, len(packed), 8)]
        terms, calendar = self._terms[_int(place)]
        return Arrival(
            swap_id=_bytes(swap),
            chain_id=_int(chain),
            lane_id=_bytes(lane),
            terms=terms,
            calendar=calendar,
            timestamp_seconds=_int(time),
            block=_int(block),
            reason=None if minted else RefusalReason(_int(reason)),
            recipient=_bytes(recipient),
            points_out=_int(points_out),
            lots=tuple(Lot(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)),
            debt=None if debt is None else _int(debt),
        )

    def _judge_refunds(self, check: Check) -> None:
        query = (
            "SELECT refunded.swap, refunded.block, sent.destination, arrived.minted FROM refunded"
            " LEFT JOIN sent USING (swap) LEFT JOIN arrived ON arrived.swap = refunded.swap"
        )
        for swap, block, destination, minted in self._connection.execute(query):
            check.examined += 1
            if minted is None and destination in self._chains:
                check.fail(f"swap 0x{swap.hex()}", "given back, and its destination never refused it", block=block)

    def _judge_messages(self, check: Check) -> None:
        query = (
            "SELECT taken.id, taken.chain, taken.source, taken.nonce, taken.block, queued.chain, queued.destination,"
            " queued.nonce FROM taken LEFT JOIN queued USING (id)"
        )
        for id_, chain, source, nonce, block, *queued in self._connection.execute(query):
            if source not in self._chains:
                continue
            check.examined += 1
            if queued != [source, chain, nonce]:
                check.fail(f"message 0x{id_.hex()}", f"chain {source} never sent it as its number {nonce}", block=block)
        doubled = "SELECT chain, source, nonce, MAX(block) FROM taken GROUP BY 1, 2, 3 HAVING COUNT(*) > 1"
        for _, source, nonce, block in self._connection.execute(doubled):
            check.fail(f"message {nonce} of chain {source}", "was taken more than once", block=block)


def _int(value: int | bytes | str | None) -> int:
    assert isinstance(value, int | str)
    return int(value)


def _bytes(value: int | bytes | str | None) -> bytes:
    assert isinstance(value, bytes)
    return value


def _mint_problems(arrival: Arrival, swap: CrosschainSwap) -> list[str]:
    """What of a mint does not follow from the burn and the terms at the destination."""
    problems = []
    if arrival.recipient != swap.to:
        problems.append("the points went to another account than was asked for")
    if arrival.points_out != swap.points_out:
        problems.append(f"{arrival.points_out} points were minted, {swap.points_out} were due")
    if arrival.timestamp_seconds > swap.deadline:
        problems.append(f"minted {arrival.timestamp_seconds - swap.deadline} s after its deadline")
    terms, calendar = arrival.terms, arrival.calendar
    if terms is None or calendar is None:
        return problems
    price = _price(terms, swap)
    due = price.settlement
    problems += [f"by the destination's terms {each}" for each in price_problems(terms, price, swap.bonus_bps)]
    if swap.bonus_bps > terms.max_bonus_bps:
        problems.append(f"a bonus of {swap.bonus_bps} hundredths of a percent, the lane allows {terms.max_bonus_bps}")
    if arrival.debt is not None and arrival.debt != due:
        problems.append(f"a debt of {arrival.debt} was booked, {due} is due")
    epoch = arrival.timestamp_seconds // calendar.epoch_length_seconds
    expected: Sequence[Lot] | None = (Lot(epoch, swap.points_out),)
    if terms.carry_expiry:
        source = Calendar(swap.epoch_length, swap.validity)
        expected = carried(swap.lots, swap.points_out, source, calendar, arrival.timestamp_seconds)
    if expected is None or tuple(expected) != arrival.lots:
        problems.append("the lots minted are not those that the burnt ones come to")
    return problems


def _refusal_problems(arrival: Arrival, swap: CrosschainSwap) -> list[str]:
    """What of a refusal's reason is not so."""
    terms = arrival.terms
    late = arrival.timestamp_seconds > swap.deadline
    match arrival.reason:
        case RefusalReason.DEADLINE_PAST:
            return (
                [] if late else [f"refused as late {swap.deadline - arrival.timestamp_seconds} s before its deadline"]
            )
        case RefusalReason.LANE_NOT_OPEN:
            return [] if terms is None else ["refused, although its lane was open"]
        case _:
            fits = (
                terms is not None
                and swap.points_in >= terms.minimum_in
                and swap.bonus_bps <= terms.max_bonus_bps
                and not price_problems(terms, _price(terms, swap), swap.bonus_bps)
            )
            return ["refused for its price, which is that of the terms in force"] if fits else []


def _price(terms: LaneTerms, swap: CrosschainSwap) -> Price:
    """The swap's points, and what terms make of the rest."""
    base_out = points_out_rounding_down(terms, swap.points_in, 0)
    return Price(swap.points_in, swap.points_out, base_out, settlement_rounding_up(terms, base_out))


@contextmanager
def open_crossings() -> Iterator[Crossings]:
    """An empty comparison, in a temporary folder that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="interpoints-crossings-") as folder:
        connection = sqlite3.connect(Path(folder) / "crossings.sqlite", isolation_level=None)
        try:
            yield Crossings(connection)
        finally:
            connection.close()
