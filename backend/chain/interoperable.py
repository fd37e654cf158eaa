"""ERC-7930 interoperable addresses of EVM chains, version 1: version, chain type, chain id and address in one."""

from __future__ import annotations

from typing import Final

_EVM_VERSION_1: Final = b"\x00\x01\x00\x00"
_ADDRESS_BYTES: Final = 20


def interoperable_address(chain_id: int, address: bytes) -> bytes:
    """`address` (20 bytes) on the chain. Errors: `ValueError`."""
    if len(address) != _ADDRESS_BYTES:
        raise ValueError(f"an address has 20 bytes, not {len(address)}")
    return _EVM_VERSION_1 + _with_length(_chain_reference(chain_id)) + _with_length(address)


def parse_interoperable_address(value: bytes) -> tuple[int, bytes]:
    """Chain id and address of what `interoperable_address` answers. Errors: `ValueError` for anything else.

    Stricter than ERC-7930, so that one address has one spelling: no zeros before the chain id, nothing behind.
    """
    head = len(_EVM_VERSION_1)
    size = value[head] if len(value) > head else 0
    chain_id, address = int.from_bytes(value[head + 1 : head + 1 + size], "big"), value[head + 2 + size :]
    if len(address) != _ADDRESS_BYTES or chain_id == 0 or value != interoperable_address(chain_id, address):
        raise ValueError(f"0x{value.hex()} is not an ERC-7930 address on an EVM chain")
    return chain_id, address


def _chain_reference(chain_id: int) -> bytes:
    if not 0 < chain_id < 1 << 256:
        raise ValueError(f"{chain_id} is no chain id")
    return chain_id.to_bytes((chain_id.bit_length() + 7) // 8, "big")


def _with_length(value: bytes) -> bytes:
    return bytes((len(value),)) + value
