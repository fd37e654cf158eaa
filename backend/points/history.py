"""History: every movement of a member's points on the chain, with where it stands there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from backend.chain.models import Block, LotEntry
from backend.exchange.models import Swap
from backend.hexes import address_text, hex_text
from backend.members.models import Enrolment
from backend.points.balances import accounts_of
from backend.points.clock import to_time
from backend.points.models import Batch, Redemption, ReturnedEvent
from backend.points.views import EntryLot, HistoryEntry
from backend.programmes.models import Programme


@dataclass(frozen=True, slots=True)
class Movement:
    """What one log did to a member's accounts."""

    token: bytes
    block_number: int
    log_index: int
    transaction_hash: bytes
    timestamp: int
    kind: str
    counterparty: bytes
    ref: bytes | None
    epochs: list[int]
    points: list[int]

    @property
    def lots(self) -> list[EntryLot]:
        """Changes by epoch; what only moved between the member's own accounts stands there once for each."""
        return [EntryLot(epoch=epoch, points=points) for epoch, points in zip(self.epochs, self.points, strict=True)]


def list_movements(
    session: Session,
    enrolments: Sequence[tuple[Enrolment, Programme]],
    before: tuple[int, int] | None,
    limit: int,
) -> list[Movement]:
    """Movements, newest first; `before` is (block, log index) of the last one of the page before."""
    pairs = [(programme.token, account) for enrolment, programme in enrolments for account in accounts_of(enrolment)]
    if not pairs:
        return []
    query = (
        select(
            LotEntry.token,
            LotEntry.block_number,
            LotEntry.log_index,
            LotEntry.transaction_hash,
            Block.timestamp,
            func.min(LotEntry.kind),
            (func.array_agg(aggregate_order_by(LotEntry.counterparty, LotEntry.points)))[1],
            (func.array_agg(LotEntry.ref))[1],
            func.array_agg(aggregate_order_by(LotEntry.epoch, LotEntry.epoch, LotEntry.points)),
            func.array_agg(aggregate_order_by(LotEntry.points, LotEntry.epoch, LotEntry.points)),
        )
        .join(Block, (Block.chain_id == LotEntry.chain_id) & (Block.number == LotEntry.block_number))
        .where(tuple_(LotEntry.token, LotEntry.account).in_(pairs))
        .group_by(LotEntry.token, LotEntry.block_number, LotEntry.log_index, LotEntry.transaction_hash, Block.timestamp)
        .order_by(LotEntry.block_number.desc(), LotEntry.log_index.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(LotEntry.block_number, LotEntry.log_index) < before)
    return [Movement(*row) for row in session.execute(query)]


def subjects_of(session: Session, movements: Sequence[Movement]) -> dict[bytes, str]:
    """Ids of what the movements' refs stand for."""
    refs = {movement.ref for movement in movements if movement.ref is not None}
    if not refs:
        return {}
    found: dict[bytes, str] = {}
    for ref_column, id_column in (
        (Redemption.ref, Redemption.id),
        (ReturnedEvent.ref, ReturnedEvent.id),
        (Batch.root, Batch.id),
        (Swap.swap_hash, Swap.id),
    ):
        found.update(session.execute(select(ref_column, id_column).where(ref_column.in_(refs))).all())
    return found


def read_movement(movement: Movement, programme_ids: dict[bytes, str], subjects: dict[bytes, str]) -> HistoryEntry:
    """A movement as it is shown."""
    return HistoryEntry(
        programme_id=programme_ids[movement.token],
        kind=movement.kind,
        points=sum(movement.points),
        lots=movement.lots,
        counterparty=address_text(movement.counterparty),
        ref=hex_text(movement.ref) if movement.ref is not None else None,
        subject=subjects.get(movement.ref) if movement.ref is not None else None,
        transaction_hash=hex_text(movement.transaction_hash),
        block_number=movement.block_number,
        block_time=to_time(movement.timestamp),
        log_index=movement.log_index,
    )
