"""The event table agrees with the compiled contracts, and decoders with eth_abi."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass

import pytest
from eth_abi.abi import encode

from backend.chain.artifacts import AbiItem, AbiParameter, all_artifacts
from backend.chain.clearing_events import PositionAdvised, ReservationEnded
from backend.chain.event_types import (
    Lot,
    LotTransferred,
    PointsHeld,
    PointsRedeemed,
    PointsRefunded,
    ProgrammeRegistered,
    SupplyCapChanged,
    Transfer,
)
from backend.chain.events import (
    DECODERS,
    EVENT_TYPES,
    MalformedLogError,
    RawLog,
    decode_log,
    decode_logs,
    payload_of,
    signature_of,
    topic0_of,
)
from backend.chain.exchange_events import SwapBurnt, SwapPending
from backend.chain.exchange_types import Price

TOKEN, ALICE, BOB = b"\x10" * 20, b"\xa1" * 20, b"\xb0" * 20
REF = bytes(range(32))
NOT_NEEDED = {
    "Approval",
    "EIP712DomainChanged",
    "RoleAdminChanged",
    "DefaultAdminTransferScheduled",
    "DefaultAdminTransferCanceled",
    "DefaultAdminDelayChangeScheduled",
    "DefaultAdminDelayChangeCanceled",
}


def raw_log(topics: list[bytes], data: bytes = b"") -> RawLog:
    return {
        "address": "0x" + TOKEN.hex(),
        "topics": ["0x" + topic.hex() for topic in topics],
        "data": "0x" + data.hex(),
        "blockNumber": "0x1f",
        "blockHash": "0x" + "bb" * 32,
        "transactionHash": "0x" + "cc" * 32,
        "logIndex": "0x7",
    }


def topic_of(event: type) -> bytes:
    return bytes.fromhex(topic0_of(event)[2:])


def compiled_events() -> list[AbiItem]:
    return [item for artifact in all_artifacts() for item in artifact.abi if item.type == "event"]


def test_table__compiled_abi__every_event_known_or_named_here_as_not_needed() -> None:
    known = {signature_of(event) for event in EVENT_TYPES.values()}
    compiled = {item.signature() for item in compiled_events() if item.name not in NOT_NEEDED}
    assert known == compiled


def a_value(part: AbiParameter, number: int) -> object:
    """Some value of the parameter's type that no other parameter has."""
    if part.type.endswith("[]"):
        item = part.model_copy(update={"type": part.type[:-2]})
        return [a_value(item, number + 10 * at) for at in range(3)]
    if part.type == "tuple":
        return tuple(a_value(each, number + at) for at, each in enumerate(part.components))
    if part.type in {"bytes32", "address", "bytes"}:
        return bytes([number % 256]) * {"bytes32": 32, "address": 20, "bytes": 45}[part.type]
    if part.type == "uint8":  # An enumeration.
        return 1
    return number % 2 == 1 if part.type == "bool" else number


def flat(value: object) -> list[object]:
    """Bytes and numbers of a value, structs and lots taken apart."""
    if is_dataclass(value) and not isinstance(value, type):
        return [each for field in fields(value) for each in flat(getattr(value, field.name))]
    return [each for part in value for each in flat(part)] if isinstance(value, list | tuple) else [value]


def test_table__compiled_abi__every_value_where_it_belongs() -> None:
    """Encoded by eth_abi with a value of its own for each parameter; the event has them in the ABI's order."""
    for item in compiled_events():
        if item.name in NOT_NEEDED:
            continue
        event = next(each for each in EVENT_TYPES.values() if each.__name__ == item.name)
        values = [a_value(part, 20 * at + 1) for at, part in enumerate(item.inputs)]
        topics, data_types, data_values = [topic_of(event)], [], []
        for part, value in zip(item.inputs, values, strict=True):
            if part.indexed:
                topics.append(encode([part.canonical_type()], [value]))
            else:
                data_types.append(part.canonical_type())
                data_values.append(value)
        decoded = decode_log(raw_log(topics, encode(data_types, data_values)))
        assert type(decoded) is event
        assert flat(decoded)[4:] == flat(values)


def test_transfer__fast_path__all_fields() -> None:
    log = raw_log([topic_of(Transfer), bytes(12) + ALICE, bytes(12) + BOB], (1234).to_bytes(32))
    assert decode_log(log) == Transfer(TOKEN, 31, b"\xcc" * 32, 7, ALICE, BOB, 1234)


def test_lot_transferred__fast_path__all_fields() -> None:
    topics = [topic_of(LotTransferred), bytes(12) + ALICE, bytes(32), (572).to_bytes(32)]
    event = decode_log(raw_log(topics, (9).to_bytes(32)))
    assert event == LotTransferred(TOKEN, 31, b"\xcc" * 32, 7, ALICE, bytes(20), 572, 9)


@pytest.mark.parametrize("lots", [[], [(572, 5)], [(570, 1), (571, 2), (574, (1 << 48) - 1)]])
def test_lots__eth_abi_encoding__same_lots(lots: list[tuple[int, int]]) -> None:
    redeemed = encode(["uint256", "(uint256,uint256)[]"], [77, lots])
    event = decode_log(raw_log([topic_of(PointsRedeemed), REF, bytes(12) + ALICE], redeemed))
    assert isinstance(event, PointsRedeemed)
    assert (event.ref, event.account, event.amount) == (REF, ALICE, 77)
    assert event.lots == tuple(Lot(*lot) for lot in lots)

    refunded = encode(["uint256", "uint256", "(uint256,uint256)[]"], [77, 7, lots])
    event = decode_log(raw_log([topic_of(PointsRefunded), REF, bytes(12) + ALICE], refunded))
    assert isinstance(event, PointsRefunded)
    assert (event.expired_amount, event.restored) == (7, tuple(Lot(*lot) for lot in lots))


def test_decode_log__event_without_meaning_here__none() -> None:
    assert decode_log(raw_log([b"\x99" * 32])) is None
    assert decode_log(raw_log([])) is None


def test_decode_logs__mixed__known_ones_in_order() -> None:
    cap = raw_log([topic_of(SupplyCapChanged)], encode(["uint256", "uint256"], [1, 2]))
    transfer = raw_log([topic_of(Transfer), bytes(32), bytes(12) + BOB], (5).to_bytes(32))
    events = list(decode_logs([cap, raw_log([b"\x99" * 32]), transfer]))
    assert [type(event) for event in events] == [SupplyCapChanged, Transfer]


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ([topic_of(Transfer), bytes(32)], bytes(32)),
        ([topic_of(Transfer), bytes(32), bytes(32), bytes(32)], b""),
        ([topic_of(Transfer), bytes(32), bytes(32)], bytes(31)),
        ([topic_of(Transfer), bytes(32), bytes(32)], bytes(64)),
        ([topic_of(LotTransferred), bytes(32), bytes(32), bytes(32)], b""),
        ([topic_of(PointsHeld), bytes(32), bytes(32), bytes(32)], bytes(32)),
        ([topic_of(PointsHeld), bytes(32), bytes(32)], bytes(64)),
        ([topic_of(SupplyCapChanged)], bytes(96)),
        ([topic_of(PointsRedeemed), bytes(32), bytes(32)], encode(["uint256", "uint256", "uint256"], [1, 64, 3])),
    ],
)
def test_decode_log__wrong_shape__malformed(topics: list[bytes], data: bytes) -> None:
    with pytest.raises(MalformedLogError):
        decode_log(raw_log(topics, data))


def test_payload_of__bytes_integers_lots__as_json() -> None:
    data = encode(["uint256", "(uint256,uint256)[]"], [5, [(572, 5)]])
    event = decode_log(raw_log([topic_of(PointsRedeemed), REF, bytes(12) + ALICE], data))
    assert event is not None
    expected = {"ref": "0x" + REF.hex(), "account": "0x" + ALICE.hex(), "amount": 5, "lots": [[572, 5]]}
    assert payload_of(event) == expected


def test_registered__registry_event__programme_and_token() -> None:
    log = raw_log([topic_of(ProgrammeRegistered), b"fuel".ljust(32, b"\0"), bytes(12) + BOB], REF)
    event = decode_log(log)
    assert isinstance(event, ProgrammeRegistered)
    assert (event.programme_id.rstrip(b"\0"), event.token, event.code_hash) == (b"fuel", BOB, REF)


def test_decoders__one_per_event() -> None:
    assert set(DECODERS) == set(EVENT_TYPES)


def test_swap_burnt__nested_values__as_json() -> None:
    price, lots = (30, 6, 6, 7), [(572, 30)]
    types = ["bytes32", "uint32", "bytes32", "(uint256,uint256,uint256,uint256)", "(uint256,uint256)[]"]
    data = encode(types, [REF, 2, bytes(32), price, lots])
    event = decode_log(raw_log([topic_of(SwapBurnt), REF, REF[::-1], bytes(12) + ALICE], data))
    assert isinstance(event, SwapBurnt)
    assert event.price == Price(30, 6, 6, 7)
    payload = payload_of(event)
    assert payload["price"] == {"points_in": 30, "points_out": 6, "base_out": 6, "settlement": 7}
    assert payload["lots"] == [[572, 30]]


def test_position_advised__negative_amount__kept() -> None:
    topics = [topic_of(PositionAdvised), (3).to_bytes(32), b"fuel".ljust(32, b"\0")]
    event = decode_log(raw_log(topics, encode(["int256"], [-(10**30)])))
    assert isinstance(event, PositionAdvised)
    assert (event.cycle, event.due) == (3, -(10**30))


@pytest.mark.parametrize("spoil", [lambda data: data[:-32], lambda data: data + bytes(32), lambda data: data[:31]])
def test_swap_pending__wrong_length__malformed(spoil: Callable[[bytes], bytes]) -> None:
    pending = (REF, ALICE, BOB, 6, 7, 99, [(572, 30), (573, 1)])
    data = encode(["(bytes32,address,address,uint256,uint256,uint256,(uint256,uint256)[])"], [pending])
    topics = [topic_of(SwapPending), REF, REF]
    assert decode_log(raw_log(topics, data)) is not None
    with pytest.raises(MalformedLogError):
        decode_log(raw_log(topics, spoil(data)))


def test_flag_that_is_neither__malformed() -> None:
    with pytest.raises(MalformedLogError, match="no bool"):
        decode_log(raw_log([topic_of(ReservationEnded), REF], encode(["uint256", "uint256"], [5, 2])))
