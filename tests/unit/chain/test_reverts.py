from __future__ import annotations

from eth_abi.abi import encode

from backend.chain.artifacts import load_artifact
from backend.chain.points_token import selector
from backend.chain.reverts import _SENTENCES, decode_revert, revert_from_text


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
    items = [*load_artifact("PointsToken").abi, *load_artifact("ProgrammeRegistry").abi]
    errors = {item.name: item for item in items if item.type == "error"}
    for name, sentence in _SENTENCES.items():
        arguments = {part.name: "value" for part in errors[name].inputs}
        assert sentence.format(**arguments)
