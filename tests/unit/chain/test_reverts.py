from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_abi.abi import encode

from backend.chain.artifacts import all_artifacts, load_artifact
from backend.chain.points_token import selector
from backend.chain.refusals import SENTENCES
from backend.chain.reverts import decode_revert, refusal, revert_from_text

ROOT = Path(__file__).parents[3]


def test_decode_revert__custom_error__name_values_and_a_sentence() -> None:
    data = selector("ERC20InsufficientBalance(address,uint256,uint256)")
    data += encode(["address", "uint256", "uint256"], ["0x" + "ab" * 20, 3, 50])
    error = decode_revert(data)
    assert error.name == "ERC20InsufficientBalance"
    assert error.arguments["balance"] == 3
    assert error.detail == "The balance is 3 points, 50 are needed."


def test_decode_revert__tuple_argument__told_as_a_list() -> None:
    data = selector("InvalidTerms((uint48,uint16,uint16,uint48,bool))")
    data += encode(["(uint48,uint16,uint16,uint48,bool)"], [(1, 2, 3, 4, True)])
    assert decode_revert(data).arguments == {"terms": [1, 2, 3, 4, True]}


def test_decode_revert__require_with_text__the_text() -> None:
    assert "too late" in decode_revert(selector("Error(string)") + encode(["string"], ["too late"])).detail


def test_decode_revert__panic__its_code() -> None:
    assert decode_revert(selector("Panic(uint256)") + encode(["uint256"], [0x11])).arguments == {"code": 0x11}


def test_decode_revert__nothing_or_nonsense__unknown() -> None:
    assert decode_revert(b"").name == "Unknown"
    assert decode_revert(b"\x01\x02\x03\x04").arguments == {"data": "0x01020304"}
    assert decode_revert(selector("RefAlreadyUsed(bytes32)") + b"\x01").name == "Unknown"
    assert revert_from_text("nonsense").name == "Unknown"


def test_sentences__name_only_errors_and_arguments_that_exist() -> None:
    items = [item for artifact in all_artifacts() for item in artifact.abi]
    errors = {item.name: item for item in items if item.type == "error"}
    for name, sentence in SENTENCES.items():
        arguments = {part.name: "value" for part in errors[name].inputs}
        assert sentence.format(**arguments)


@pytest.mark.parametrize(
    ("interface", "contract"),
    [
        ("IExchange", "PointsExchange"),
        ("IPointsExchange", "PointsExchange"),
        ("IExchange", "CrosschainExchange"),
        ("ICrosschainExchange", "CrosschainExchange"),
        ("IAttestedGateway", "AttestedGateway"),
        ("IClearingHouse", "ClearingHouse"),
    ],
)
def test_sentences__every_error_of_exchanges_gateway_and_clearing__has_one(interface: str, contract: str) -> None:
    source = (ROOT / "contracts" / "interfaces" / f"{interface}.sol").read_text()
    own = set(re.findall(r"^    error (\w+)\(", source, re.MULTILINE))
    compiled = {item.name for item in load_artifact(contract).abi if item.type == "error"}
    assert own <= SENTENCES.keys()
    assert own <= compiled


def test_decode_revert__error_of_the_house_through_the_exchange__its_name() -> None:
    data = selector("DebitCapExceeded(bytes32,bytes32,uint256,uint256)")
    data += encode(["bytes32", "bytes32", "uint256", "uint256"], [b"fuel", b"grocer", 7_000, 12])
    error = decode_revert(data)
    assert (error.name, error.arguments["available"]) == ("DebitCapExceeded", 12)
    assert "may owe the destination 12 more, not 7000" in error.detail


def test_refusal__same_as_decoded() -> None:
    data = selector("BelowMinimum(uint256,uint256)") + encode(["uint256", "uint256"], [3, 100])
    decoded, made = decode_revert(data), refusal("BelowMinimum", pointsIn=3, minimumIn=100)
    assert (decoded.name, decoded.arguments, decoded.detail) == (made.name, made.arguments, made.detail)
