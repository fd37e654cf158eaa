"""EIP-712 orders that a member signs and anybody relays."""

from dataclasses import dataclass

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount

ORDERS = {
    "Redeem": "address account,uint256 amount,bytes32 ref,uint256 deadline",
    "Hold": "address account,uint256 amount,bytes32 ref,uint256 holdDeadline,uint256 deadline",
    "Permit": "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline",
}


def member_wallet(name: str) -> LocalAccount:
    """A wallet whose key is known to the test, always the same for a name."""
    return Account.from_key(name.encode().rjust(32, b"\x01"))


@dataclass(frozen=True)
class Domain:
    """The EIP-712 domain of a token."""

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
