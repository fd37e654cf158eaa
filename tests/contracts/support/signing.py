"""EIP-712 orders that a member signs and anybody relays."""

from collections.abc import Callable
from dataclasses import dataclass

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount

ORDERS = {
    "Redeem": "address account,uint256 amount,bytes32 ref,uint256 deadline",
    "Hold": "address account,uint256 amount,bytes32 ref,uint256 holdDeadline,uint256 deadline",
    "Swap": (
        "address account,bytes32 laneId,address to,uint256 maxIn,uint256 minOut,bytes32 ref,bytes32 quoteId,"
        "uint256 deadline"
    ),
    "Quote": (
        "bytes32 quoteId,bytes32 laneId,uint32 version,address account,uint48 maxIn,uint16 bonusBps,uint48 expiresAt"
    ),
    "Permit": "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline",
}

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def member_wallet(name: str) -> LocalAccount:
    """A wallet whose key is known to the test, always the same for a name."""
    return Account.from_key(name.encode().rjust(32, b"\x01"))


def high_s(signature: bytes) -> bytes:
    """The same signature with its s in the upper half of the curve's order, which is refused."""
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def compact(signature: bytes) -> bytes:
    """The 64 bytes of EIP-2098, which are refused."""
    s = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32] + s.to_bytes(32, "big")


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "high s": high_s,
    "compact": compact,
    "v of 0 or 1": lambda signature: signature[:64] + bytes([signature[64] - 27]),
    "v of 29": lambda signature: signature[:64] + b"\x1d",
    "longer": lambda signature: signature + b"\x00",
    "shorter": lambda signature: signature[:64],
    "zeros": lambda signature: b"\x00" * 65,
    "empty": lambda signature: b"",
}
"""Ways to spoil a good signature."""


@dataclass(frozen=True)
class Domain:
    """The EIP-712 domain of a contract."""

    name: str
    chain_id: int
    verifying_contract: str
    version: str = "1"

    def order(self, kind: str, *values: object) -> SignableMessage:
        """An order of the given kind, ready to be signed."""
        fields = [dict(zip(("type", "name"), part.split(" "), strict=True)) for part in ORDERS[kind].split(",")]
        message = {field["name"]: value for field, value in zip(fields, values, strict=True)}
        domain = {
            "name": self.name,
            "version": self.version,
            "chainId": self.chain_id,
            "verifyingContract": self.verifying_contract,
        }
        return encode_typed_data(domain, {kind: fields}, message)

    def sign(self, wallet: LocalAccount, kind: str, *values: object) -> bytes:
        """The 65 bytes r, s, v of the wallet's signature over an order."""
        return bytes(wallet.sign_message(self.order(kind, *values)).signature)
