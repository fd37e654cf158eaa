"""Spending: redeem at once, or reserve, capture and release. The chain has the last word."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from backend.chain import outbox
from backend.chain.models import Operation, TokenEvent
from backend.chain.points_token import (
    encode_hold_managed,
    encode_hold_with_signature,
    encode_redeem_managed,
    encode_redeem_with_signature,
    hold_order,
    redeem_order,
)
from backend.database import new_id, utc_now
from backend.errors import InvalidRequestError, NotFoundError
from backend.hexes import address_text, hex_text, parse_hash
from backend.members.models import Enrolment
from backend.members.repository import find_enrolment, lock_enrolment
from backend.points.accounts import Holding, LotAmount, expires_at, holding_of
from backend.points.clock import chain_now, to_time
from backend.points.errors import (
    InsufficientPointsError,
    ReferenceReusedError,
    SignatureRequiredError,
)
from backend.points.models import Redemption, Refund
from backend.points.schemas import (
    DryRunRedemption,
    LotRead,
    OrderCreate,
    OrderRead,
    RedemptionCreate,
    RedemptionRead,
    SignedOrder,
    SpendCreate,
)
from backend.points.states import has_happened, redemption_state
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme


@dataclass(frozen=True, slots=True)
class Spender:
    """Who spends, where and what they have."""

    programme: Programme
    enrolment: Enrolment
    holding: Holding
    timestamp: int


@dataclass(frozen=True, slots=True)
class RedemptionView:
    """A redemption with everything that its state follows from."""

    redemption: Redemption
    reserve: Operation | None
    redeem: Operation | None
    member_id: str
    released_by_others: bool

    @property
    def state(self) -> str:
        """The state by the operations."""
        return redemption_state(self.redemption, self.reserve, self.redeem, released_by_others=self.released_by_others)

    @property
    def spent_points(self) -> int:
        """What was spent, or will be."""
        captured = self.redemption.captured_points
        return self.redemption.points if captured is None else captured


def find_spender(session: Session, programme_id: str, body: SpendCreate, *, lock: bool) -> Spender:
    """Who spends; locked against other spending when something is to be written."""
    programme = get_programme(session, programme_id)
    enrolment = find_enrolment(session, programme.id, member_id=body.member_id, reference=body.member_reference)
    if lock:
        enrolment = lock_enrolment(session, enrolment.id)
    timestamp = chain_now(session, programme.chain_id)
    holding = holding_of(session, programme, enrolment.id, enrolment.account, timestamp)
    return Spender(programme, enrolment, holding, timestamp)


def examine(session: Session, programme_id: str, body: RedemptionCreate) -> DryRunRedemption:
    """What a redemption would do, with nothing written."""
    spender = find_spender(session, programme_id, body, lock=False)
    available = spender.holding.available_points
    possible = body.points <= available
    return DryRunRedemption(
        possible=possible,
        available_points=available,
        lots=read_lots(spender.programme, spender.holding.lots_for(body.points)) if possible else [],
    )


def read_lots(programme: Programme, lots: list[LotAmount]) -> list[LotRead]:
    """Lots as they are shown."""
    return [
        LotRead(epoch=lot.epoch, points=lot.points, expires_at=to_time(expires_at(programme, lot.epoch)))
        for lot in lots
    ]


def prepare_order(session: Session, programme_id: str, body: OrderCreate) -> OrderRead:
    """What a wallet has to sign to spend; nothing is written."""
    spender = find_spender(session, programme_id, body, lock=False)
    programme, wallet = spender.programme, spender.enrolment.wallet
    if wallet is None:
        raise InvalidRequestError("The member has no wallet linked; nothing has to be signed.")
    ref, deadline = secrets.token_bytes(32), spender.timestamp + body.valid_seconds
    hold_deadline = None if body.hold is None else spender.timestamp + body.hold.expires_in_seconds
    if hold_deadline is None:
        typed = redeem_order(
            token=programme.token,
            name=programme.name,
            chain_id=programme.chain_id,
            account=wallet,
            points=body.points,
            ref=ref,
            deadline=deadline,
        )
    else:
        typed = hold_order(
            token=programme.token,
            name=programme.name,
            chain_id=programme.chain_id,
            account=wallet,
            points=body.points,
            ref=ref,
            hold_deadline=hold_deadline,
            deadline=deadline,
        )
    return OrderRead(
        ref=hex_text(ref),
        deadline=deadline,
        hold_deadline=hold_deadline,
        account=address_text(wallet),
        typed_data=typed,
    )


def create_redemption(
    session: Session, programme_id: str, body: RedemptionCreate, request_id: str
) -> tuple[Redemption, bool]:
    """Spends or reserves points; answers the redemption and whether it is new.

    Raises InsufficientPointsError, SignatureRequiredError, ReferenceReusedError and those of finding the member.
    """
    spender = find_spender(session, programme_id, body, lock=True)
    known = _find_by_reference(session, spender.programme.id, body.reference)
    if known is not None:
        _check_same(known, spender, body)
        return known, False
    order = _check_order(spender, body)
    if body.points > spender.holding.available_points:
        raise InsufficientPointsError(
            f"The member can spend {spender.holding.available_points} points now, not {body.points}.",
            available_points=spender.holding.available_points,
        )
    redemption = _insert(session, spender, body, order)
    operation = outbox.enqueue(
        session,
        kind="redeem" if body.hold is None else "hold",
        programme_id=spender.programme.id,
        chain_id=spender.programme.chain_id,
        signer=spender.programme.custodian,
        target=spender.programme.token,
        data=_calldata(spender, redemption, order),
        subject=redemption.id,
        request_id=request_id,
    )
    if body.hold is None:
        redemption.redeem_operation_id = operation.id
    else:
        redemption.reserve_operation_id = operation.id
    session.flush()
    return redemption, True


def _find_by_reference(session: Session, programme_id: str, reference: str) -> Redemption | None:
    query = select(Redemption).where(Redemption.programme_id == programme_id, Redemption.reference == reference)
    return session.scalar(query)


def _check_same(known: Redemption, spender: Spender, body: RedemptionCreate) -> None:
    same = (
        known.enrolment_id == spender.enrolment.id
        and known.points == body.points
        and (known.reserve_operation_id is not None) == (body.hold is not None)
    )
    if not same:
        raise ReferenceReusedError(
            f"The reference {body.reference} came with another redemption before.", redemption_id=known.id
        )


def _check_order(spender: Spender, body: RedemptionCreate) -> SignedOrder | None:
    if spender.enrolment.wallet is None:
        if body.order is not None:
            raise InvalidRequestError("The member has no wallet linked; leave out `order`.")
        return None
    if body.order is None:
        raise SignatureRequiredError(
            "The member's points are in their own wallet: get what it must sign from POST /v1/redemptions/orders."
        )
    if (body.order.hold_deadline is None) != (body.hold is None):
        raise InvalidRequestError(
            "The order is signed for the other mode: `hold` and `order.hold_deadline` go together."
        )
    if body.order.deadline < spender.timestamp:
        raise InvalidRequestError("The order's deadline is past; let the wallet sign a new one.")
    return body.order


def _insert(session: Session, spender: Spender, body: RedemptionCreate, order: SignedOrder | None) -> Redemption:
    deadline: datetime | None = None
    if body.hold is not None:
        ends = order.hold_deadline if order is not None else spender.timestamp + body.hold.expires_in_seconds
        assert ends is not None, "checked with the order"
        deadline = to_time(ends)
    statement = (
        insert(Redemption)
        .values(
            id=new_id("red"),
            programme_id=spender.programme.id,
            enrolment_id=spender.enrolment.id,
            reference=body.reference,
            ref=parse_hash(order.ref) if order is not None else secrets.token_bytes(32),
            account=spender.enrolment.account,
            points=body.points,
            hold_deadline=deadline,
            created_at=utc_now(),
        )
        .on_conflict_do_nothing()
        .returning(Redemption)
    )
    redemption = session.scalar(statement)
    if redemption is None:
        raise ReferenceReusedError(f"The reference {body.reference} came with another member's redemption before.")
    return redemption


def _calldata(spender: Spender, redemption: Redemption, order: SignedOrder | None) -> bytes:
    ref, points, key = redemption.ref, redemption.points, spender.enrolment.member_key
    hold_deadline = int(redemption.hold_deadline.timestamp()) if redemption.hold_deadline is not None else None
    if order is None:
        if hold_deadline is None:
            return encode_redeem_managed(key, points, ref)
        return encode_hold_managed(key, points, ref, hold_deadline)
    signature, account = bytes.fromhex(order.signature[2:]), redemption.account
    if hold_deadline is None:
        return encode_redeem_with_signature(account, points, ref, order.deadline, signature)
    return encode_hold_with_signature(account, points, ref, hold_deadline, order.deadline, signature)


def find_redemption(session: Session, redemption_id: str, *, lock: bool = False) -> RedemptionView:
    """A redemption with its operations; locked when something is to be written. Raises NotFoundError."""
    if lock:
        session.execute(select(Redemption.id).where(Redemption.id == redemption_id).with_for_update(key_share=True))
    views = list_redemptions(session, limit=1, redemption_id=redemption_id)
    if not views:
        raise NotFoundError(f"There is no redemption {redemption_id}.")
    return views[0]


def list_redemptions(
    session: Session,
    *,
    limit: int,
    redemption_id: str | None = None,
    programme_id: str | None = None,
    member_id: str | None = None,
    reference: str | None = None,
    before: str | None = None,
) -> list[RedemptionView]:
    """Redemptions, newest first."""
    reserve, redeem = aliased(Operation), aliased(Operation)
    released = select(TokenEvent.id).where(
        TokenEvent.token == Programme.token,
        TokenEvent.ref == Redemption.ref,
        TokenEvent.account == Redemption.account,
        TokenEvent.name == "HoldReleased",
    )
    query = (
        select(Redemption, reserve, redeem, Enrolment.member_id, released.exists())
        .join(Enrolment, Enrolment.id == Redemption.enrolment_id)
        .join(Programme, Programme.id == Redemption.programme_id)
        .outerjoin(reserve, reserve.id == Redemption.reserve_operation_id)
        .outerjoin(redeem, redeem.id == Redemption.redeem_operation_id)
        .order_by(Redemption.id.desc())
        .limit(limit)
    )
    for column, value in (
        (Redemption.id, redemption_id),
        (Redemption.programme_id, programme_id),
        (Enrolment.member_id, member_id),
        (Redemption.reference, reference),
    ):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(Redemption.id < before)
    rows = session.execute(query.execution_options(populate_existing=True))
    return [RedemptionView(*row) for row in rows]


def redeemed_lots(session: Session, programme: Programme, redemption: Redemption) -> list[LotAmount] | None:
    """The lots that the chain took, by its log; None as long as it has not."""
    query = select(TokenEvent.payload).where(
        TokenEvent.token == programme.token,
        TokenEvent.ref == redemption.ref,
        TokenEvent.account == redemption.account,
        TokenEvent.name == "PointsRedeemed",
    )
    payload = session.scalar(query)
    if payload is None:
        return None
    lots = payload["lots"]
    assert isinstance(lots, list)
    return [LotAmount(int(epoch), int(points)) for epoch, points in lots]


def refunded_points(session: Session, redemption_id: str) -> int:
    """Points of refunds that have not failed."""
    query = (
        select(func.coalesce(func.sum(Refund.points), 0))
        .join(Operation, Operation.id == Refund.operation_id)
        .where(Refund.redemption_id == redemption_id, Operation.state != "failed")
    )
    return int(session.execute(query).scalar_one())


def read_redemption(session: Session, view: RedemptionView) -> RedemptionRead:
    """A redemption as it is shown."""
    redemption = view.redemption
    programme = get_programme(session, redemption.programme_id)
    lots = redeemed_lots(session, programme, redemption) if has_happened(view.redeem) else None
    operation_id = redemption.redeem_operation_id or redemption.reserve_operation_id
    assert operation_id is not None, "every redemption starts with an operation"
    return RedemptionRead(
        id=redemption.id,
        programme_id=redemption.programme_id,
        member_id=view.member_id,
        reference=redemption.reference,
        points=redemption.points,
        captured_points=redemption.captured_points,
        refunded_points=refunded_points(session, redemption.id),
        state=redemption_state(redemption, view.reserve, view.redeem, released_by_others=view.released_by_others),
        account=address_text(redemption.account),
        ref=hex_text(redemption.ref),
        hold_deadline=redemption.hold_deadline,
        lots=read_lots(programme, lots) if lots is not None else None,
        operation_id=operation_id,
        created_at=redemption.created_at,
    )
