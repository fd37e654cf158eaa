"""Ties what an exchange burnt and minted in tokens to the swaps that its own logs tell of.

A token's log says that the exchange took or gave points; the exchange's next log in the same transaction says for which
swap. Both must say the same, or the logs cannot be true. The other leg may be on another chain: it is not asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final

from backend.chain.event_types import ZERO_ADDRESS, ChainEvent, CrosschainBurn, CrosschainMint, Lot
from backend.chain.exchange_events import SwapBurnt, SwapMinted, SwapRefunded
from backend.chain.movements import (
    Fault,
    Movement,
    MovementKind,
    SumMismatchError,
    UnexplainedMovementError,
    raise_fault,
)

SwapLog = SwapBurnt | SwapMinted | SwapRefunded
_log_index: Final[Callable[[ChainEvent], int]] = attrgetter("log_index")


class SwapLogs:
    """The logs of one exchange that stand for movements of points, by transaction."""

    def __init__(self, exchange: bytes, events: Iterable[ChainEvent], on_fault: Fault = raise_fault) -> None:
        self._exchange = exchange
        self._on_fault = on_fault
        self._logs: dict[bytes, list[SwapLog]] = defaultdict(list)
        for event in events:
            if isinstance(event, SwapBurnt | SwapMinted | SwapRefunded):
                self._logs[event.transaction_hash].append(event)

    def explain(self, movement: Movement) -> None:
        """Gives the movement of a swap its kind and the swap's id as its ref; leaves all others as they are.

        Faults: `UnexplainedMovementError` for one of this exchange that no log of it follows, `SumMismatchError` when
        the log that follows says something else.
        """
        operation = movement.operation
        if not isinstance(operation, CrosschainBurn | CrosschainMint) or operation.caller != self._exchange:
            return
        logs = self._logs.get(operation.transaction_hash, [])
        at = bisect_right(logs, operation.log_index, key=_log_index)
        if at == len(logs):
            self._on_fault(UnexplainedMovementError(operation, "no log of the exchange follows"))
            return
        log = logs[at]
        if _account_and_lots(log) != (_account(movement), tuple(movement.lots)) or (
            isinstance(log, SwapBurnt) is not isinstance(operation, CrosschainBurn)
        ):
            self._on_fault(SumMismatchError(operation, f"{type(log).__name__} after it tells of another movement"))
            return
        movement.kind = MovementKind.SWAP_REFUND if isinstance(log, SwapRefunded) else MovementKind.SWAP
        movement.ref = log.swap_id


def _account(movement: Movement) -> bytes:
    transfer = movement.transfer
    return transfer.recipient if transfer.sender == ZERO_ADDRESS else transfer.sender


def _account_and_lots(log: SwapLog) -> tuple[bytes, tuple[Lot, ...]]:
    match log:
        case SwapBurnt():
            return log.account, log.lots
        case SwapMinted():
            return log.to, log.lots
        case SwapRefunded():
            return log.account, log.restored
