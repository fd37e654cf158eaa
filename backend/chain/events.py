"""Raw JSON-RPC logs of tokens, registry, exchanges, clearing house and gateway, decoded.

One table, keyed by topic 0, holds a decoder per event; `Transfer` and `LotTransferred`, nearly all of the traffic, have
decoders written out. Needs neither web3 nor a database, so that the indexer and the audit share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Final, NotRequired, TypedDict

from eth_utils.crypto import keccak

from backend.chain.abi_reading import canonical_type, read_topic, read_values
from backend.chain.clearing_events import CLEARING_PARAMETERS
from backend.chain.event_types import (
    BatchIssued,
    ChainEvent,
    CrosschainBurn,
    CrosschainMint,
    HoldCaptured,
    HoldReleased,
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
from backend.chain.exchange_events import EXCHANGE_PARAMETERS
from backend.chain.gateway_events import GATEWAY_PARAMETERS

_DATA_OF_ONE_WORD = 2 + 64
"""Characters of a 32-byte word as 0x hex."""


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
    PointsRedeemed: "bytes32* address* uint256 Lot[]",
    PointsRefunded: "bytes32* address* uint256 uint256 Lot[]",
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
    **EXCHANGE_PARAMETERS,
    **CLEARING_PARAMETERS,
    **GATEWAY_PARAMETERS,
}
"""Solidity types of each event's parameters in order; `*` marks the indexed ones. The class has the event's name."""


def signature_of(event: type[ChainEvent]) -> str:
    """The event's canonical signature, such as `Transfer(address,address,uint256)`."""
    types = _PARAMETERS[event].replace("*", "").split(" ")
    return f"{event.__name__}({','.join(canonical_type(kind) for kind in types)})"


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


def _make_decoder(event: type[ChainEvent]) -> Decoder:
    kinds = _PARAMETERS[event].split(" ")
    indexed_kinds = [kind[:-1] for kind in kinds if kind.endswith("*")]
    data_kinds = [kind for kind in kinds if not kind.endswith("*")]

    def decode(raw: RawLog) -> ChainEvent:
        topics = raw["topics"][1:]
        if len(topics) != len(indexed_kinds):
            raise ValueError(f"{len(topics)} indexed parameters instead of {len(indexed_kinds)}")
        indexed = iter([read_topic(kind, topic) for kind, topic in zip(indexed_kinds, topics, strict=True)])
        data = iter(read_values(data_kinds, bytes.fromhex(raw["data"][2:])))
        values = [next(indexed if kind.endswith("*") else data) for kind in kinds]
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


PayloadValue = bool | int | str | list["PayloadValue"] | dict[str, "PayloadValue"]


def payload_of(event: ChainEvent) -> dict[str, PayloadValue]:
    """The event's own arguments as JSON.

    Integers are numbers, however large; bytes 0x strings; structs objects; lots `[[epoch, amount], ...]`.
    """
    own = fields(event)[len(fields(ChainEvent)) :]
    return {field.name: _plain(getattr(event, field.name)) for field in own}


def _plain(value: object) -> PayloadValue:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int):
        return value
    if isinstance(value, tuple):  # Lots are tuples too.
        return [_plain(part) for part in value]
    assert is_dataclass(value)
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
