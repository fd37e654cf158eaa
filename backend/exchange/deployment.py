"""The exchange of this deployment, as the manifest has it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.chain.errors import ManifestError
from backend.chain.manifest import Manifest
from backend.exchange.errors import ExchangeNotDeployedError, WrongNetworkError
from backend.hexes import parse_address
from backend.programmes.models import Programme
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class Currency:
    """The settlement currency: its ISO 4217 code, and how many decimal places its smallest unit has."""

    code: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """The exchange contract of a chain."""

    chain_id: int
    address: bytes
    notice_period_seconds: int
    currency: Currency

    def check_network(self, *programmes: Programme) -> None:
        """Raises WrongNetworkError for a programme of another chain."""
        for programme in programmes:
            if programme.chain_id != self.chain_id:
                raise wrong_network(
                    f"The programme {programme.slug} is on chain {programme.chain_id}", self, programme.chain_id
                )


def wrong_network(what: str, exchange: Exchange, found_chain_id: int) -> WrongNetworkError:
    """The error for a deployment whose database and manifest do not belong together."""
    return WrongNetworkError(
        f"{what} and the exchange is on chain {exchange.chain_id}; use manifest and database of one deployment.",
        expected_chain_id=exchange.chain_id,
        found_chain_id=found_chain_id,
    )


def exchange_of(settings: Settings) -> Exchange:
    """The exchange. Raises ExchangeNotDeployedError when the manifest has none or is not there."""
    path = settings.manifest_path
    try:
        changed_at_ns = path.stat().st_mtime_ns
    except OSError:
        changed_at_ns = 0
    exchange = _load(path, changed_at_ns)
    if exchange is None:
        raise ExchangeNotDeployedError("This deployment has no exchange; `interpoints deploy` adds one.")
    return exchange


@lru_cache(maxsize=8)
def _load(path: Path, changed_at_ns: int) -> Exchange | None:
    del changed_at_ns  # A file that changes is read anew.
    try:
        manifest = Manifest.load(path)
    except ManifestError:
        return None
    if manifest.exchange is None or manifest.clearing is None:
        return None
    currency = manifest.clearing.currency
    return Exchange(
        chain_id=manifest.chain_id,
        address=parse_address(manifest.exchange.address),
        notice_period_seconds=manifest.exchange.notice_period_seconds,
        currency=Currency(currency.code, currency.decimals),
    )
