"""ProgrammeRegistry: calldata and readers."""

from __future__ import annotations

from eth_utils.address import to_checksum_address

from backend.chain.client import ChainClient
from backend.chain.words import selector

_REGISTER = selector("register(bytes32,address)")


def programme_id(slug: str) -> bytes:
    """The id on chain: the slug's ASCII, left-aligned in 32 bytes."""
    return slug.encode("ascii").ljust(32, b"\0")


def encode_register(slug: str, token: bytes) -> bytes:
    """register(programmeId, token)."""
    return _REGISTER + programme_id(slug) + bytes(12) + token


class ProgrammeRegistry:
    """Reads the registry. Errors of every reader: `NodeError` and `ChainUnavailableError`."""

    def __init__(self, client: ChainClient, address: bytes) -> None:
        self.client = client
        self.address = address

    def _call(self, signature: str, *words: bytes, block: int | str) -> bytes:
        return self.client.eth_call(
            to_checksum_address(self.address), selector(signature) + b"".join(words), block=block
        )

    def token_of(self, slug: str, block: int | str = "latest") -> bytes | None:
        """The programme's token; None when unknown."""
        token = self._call("tokenOf(bytes32)", programme_id(slug), block=block)[12:]
        return token if any(token) else None

    def is_active(self, token: bytes, block: int | str = "latest") -> bool:
        """Whether `token` is registered and not suspended."""
        return any(self._call("isActive(address)", bytes(12) + token, block=block))

    def slugs(self, block: int | str = "latest") -> list[str]:
        """Every programme ever registered, in order."""
        count = int.from_bytes(self._call("count()", block=block), "big")
        ids = [self._call("programmeAt(uint256)", index.to_bytes(32, "big"), block=block) for index in range(count)]
        return [value.rstrip(b"\0").decode("ascii") for value in ids]
