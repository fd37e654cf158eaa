"""What the replay of a token's logs makes of them: movements of lots, and the ways in which logs cannot be true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from backend.chain.event_types import ZERO_ADDRESS, ChainEvent, Lot, Transfer


class MovementKind(StrEnum):
    """What a movement was for."""

    ISSUE = "issue"
    REDEEM = "redeem"
    REFUND = "refund"
    CLAWBACK = "clawback"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRE = "expire"
    TRANSFER = "transfer"
    LINK = "link"
    CROSSCHAIN = "crosschain"
    """Burnt or minted by a contract with EXCHANGE_ROLE; `backend.chain.swap_movements` says for which swap."""
    SWAP = "swap"
    SWAP_REFUND = "swap_refund"
    UNEXPLAINED = "unexplained"
    """A mint or burn that no log of an operation follows: only seen by a book that collects its faults."""


class LedgerError(Exception):
    """The logs cannot be what a points token logs. `event` is where that shows."""

    def __init__(self, event: ChainEvent, reason: str) -> None:
        super().__init__(f"{type(event).__name__} (block {event.block_number}, log {event.log_index}): {reason}")
        self.event = event
        self.reason = reason


class OverspendError(LedgerError):
    """An account spent more live points than the replay gives it."""

    def __init__(self, event: ChainEvent, account: bytes, amount_points: int, available_points: int) -> None:
        super().__init__(event, f"0x{account.hex()} spent {amount_points} of {available_points} points")
        self.account = account
        self.amount_points = amount_points
        self.available_points = available_points


class UnexplainedMovementError(LedgerError):
    """A mint or burn without a log of an operation, or such a log without its movement."""


class SumMismatchError(LedgerError):
    """Two logs that state the same amount, or the same lots, do not agree."""


Fault = Callable[[LedgerError], None]


def raise_fault(error: LedgerError) -> None:
    """What a book does with a fault unless told otherwise."""
    raise error


@dataclass(frozen=True, slots=True)
class LotChange:
    """`points` added to (or, negative, taken from) one lot of one account."""

    account: bytes
    epoch: int
    points: int
    counterparty: bytes


@dataclass(slots=True)
class Movement:
    """One Transfer with the lots it moved. `ref` is the operation's ref or batch id, `operation` its log."""

    transfer: Transfer
    lots: list[Lot]
    kind: MovementKind
    ref: bytes | None = None
    operation: ChainEvent | None = None

    def changes(self) -> Iterator[LotChange]:
        """The signed changes of lots: a debit of the sender and a credit of the recipient for each lot."""
        sender, recipient = self.transfer.sender, self.transfer.recipient
        for epoch, amount in self.lots:
            if sender != ZERO_ADDRESS:
                yield LotChange(sender, epoch, -amount, recipient)
            if recipient != ZERO_ADDRESS:
                yield LotChange(recipient, epoch, amount, sender)
