"""Raw JSON-RPC logs of points tokens and of the programme registry, decoded.

One table, keyed by topic 0, holds a decoder per event; `Transfer` and `LotTransferred`, nearly all of the traffic, have
decoders written out. Needs neither web3 nor a database, so that the indexer and the audit share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Final, NotRequired, TypedDict

from eth_utils.crypto import keccak

from backend.chain.event_types import (
    BatchIssued,
    ChainEvent,
    CrosschainBurn,
    CrosschainMint,
    HoldCaptured,
    HoldReleased,
    Lot,
    LotTransferred,
    Paused,
    PointsClawedBack,
    PointsExpired,
    PointsHeld,
    PointsIssued,
    PointsRedeemed,
    PointsRefunded,
    ProgrammeRegistered,
    ProgrammeResumed,
    ProgrammeSuspended,
    RoleGranted,
    RoleRevoked,
    SupplyCapChanged,
    Transfer,
    Unpaused,
    WalletLinked,
)

_WORD = 64
"""Hex digits of a 32-byte word."""
_DATA_OF_ONE_WORD = 2 + _WORD


class RawLog(TypedDict):
    """A log as an RPC endpoint answers it: quantities and bytes are 0x strings."""

    address: str
    topics: list[str]
    data: str
    blockNumber: str
    blockHash: str
    transactionHash: str
    transactionIndex: NotRequired[str]
    logIndex: str
    removed: NotRequired[bool]


class MalformedLogError(Exception):
    """A log's topics or data do not fit its event; an endpoint that answers so must not be believed."""

    def __init__(self, event: str, reason: str, raw: RawLog) -> None:
        super().__init__(f"{event} log {raw.get('logIndex')} of {raw.get('transactionHash')}: {reason}")
        self.event = event
        self.reason = reason
        self.raw = raw


Decoder = Callable[[RawLog], ChainEvent]

_PARAMETERS: Final[dict[type[ChainEvent], str]] = {
    Transfer: "address* address* uint256",
    LotTransferred: "address* address* uint256* uint256",
    PointsExpired: "address* uint256* uint256",
    PointsIssued: "bytes32*",
    BatchIssued: "bytes32* uint256 uint256",
    PointsRedeemed: "bytes32* address* uint256 (uint256,uint256)[]",
    PointsRefunded: "bytes32* address* uint256 uint256 (uint256,uint256)[]",
    PointsClawedBack: "bytes32* address* uint256* uint256 uint256",
    PointsHeld: "bytes32* address* address* uint256 uint256",
    HoldCaptured: "bytes32* address* uint256 uint256",
    HoldReleased: "bytes32* address* uint256",
    WalletLinked: "address* address* uint256",
    SupplyCapChanged: "uint256 uint256",
    CrosschainMint: "address* uint256 address*",
    CrosschainBurn: "address* uint256 address*",
    RoleGranted: "bytes32* address* address*",
    RoleRevoked: "bytes32* address* address*",
    Paused: "address",
    Unpaused: "address",
    ProgrammeRegistered: "bytes32* address* bytes32",
    ProgrammeSuspended: "bytes32*",
    ProgrammeResumed: "bytes32*",
}
"""Solidity types of each event's parameters in order; `*` marks the indexed ones. The class has the event's name."""


def signature_of(event: type[ChainEvent]) -> str:
    """The event's canonical signature, such as `Transfer(address,address,uint256)`."""
    types = _PARAMETERS[event].replace("*", "").split(" ")
    return f"{event.__name__}({','.join(types)})"


def topic0_of(event: type[ChainEvent]) -> str:
    """First topic of the event's logs, a 0x string."""
    return "0x" + keccak(text=signature_of(event)).hex()


def _decode_transfer(raw: RawLog) -> Transfer:
    _, sender, recipient = raw["topics"]
    data = raw["data"]
    if len(data) != _DATA_OF_ONE_WORD:
        raise ValueError(f"{len(data) // 2 - 1} bytes of data")
    return Transfer(
        bytes.fromhex(raw["address"][2:]),
        int(raw["blockNumber"], 16),
        bytes.fromhex(raw["transactionHash"][2:]),
        int(raw["logIndex"], 16),
        bytes.fromhex(sender[26:]),
        bytes.fromhex(recipient[26:]),
        int(data, 16),
    )


def _decode_lot_transferred(raw: RawLog) -> LotTransferred:
    _, sender, recipient, epoch = raw["topics"]
    data = raw["data"]
    if len(data) != _DATA_OF_ONE_WORD:
        raise ValueError(f"{len(data) // 2 - 1} bytes of data")
    return LotTransferred(
        bytes.fromhex(raw["address"][2:]),
        int(raw["blockNumber"], 16),
        bytes.fromhex(raw["transactionHash"][2:]),
        int(raw["logIndex"], 16),
        bytes.fromhex(sender[26:]),
        bytes.fromhex(recipient[26:]),
        int(epoch, 16),
        int(data, 16),
    )


def _decode_word(kind: str, word: str) -> bytes | int:
    if kind == "uint256":
        return int(word, 16)
    return bytes.fromhex(word[24:]) if kind == "address" else bytes.fromhex(word)


def _decode_lots(data: str, offset_bytes: int) -> tuple[Lot, ...]:
    start = offset_bytes * 2
    count = int(data[start : start + _WORD], 16)
    words = data[start + _WORD :]
    if len(words) != count * 2 * _WORD:
        raise ValueError(f"{count} lots announced in {len(words) // 2} bytes")
    numbers = [int(words[at : at + _WORD], 16) for at in range(0, len(words), _WORD)]
    return tuple(Lot(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))


def _make_decoder(event: type[ChainEvent]) -> Decoder:
    kinds = _PARAMETERS[event].split(" ")
    topic_count = 1 + sum(kind.endswith("*") for kind in kinds)
    head_words = sum(not kind.endswith("*") for kind in kinds)
    has_lots = "[]" in _PARAMETERS[event]

    def decode(raw: RawLog) -> ChainEvent:
        topics, data = raw["topics"], raw["data"][2:]
        if len(topics) != topic_count:
            raise ValueError(f"{len(topics)} topics instead of {topic_count}")
        if len(data) < head_words * _WORD or (len(data) > head_words * _WORD and not has_lots):
            raise ValueError(f"{len(data) // 2} bytes of data")
        words = (data[at * _WORD : (at + 1) * _WORD] for at in range(head_words))
        indexed = iter(topics[1:])
        values: list[bytes | int | tuple[Lot, ...]] = []
        for kind in kinds:
            if kind.endswith("*"):
                values.append(_decode_word(kind[:-1], next(indexed)[2:]))
            elif kind.endswith("[]"):
                values.append(_decode_lots(data, int(next(words), 16)))
            else:
                values.append(_decode_word(kind, next(words)))
        place = (bytes.fromhex(raw["address"][2:]), int(raw["blockNumber"], 16))
        return event(*place, bytes.fromhex(raw["transactionHash"][2:]), int(raw["logIndex"], 16), *values)

    return decode


DECODERS: Final[dict[str, Decoder]] = {topic0_of(event): _make_decoder(event) for event in _PARAMETERS} | {
    topic0_of(Transfer): _decode_transfer,
    topic0_of(LotTransferred): _decode_lot_transferred,
}
"""Decoder of each known event by its first topic."""

EVENT_TYPES: Final[dict[str, type[ChainEvent]]] = {topic0_of(event): event for event in _PARAMETERS}
"""Class of each known event by its first topic."""


def decode_log(raw: RawLog) -> ChainEvent | None:
    """The event of a log; None for events that move nothing here (Approval, EIP712DomainChanged ...).

    Raises MalformedLogError when the log's topics or data do not fit its event.
    """
    topics = raw["topics"]
    decoder = DECODERS.get(topics[0]) if topics else None
    if decoder is None:
        return None
    try:
        return decoder(raw)
    except (ValueError, IndexError) as error:
        raise MalformedLogError(EVENT_TYPES[topics[0]].__name__, str(error), raw) from error


def decode_logs(raws: Iterable[RawLog]) -> Iterator[ChainEvent]:
    """The known events of logs, in their order."""
    for raw in raws:
        event = decode_log(raw)
        if event is not None:
            yield event


PayloadValue = int | str | list[list[int]]


def payload_of(event: ChainEvent) -> dict[str, PayloadValue]:
    """The event's own arguments as JSON: integers as numbers, bytes as 0x strings, lots as `[[epoch, amount], ...]`."""
    payload: dict[str, PayloadValue] = {}
    for field in fields(event)[len(fields(ChainEvent)) :]:
        value: bytes | int | tuple[Lot, ...] = getattr(event, field.name)
        if isinstance(value, bytes):
            payload[field.name] = "0x" + value.hex()
        elif isinstance(value, int):
            payload[field.name] = value
        else:
            payload[field.name] = [list(lot) for lot in value]
    return payload
