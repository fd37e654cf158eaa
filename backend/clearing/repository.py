"""Reads the house from the projection: its rare logs one by one, debts as the sums that the indexer keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Row, or_, select, text, tuple_
from sqlalchemy.orm import Session

from backend.chain.clearing_events import CycleClosed, ReservationEnded
from backend.chain.event_types import ChainEvent
from backend.chain.house import HouseReplay
from backend.chain.house_books import Pair
from backend.chain.house_faults import ignore_fault
from backend.chain.models import HOUSE_LOGS, Block, Cursor, DebtEntry, DebtTotal, TokenEvent
from backend.clearing.cycles import Cycle, CycleRecorder, DebtSum, Snapshot
from backend.clearing.deployment import House
from backend.clearing.errors import CycleNotFoundError
from backend.clearing.reservations import (
    EVENT_COLUMNS,
    EventRow,
    event_of,
    find_reserved,
    read_reservations,
    recall,
    remember,
)
from backend.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Clearing:
    """A house as it was at the newest indexed block."""

    house: House
    state: HouseReplay
    cycles: dict[int, Cycle]
    block_number: int
    timestamp: int
    """Chain time, Unix seconds."""
    finalized_block: int

    @property
    def settling(self) -> int | None:
        """Number of the cycle being settled."""
        return self.state.open_cycle - 1 if self.state.is_settling else None

    def cycle(self, number: int) -> Cycle:
        """A cycle. Raises CycleNotFoundError."""
        found = self.cycles.get(number)
        if found is None:
            raise CycleNotFoundError(f"There is no cycle {number} yet; cycle {self.state.open_cycle} is open.")
        return found


def load_clearing(session: Session, house: House) -> Clearing:
    """The house now. Raises UnavailableError.

    A process remembers it as of the last close that is final, and what was reserved at a final block, so that asking
    again costs neither by the number of swaps nor by that of cycles.
    """
    block_number, timestamp, finalized = _head(session, house.chain_id)
    known = recall(session, house)
    snapshot = known.snapshot if known is not None else None
    rows = _rare_logs(session, house, snapshot)
    closes = [
        (event.block_number, event.log_index)
        for event, _ in rows
        if isinstance(event, CycleClosed) and event.block_number <= finalized
    ]
    snapshot_at = closes[-1] if closes else None
    if snapshot is None:
        state = HouseReplay(house.cycle_seconds, house.payment_seconds, _started_at(session, house), ignore_fault)
        recorder = CycleRecorder(state, _sums(session, house.chain_id, 1), snapshot_at)
    else:
        sums = _sums(session, house.chain_id, snapshot.state.open_cycle)
        recorder = CycleRecorder.resume(snapshot, sums, snapshot_at)
    for event, time in rows:
        recorder.apply(event, time)
    final, unfinal = read_reservations(session, house, known, finalized)
    for reserved in unfinal:
        recorder.apply(reserved, timestamp)
    recorder.finish()
    remember(session, house, finalized, recorder.snapshot, final)
    return Clearing(house, recorder.state, recorder.cycles, block_number, timestamp, finalized)


def _started_at(session: Session, house: House) -> int | None:
    return session.scalar(select(Block.timestamp).where(Block.chain_id == house.chain_id, Block.number == house.block))


def _head(session: Session, chain_id: int) -> tuple[int, int, int]:
    query = select(Block.number, Block.timestamp, Cursor.finalized_block).where(Block.chain_id == chain_id)
    query = query.join(Cursor, Cursor.chain_id == Block.chain_id)
    row = session.execute(query.order_by(Block.number.desc()).limit(1)).one_or_none()
    if row is None:
        raise UnavailableError("No block has been indexed yet, so positions are not known. Try again soon.")
    return row.number, row.timestamp, row.finalized_block


def _sums(session: Session, chain_id: int, first_cycle: int) -> dict[int, dict[Pair, DebtSum]]:
    sums: dict[int, dict[Pair, DebtSum]] = {}
    query = select(DebtTotal.cycle, DebtTotal.debtor, DebtTotal.creditor, DebtTotal.amount, DebtTotal.swaps)
    for cycle, debtor, creditor, amount, swaps in session.execute(
        query.where(DebtTotal.chain_id == chain_id, DebtTotal.cycle >= first_cycle, DebtTotal.swaps > 0)
    ):
        sums.setdefault(cycle, {})[debtor, creditor] = DebtSum(int(amount), swaps)
    return sums


def _rare_logs(session: Session, house: House, snapshot: Snapshot | None) -> list[tuple[ChainEvent, int]]:
    """The logs that do not come with every swap, in order, with their blocks' times; those after a snapshot.

    A reservation that was paid comes with the log that made it, of which the state knows nothing otherwise.
    """
    query = (
        select(*EVENT_COLUMNS, Block.timestamp)
        .join(Block, (Block.chain_id == TokenEvent.chain_id) & (Block.number == TokenEvent.block_number))
        .where(TokenEvent.token == house.address, text(f"({HOUSE_LOGS})"))
        .order_by(TokenEvent.block_number, TokenEvent.log_index)
    )
    if snapshot is not None:
        query = query.where(tuple_(TokenEvent.block_number, TokenEvent.log_index) > snapshot.place)
    found: list[tuple[ChainEvent, int]] = []
    for row in session.execute(query):
        event, timestamp = event_of(EventRow(*row[:-1])), row.timestamp
        if isinstance(event, ReservationEnded):
            found += [(reserved, timestamp) for reserved in find_reserved(session, house, event)]
        found.append((event, timestamp))
    return found


def list_entries(
    session: Session, house: House, cycle: int, programme: bytes, *, after: int, limit: int
) -> Sequence[Row[DebtEntry, int]]:
    """Bookings of a cycle that a programme is part of, oldest first, with the times of their blocks."""
    query = (
        select(DebtEntry, Block.timestamp)
        .join(Block, (Block.chain_id == DebtEntry.chain_id) & (Block.number == DebtEntry.block_number))
        .where(
            DebtEntry.chain_id == house.chain_id,
            DebtEntry.cycle == cycle,
            DebtEntry.id > after,
            or_(DebtEntry.debtor == programme, DebtEntry.creditor == programme),
        )
        .order_by(DebtEntry.id)
        .limit(limit)
    )
    return session.execute(query).all()
