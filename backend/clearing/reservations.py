"""What is set aside for swaps that wait, and what a process remembers of a house between two questions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Final, NamedTuple, cast

from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session, aliased

from backend.chain.clearing_events import CLEARING_PARAMETERS, DebtReserved, ReservationEnded
from backend.chain.event_types import ChainEvent
from backend.chain.models import Block, TokenEvent
from backend.clearing.cycles import Snapshot
from backend.clearing.deployment import House

EVENT_COLUMNS: Final = (
    TokenEvent.token,
    TokenEvent.block_number,
    TokenEvent.transaction_hash,
    TokenEvent.log_index,
    TokenEvent.name,
    TokenEvent.payload,
)
_KINDS: Final = {kind.__name__: kind for kind in CLEARING_PARAMETERS}
_FIELDS: Final = {kind: [field.name for field in fields(kind)[len(fields(ChainEvent)) :]] for kind in _KINDS.values()}
_MOST_REMEMBERED: Final = 16

Reserved = dict[bytes, DebtReserved]
"""By swap."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A house as of blocks that are final; used only while the projection still has those blocks."""

    block_number: int
    block_hash: bytes
    snapshot: Snapshot | None
    reserved: Reserved
    """What was set aside at that block."""


_memories: dict[tuple[str, bytes], Memory] = {}


def recall(session: Session, house: House) -> Memory | None:
    """What this process remembers of the house, if the projection still has the block it is from."""
    memory = _memories.get(_key(session, house))
    if memory is None or _hash_of(session, house, memory.block_number) != memory.block_hash:
        return None
    return memory


def remember(
    session: Session, house: House, finalized_block: int, snapshot: Snapshot | None, reserved: Reserved
) -> None:
    """Keeps what is final for the next question."""
    block_hash = _hash_of(session, house, finalized_block)
    if block_hash is None:
        return
    if len(_memories) >= _MOST_REMEMBERED:
        _memories.clear()
    _memories[_key(session, house)] = Memory(finalized_block, block_hash, snapshot, reserved)


def _key(session: Session, house: House) -> tuple[str, bytes]:
    return str(session.connection().engine.url), house.address


def _hash_of(session: Session, house: House, number: int) -> bytes | None:
    return session.scalar(select(Block.hash).where(Block.chain_id == house.chain_id, Block.number == number))


def read_reservations(
    session: Session, house: House, memory: Memory | None, finalized_block: int
) -> tuple[Reserved, Sequence[DebtReserved]]:
    """What was set aside at the final block, and what is now."""
    if memory is not None:
        reserved = dict(memory.reserved)
        later = _logs_after(session, house, memory.block_number)
    else:
        reserved = {event.swap_id: event for event in _scan(session, house, finalized_block)}
        later = _logs_after(session, house, finalized_block)
    later_final = [event for event in later if event.block_number <= finalized_block]
    final = _moved(reserved, later_final)
    now = _moved(final, later[len(later_final) :])
    return final, list(now.values())


def _moved(reserved: Reserved, events: Iterable[ChainEvent]) -> Reserved:
    reserved = dict(reserved)
    for event in events:
        if isinstance(event, DebtReserved):
            reserved[event.swap_id] = event
        elif isinstance(event, ReservationEnded):
            reserved.pop(event.swap_id, None)
    return reserved


def _logs_after(session: Session, house: House, block_number: int) -> list[ChainEvent]:
    query = (
        select(*EVENT_COLUMNS)
        .where(
            TokenEvent.chain_id == house.chain_id,
            TokenEvent.block_number > block_number,
            TokenEvent.token == house.address,
            TokenEvent.name.in_((DebtReserved.__name__, ReservationEnded.__name__)),
        )
        .order_by(TokenEvent.block_number, TokenEvent.log_index)
    )
    return [event_of(EventRow(*row)) for row in session.execute(query)]


def _scan(session: Session, house: House, until_block: int) -> list[DebtReserved]:
    """What was set aside at a block, from all logs before: once a process."""
    ended = aliased(TokenEvent)
    over = exists().where(
        ended.token == house.address,
        ended.ref == TokenEvent.ref,
        ended.name == ReservationEnded.__name__,
        ended.block_number <= until_block,
    )
    query = select(*EVENT_COLUMNS).where(
        TokenEvent.token == house.address,
        text("token_events.name = 'DebtReserved'"),
        TokenEvent.block_number <= until_block,
        ~over,
    )
    return [cast("DebtReserved", event_of(EventRow(*row))) for row in session.execute(query)]


def find_reserved(session: Session, house: House, ended: ReservationEnded) -> list[ChainEvent]:
    """The log that made a reservation."""
    query = select(*EVENT_COLUMNS).where(
        TokenEvent.token == house.address, TokenEvent.ref == ended.swap_id, text("name = 'DebtReserved'")
    )
    return [event_of(EventRow(*row)) for row in session.execute(query)]


class EventRow(NamedTuple):
    """`EVENT_COLUMNS` of one row."""

    token: bytes
    block_number: int
    transaction_hash: bytes
    log_index: int
    name: str
    payload: dict[str, object]


def event_of(row: EventRow) -> ChainEvent:
    """The event that a row of the projection stands for."""
    kind = _KINDS[row.name]
    values: list[bytes | int] = []
    for field in _FIELDS[kind]:
        value = row.payload[field]
        values.append(bytes.fromhex(value[2:]) if isinstance(value, str) else cast("int", value))
    return kind(row.token, row.block_number, row.transaction_hash, row.log_index, *values)
