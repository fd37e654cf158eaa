"""What points tokens and the programme registry log, as frozen dataclasses; `backend.chain.events` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

ZERO_ADDRESS: Final = bytes(20)


class Lot(NamedTuple):
    """Points that share one expiry; `epoch` is the one in which they were earned."""

    epoch: int
    amount: int


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """Where a log stands. Addresses are 20 bytes, hashes and refs 32."""

    contract: bytes
    block_number: int
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class Transfer(ChainEvent):
    """ERC-20 movement; the zero address stands for mint and burn."""

    sender: bytes
    recipient: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class LotTransferred(ChainEvent):
    """Names a lot of the Transfer that follows."""

    sender: bytes
    recipient: bytes
    epoch: int
    amount: int


@dataclass(frozen=True, slots=True)
class PointsExpired(ChainEvent):
    """A dead lot was removed; its Transfer to the zero address follows."""

    account: bytes
    epoch: int
    amount: int


@dataclass(frozen=True, slots=True)
class PointsIssued(ChainEvent):
    """The mint before this log was an issue under `ref`."""

    ref: bytes


@dataclass(frozen=True, slots=True)
class BatchIssued(ChainEvent):
    """The `credits` mints before this log were the batch `batch_id`."""

    batch_id: bytes
    credits: int
    total_amount: int


@dataclass(frozen=True, slots=True)
class PointsRedeemed(ChainEvent):
    """Points were spent; `lots` is what they were, earliest first."""

    ref: bytes
    account: bytes
    amount: int
    lots: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class PointsRefunded(ChainEvent):
    """`amount` of a redemption was given back, of which `expired_amount` came too late."""

    ref: bytes
    account: bytes
    amount: int
    expired_amount: int
    restored: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class PointsClawedBack(ChainEvent):
    """`taken` of `requested` points of one lot were taken back."""

    ref: bytes
    account: bytes
    epoch: int
    requested: int
    taken: int


@dataclass(frozen=True, slots=True)
class PointsHeld(ChainEvent):
    """Points were set aside until `deadline` (Unix seconds)."""

    ref: bytes
    account: bytes
    hold_account: bytes
    amount: int
    deadline: int


@dataclass(frozen=True, slots=True)
class HoldCaptured(ChainEvent):
    """`captured` of a hold were redeemed, `released` went back."""

    ref: bytes
    account: bytes
    captured: int
    released: int


@dataclass(frozen=True, slots=True)
class HoldReleased(ChainEvent):
    """A hold ended without a redemption."""

    ref: bytes
    account: bytes
    released: int


@dataclass(frozen=True, slots=True)
class WalletLinked(ChainEvent):
    """All live points of a managed account went to the member's wallet."""

    account: bytes
    wallet: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class SupplyCapChanged(ChainEvent):
    """The most points that may be live at a time."""

    previous_cap: int
    cap: int


@dataclass(frozen=True, slots=True)
class CrosschainMint(ChainEvent):
    """ERC-7802 mint by an exchange contract."""

    recipient: bytes
    amount: int
    caller: bytes


@dataclass(frozen=True, slots=True)
class CrosschainBurn(ChainEvent):
    """ERC-7802 burn by an exchange contract."""

    sender: bytes
    amount: int
    caller: bytes


@dataclass(frozen=True, slots=True)
class RoleGranted(ChainEvent):
    """AccessControl: `account` got `role`."""

    role: bytes
    account: bytes
    granted_by: bytes


@dataclass(frozen=True, slots=True)
class RoleRevoked(ChainEvent):
    """AccessControl: `account` lost `role`."""

    role: bytes
    account: bytes
    revoked_by: bytes


@dataclass(frozen=True, slots=True)
class Paused(ChainEvent):
    """Every change of balances stopped."""

    by: bytes


@dataclass(frozen=True, slots=True)
class Unpaused(ChainEvent):
    """The stop ended."""

    by: bytes


@dataclass(frozen=True, slots=True)
class ProgrammeRegistered(ChainEvent):
    """A programme was added with the code hash its token had."""

    programme_id: bytes
    token: bytes
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class ProgrammeSuspended(ChainEvent):
    """A programme must not be dealt with until resumed."""

    programme_id: bytes


@dataclass(frozen=True, slots=True)
class ProgrammeResumed(ChainEvent):
    """A suspended programme is active again."""

    programme_id: bytes
