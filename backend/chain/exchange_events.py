"""What the exchanges, on one chain and across chains, log, as frozen dataclasses.

A programme is its id in the registry: the slug in 32 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.chain.event_types import ChainEvent, Lot
from backend.chain.exchange_types import CrosschainSwap, LaneTerms, PendingSwap, Price, RefusalReason


@dataclass(frozen=True, slots=True)
class LaneProposed(ChainEvent):
    """`proposer` offers terms; the other programme may accept them as they are."""

    lane_id: bytes
    source: bytes
    destination: bytes
    proposer: bytes
    terms: LaneTerms


@dataclass(frozen=True, slots=True)
class ProposalWithdrawn(ChainEvent):
    """A proposal was taken back."""

    lane_id: bytes
    proposer: bytes


@dataclass(frozen=True, slots=True)
class LaneAgreed(ChainEvent):
    """Both have agreed: the terms hold from `effective_from` as number `version`."""

    lane_id: bytes
    version: int
    effective_from: int
    terms: LaneTerms


@dataclass(frozen=True, slots=True)
class LaneStopped(ChainEvent):
    """The lane has no terms any more; `programme_id` stopped it."""

    lane_id: bytes
    programme_id: bytes


@dataclass(frozen=True, slots=True)
class SwapBurnt(ChainEvent):
    """Burn leg: `price.points_in` points of `account` were burnt, `lots` is what they were."""

    swap_id: bytes
    lane_id: bytes
    account: bytes
    ref: bytes
    version: int
    quote_id: bytes
    price: Price
    lots: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class SwapMinted(ChainEvent):
    """Mint leg: `to` got `points_out` points. The swap is completed."""

    swap_id: bytes
    lane_id: bytes
    to: bytes
    points_out: int
    lots: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class SwapPending(ChainEvent):
    """The burnt swap waits for its destination."""

    swap_id: bytes
    lane_id: bytes
    pending: PendingSwap


@dataclass(frozen=True, slots=True)
class SwapPosted(ChainEvent):
    """The destination says that the points arrived in its own system. The swap is completed."""

    swap_id: bytes
    lane_id: bytes


@dataclass(frozen=True, slots=True)
class SwapRefunded(ChainEvent):
    """The swap did not happen: `restored` are the lots given back, `expired_amount` came too late."""

    swap_id: bytes
    lane_id: bytes
    account: bytes
    restored: tuple[Lot, ...]
    expired_amount: int


@dataclass(frozen=True, slots=True)
class SwapSent(ChainEvent):
    """The burnt swap is on its way to the chain where its destination lives."""

    swap_id: bytes
    lane_id: bytes
    message_id: bytes
    swap: CrosschainSwap


@dataclass(frozen=True, slots=True)
class SwapRefused(ChainEvent):
    """A swap of another chain is not minted; `message_id` is the message that has its burn undone."""

    swap_id: bytes
    lane_id: bytes
    message_id: bytes
    reason: RefusalReason


@dataclass(frozen=True, slots=True)
class HomeDeclared(ChainEvent):
    """The programme's points live on another chain."""

    programme_id: bytes
    chain_id: int


@dataclass(frozen=True, slots=True)
class LinkRegistered(ChainEvent):
    """The exchange talks to `counterpart` (ERC-7930) through `gateway`."""

    gateway: bytes
    counterpart: bytes


EXCHANGE_PARAMETERS: Final[dict[type[ChainEvent], str]] = {
    LaneProposed: "bytes32* bytes32* bytes32* bytes32 LaneTerms",
    ProposalWithdrawn: "bytes32* bytes32",
    LaneAgreed: "bytes32* uint32* uint256 LaneTerms",
    LaneStopped: "bytes32* bytes32*",
    SwapBurnt: "bytes32* bytes32* address* bytes32 uint32 bytes32 Price Lot[]",
    SwapMinted: "bytes32* bytes32* address* uint256 Lot[]",
    SwapPending: "bytes32* bytes32* PendingSwap",
    SwapPosted: "bytes32* bytes32*",
    SwapRefunded: "bytes32* bytes32* address* Lot[] uint256",
    SwapSent: "bytes32* bytes32* bytes32* CrosschainSwap",
    SwapRefused: "bytes32* bytes32* bytes32* RefusalReason",
    HomeDeclared: "bytes32* uint256",
    LinkRegistered: "address bytes",
}
"""Parameters of the exchanges' events, written as in `backend.chain.events`."""
