"""States that follow from operations. They are derived when somebody asks, so no copy can be out of step."""

from __future__ import annotations

from typing import Literal

from backend.points.models import Accrual
from backend.points.schemas import AccrualState

OperationState = Literal["pending", "sent", "mined", "final", "failed"]


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
