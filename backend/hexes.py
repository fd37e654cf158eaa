"""Bytes as the API speaks of them: 0x and hex; addresses with their EIP-55 checksum."""

from __future__ import annotations

import re
from typing import Annotated

from eth_utils.address import is_checksum_address, is_checksum_formatted_address, to_checksum_address
from pydantic import Field

from backend.errors import InvalidRequestError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
AddressText = Annotated[
    str, Field(pattern=r"^0x[0-9a-fA-F]{40}$", examples=["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"])
]
"""An address with its checksum."""
HashText = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
"""32 bytes."""


def address_text(value: bytes) -> str:
    """An address with its EIP-55 checksum."""
    return str(to_checksum_address(value))


def hex_text(value: bytes) -> str:
    """0x and lower-case hex."""
    return "0x" + value.hex()


def parse_address(text: str) -> bytes:
    """20 bytes of an address; a mixed-case one must have the right checksum. Raises InvalidRequestError."""
    if not _ADDRESS.fullmatch(text) or (is_checksum_formatted_address(text) and not is_checksum_address(text)):
        raise InvalidRequestError(f"{text} is not an address, or its checksum is wrong.")
    return bytes.fromhex(text[2:])


def parse_hash(text: str) -> bytes:
    """32 bytes. Raises InvalidRequestError."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{64}", text, re.ASCII):
        raise InvalidRequestError(f"{text} is not 32 bytes of hex.")
    return bytes.fromhex(text[2:])
