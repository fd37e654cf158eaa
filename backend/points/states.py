"""States that follow from operations. They are derived when somebody asks, so no copy can be out of step."""

from __future__ import annotations

from backend.chain.models import Operation
from backend.points.models import Accrual, Redemption
from backend.points.schemas import AccrualState, RedemptionState


def accrual_state(accrual: Accrual, operation_state: str | None) -> AccrualState:
    """Where an accrual is; `operation_state` is that of its batch."""
    if accrual.batch_id is not None:
        if operation_state == "final":
            return "final"
        return "credited" if operation_state == "mined" else "batched"
    if accrual.points == 0:
        return "none"
    if accrual.points == accrual.reversed_points:
        return "reversed"
    return "netted" if accrual.points == accrual.reversed_points + accrual.netted_points else "pending"


def has_happened(operation: Operation | None) -> bool:
    """Whether the chain has done it, finally or not yet."""
    return operation is not None and operation.state in ("mined", "final") and operation.error_code is None


def has_failed(operation: Operation | None) -> bool:
    """Whether the chain has refused for good."""
    return operation is not None and operation.state == "failed"


def redemption_state(
    redemption: Redemption, reserve: Operation | None, redeem: Operation | None, *, released_by_others: bool = False
) -> RedemptionState:
    """Where a redemption is, by its operations. A capture or release that failed leaves the hold as it was."""
    if redemption.reserve_operation_id is None:
        return "failed" if has_failed(redeem) else "redeemed" if has_happened(redeem) else "redeeming"
    if not has_happened(reserve):
        return "failed" if has_failed(reserve) else "reserving"
    if redeem is None or has_failed(redeem):
        return "released" if released_by_others else "reserved"
    if redeem.kind == "capture":
        return "redeemed" if has_happened(redeem) else "capturing"
    return "released" if has_happened(redeem) else "releasing"
