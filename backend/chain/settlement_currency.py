"""The settlement currency: an ordinary ERC-20. Amounts in its smallest unit."""

from __future__ import annotations

from typing import cast

from eth_utils.address import to_checksum_address

from backend.chain.abi_reading import read_values
from backend.chain.client import ChainClient
from backend.chain.words import address_word, number_word, selector

_APPROVE = selector("approve(address,uint256)")
_TRANSFER = selector("transfer(address,uint256)")
_MINT = selector("mint(address,uint256)")


def encode_approve(spender: bytes, amount: int) -> bytes:
    """approve(spender, amount): lets the clearing house collect a deposit or payment."""
    return _APPROVE + address_word(spender) + number_word(amount)


def encode_currency_transfer(to: bytes, amount: int) -> bytes:
    """transfer(to, value)."""
    return _TRANSFER + address_word(to) + number_word(amount)


def encode_mint_test_dollars(to: bytes, amount: int) -> bytes:
    """mint(to, amount), of the test dollar of local chains only."""
    return _MINT + address_word(to) + number_word(amount)


class SettlementCurrency:
    """Reads the currency. Errors of every reader: `NodeError` and `ChainUnavailableError`."""

    def __init__(self, client: ChainClient, address: bytes) -> None:
        self.client = client
        self.address = address
        self._text = to_checksum_address(address)

    def _call(self, signature: str, *words: bytes, block: int | str = "latest") -> bytes:
        return self.client.eth_call(self._text, selector(signature) + b"".join(words), block=block)

    def balance_of(self, account: bytes, block: int | str = "latest") -> int:
        """Money of an account."""
        return int.from_bytes(self._call("balanceOf(address)", address_word(account), block=block), "big")

    def allowance(self, owner: bytes, spender: bytes, block: int | str = "latest") -> int:
        """What `spender` may collect from `owner`."""
        words = (address_word(owner), address_word(spender))
        return int.from_bytes(self._call("allowance(address,address)", *words, block=block), "big")

    def decimals(self) -> int:
        """Digits after the point: the smallest unit is 10^-decimals."""
        return int.from_bytes(self._call("decimals()"), "big")

    def symbol(self) -> str:
        """Short name."""
        (value,) = read_values(["bytes"], self._call("symbol()"))
        return cast("bytes", value).decode("utf-8")
