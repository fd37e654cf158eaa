"""Revert bytes of the contracts, as errors a member could read."""

from __future__ import annotations

from functools import cache

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.artifacts import AbiItem, load_artifact
from backend.chain.errors import ContractRevertedError

_STRING_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")

_SENTENCES = {
    "AccessControlUnauthorizedAccount": "The account {account} has not been given the role this needs.",
    "CaptureExceedsHold": "{requested} points were to be captured but only {held} are held.",
    "ClawbackWindowClosed": "Points of epoch {epoch} can no longer be taken back: it is epoch {currentEpoch}.",
    "ECDSAInvalidSignature": "The signature is not valid.",
    "ERC20InsufficientAllowance": "The allowance is {allowance} points, {needed} are needed.",
    "ERC20InsufficientBalance": "The balance is {balance} points, {needed} are needed.",
    "ERC7818TransferredExpiredToken": "The points of epoch {epoch} have expired.",
    "EmptyBatch": "The batch has no credits.",
    "EnforcedPause": "The programme is paused; it goes on when the programme does.",
    "EpochInFuture": "Epoch {epoch} has not begun: it is epoch {currentEpoch}.",
    "EpochLimitReached": "The token has reached its last epoch; the programme must move to another token.",
    "HoldExpired": "The hold ended at {deadline} (Unix seconds) and can no longer be captured.",
    "HoldNotOpen": "There is no open hold under this reference.",
    "HoldStillActive": "The hold runs until {deadline} (Unix seconds); only the programme can release it before.",
    "InvalidAmount": "{amount} is not an amount of points that can be moved.",
    "InvalidDeadline": "The deadline {deadline} (Unix seconds) is past or too far in the future.",
    "InvalidSignature": "The signature is not the account's.",
    "RedemptionMismatch": "There is no redemption under this reference with this account and these lots.",
    "RefAlreadyUsed": "This reference has been used before.",
    "RefundExceedsRedemption": "{requested} points were to be refunded but only {remaining} of the redemption remain.",
    "SignatureExpired": "The signed order was valid until {deadline} (Unix seconds).",
    "SupplyCapExceeded": "The programme's cap is {cap} points; there would be {increasedSupply}.",
    "TransfersDisabled": "Points of this programme cannot be transferred between members.",
}


@cache
def _errors_by_selector() -> dict[bytes, AbiItem]:
    items = [*load_artifact("PointsToken").abi, *load_artifact("ProgrammeRegistry").abi]
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
            sentence = _SENTENCES.get(item.name)
            told = sentence.format(**arguments) if sentence else f"The contract refused: {item.name} {arguments}."
            return ContractRevertedError(item.name, arguments, told)
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
