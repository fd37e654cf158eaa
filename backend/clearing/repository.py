"""Reads the house from the projection: its rare logs one by one, debts as the sums that the indexer keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final, cast

from sqlalchemy import Row, exists, or_, select, text
from sqlalchemy.orm import Session, aliased

from backend.chain.clearing_events import CLEARING_PARAMETERS, DebtReserved, ReservationEnded
from backend.chain.event_types import ChainEvent
from backend.chain.house import HouseReplay
from backend.chain.house_books import Pair
from backend.chain.house_faults import ignore_fault
from backend.chain.models import HOUSE_LOGS, Block, Cursor, DebtEntry, DebtTotal, TokenEvent
from backend.clearing.cycles import Cycle, CycleRecorder, DebtSum
from backend.clearing.deployment import House
from backend.clearing.errors import CycleNotFoundError
from backend.errors import UnavailableError

_KINDS: Final = {kind.__name__: kind for kind in CLEARING_PARAMETERS}
_PLACE_FIELDS: Final = len(fields(ChainEvent))


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
    """The house now. Its cost follows the number of cycles, not that of swaps. Raises UnavailableError."""
    head = _head(session, house.chain_id)
    started_at = session.scalar(
        select(Block.timestamp).where(Block.chain_id == house.chain_id, Block.number == house.block)
    )
    state = HouseReplay(house.cycle_seconds, house.payment_seconds, started_at, ignore_fault)
    recorder = CycleRecorder(state, _sums(session, house.chain_id))
    for event, timestamp in _rare_logs(session, house):
        recorder.apply(event, timestamp)
    for event, timestamp in _open_reservations(session, house):
        recorder.apply(event, timestamp)
    recorder.finish()
    return Clearing(house, state, recorder.cycles, *head)


def _head(session: Session, chain_id: int) -> tuple[int, int, int]:
    query = select(Block.number, Block.timestamp, Cursor.finalized_block).where(Block.chain_id == chain_id)
    query = query.join(Cursor, Cursor.chain_id == Block.chain_id)
    row = session.execute(query.order_by(Block.number.desc()).limit(1)).one_or_none()
    if row is None:
        raise UnavailableError("No block has been indexed yet, so positions are not known. Try again soon.")
    return row.number, row.timestamp, row.finalized_block


def _sums(session: Session, chain_id: int) -> dict[int, dict[Pair, DebtSum]]:
    sums: dict[int, dict[Pair, DebtSum]] = {}
    for row in session.scalars(select(DebtTotal).where(DebtTotal.chain_id == chain_id, DebtTotal.swaps > 0)):
        sums.setdefault(row.cycle, {})[row.debtor, row.creditor] = DebtSum(int(row.amount), row.swaps)
    return sums


def _rare_logs(session: Session, house: House) -> Iterator[tuple[ChainEvent, int]]:
    """The logs that do not come with every swap, in order, with their blocks' times.

    A reservation that was paid comes with the log that made it, of which the state knows nothing otherwise.
    """
    query = (
        select(TokenEvent, Block.timestamp)
        .join(Block, (Block.chain_id == TokenEvent.chain_id) & (Block.number == TokenEvent.block_number))
        .where(TokenEvent.token == house.address, text(f"({HOUSE_LOGS})"))
        .order_by(TokenEvent.block_number, TokenEvent.log_index)
    )
    for row, timestamp in session.execute(query):
        event = event_of(row)
        if isinstance(event, ReservationEnded):
            reserved = session.scalars(
                select(TokenEvent).where(
                    TokenEvent.token == house.address,
                    TokenEvent.ref == event.swap_id,
                    text("name = 'DebtReserved'"),
                    TokenEvent.block_number <= event.block_number,
                )
            )
            yield from ((event_of(each), timestamp) for each in reserved)
        yield event, timestamp


def _open_reservations(session: Session, house: House) -> Iterator[tuple[ChainEvent, int]]:
    ended = aliased(TokenEvent)
    over = exists().where(
        ended.token == house.address, ended.ref == TokenEvent.ref, ended.name == ReservationEnded.__name__
    )
    query = (
        select(TokenEvent, Block.timestamp)
        .join(Block, (Block.chain_id == TokenEvent.chain_id) & (Block.number == TokenEvent.block_number))
        .where(TokenEvent.token == house.address, text("token_events.name = 'DebtReserved'"), ~over)
        .order_by(TokenEvent.block_number, TokenEvent.log_index)
    )
    for row, timestamp in session.execute(query):
        event = event_of(row)
        assert isinstance(event, DebtReserved)
        yield event, timestamp


def event_of(row: TokenEvent) -> ChainEvent:
    """The event that a row of the projection stands for."""
    kind = _KINDS[row.name]
    values: list[bytes | int] = []
    for field in fields(kind)[_PLACE_FIELDS:]:
        value = row.payload[field.name]
        values.append(bytes.fromhex(value[2:]) if isinstance(value, str) else cast("int", value))
    return kind(row.token, row.block_number, row.transaction_hash, row.log_index, *values)


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
