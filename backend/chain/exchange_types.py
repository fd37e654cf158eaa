"""Structs of the exchange and the clearing house, as their contracts define them.

Addresses are 20 bytes, ids and refs 32; points are whole points, money is in the smallest unit of the settlement
currency, times are Unix seconds, `bps` are hundredths of a percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from backend.chain.event_types import Lot

NO_QUOTE_ID: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class LaneTerms:
    """What two programmes agreed for one direction of exchange; docs/exchange.md says what each term means."""

    rate_numerator: int
    rate_denominator: int
    fee_bps: int
    max_bonus_bps: int
    minimum_in: int
    daily_cap_out: int
    valid_until: int
    settlement_price: int
    carry_expiry: bool
    posted: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane as it is now. `terms` are the last ones when it is not open; `next_version` is 0 when none are to come."""

    source: bytes
    destination: bytes
    version: int
    open: bool
    terms: LaneTerms
    next_version: int
    next_from: int
    next: LaneTerms


@dataclass(frozen=True, slots=True)
class SwapRequest:
    """What a member asks for: at most `max_in` points given, at least `min_out` got, until `deadline`."""

    lane_id: bytes
    to: bytes
    max_in: int
    min_out: int
    ref: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A transfer bonus that the destination programme promises one account."""

    quote_id: bytes
    lane_id: bytes
    version: int
    account: bytes
    max_in: int
    bonus_bps: int
    expires_at: int
    signer: bytes
    signature: bytes


NO_QUOTE: Final = Quote(NO_QUOTE_ID, bytes(32), 0, bytes(20), 0, 0, 0, bytes(20), b"")
"""A swap without a bonus."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a swap comes to; `base_out`, the points without the bonus, is what `settlement` is for."""

    points_in: int
    points_out: int
    base_out: int
    settlement: int


@dataclass(frozen=True, slots=True)
class PendingSwap:
    """A burnt swap that waits for its destination; whoever ends it shows this again."""

    lane_id: bytes
    account: bytes
    to: bytes
    points_out: int
    settlement: int
    refundable_from: int
    lots: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class CrosschainSwap:
    """A burn whose mint is on another chain: what the source's exchange tells its counterpart.

    `number` counts the lane's swaps at the source, from 1 and without gaps; `epoch_length` (seconds) and `validity`
    (epochs) are the source's calendar, in which `lots`, earliest first, are to be read.
    """

    swap_id: bytes
    lane_id: bytes
    number: int
    account: bytes
    to: bytes
    points_in: int
    points_out: int
    bonus_bps: int
    deadline: int
    epoch_length: int
    validity: int
    lots: tuple[Lot, ...]


class MessageKind(IntEnum):
    """What an exchange asks of its counterpart: to mint, or to give back what it burnt."""

    MINT = 0
    REFUND = 1


class RefusalReason(IntEnum):
    """Why a destination does not mint."""

    DEADLINE_PAST = 0
    LANE_NOT_OPEN = 1
    PRICE_DIFFERS = 2


class SwapStatus(IntEnum):
    """What became of a swap."""

    NONE = 0
    COMPLETED = 1
    PENDING = 2
    REFUNDED = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a programme stands at the clearing house. `open` and `due` are signed: owed to it (+), owed by it (-)."""

    open: int
    due: int
    paid: int
    collateral: int
    reserved: int
    uncovered: int
    uncovered_open: int
    claims: int
    in_default: bool


STRUCTS: Final[dict[type, str]] = {
    LaneTerms: "(uint32,uint32,uint16,uint16,uint48,uint48,uint48,uint80,bool,bool)",
    Lane: "(bytes32,bytes32,uint32,bool,LaneTerms,uint32,uint48,LaneTerms)",
    SwapRequest: "(bytes32,address,uint256,uint256,bytes32,uint256)",
    Quote: "(bytes32,bytes32,uint32,address,uint48,uint16,uint48,address,bytes)",
    Price: "(uint256,uint256,uint256,uint256)",
    PendingSwap: "(bytes32,address,address,uint256,uint256,uint256,Lot[])",
    CrosschainSwap: "(bytes32,bytes32,uint256,address,address,uint256,uint256,uint256,uint256,uint256,uint256,Lot[])",
    Standing: "(int256,int256,uint256,uint256,uint256,uint256,uint256,uint256,bool)",
    Lot: "(uint256,uint256)",
}
"""Solidity types of the fields, in order; other structs by their names."""

ENUMS: Final[tuple[type[IntEnum], ...]] = (MessageKind, RefusalReason, SwapStatus)
"""Enumerations of the contracts: uint8 to the ABI."""
