"""Revert bytes of the contracts, as errors a member could read."""

from __future__ import annotations

from functools import cache

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.artifacts import AbiItem, all_artifacts
from backend.chain.errors import ContractRevertedError
from backend.chain.refusals import SENTENCES

_STRING_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


def refusal(name: str, **arguments: object) -> ContractRevertedError:
    """The custom error `name`, as if the contract had answered it; arguments spelt as in its ABI."""
    sentence = SENTENCES.get(name)
    told = sentence.format(**arguments) if sentence else f"The contract refused: {name} {arguments}."
    return ContractRevertedError(name, arguments, told)


@cache
def _errors_by_selector() -> dict[bytes, AbiItem]:
    items = [item for artifact in all_artifacts() for item in artifact.abi]
    return {keccak(text=item.signature())[:4]: item for item in items if item.type == "error"}


def _plain(value: object) -> object:
    """Bytes as 0x hex, addresses with checksum, tuples as lists."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, str) and len(value) == 42 and value.startswith("0x"):
        return str(to_checksum_address(value))
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


def decode_revert(data: bytes) -> ContractRevertedError:
    """The error that revert bytes stand for; unknown ones are called `Unknown` and keep their bytes."""
    item = _errors_by_selector().get(data[:4])
    try:
        if item is not None:
            values = decode([part.canonical_type() for part in item.inputs], data[4:])
            arguments = {part.name: _plain(value) for part, value in zip(item.inputs, values, strict=True)}
            return refusal(item.name, **arguments)
        if data[:4] == _STRING_ERROR:
            (text,) = decode(["string"], data[4:])
            return ContractRevertedError("Error", {"message": text}, f"The contract refused: {text}")
        if data[:4] == _PANIC:
            (code,) = decode(["uint256"], data[4:])
            return ContractRevertedError("Panic", {"code": code}, f"The contract stopped with panic code {code:#x}.")
    except DecodingError:
        pass  # Not what its selector promises: told as unknown below.
    detail = (
        "The contract refused without saying why." if not data else f"The contract refused with 0x{data.hex()[:200]}."
    )
    return ContractRevertedError("Unknown", {"data": "0x" + data.hex()}, detail)


def revert_from_text(data: str | None) -> ContractRevertedError:
    """Like `decode_revert`, from a node's 0x hex (or nothing)."""
    try:
        return decode_revert(bytes.fromhex((data or "0x").removeprefix("0x")))
    except ValueError:
        return decode_revert(b"")
