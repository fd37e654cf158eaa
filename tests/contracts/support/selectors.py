"""Calls to every function of a contract, with arguments that often hit what exists."""

from collections.abc import Sequence
from dataclasses import dataclass

from brownie import web3
from brownie.network.contract import ProjectContract
from eth_abi import encode
from hypothesis import strategies as st

from tests.contracts.support.clock import request

GAS_LIMIT = 500_000
WORD_MAX = 2**256 - 1

Parameter = dict[str, object]
"""A parameter or a function as the ABI describes it."""


@dataclass(frozen=True)
class Scene:
    """Values that mean something: addresses, numbers and 32-byte keys (`0x` strings)."""

    accounts: Sequence[str]
    words: Sequence[int]
    keys: Sequence[str]


def functions_of(contract: ProjectContract) -> list[Parameter]:
    """All functions of a contract."""
    return [item for item in contract.abi if item["type"] == "function"]


def words_like(scene: Scene) -> st.SearchStrategy[int]:
    """Numbers, small and huge, and those that mean something in the scene."""
    meaningful = [*scene.words, *(int(account, 16) for account in scene.accounts)]
    huge = [2**48 - 1, 2**48, 2**96, WORD_MAX]
    return st.one_of(st.integers(0, 100), st.sampled_from([*huge, *meaningful]), st.integers(0, WORD_MAX))


def bytes_like(size: str, scene: Scene) -> st.SearchStrategy[bytes]:
    """Bytes of a size in decimal digits, or of any size; where they fit, the keys of the scene as well."""
    if not size:
        return st.binary(max_size=65)
    drawn = st.binary(min_size=int(size), max_size=int(size))
    keys = [bytes.fromhex(key[2:]) for key in scene.keys]
    return st.one_of(st.sampled_from(keys), drawn) if size == "32" else drawn


def value_of(parameter: Parameter, scene: Scene) -> st.SearchStrategy[object]:
    """A strategy for one parameter."""
    kind = str(parameter["type"])
    if kind.endswith("[]"):
        return st.lists(value_of(parameter | {"type": kind[:-2]}, scene), max_size=3)
    if kind == "tuple":
        return st.tuples(*(value_of(part, scene) for part in parameter["components"]))
    if kind.startswith("bytes"):
        return bytes_like(kind.removeprefix("bytes"), scene)
    if kind.startswith("uint"):
        bits = int(kind.removeprefix("uint"))
        return words_like(scene).map(lambda number: number % 2**bits)
    return {"address": st.sampled_from(list(scene.accounts)), "bool": st.booleans()}[kind]


def type_of(parameter: Parameter) -> str:
    """The parameter's type as it stands in a signature."""
    kind = str(parameter["type"])
    if kind.startswith("tuple"):
        inner = ",".join(type_of(part) for part in parameter["components"])
        return f"({inner}){kind[5:]}"
    return kind


def selector_of(function: Parameter) -> bytes:
    """The first four bytes of a call."""
    signature = f"{function['name']}({','.join(type_of(part) for part in function['inputs'])})"
    return bytes(web3.keccak(text=signature)[:4])


def calldata_of(function: Parameter, scene: Scene) -> st.SearchStrategy[bytes]:
    """Well-formed arguments, or the selector with random bytes behind it."""
    types = [type_of(part) for part in function["inputs"]]
    formed = st.tuples(*(value_of(part, scene) for part in function["inputs"])).map(
        lambda values: selector_of(function) + encode(types, values)
    )
    return st.one_of(formed, st.binary(max_size=200).map(lambda data: selector_of(function) + data))


def send_all(sender: object, contract: ProjectContract, calls: Sequence[tuple[bytes, int]]) -> None:
    """Mines all calls in one block, each as a transaction of its own; they may revert, but none may be left out."""
    sent_before = web3.eth.get_transaction_count(sender.address)
    for data, value in calls:
        call = {"from": sender.address, "to": contract.address, "data": web3.to_hex(data), "value": hex(value)}
        request("eth_sendTransaction", call | {"gas": hex(GAS_LIMIT), "gasPrice": "0x0"})
    request("evm_mine")
    assert web3.eth.get_transaction_count(sender.address) == sent_before + len(calls)
