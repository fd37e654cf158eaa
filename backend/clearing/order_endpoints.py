"""Endpoints of the clearing that write. Each answers 202 with what the chain was asked to do."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from backend.auth.policies import Policy, allow
from backend.auth.routing import Writing, WritingDep, protected_router
from backend.auth.scopes import Scope
from backend.chain.models import Operation
from backend.clearing.deployment import house_of
from backend.clearing.disputes import create_dispute, find_dispute, read_dispute
from backend.clearing.orders import Order, Treasury
from backend.clearing.reading import read_clearing
from backend.clearing.schemas import (
    CreditLineSet,
    CycleNumber,
    DepositCreate,
    DisputeCreate,
    DisputeRead,
    DistributionCreate,
    EnforcementCreate,
    EnforcementRead,
    JoinCreate,
    OrderRead,
    PaymentCreate,
    WithdrawalCreate,
)
from backend.clearing.under_way import UnderWay, lock_treasurer, under_way
from backend.points.operations import read_operation
from backend.points.waiting import answer_when_settled
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme

router = protected_router("/clearing", "clearing")
_POLICY = Policy(scope=Scope.CLEARING_WRITE)
_ACCEPTED: dict[int | str, dict[str, Any]] = {200: {"description": "The chain has decided (`Prefer: wait`)"}}


def _order_read(session: Session, order: Order) -> OrderRead:
    operation = session.get_one(Operation, order.operation.id)
    approval = session.get_one(Operation, order.approval.id) if order.approval is not None else None
    return OrderRead(
        operation=read_operation(operation), approval=read_operation(approval) if approval is not None else None
    )


def _answer(writing: Writing, order: Order) -> OrderRead:
    answer_when_settled(writing.request, order.operation.id, lambda fresh: _order_read(fresh, order), writing.response)
    return _order_read(writing.session, order)


def _acting(writing: Writing, asked: str | None) -> Programme:
    """The programme in whose name is asked, locked: its orders are judged one after the other.

    So are those of all programmes with its treasurer, as they share the money and the allowance.
    """
    session = writing.session
    programme = get_programme(session, writing.caller.programme(asked))
    # Not its key: rows that refer to the programme can be written while this waits for the treasurer or the node.
    session.refresh(programme, with_for_update={"key_share": True})
    lock_treasurer(session, house_of(writing.context.settings), programme.treasurer)
    return programme


def _treasury(writing: Writing, acting: Programme | None = None) -> Treasury:
    """Judges by the house as it is now, and by what `acting` has under way.

    The latter is read first: an order that the indexer finds between the two readings then counts twice, not never.
    """
    session, settings = writing.session, writing.context.settings
    waiting = under_way(session, house_of(settings), acting) if acting is not None else UnderWay()
    return Treasury(session, writing.context.chain, read_clearing(session, settings), waiting, writing.request_id)


@router.post("/joins", status_code=202, responses=_ACCEPTED)
@allow(_POLICY)
def create_join(body: JoinCreate, writing: WritingDep) -> OrderRead:
    """Takes part in the clearing. Once, for ever."""
    programme = _acting(writing, body.programme_id)
    return _answer(writing, _treasury(writing).join(programme))


@router.post("/deposits", status_code=202, responses=_ACCEPTED)
@allow(_POLICY)
def create_deposit(body: DepositCreate, writing: WritingDep) -> OrderRead:
    """Posts collateral with the money of the programme's treasurer."""
    programme = _acting(writing, body.programme_id)
    return _answer(writing, _treasury(writing).deposit(programme, body.amount))


@router.post("/withdrawals", status_code=202, responses=_ACCEPTED)
@allow(_POLICY)
def create_withdrawal(body: WithdrawalCreate, writing: WritingDep) -> OrderRead:
    """Takes out collateral that covers nothing, to the account of the programme's treasurer."""
    programme = _acting(writing, body.programme_id)
    return _answer(writing, _treasury(writing, programme).withdraw(programme, body.amount))


@router.post("/payments", status_code=202, responses=_ACCEPTED)
@allow(_POLICY)
def create_payment(body: PaymentCreate, writing: WritingDep) -> OrderRead:
    """Pays what is due in the closed cycle, with money or from collateral."""
    programme = _acting(writing, body.programme_id)
    return _answer(writing, _treasury(writing, programme).pay(programme, body.amount, body.source))


@router.put("/credit-lines/{partner_id}", status_code=202, responses=_ACCEPTED)
@allow(_POLICY)
def set_credit_line(partner_id: str, body: CreditLineSet, writing: WritingDep) -> OrderRead:
    """Lets a partner owe up to `amount` without collateral. It is also the most that the partner's default can cost."""
    programme = _acting(writing, body.programme_id)
    partner = get_programme(writing.session, partner_id)
    return _answer(writing, _treasury(writing).set_credit_line(programme, partner, body.amount))


@router.post("/cycles/{cycle}/disputes", status_code=202, responses=_ACCEPTED)
@allow(_POLICY)
def create_cycle_dispute(cycle: CycleNumber, body: DisputeCreate, writing: WritingDep) -> DisputeRead:
    """Disputes a closed cycle: keeps the note, and logs its keccak256 on chain. The same reference again answers it."""
    programme = _acting(writing, body.programme_id)
    reader = read_clearing(writing.session, writing.context.settings)
    dispute, operation, is_new = create_dispute(
        writing.session, reader, programme, cycle, body, request_id=writing.request_id
    )
    answer_when_settled(
        writing.request,
        operation.id,
        lambda fresh: read_dispute(reader, find_dispute(fresh, dispute.id)),
        writing.response,
    )
    if not is_new:
        writing.response.status_code = 200
    return read_dispute(reader, find_dispute(writing.session, dispute.id))


@router.post("/enforcements", status_code=202, responses=_ACCEPTED)
@allow(Policy())
def create_enforcement(body: EnforcementCreate, writing: WritingDep) -> EnforcementRead:
    """After the payment deadline: has a debtor's collateral pay, or declares its default. The operator decides."""
    debtor = get_programme(writing.session, body.programme_id)
    treasury = _treasury(writing)
    order, outcome = treasury.enforce(debtor)

    def render(fresh: Session) -> EnforcementRead:
        return EnforcementRead(**_order_read(fresh, order).model_dump(), outcome=outcome)

    answer_when_settled(writing.request, order.operation.id, render, writing.response)
    return render(writing.session)


@router.post("/distributions", status_code=202, responses=_ACCEPTED)
@allow(_POLICY)
def create_distribution(body: DistributionCreate, writing: WritingDep) -> OrderRead:
    """Pays claims on a programme in default from its collateral. For that programme and those with claims on it."""
    debtor = get_programme(writing.session, body.programme_id)
    asking_id = writing.caller.programme_id
    asking = get_programme(writing.session, asking_id) if asking_id is not None else None
    return _answer(writing, _treasury(writing).distribute(debtor, asking))
