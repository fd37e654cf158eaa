"""The clearing house of this deployment, as the manifest has it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.chain.errors import ManifestError
from backend.chain.manifest import Manifest
from backend.clearing.errors import ClearingNotDeployedError
from backend.exchange.deployment import Currency
from backend.hexes import parse_address
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class House:
    """The clearing house of a chain. Lengths in seconds; `block` is that of its deployment."""

    chain_id: int
    address: bytes
    block: int
    currency: Currency
    currency_address: bytes
    currency_symbol: str
    cycle_seconds: int
    payment_seconds: int
    keeper: bytes


def house_of(settings: Settings) -> House:
    """The clearing house. Raises ClearingNotDeployedError when the manifest has none or is not there."""
    house = find_house(settings)
    if house is None:
        raise ClearingNotDeployedError("This deployment has no clearing house; `interpoints deploy` adds one.")
    return house


def find_house(settings: Settings) -> House | None:
    """The clearing house, if there is one."""
    path = settings.manifest_path
    try:
        changed_at_ns = path.stat().st_mtime_ns
    except OSError:
        return None
    return _load(path, changed_at_ns)


@lru_cache(maxsize=8)
def _load(path: Path, _changed_at_ns: int) -> House | None:
    """Read anew whenever the file changes."""
    try:
        manifest = Manifest.load(path)
    except ManifestError:
        return None
    clearing = manifest.clearing
    if clearing is None:
        return None
    return House(
        chain_id=manifest.chain_id,
        address=clearing.address_bytes,
        block=clearing.block,
        currency=Currency(clearing.currency.code, clearing.currency.decimals),
        currency_address=clearing.currency.address_bytes,
        currency_symbol=clearing.currency.symbol,
        cycle_seconds=clearing.cycle_seconds,
        payment_seconds=clearing.payment_seconds,
        keeper=parse_address(clearing.keeper),
    )
