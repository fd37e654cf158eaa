from __future__ import annotations

from collections.abc import Sequence

import pytest
from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from backend.chain import points_token as token
from backend.chain.artifacts import AbiItem, load_artifact
from backend.chain.event_types import Lot
from backend.chain.programme_registry import encode_register, programme_id

ACCOUNT, WALLET = bytes(range(1, 21)), bytes(range(21, 41))
REF, KEY = bytes(range(32)), bytes(range(32, 64))
LOTS = [Lot(570, 12), Lot(571, 40)]
PAIRS = [(570, 12), (571, 40)]
SIGNATURE = bytes(range(65))

CASES: list[tuple[bytes, str, Sequence[object]]] = [
    (token.encode_issue(ACCOUNT, 5, REF), "issue", [ACCOUNT, 5, REF]),
    (token.encode_issue_batch(REF, [(ACCOUNT, 5)]), "issueBatch", [REF, [int.from_bytes(ACCOUNT, "big") << 96 | 5]]),
    (token.encode_refund(REF, ACCOUNT, LOTS, 9), "refund", [REF, ACCOUNT, PAIRS, 9]),
    (token.encode_clawback(ACCOUNT, 570, 3, REF), "clawback", [ACCOUNT, 570, 3, REF]),
    (token.encode_redeem(7, REF), "redeem", [7, REF]),
    (
        token.encode_redeem_with_signature(ACCOUNT, 7, REF, 99, SIGNATURE),
        "redeemWithSignature",
        [ACCOUNT, 7, REF, 99, SIGNATURE],
    ),
    (token.encode_redeem_managed(KEY, 7, REF), "redeemManaged", [KEY, 7, REF]),
    (token.encode_hold(7, REF, 99), "hold", [7, REF, 99]),
    (
        token.encode_hold_with_signature(ACCOUNT, 7, REF, 99, 55, b""),
        "holdWithSignature",
        [ACCOUNT, 7, REF, 99, 55, b""],
    ),
    (token.encode_hold_managed(KEY, 7, REF, 99), "holdManaged", [KEY, 7, REF, 99]),
    (token.encode_capture(ACCOUNT, REF, 7), "capture", [ACCOUNT, REF, 7]),
    (token.encode_release(ACCOUNT, REF), "release", [ACCOUNT, REF]),
    (token.encode_expire([ACCOUNT, WALLET]), "expire", [[ACCOUNT, WALLET]]),
    (token.encode_move_to_wallet(KEY, WALLET), "moveToWallet", [KEY, WALLET]),
    (token.encode_transfer(ACCOUNT, 7), "transfer", [ACCOUNT, 7]),
    (token.encode_grant_role(REF, ACCOUNT), "grantRole", [REF, ACCOUNT]),
    (token.encode_set_supply_cap(7), "setSupplyCap", [7]),
    (token.encode_pause(), "pause", []),
    (token.encode_unpause(), "unpause", []),
]


def _function(contract: str, name: str) -> AbiItem:
    return next(item for item in load_artifact(contract).abi if item.type == "function" and item.name == name)


def _expected(contract: str, name: str, values: Sequence[object]) -> bytes:
    function = _function(contract, name)
    return token.selector(function.signature()) + encode([part.canonical_type() for part in function.inputs], values)


@pytest.mark.parametrize(("encoded", "name", "values"), CASES, ids=[case[1] for case in CASES])
def test_encode__every_function__byte_identical_to_eth_abi(encoded: bytes, name: str, values: list[object]) -> None:
    assert encoded == _expected("PointsToken", name, values)


def test_encode_register__byte_identical_to_eth_abi() -> None:
    slug = programme_id("supermarket")
    assert encode_register("supermarket", ACCOUNT) == _expected("ProgrammeRegistry", "register", [slug, ACCOUNT])


@given(st.lists(st.tuples(st.binary(min_size=20, max_size=20), st.integers(1, (1 << 48) - 1)), max_size=40))
def test_encode_issue_batch__any_credits__byte_identical_to_web3(credited: list[tuple[bytes, int]]) -> None:
    words = [int.from_bytes(account, "big") << 96 | points for account, points in credited]
    contract = Web3().eth.contract(abi=load_artifact("PointsToken").raw_abi())
    assert "0x" + token.encode_issue_batch(REF, credited).hex() == contract.encode_abi("issueBatch", [REF, words])


@pytest.mark.parametrize("credit", [(ACCOUNT, 0), (ACCOUNT, 1 << 48), (ACCOUNT, -1), (ACCOUNT[1:], 5)])
def test_encode_issue_batch__impossible_credit__refused(credit: tuple[bytes, int]) -> None:
    with pytest.raises(ValueError, match="a credit needs"):
        token.encode_issue_batch(REF, [credit])


@pytest.mark.parametrize("ref", [b"", bytes(31), bytes(33)])
def test_encode__ref_of_another_length__refused(ref: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        token.encode_issue(ACCOUNT, 5, ref)


def test_orders__typed_data__hash_of_the_documented_struct() -> None:
    common = {"token": ACCOUNT, "name": "Grocer", "chain_id": 1, "account": WALLET, "points": 7, "ref": REF}
    redeem = encode_typed_data(full_message=token.redeem_order(**common, deadline=9))  # type: ignore[arg-type]
    typehash = Web3.keccak(text="Redeem(address account,uint256 amount,bytes32 ref,uint256 deadline)")
    values = [bytes(typehash), WALLET, 7, REF, 9]
    struct = encode(["bytes32", "address", "uint256", "bytes32", "uint256"], values)
    assert redeem.body == Web3.keccak(struct)
    hold = encode_typed_data(full_message=token.hold_order(**common, hold_deadline=8, deadline=9))  # type: ignore[arg-type]
    text = "Hold(address account,uint256 amount,bytes32 ref,uint256 holdDeadline,uint256 deadline)"
    values = [bytes(Web3.keccak(text=text)), WALLET, 7, REF, 8, 9]
    struct = encode(["bytes32", "address", "uint256", "bytes32", "uint256", "uint256"], values)
    assert hold.body == Web3.keccak(struct)
