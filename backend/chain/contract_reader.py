"""What readers of contracts have in common."""

from __future__ import annotations

from eth_utils.address import to_checksum_address

from backend.chain.client import ChainClient
from backend.chain.words import selector


class ContractReader:
    """Calls the views of the contract at `address` (20 bytes).

    Errors of every reader: `NodeError` and `ChainUnavailableError`.
    """

    def __init__(self, client: ChainClient, address: bytes) -> None:
        self.client = client
        self.address = address
        self._text = to_checksum_address(address)

    def _call(self, signature: str, *words: bytes, block: int | str) -> bytes:
        return self.client.eth_call(self._text, selector(signature) + b"".join(words), block=block)

    def _number(self, signature: str, *words: bytes, block: int | str) -> int:
        return int.from_bytes(self._call(signature, *words, block=block), "big")
