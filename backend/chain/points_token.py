"""PointsToken: calldata for every state-changing function, readers, derived addresses and EIP-712 orders.

Encoders are written out by hand: they are on the path of every credit, and shared vectors in the tests hold them to
eth_abi byte by byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.client import Json
from backend.chain.contract_reader import ContractReader
from backend.chain.event_types import Lot
from backend.chain.typed_data import Domain, typed_data
from backend.chain.words import address_word, bytes_tail, hash_word, lots_tail, number_word, numbers_of
from backend.chain.words import selector as selector  # noqa: PLC0414 - callers find it here too

AMOUNT_LIMIT = 1 << 48
"""Amounts of points are below this."""
MANAGED_ACCOUNT_TYPEHASH = keccak(text="ManagedAccount(address token,bytes32 memberKey)")
HOLD_ACCOUNT_TYPEHASH = keccak(text="HoldAccount(address token,address account,bytes32 ref)")


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of a token; the cap is the present one."""

    epoch_length_seconds: int
    validity_epochs: int
    clawback_epochs: int
    supply_cap_points: int
    transferable: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """An open hold: points and deadline in Unix seconds."""

    points: int
    deadline: int


# Issuing

_ISSUE = selector("issue(address,uint256,bytes32)")
_ISSUE_BATCH = selector("issueBatch(bytes32,uint256[])")
_REFUND = selector("refund(bytes32,address,(uint256,uint256)[],uint256)")
_CLAWBACK = selector("clawback(address,uint256,uint256,bytes32)")


def encode_issue(account: bytes, points: int, ref: bytes) -> bytes:
    """issue(to, amount, ref)."""
    return _ISSUE + address_word(account) + number_word(points) + hash_word(ref)


def encode_issue_batch(batch_id: bytes, credited: Sequence[tuple[bytes, int]]) -> bytes:
    """issueBatch(batchId, credits): one word a credit, `account << 96 | points`.

    Errors: `ValueError` for an account that is not 20 bytes or points outside 1 .. 2^48 - 1.
    """
    if any(len(account) != 20 or not 0 < points < AMOUNT_LIMIT for account, points in credited):
        raise ValueError("a credit needs an account of 20 bytes and 1 to 2^48 - 1 points")
    words = b"".join([account + points.to_bytes(12, "big") for account, points in credited])
    return _ISSUE_BATCH + hash_word(batch_id) + number_word(64) + number_word(len(credited)) + words


def encode_refund(ref: bytes, account: bytes, lots: Sequence[Lot], points: int) -> bytes:
    """refund(ref, account, lots, amount); `lots` as PointsRedeemed logged them."""
    return _REFUND + hash_word(ref) + address_word(account) + number_word(128) + number_word(points) + lots_tail(lots)


def encode_clawback(account: bytes, epoch: int, points: int, ref: bytes) -> bytes:
    """clawback(account, epoch, amount, ref)."""
    return _CLAWBACK + address_word(account) + number_word(epoch) + number_word(points) + hash_word(ref)


# Spending

_REDEEM = selector("redeem(uint256,bytes32)")
_REDEEM_SIGNED = selector("redeemWithSignature(address,uint256,bytes32,uint256,bytes)")
_REDEEM_MANAGED = selector("redeemManaged(bytes32,uint256,bytes32)")
_HOLD = selector("hold(uint256,bytes32,uint256)")
_HOLD_SIGNED = selector("holdWithSignature(address,uint256,bytes32,uint256,uint256,bytes)")
_HOLD_MANAGED = selector("holdManaged(bytes32,uint256,bytes32,uint256)")
_CAPTURE = selector("capture(address,bytes32,uint256)")
_RELEASE = selector("release(address,bytes32)")
_MOVE_TO_WALLET = selector("moveToWallet(bytes32,address)")
_EXPIRE = selector("expire(address[])")
_TRANSFER = selector("transfer(address,uint256)")


def encode_redeem(points: int, ref: bytes) -> bytes:
    """redeem(amount, ref), sent by the holder."""
    return _REDEEM + number_word(points) + hash_word(ref)


def encode_redeem_with_signature(account: bytes, points: int, ref: bytes, deadline: int, signature: bytes) -> bytes:
    """redeemWithSignature(account, amount, ref, deadline, signature)."""
    head = address_word(account) + number_word(points) + hash_word(ref) + number_word(deadline) + number_word(160)
    return _REDEEM_SIGNED + head + bytes_tail(signature)


def encode_redeem_managed(member_key: bytes, points: int, ref: bytes) -> bytes:
    """redeemManaged(memberKey, amount, ref)."""
    return _REDEEM_MANAGED + hash_word(member_key) + number_word(points) + hash_word(ref)


def encode_hold(points: int, ref: bytes, deadline: int) -> bytes:
    """hold(amount, ref, deadline), sent by the holder."""
    return _HOLD + number_word(points) + hash_word(ref) + number_word(deadline)


def encode_hold_with_signature(  # noqa: PLR0917 - the contract's order
    account: bytes, points: int, ref: bytes, hold_deadline: int, deadline: int, signature: bytes
) -> bytes:
    """holdWithSignature(account, amount, ref, holdDeadline, deadline, signature)."""
    head = (
        address_word(account)
        + number_word(points)
        + hash_word(ref)
        + number_word(hold_deadline)
        + number_word(deadline)
        + number_word(192)
    )
    return _HOLD_SIGNED + head + bytes_tail(signature)


def encode_hold_managed(member_key: bytes, points: int, ref: bytes, deadline: int) -> bytes:
    """holdManaged(memberKey, amount, ref, deadline)."""
    return _HOLD_MANAGED + hash_word(member_key) + number_word(points) + hash_word(ref) + number_word(deadline)


def encode_capture(account: bytes, ref: bytes, points: int) -> bytes:
    """capture(account, ref, amount)."""
    return _CAPTURE + address_word(account) + hash_word(ref) + number_word(points)


def encode_release(account: bytes, ref: bytes) -> bytes:
    """release(account, ref)."""
    return _RELEASE + address_word(account) + hash_word(ref)


def encode_move_to_wallet(member_key: bytes, wallet: bytes) -> bytes:
    """moveToWallet(memberKey, wallet)."""
    return _MOVE_TO_WALLET + hash_word(member_key) + address_word(wallet)


def encode_expire(accounts: Sequence[bytes]) -> bytes:
    """expire(accounts)."""
    return (
        _EXPIRE + number_word(32) + number_word(len(accounts)) + b"".join(address_word(account) for account in accounts)
    )


def encode_transfer(to: bytes, points: int) -> bytes:
    """transfer(to, value), sent by the holder."""
    return _TRANSFER + address_word(to) + number_word(points)


# Administration

_GRANT_ROLE = selector("grantRole(bytes32,address)")
_RENOUNCE_ROLE = selector("renounceRole(bytes32,address)")
_SET_SUPPLY_CAP = selector("setSupplyCap(uint48)")
_PAUSE = selector("pause()")
_UNPAUSE = selector("unpause()")


def encode_grant_role(role: bytes, account: bytes) -> bytes:
    """grantRole(role, account)."""
    return _GRANT_ROLE + hash_word(role) + address_word(account)


def encode_renounce_role(role: bytes, account: bytes) -> bytes:
    """renounceRole(role, callerConfirmation): `account` is the sender."""
    return _RENOUNCE_ROLE + hash_word(role) + address_word(account)


def encode_set_supply_cap(points: int) -> bytes:
    """setSupplyCap(cap)."""
    return _SET_SUPPLY_CAP + number_word(points)


def encode_pause() -> bytes:
    """pause()."""
    return _PAUSE


def encode_unpause() -> bytes:
    """unpause()."""
    return _UNPAUSE


# Derived addresses


def managed_account(token: bytes, member_key: bytes) -> bytes:
    """Account of a member without a wallet; no private key exists for it."""
    return keccak(MANAGED_ACCOUNT_TYPEHASH + address_word(token) + hash_word(member_key))[12:]


def hold_account(token: bytes, account: bytes, ref: bytes) -> bytes:
    """Account that keeps the points of the hold `ref` of `account`."""
    return keccak(HOLD_ACCOUNT_TYPEHASH + address_word(token) + address_word(account) + hash_word(ref))[12:]


# EIP-712 orders


def redeem_order(
    *, token: bytes, name: str, chain_id: int, account: bytes, points: int, ref: bytes, deadline: int
) -> dict[str, Json]:
    """EIP-712 typed data (eth_signTypedData_v4) of a redemption; `name` is the token's, `deadline` Unix seconds."""
    fields = [("account", "address"), ("amount", "uint256"), ("ref", "bytes32"), ("deadline", "uint256")]
    message: dict[str, Json] = {
        "account": to_checksum_address(account),
        "amount": points,
        "ref": "0x" + hash_word(ref).hex(),
        "deadline": deadline,
    }
    return typed_data(Domain(token, name, chain_id), "Redeem", fields, message)


def hold_order(
    *,
    token: bytes,
    name: str,
    chain_id: int,
    account: bytes,
    points: int,
    ref: bytes,
    hold_deadline: int,
    deadline: int,
) -> dict[str, Json]:
    """EIP-712 typed data of a hold until `hold_deadline`, to be relayed until `deadline` (Unix seconds)."""
    fields = [("account", "address"), ("amount", "uint256"), ("ref", "bytes32")]
    fields += [("holdDeadline", "uint256"), ("deadline", "uint256")]
    message: dict[str, Json] = {
        "account": to_checksum_address(account),
        "amount": points,
        "ref": "0x" + hash_word(ref).hex(),
        "holdDeadline": hold_deadline,
        "deadline": deadline,
    }
    return typed_data(Domain(token, name, chain_id), "Hold", fields, message)


# Readers


class PointsToken(ContractReader):
    """Reads one token. `block` is a number or a tag; addresses are 20 bytes.

    Errors of every reader: `NodeError` and `ChainUnavailableError`.
    """

    def lots_of(self, account: bytes, block: int | str = "latest") -> list[Lot]:
        """Live lots, earliest first."""
        numbers = numbers_of(self._call("lotsOf(address)", address_word(account), block=block))
        return [Lot(epoch, amount) for epoch, amount in zip(numbers[2::2], numbers[3::2], strict=True)]

    def balance_of(self, account: bytes, block: int | str = "latest") -> int:
        """Live points."""
        return self._number("balanceOf(address)", address_word(account), block=block)

    def total_supply(self, block: int | str = "latest") -> int:
        """Live points of all accounts."""
        return self._number("totalSupply()", block=block)

    def terms(self, block: int | str = "latest") -> Terms:
        """The programme's terms."""
        length, validity, clawback, cap, transferable = numbers_of(self._call("terms()", block=block))
        return Terms(length, validity, clawback, cap, bool(transferable))

    def refundable_of(self, account: bytes, ref: bytes, block: int | str = "latest") -> int:
        """Points of a redemption that have not been refunded; zero when there is none."""
        return self._number("refundableOf(address,bytes32)", address_word(account), hash_word(ref), block=block)

    def hold_of(self, account: bytes, ref: bytes, block: int | str = "latest") -> Hold | None:
        """The open hold under `ref`, if any."""
        points, deadline = numbers_of(
            self._call("holdOf(address,bytes32)", address_word(account), hash_word(ref), block=block)
        )
        return Hold(points, deadline) if deadline else None

    def current_epoch(self, block: int | str = "latest") -> int:
        """Epoch of the block."""
        return self._number("currentEpoch()", block=block)

    def role(self, name: str) -> bytes:
        """Id of the role `name`, such as ISSUER_ROLE."""
        return self._call(f"{name}()", block="latest")

    def has_role(self, role: bytes, account: bytes, block: int | str = "latest") -> bool:
        """Whether `account` holds `role`."""
        return bool(self._number("hasRole(bytes32,address)", hash_word(role), address_word(account), block=block))
