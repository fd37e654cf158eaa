"""Calldata, ids and signed structs of exchange and clearing house, against eth_abi and the compiled contracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from backend.chain import clearing_house as house
from backend.chain import points_exchange as exchange
from backend.chain.artifacts import load_artifact
from backend.chain.event_types import Lot
from backend.chain.exchange_types import NO_QUOTE, LaneTerms, PendingSwap, Quote, SwapRequest
from backend.chain.settlement_currency import encode_approve, encode_currency_transfer, encode_mint_test_dollars
from backend.chain.signers import DevSigners
from backend.chain.words import selector

GROCER, FUEL = b"grocer".ljust(32, b"\0"), b"fuel".ljust(32, b"\0")
ACCOUNT, TO, HOUSE = bytes(range(1, 21)), bytes(range(21, 41)), bytes(range(41, 61))
REF, KEY, LANE = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
SIGNATURE = bytes(range(65))
TERMS = LaneTerms(3, 10, 250, 2_000, 100, 5_000_000, 1_900_000_000, 4_200_000, True, False)
REQUEST = SwapRequest(LANE, TO, 1_000, 290, REF, 1_800_000_000)
QUOTE = Quote(KEY, LANE, 3, ACCOUNT, 5_000, 1_500, 1_799_999_999, HOUSE, SIGNATURE)
PENDING = PendingSwap(LANE, ACCOUNT, TO, 290, 1_218, 1_700_000_000, (Lot(570, 12), Lot(571, 988)))

EXCHANGE_CASES: list[tuple[bytes, str, Sequence[object]]] = [
    (exchange.encode_propose(FUEL, GROCER, FUEL, TERMS), "propose", [FUEL, GROCER, FUEL, astuple(TERMS)]),
    (exchange.encode_accept(FUEL, GROCER, GROCER, TERMS), "accept", [FUEL, GROCER, GROCER, astuple(TERMS)]),
    (exchange.encode_withdraw_proposal(FUEL, GROCER, FUEL), "withdrawProposal", [FUEL, GROCER, FUEL]),
    (exchange.encode_stop(FUEL, GROCER, GROCER), "stop", [FUEL, GROCER, GROCER]),
    (exchange.encode_swap(REQUEST, QUOTE), "swap", [astuple(REQUEST), astuple(QUOTE)]),
    (exchange.encode_swap(REQUEST), "swap", [astuple(REQUEST), astuple(NO_QUOTE)]),
    (
        exchange.encode_swap_managed(KEY, REQUEST, QUOTE),
        "swapManaged",
        [KEY, astuple(REQUEST), astuple(QUOTE)],
    ),
    (
        exchange.encode_swap_with_signature(ACCOUNT, REQUEST, SIGNATURE, QUOTE),
        "swapWithSignature",
        [ACCOUNT, astuple(REQUEST), astuple(QUOTE), SIGNATURE],
    ),
    (
        exchange.encode_swap_with_signature(ACCOUNT, REQUEST, SIGNATURE[:64]),
        "swapWithSignature",
        [ACCOUNT, astuple(REQUEST), astuple(NO_QUOTE), SIGNATURE[:64]],
    ),
    (exchange.encode_confirm_posted(REF, PENDING), "confirmPosted", [REF, astuple(PENDING)]),
    (exchange.encode_refund_pending(REF, PENDING), "refundPending", [REF, astuple(PENDING)]),
]
HOUSE_CASES: list[tuple[bytes, str, Sequence[object]]] = [
    (house.encode_join(FUEL), "join", [FUEL]),
    (house.encode_deposit(FUEL, 7), "deposit", [FUEL, 7]),
    (house.encode_withdraw(FUEL, TO, 7), "withdraw", [FUEL, TO, 7]),
    (house.encode_set_credit_line(GROCER, FUEL, 7), "setCreditLine", [GROCER, FUEL, 7]),
    (house.encode_close_cycle(), "closeCycle", []),
    (house.encode_pay(FUEL, 7), "pay", [FUEL, 7]),
    (house.encode_pay_from_collateral(FUEL, 7), "payFromCollateral", [FUEL, 7]),
    (house.encode_settle_cycle(), "settleCycle", []),
    (house.encode_enforce(FUEL), "enforce", [FUEL]),
    (house.encode_distribute(FUEL), "distribute", [FUEL]),
    (house.encode_dispute(3, FUEL, REF), "dispute", [3, FUEL, REF]),
]
CURRENCY_CASES: list[tuple[bytes, str, Sequence[object]]] = [
    (encode_approve(HOUSE, 7), "approve", [HOUSE, 7]),
    (encode_currency_transfer(TO, 7), "transfer", [TO, 7]),
    (encode_mint_test_dollars(TO, 7), "mint", [TO, 7]),
]
CASES = [
    *(("PointsExchange", *case) for case in EXCHANGE_CASES),
    *(("ClearingHouse", *case) for case in HOUSE_CASES),
    *(("TestDollar", *case) for case in CURRENCY_CASES),
]


@pytest.mark.parametrize(("contract", "encoded", "name", "values"), CASES, ids=[case[2] for case in CASES])
def test_encode__every_function__byte_identical_to_eth_abi(
    contract: str, encoded: bytes, name: str, values: list[object]
) -> None:
    abi = load_artifact(contract).abi
    function = next(item for item in abi if item.type == "function" and item.name == name)
    types = [part.canonical_type() for part in function.inputs]
    assert encoded == selector(function.signature()) + encode(types, values)


@pytest.mark.parametrize("short", [GROCER[:-1], b"", GROCER + b"\0"])
def test_encode__id_of_another_length__refused(short: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        exchange.encode_stop(short, FUEL, FUEL)


def test_ids__as_documented() -> None:
    lane = keccak(encode(["uint256", "bytes32", "uint256", "bytes32"], [31_337, FUEL, 31_337, GROCER]))
    assert exchange.lane_id(31_337, FUEL, GROCER) == lane
    assert exchange.lane_id(31_337, GROCER, FUEL) != lane
    swap = keccak(encode(["uint256", "address", "address", "bytes32"], [31_337, HOUSE, ACCOUNT, REF]))
    assert exchange.swap_hash(31_337, HOUSE, ACCOUNT, REF) == swap


def test_orders__typed_data__hash_of_the_documented_structs() -> None:
    swap = exchange.swap_typed_data(exchange=HOUSE, chain_id=1, account=ACCOUNT, request=REQUEST, quote_id=KEY)
    text = "Swap(address account,bytes32 laneId,address to,uint256 maxIn,uint256 minOut,bytes32 ref,bytes32 quoteId,"
    types = ["bytes32", "address", "bytes32", "address", "uint256", "uint256", "bytes32", "bytes32", "uint256"]
    values = [keccak(text=text + "uint256 deadline)"), ACCOUNT, LANE, TO, 1_000, 290, REF, KEY, 1_800_000_000]
    assert encode_typed_data(full_message=swap).body == keccak(encode(types, values))
    quote = exchange.quote_typed_data(exchange=HOUSE, chain_id=1, quote=QUOTE)
    text = "Quote(bytes32 quoteId,bytes32 laneId,uint32 version,address account,uint48 maxIn,uint16 bonusBps,"
    types = ["bytes32", "bytes32", "bytes32", "uint32", "address", "uint48", "uint16", "uint48"]
    values = [keccak(text=text + "uint48 expiresAt)"), KEY, LANE, 3, ACCOUNT, 5_000, 1_500, 1_799_999_999]
    assert encode_typed_data(full_message=quote).body == keccak(encode(types, values))
    domain = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    names = [keccak(text="Interpoints Exchange"), keccak(text="1")]
    separator = encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], [domain, *names, 1, HOUSE])
    assert encode_typed_data(full_message=quote).header == keccak(separator)


def test_sign_typed_data__local_key__recovers_to_it() -> None:
    signers = DevSigners(31_337)
    signer = signers.signer(signers.addresses()[3])
    typed = exchange.quote_typed_data(exchange=HOUSE, chain_id=31_337, quote=QUOTE)
    signature = signer.sign_typed_data(typed)
    assert len(signature) == 65
    found = Account.recover_message(encode_typed_data(full_message=typed), signature=signature)
    assert bytes.fromhex(found[2:]) == signer.address
