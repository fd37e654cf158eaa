"""The messages of a source chain's blocks, read from receipts that were held to the block's hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from backend.chain.attested_gateway import Message, Route, message_id, parse_interoperable_address
from backend.chain.blocks import VerifiedBlock
from backend.chain.event_types import ChainEvent
from backend.chain.events import MalformedLogError, RawLog, decode_log
from backend.chain.gateway_events import MessageQueued, MessageSent
from backend.chain.merkle import MessageTree
from bridge.chains import Chain, Chains, route
from bridge.endpoints import host_of
from bridge.errors import MalformedAnswerError, MessageMismatchError


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """All messages of a block to one destination, in order of their nonces."""

    route: Route
    block_number: int
    block_hash: bytes
    messages: tuple[Message, ...]
    message_ids: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        """Root over the ids: what attesters sign."""
        return MessageTree(self.message_ids).root


@dataclass(frozen=True, slots=True)
class SourceBlock:
    """A final block with messages; `batches` by destination chain. `timestamp` is Unix seconds."""

    number: int
    hash: bytes
    timestamp: int
    batches: Mapping[int, SourceBatch]
    unknown: Mapping[int, int]
    """Number of messages to chains that are not configured, by chain."""
    last_nonces: Mapping[int, int]
    """The last nonce for each destination, those that are not configured included."""
    first_nonces: Mapping[int, int]


def read_block(block: VerifiedBlock, source: Chain, chains: Chains) -> SourceBlock:
    """The messages of a verified block.

    Errors: `MalformedAnswerError`, `MessageMismatchError`; `NonceGapError` is the watcher's, which knows the last one.
    """
    by_destination: dict[int, list[tuple[Message, bytes]]] = {}
    try:
        for queued, sent in _pairs(_events(block, source.gateway)):
            by_destination.setdefault(queued.destination_chain, []).append(_message(queued, sent, source.chain_id))
    except (MalformedLogError, ValueError) as error:
        raise MalformedAnswerError(host_of(source.client), f"block {block.number}: {error}") from error
    batches = {
        chain_id: _batch(block, source, chains[chain_id], found)
        for chain_id, found in by_destination.items()
        if chain_id in chains
    }
    return SourceBlock(
        number=block.number,
        hash=block.hash,
        timestamp=block.timestamp,
        batches=batches,
        unknown={chain_id: len(found) for chain_id, found in by_destination.items() if chain_id not in chains},
        last_nonces={chain_id: found[-1][0].nonce for chain_id, found in by_destination.items()},
        first_nonces={chain_id: found[0][0].nonce for chain_id, found in by_destination.items()},
    )


def _events(block: VerifiedBlock, gateway: bytes) -> Iterator[ChainEvent]:
    address = "0x" + gateway.hex()
    for receipt in block.receipts:
        for log in receipt["logs"]:
            if _spelt(log["address"], 20) == address:
                plain = cast("RawLog", {**log, "topics": [_spelt(topic, 32) for topic in log["topics"]]})
                event = decode_log(plain)
                if event is not None:
                    yield event


def _spelt(text: str, size_bytes: int) -> str:
    """`text` in the one spelling that is compared: another one of the same bytes would hide a log from us."""
    if not text.startswith(("0x", "0X")) or len(text) != 2 + 2 * size_bytes:
        raise ValueError(f"{text!r} is not {size_bytes} bytes in hex")
    return text.lower()


def _pairs(events: Iterator[ChainEvent]) -> Iterator[tuple[MessageQueued, MessageSent]]:
    """Each MessageQueued with the MessageSent that must follow it."""
    waiting: MessageQueued | None = None
    for event in events:
        if isinstance(event, MessageSent):
            if waiting is None or waiting.message_id != event.send_id:
                raise ValueError("a message was sent that was not queued just before")
            yield waiting, event
            waiting = None
        elif waiting is not None:
            raise ValueError("a message was queued and not sent")
        elif isinstance(event, MessageQueued):
            waiting = event
    if waiting is not None:
        raise ValueError("a message was queued and not sent")


def _message(queued: MessageQueued, sent: MessageSent, chain_id: int) -> tuple[Message, bytes]:
    sender_chain, sender = parse_interoperable_address(sent.sender)
    recipient_chain, recipient = parse_interoperable_address(sent.recipient)
    if sender_chain != chain_id or recipient_chain != queued.destination_chain or sent.value or sent.attributes:
        raise ValueError("a message names other chains than its own, or carries value or attributes")
    return Message(queued.nonce, sender, recipient, sent.payload), queued.message_id


def _batch(block: VerifiedBlock, source: Chain, destination: Chain, found: list[tuple[Message, bytes]]) -> SourceBatch:
    way = route(source, destination)
    for message, id_ in found:
        computed = message_id(way, message)
        if computed != id_:
            raise MessageMismatchError(source.name, id_, computed)
    return SourceBatch(
        route=way,
        block_number=block.number,
        block_hash=block.hash,
        messages=tuple(message for message, _ in found),
        message_ids=tuple(id_ for _, id_ in found),
    )
