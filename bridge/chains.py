"""The configured chains, opened: clients, addresses, and where reading begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backend.chain.attested_gateway import Route
from backend.chain.client import ChainClient
from backend.chain.manifest import Manifest
from bridge.errors import BridgeSettingsError
from bridge.finality import Finality
from bridge.settings import ChainSettings

_LONGEST_ANSWER_BYTES = 8_000_000
"""Of others only headers with transaction hashes are asked."""
_OWN_ATTEMPTS = 2
"""Rounds over one's own endpoints in one question; the next step asks again."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of the configuration. Addresses are 20 bytes."""

    settings: ChainSettings
    gateway: bytes
    exchange: bytes | None
    """The crosschain exchange, if known."""
    start_block: int
    from_the_beginning: bool
    """Whether reading begins no later than the gateway, so that the first nonce must be 1."""
    manifest: Manifest | None
    client: ChainClient
    """One's own node."""
    others: tuple[ChainClient, ...]
    """Endpoints of independent others, one client each."""
    finality: Finality

    @property
    def name(self) -> str:
        """Name for people."""
        return self.settings.name

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self.settings.chain_id

    def close(self) -> None:
        """Closes the connections."""
        for client in (self.client, *self.others):
            client.close()


Chains = Mapping[int, Chain]
"""By chain id."""


def open_chain(settings: ChainSettings) -> Chain:
    """One chain; asks nothing yet. Errors: `BridgeSettingsError`, `ManifestError`."""
    manifest = Manifest.load(settings.manifest) if settings.manifest is not None else None
    gateway, exchange, block = settings.gateway, settings.exchange, 0
    if manifest is not None:
        if manifest.chain_id != settings.chain_id:
            raise BridgeSettingsError(f"chain.{settings.name}.manifest", f"it is of chain {manifest.chain_id}")
        if manifest.gateway is not None:
            gateway, block = gateway or manifest.gateway.address, manifest.gateway.block
        if manifest.crosschain is not None:
            exchange = exchange or manifest.crosschain.address
    if gateway is None:
        raise BridgeSettingsError(f"chain.{settings.name}.gateway", "the manifest names no gateway")
    start_block = settings.start_block if settings.start_block is not None else block
    return Chain(
        settings=settings,
        gateway=bytes.fromhex(gateway[2:]),
        exchange=bytes.fromhex(exchange[2:]) if exchange is not None else None,
        start_block=start_block,
        from_the_beginning=start_block <= block,
        manifest=manifest,
        client=_client(settings, settings.endpoints, _OWN_ATTEMPTS, None),
        others=tuple(_client(settings, [url], 1, _LONGEST_ANSWER_BYTES) for url in settings.others),
        finality=Finality.of(settings.finality),
    )


def _client(settings: ChainSettings, urls: list[str], attempts: int, max_answer_bytes: int | None) -> ChainClient:
    return ChainClient(
        urls,
        settings.chain_id,
        timeout_seconds=settings.timeout_seconds,
        attempts=attempts,
        max_answer_bytes=max_answer_bytes,
    )


def open_chains(settings: list[ChainSettings]) -> Chains:
    """All chains of the configuration, by id."""
    return {each.chain_id: open_chain(each) for each in settings}


def route(source: Chain, destination: Chain) -> Route:
    """The way from one chain's gateway to the other's."""
    return Route(source.chain_id, source.gateway, destination.chain_id, destination.gateway)
