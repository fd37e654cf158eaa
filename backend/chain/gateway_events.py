"""What a gateway logs, as frozen dataclasses. Chains are EIP-155 ids; sender and recipient are ERC-7930 addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.chain.event_types import ChainEvent


@dataclass(frozen=True, slots=True)
class MessageQueued(ChainEvent):
    """Number `nonce` of the messages for a chain; MessageSent, with what it says, follows."""

    message_id: bytes
    destination_chain: int
    nonce: int


@dataclass(frozen=True, slots=True)
class MessageSent(ChainEvent):
    """ERC-7786: a message that waits for its attestation under `send_id`, the message's id."""

    send_id: bytes
    sender: bytes
    recipient: bytes
    payload: bytes
    value: int
    attributes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MessageDelivered(ChainEvent):
    """The recipient has taken the message."""

    message_id: bytes
    source_chain: int
    nonce: int


@dataclass(frozen=True, slots=True)
class MessageFailed(ChainEvent):
    """The recipient did not take the message, for `reason` (the beginning of what it reverted with); to be retried."""

    message_id: bytes
    source_chain: int
    nonce: int
    reason: bytes


@dataclass(frozen=True, slots=True)
class AttestersProposed(ChainEvent):
    """Set number `version`, in force from `active_from` (Unix seconds)."""

    version: int
    attesters: tuple[bytes, ...]
    threshold: int
    active_from: int


@dataclass(frozen=True, slots=True)
class AttestersCancelled(ChainEvent):
    """The proposed set will not come into force."""

    version: int


@dataclass(frozen=True, slots=True)
class RemoteSet(ChainEvent):
    """The gateway of another chain, from now on."""

    chain: int
    gateway: bytes


@dataclass(frozen=True, slots=True)
class ApplicationSet(ChainEvent):
    """Whether a contract may send and is sent messages."""

    application: bytes
    allowed: bool


GATEWAY_PARAMETERS: Final[dict[type[ChainEvent], str]] = {
    MessageQueued: "bytes32* uint256* uint256*",
    MessageSent: "bytes32* bytes bytes bytes uint256 bytes[]",
    MessageDelivered: "bytes32* uint256* uint256*",
    MessageFailed: "bytes32* uint256* uint256* bytes",
    AttestersProposed: "uint256* address[] uint256 uint256",
    AttestersCancelled: "uint256*",
    RemoteSet: "uint256* address",
    ApplicationSet: "address* bool",
}
"""Parameters of the gateway's events, written as in `backend.chain.events`."""
