"""EIP-712 typed data in the form wallets take it (eth_signTypedData_v4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_utils.address import to_checksum_address

from backend.chain.client import Json

TypedData = dict[str, Json]
_DOMAIN = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature holds: a contract, by the name it gives itself, on one chain. The version is always 1."""

    contract: bytes
    name: str
    chain_id: int


def typed_data(domain: Domain, kind: str, fields: Sequence[tuple[str, str]], values: Mapping[str, Json]) -> TypedData:
    """A struct `kind` with `fields` (name, type)."""
    return {
        "types": {"EIP712Domain": _rows(_DOMAIN), kind: _rows(fields)},
        "primaryType": kind,
        "domain": {
            "name": domain.name,
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": to_checksum_address(domain.contract),
        },
        "message": dict(values),
    }


def _rows(fields: Sequence[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "type": kind} for name, kind in fields]
