"""The receipt of an event: its leaf and proof in the tree of the batch that credited it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.chain.models import Operation
from backend.hexes import address_text, hex_text
from backend.points.errors import StateConflictError
from backend.points.identifiers import event_id
from backend.points.models import Accrual, Batch, EarnEvent
from backend.points.receipts import Receipt, ReceiptTree, event_hash, leaf_hash
from backend.points.schemas import ReceiptRead
from backend.programmes.models import Programme


def read_receipt(session: Session, number: int) -> ReceiptRead:
    """The receipt of an event. Raises StateConflictError while it is in no batch."""
    query = (
        select(Accrual, Batch, Operation, Programme)
        .join(Batch, Batch.id == Accrual.batch_id)
        .join(Operation, Operation.id == Batch.operation_id)
        .join(Programme, Programme.id == Accrual.programme_id)
        .where(Accrual.event_id == number)
    )
    row = session.execute(query).one_or_none()
    if row is None or row[0].leaf_index is None:
        raise StateConflictError("The event is in no batch yet, or nothing of it was credited.", state="unbatched")
    accrual, batch, operation, programme = row
    receipts = _receipts(session, batch.id)
    tree = ReceiptTree(receipts)
    assert tree.root == batch.root, "the batch's receipts are frozen"
    receipt = receipts[accrual.leaf_index or 0]
    return ReceiptRead(
        event_id=event_id(number),
        chain_id=programme.chain_id,
        token=address_text(programme.token),
        account=address_text(receipt.account),
        points=receipt.points,
        reference=session.get_one(EarnEvent, number).reference,
        salt=hex_text(accrual.salt),
        event_hash=hex_text(receipt.event_hash),
        leaf=hex_text(leaf_hash(receipt)),
        proof=[hex_text(sibling) for sibling in tree.proof(accrual.leaf_index or 0)],
        root=hex_text(tree.root),
        batch_id=batch.id,
        operation_id=operation.id,
        transaction_hash=hex_text(operation.transaction_hash) if operation.transaction_hash else None,
        block_number=operation.block_number,
    )


def _receipts(session: Session, batch_id: str) -> list[Receipt]:
    """The batch's receipts in the order of their leaves."""
    query = (
        select(
            Accrual.account,
            Accrual.points - Accrual.reversed_points - Accrual.netted_points,
            Accrual.salt,
            EarnEvent.reference,
        )
        .join(EarnEvent, EarnEvent.id == Accrual.event_id)
        .where(Accrual.batch_id == batch_id)
        .order_by(Accrual.leaf_index)
    )
    return [
        Receipt(account or b"", points, event_hash(salt, reference))
        for account, points, salt, reference in session.execute(query)
    ]
