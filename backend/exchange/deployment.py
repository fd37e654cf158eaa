"""The exchanges of this deployment, as the manifest has them: one among programmes of this chain, one with others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backend.chain.errors import ManifestError
from backend.chain.manifest import CrosschainEntry, Manifest
from backend.errors import InvalidRequestError
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
    """An exchange contract of this chain."""

    chain_id: int
    address: bytes
    notice_period_seconds: int
    currency: Currency
    counterparts: tuple[tuple[int, bytes], ...] = ()
    """The exchanges of other chains that it is linked with, by chain; none: its lanes stay on this chain."""

    def check_network(self, *programmes: Programme) -> None:
        """Raises WrongNetworkError for a programme of another chain."""
        for programme in programmes:
            if programme.chain_id != self.chain_id:
                raise wrong_network(
                    f"The programme {programme.slug} is on chain {programme.chain_id}", self, programme.chain_id
                )

    def counterpart(self, chain_id: int) -> bytes | None:
        """The exchange that mints on another chain, if this one is linked with it."""
        return dict(self.counterparts).get(chain_id)


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Both exchanges of this chain. `abroad` is None where the deployment deals with no other chain."""

    here: Exchange
    abroad: Exchange | None

    @property
    def chain_id(self) -> int:
        """The chain that both are on."""
        return self.here.chain_id

    @property
    def currency(self) -> Currency:
        """What programmes settle in on this chain."""
        return self.here.currency

    @property
    def each(self) -> tuple[Exchange, ...]:
        """Those that there are."""
        return (self.here,) if self.abroad is None else (self.here, self.abroad)

    @property
    def addresses(self) -> list[bytes]:
        """Addresses of those that there are."""
        return [exchange.address for exchange in self.each]

    def between(self, source: Programme, destination: Programme) -> Exchange:
        """The exchange on which two programmes agree to lanes here.

        Raises ExchangeNotDeployedError, and InvalidRequestError when neither is at home on this chain.
        """
        if source.is_branch and destination.is_branch:
            raise InvalidRequestError(
                f"Neither {source.name} nor {destination.name} is at home on chain {self.chain_id}. They agree to lanes"
                " on the chains where their points live."
            )
        if not source.is_branch and not destination.is_branch:
            return self.here
        if self.abroad is None:
            raise ExchangeNotDeployedError(
                "This deployment has no exchange with other chains; `interpoints deploy --peer` adds one."
            )
        return self.abroad


def wrong_network(what: str, exchange: Exchange, found_chain_id: int) -> WrongNetworkError:
    """The error for a deployment whose database and manifest do not belong together."""
    return WrongNetworkError(
        f"{what} and the exchange is on chain {exchange.chain_id}; use manifest and database of one deployment.",
        expected_chain_id=exchange.chain_id,
        found_chain_id=found_chain_id,
    )


def exchanges_of(settings: Settings) -> Exchanges:
    """The exchanges. Raises ExchangeNotDeployedError when the manifest has none or is not there."""
    exchanges = find_exchanges(settings)
    if exchanges is None:
        raise ExchangeNotDeployedError("This deployment has no exchange; `interpoints deploy` adds one.")
    return exchanges


def find_exchanges(settings: Settings) -> Exchanges | None:
    """The exchanges, if there are any."""
    path = settings.manifest_path
    try:
        changed_at_ns = path.stat().st_mtime_ns
    except OSError:
        changed_at_ns = 0
    return _load(path, changed_at_ns)


@lru_cache(maxsize=8)
def _load(path: Path, changed_at_ns: int) -> Exchanges | None:
    del changed_at_ns  # A file that changes is read anew.
    try:
        manifest = Manifest.load(path)
    except ManifestError:
        return None
    if manifest.exchange is None or manifest.clearing is None:
        return None
    currency = Currency(manifest.clearing.currency.code, manifest.clearing.currency.decimals)
    return Exchanges(
        here=Exchange(
            chain_id=manifest.chain_id,
            address=manifest.exchange.address_bytes,
            notice_period_seconds=manifest.exchange.notice_period_seconds,
            currency=currency,
        ),
        abroad=_abroad(manifest.crosschain, manifest.chain_id, currency),
    )


def _abroad(entry: CrosschainEntry | None, chain_id: int, currency: Currency) -> Exchange | None:
    if entry is None:
        return None
    return Exchange(
        chain_id=chain_id,
        address=entry.address_bytes,
        notice_period_seconds=entry.notice_period_seconds,
        currency=currency,
        counterparts=tuple((link.chain_id, parse_address(link.counterpart)) for link in entry.links),
    )
