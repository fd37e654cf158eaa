"""Disputes: notes on closed cycles. The notes stay here, their hashes are on the chain."""

from __future__ import annotations

from collections.abc import Sequence

from eth_utils.crypto import keccak
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.chain import outbox
from backend.chain.clearing_house import encode_dispute
from backend.chain.models import Operation
from backend.clearing.cycles import Cycle, DisputeLog
from backend.clearing.errors import CycleStillOpenError, DisputeReferenceReusedError
from backend.clearing.models import Dispute
from backend.clearing.reading import ClearingReader
from backend.clearing.schemas import DisputeCreate, DisputeRead
from backend.clearing.statements import rfc3339
from backend.database import new_id, utc_now
from backend.hexes import hex_text
from backend.points.clock import to_time
from backend.programmes.models import Programme

_MOST_NOTES = 1000
"""Of a cycle. There are at most 32 programmes."""
DisputeRow = Row[Dispute, Operation]


def create_dispute(
    session: Session, reader: ClearingReader, programme: Programme, number: int, body: DisputeCreate, *, request_id: str
) -> tuple[Dispute, Operation, bool]:
    """Keeps a note and asks for its hash to be logged; answers the dispute, its operation and whether it is new.

    Raises NotJoinedError, CycleNotFoundError, CycleStillOpenError, DisputeReferenceReusedError.
    """
    on_chain = reader.joined(programme)
    cycle = reader.clearing.cycle(number)
    if cycle.closed_at is None:
        closes_at = reader.house().closes_at
        raise CycleStillOpenError(
            f"Cycle {number} is open; it can be disputed once it is closed.", closes_at=rfc3339(closes_at)
        )
    note_hash = keccak(text=body.note)
    known = session.scalar(
        select(Dispute).where(Dispute.programme_id == programme.id, Dispute.reference == body.reference)
    )
    if known is not None:
        if (known.cycle, known.note_hash) != (number, note_hash):
            raise DisputeReferenceReusedError(
                f"The reference {body.reference} came with another dispute before.", dispute_id=known.id
            )
        return known, session.get_one(Operation, known.operation_id), False
    dispute_id = new_id("dsp")
    house = reader.clearing.house
    operation = outbox.enqueue(
        session,
        kind="dispute",
        programme_id=programme.id,
        chain_id=house.chain_id,
        signer=programme.treasurer,
        target=house.address,
        data=encode_dispute(number, on_chain, note_hash),
        subject=dispute_id,
        request_id=request_id,
    )
    dispute = Dispute(
        id=dispute_id,
        programme_id=programme.id,
        cycle=number,
        reference=body.reference,
        note=body.note,
        note_hash=note_hash,
        operation_id=operation.id,
        created_at=utc_now(),
    )
    session.add(dispute)
    session.flush()
    return dispute, operation, True


def read_disputes(session: Session, reader: ClearingReader, caller: Caller, cycle: Cycle) -> list[DisputeRead]:
    """Disputes of a cycle: ours with their notes, and those that the chain alone knows.

    Notes are for the cycle's parties: programmes that owed or were owed in it, and those that see everything.
    """
    rows = _notes(session, cycle.number)
    may_read = caller.sees_everything or _is_party(reader, caller, cycle)
    shown = [
        read_dispute(reader, row, with_note=may_read)
        for row in rows
        if may_read or row[0].programme_id == caller.programme_id
    ]
    ours = {row[0].note_hash for row in rows}
    if may_read:
        shown += [_from_chain(reader, cycle, each) for each in cycle.disputes if each.note_hash not in ours]
    return shown


def read_dispute(reader: ClearingReader, row: DisputeRow, *, with_note: bool = True) -> DisputeRead:
    """A dispute that was given here."""
    dispute, operation = row
    programme = next((each for each in reader.programmes.values() if each.id == dispute.programme_id), None)
    return DisputeRead(
        id=dispute.id,
        programme_id=dispute.programme_id,
        slug=programme.slug if programme is not None else "",
        cycle=dispute.cycle,
        reference=dispute.reference,
        note=dispute.note if with_note else None,
        note_hash=hex_text(dispute.note_hash),
        state=operation.state,
        operation_id=operation.id,
        transaction_hash=hex_text(operation.transaction_hash) if operation.transaction_hash else None,
        created_at=dispute.created_at,
    )


def find_dispute(session: Session, dispute_id: str) -> DisputeRow:
    """A dispute with its operation, anew."""
    query = select(Dispute, Operation).join(Operation, Operation.id == Dispute.operation_id)
    return session.execute(query.where(Dispute.id == dispute_id)).one()


def _notes(session: Session, cycle: int) -> Sequence[DisputeRow]:
    query = select(Dispute, Operation).join(Operation, Operation.id == Dispute.operation_id)
    return session.execute(query.where(Dispute.cycle == cycle).order_by(Dispute.id).limit(_MOST_NOTES)).all()


def _is_party(reader: ClearingReader, caller: Caller, cycle: Cycle) -> bool:
    parties = {programme for pair in [*cycle.debts, *cycle.taken_out] for programme in pair}
    return any(each in parties and row.id == caller.programme_id for each, row in reader.programmes.items())


def _from_chain(reader: ClearingReader, cycle: Cycle, dispute: DisputeLog) -> DisputeRead:
    return DisputeRead(
        **reader.party(dispute.programme).model_dump(),
        id=None,
        cycle=cycle.number,
        reference=None,
        note=None,
        note_hash=hex_text(dispute.note_hash),
        state="final" if dispute.block_number <= reader.clearing.finalized_block else "mined",
        operation_id=None,
        transaction_hash=hex_text(dispute.transaction_hash),
        created_at=to_time(dispute.timestamp),
    )
