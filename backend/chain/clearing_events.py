"""What the clearing house logs, as frozen dataclasses. Amounts are in the smallest unit of the settlement currency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.chain.event_types import ChainEvent


@dataclass(frozen=True, slots=True)
class ProgrammeJoined(ChainEvent):
    """A programme takes part."""

    programme_id: bytes
    index: int


@dataclass(frozen=True, slots=True)
class CollateralDeposited(ChainEvent):
    """Money of `payer` came in as collateral of a programme."""

    programme_id: bytes
    payer: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class CollateralWithdrawn(ChainEvent):
    """Collateral went out."""

    programme_id: bytes
    recipient: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class CreditLineChanged(ChainEvent):
    """`creditor` lets `debtor` owe it up to `amount` without collateral."""

    creditor: bytes
    debtor: bytes
    previous_amount: int
    amount: int


@dataclass(frozen=True, slots=True)
class DebtBooked(ChainEvent):
    """A swap left `debtor` owing `creditor` in the open `cycle`."""

    cycle: int
    debtor: bytes
    creditor: bytes
    amount: int
    swap_id: bytes


@dataclass(frozen=True, slots=True)
class DebtReserved(ChainEvent):
    """Collateral was set aside for a swap whose outcome is not known yet."""

    debtor: bytes
    creditor: bytes
    amount: int
    swap_id: bytes


@dataclass(frozen=True, slots=True)
class ReservationEnded(ChainEvent):
    """A reservation ended: booked by the log before, `paid` from the collateral, or neither (refund)."""

    swap_id: bytes
    amount: int
    paid: bool


@dataclass(frozen=True, slots=True)
class CycleClosed(ChainEvent):
    """A cycle was closed; debtors have until `payment_deadline` (Unix seconds)."""

    cycle: int
    payment_deadline: int


@dataclass(frozen=True, slots=True)
class PositionAdvised(ChainEvent):
    """The net of a programme in the closed cycle: positive when it is owed."""

    cycle: int
    programme_id: bytes
    due: int


@dataclass(frozen=True, slots=True)
class CycleReadvised(ChainEvent):
    """A default changed the nets of the cycle; debtors have until `payment_deadline` (Unix seconds)."""

    cycle: int
    payment_deadline: int


@dataclass(frozen=True, slots=True)
class DebtPaid(ChainEvent):
    """A part of what a programme owes in the cycle was paid, by `payer`, or from its collateral (zero address)."""

    cycle: int
    programme_id: bytes
    payer: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class CollateralEnforced(ChainEvent):
    """The collateral paid after the deadline: the `DebtPaid` directly before."""

    cycle: int
    programme_id: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class CycleSettled(ChainEvent):
    """All have paid; `total` is what creditors got."""

    cycle: int
    total: int


@dataclass(frozen=True, slots=True)
class DefaultDeclared(ChainEvent):
    """A programme is in default."""

    cycle: int
    programme_id: bytes


@dataclass(frozen=True, slots=True)
class LossAllocated(ChainEvent):
    """On a default, `recovered` of the `owed` to `creditor` came from the collateral; the rest is a claim."""

    debtor: bytes
    creditor: bytes
    owed: int
    recovered: int


@dataclass(frozen=True, slots=True)
class ClaimPaid(ChainEvent):
    """A part of the claim of `creditor` on `debtor` was paid."""

    debtor: bytes
    creditor: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class DefaultEnded(ChainEvent):
    """All claims on a programme are paid."""

    programme_id: bytes


@dataclass(frozen=True, slots=True)
class CycleDisputed(ChainEvent):
    """A programme disputes a cycle; `note_hash` is the keccak256 of its note."""

    cycle: int
    programme_id: bytes
    note_hash: bytes


CLEARING_PARAMETERS: Final[dict[type[ChainEvent], str]] = {
    ProgrammeJoined: "bytes32* uint256",
    CollateralDeposited: "bytes32* address* uint256",
    CollateralWithdrawn: "bytes32* address* uint256",
    CreditLineChanged: "bytes32* bytes32* uint256 uint256",
    DebtBooked: "uint256* bytes32* bytes32* uint256 bytes32",
    DebtReserved: "bytes32* bytes32* uint256 bytes32*",
    ReservationEnded: "bytes32* uint256 bool",
    CycleClosed: "uint256* uint256",
    PositionAdvised: "uint256* bytes32* int256",
    CycleReadvised: "uint256* uint256",
    DebtPaid: "uint256* bytes32* address* uint256",
    CollateralEnforced: "uint256* bytes32* uint256",
    CycleSettled: "uint256* uint256",
    DefaultDeclared: "uint256* bytes32*",
    LossAllocated: "bytes32* bytes32* uint256 uint256",
    ClaimPaid: "bytes32* bytes32* uint256",
    DefaultEnded: "bytes32*",
    CycleDisputed: "uint256* bytes32* bytes32",
}
"""Solidity types of each event's parameters in order; `*` marks the indexed ones."""
