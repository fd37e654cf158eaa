"""What an account can spend: live lots of the projection, less what is already on its way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from backend.chain.models import LotBalance, Operation
from backend.exchange.models import Swap
from backend.points.models import Redemption
from backend.programmes.models import Programme

UNSETTLED = ("pending", "sent")
"""States of an operation whose effect is not in the projection yet."""


@dataclass(frozen=True, slots=True)
class LotAmount:
    """Points of one epoch."""

    epoch: int
    points: int


@dataclass(frozen=True, slots=True)
class Holding:
    """An account at a moment: its live lots, earliest first, and how many points are on their way out."""

    lots: tuple[LotAmount, ...]
    leaving_points: int

    @property
    def total_points(self) -> int:
        """All live points."""
        return sum(lot.points for lot in self.lots)

    @property
    def available_points(self) -> int:
        """What can still be spent."""
        return max(0, self.total_points - self.leaving_points)

    def lots_for(self, points: int) -> list[LotAmount]:
        """The lots that spending `points` would take, after those on their way out."""
        _, left = take_earliest(self.lots, min(self.leaving_points, self.total_points))
        return take_earliest(left, points)[0]


def take_earliest(lots: Iterable[LotAmount], points: int) -> tuple[list[LotAmount], list[LotAmount]]:
    """(taken, left) when `points` are taken from the earliest-expiring lots first."""
    taken, left = [], []
    for lot in lots:
        part = min(lot.points, points)
        points -= part
        if part:
            taken.append(LotAmount(lot.epoch, part))
        if lot.points > part:
            left.append(LotAmount(lot.epoch, lot.points - part))
    return taken, left


def current_epoch(programme: Programme, timestamp: int) -> int:
    """The epoch of a chain time."""
    return timestamp // programme.epoch_length_seconds


def expires_at(programme: Programme, epoch: int) -> int:
    """Unix seconds from which a lot is worth nothing."""
    return (epoch + programme.validity_epochs + 1) * programme.epoch_length_seconds


def live_lots(session: Session, programme: Programme, account: bytes, timestamp: int) -> list[LotAmount]:
    """Lots that are worth something at `timestamp`, earliest first."""
    oldest = current_epoch(programme, timestamp) - programme.validity_epochs
    query = (
        select(LotBalance.epoch, LotBalance.points)
        .where(LotBalance.token == programme.token, LotBalance.account == account)
        .where(LotBalance.epoch >= oldest, LotBalance.points > 0)
        .order_by(LotBalance.epoch)
    )
    return [LotAmount(epoch, points) for epoch, points in session.execute(query)]


def leaving_points(session: Session, enrolment_id: str, account: bytes) -> int:
    """Points of redemptions, holds and swaps that the projection does not show yet."""
    reserve, redeem = aliased(Operation), aliased(Operation)
    unsettled = or_(
        reserve.state.in_(UNSETTLED), and_(Redemption.reserve_operation_id.is_(None), redeem.state.in_(UNSETTLED))
    )
    query = (
        select(func.coalesce(func.sum(Redemption.points), 0))
        .outerjoin(reserve, reserve.id == Redemption.reserve_operation_id)
        .outerjoin(redeem, redeem.id == Redemption.redeem_operation_id)
        .where(Redemption.enrolment_id == enrolment_id, Redemption.account == account, unsettled)
    )
    return int(session.execute(query).scalar_one()) + _swapped_points(session, enrolment_id, account)


def _swapped_points(session: Session, enrolment_id: str, account: bytes) -> int:
    query = (
        select(func.coalesce(func.sum(Swap.expected_points_in), 0))
        .join(Operation, Operation.id == Swap.operation_id)
        .where(Swap.enrolment_id == enrolment_id, Swap.account == account, Operation.state.in_(UNSETTLED))
    )
    return int(session.execute(query).scalar_one())


def holding_of(session: Session, programme: Programme, enrolment_id: str, account: bytes, timestamp: int) -> Holding:
    """What the account can spend at `timestamp`."""
    lots: Sequence[LotAmount] = live_lots(session, programme, account, timestamp)
    return Holding(tuple(lots), leaving_points(session, enrolment_id, account))
