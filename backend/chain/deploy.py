"""Deploys registry, tokens, clearing house and exchanges, grants their roles, and writes the manifest as it goes.

Running it again with the same manifest continues where it stopped. It sends a handful of transactions by itself, one
at a time: it is the administrator's act, not the service's, and needs no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain import points_exchange, programme_registry
from backend.chain.administering import Administrator
from backend.chain.artifacts import load_artifact
from backend.chain.clearing_house import TREASURER_ROLE
from backend.chain.client import ChainClient
from backend.chain.deploy_crosschain import (
    CrosschainPlan,
    connect_gateway,
    deploy_crosschain_exchange,
    deploy_gateway,
    ends_of,
    grant_crosschain_roles,
    link_exchange,
)
from backend.chain.errors import ExecutionRevertedError, ManifestError
from backend.chain.manifest import (
    ClearingEntry,
    CurrencyEntry,
    ExchangeEntry,
    Manifest,
    ProgrammeEntry,
    RegistryEntry,
    TermsEntry,
)
from backend.chain.settlement_currency import SettlementCurrency
from backend.chain.signers import LOCAL_CHAIN_IDS, Signer
from backend.chain.words import selector

_NEEDED_BY_THE_EXCHANGE = {
    "registry": selector("stateOf(bytes32)"),
    "token": selector("crosschainRestoreLots(address,(uint256,uint256)[])"),
}
"""Functions that contracts deployed before there was an exchange do not have."""


@dataclass(frozen=True)
class ProgrammePlan:
    """A token to deploy. Accounts are 20 bytes; treasurer and quoter are the issuer unless given.

    With a `home_chain_id` it is a branch of a programme whose points live on that chain: it issues nothing.
    """

    slug: str
    name: str
    symbol: str
    terms: TermsEntry
    issuer: bytes
    custodian: bytes
    treasurer: bytes | None = None
    quoter: bytes | None = None
    home_chain_id: int = 0


@dataclass(frozen=True)
class ExchangePlan:
    """Exchange and clearing house to deploy; accounts are 20 bytes.

    Without a `currency` (an ERC-20) a local chain gets a test dollar, which anyone can mint.
    """

    keeper: bytes
    currency: bytes | None = None
    currency_code: str = "USD"
    cycle_seconds: int = 30 * 86_400
    payment_seconds: int = 7 * 86_400
    notice_period_seconds: int = 48 * 3_600


@dataclass
class Deployer:
    """Sends the administrator's transactions with `signer`, who becomes admin of everything."""

    client: ChainClient
    signer: Signer
    admin_delay_seconds: int = 0
    receipt_timeout_seconds: float = 120.0
    _admin: Administrator = field(init=False)

    def __post_init__(self) -> None:
        self._admin = Administrator(self.client, self.signer, self.receipt_timeout_seconds)

    def deploy(
        self,
        plans: Sequence[ProgrammePlan],
        manifest_path: Path,
        exchange: ExchangePlan | None = None,
        crosschain: CrosschainPlan | None = None,
    ) -> Manifest:
        """Deploys what the manifest does not have yet and answers the whole manifest.

        Errors: `WrongChainError` and `ManifestError` when the manifest there is of another chain or its contracts are
        not what it says; `ContractRevertedError`; `ChainUnavailableError`.
        """
        manifest = self._start(manifest_path)
        _check_homes(manifest, plans)
        registry = manifest.registry
        if registry is None:
            registry = self._deploy_registry()
            manifest = _saved(manifest, manifest_path, registry=registry)
        if exchange is not None and manifest.clearing is None:
            self._check_ready_for_exchange(manifest)
            manifest = _saved(manifest, manifest_path, clearing=self._deploy_clearing(registry, exchange))
        if exchange is not None and manifest.clearing is not None and manifest.exchange is None:
            entry = self._deploy_exchange(registry, manifest.clearing, exchange.notice_period_seconds)
            manifest = _saved(manifest, manifest_path, exchange=entry)
        if crosschain is not None:
            manifest = self._deploy_crosschain(manifest, manifest_path, crosschain)
        known = {entry.slug for entry in manifest.programmes}
        for plan in plans:
            if plan.slug not in known:
                manifest = _saved(manifest, manifest_path, programmes=(*manifest.programmes, self._deploy_token(plan)))
            self._finish(registry, manifest.programme(plan.slug))
        self._connect_exchange(manifest)
        grant_crosschain_roles(self._admin, manifest)
        return manifest

    def connect(self, manifest_path: Path, peers: Sequence[Manifest]) -> Manifest:
        """Makes gateway and crosschain exchange know those of `peers`, on other chains; answers the whole manifest.

        It is one direction: the peer's administrator does the same. Errors: as `deploy`; `ManifestError` also when
        one of the two has no gateway, or is connected with another already, which nothing can change.
        """
        manifest = self._start(manifest_path)
        gateway, crosschain = ends_of(manifest)
        for peer in peers:
            gateway = connect_gateway(self._admin, gateway, peer)
            manifest = _saved(manifest, manifest_path, gateway=gateway)
            crosschain = link_exchange(self._admin, crosschain, gateway, peer)
            manifest = _saved(manifest, manifest_path, crosschain=crosschain)
        return manifest

    def _start(self, path: Path) -> Manifest:
        if not path.exists():
            sources_hash = load_artifact("PointsToken").sources_hash
            chain_id, genesis_hash = self.client.chain_id(), self.client.genesis_hash()
            return Manifest(chain_id=chain_id, genesis_hash=genesis_hash, sources_hash=sources_hash)
        manifest = Manifest.load(path)
        manifest.check_chain(self.client)
        verify_code(self.client, manifest)
        return manifest

    def _deploy_registry(self) -> RegistryEntry:
        arguments = encode(["address", "uint48"], [self._admin.address, self.admin_delay_seconds])
        made = self._admin.create("ProgrammeRegistry", arguments)
        return RegistryEntry(
            address=made.address, code_hash=made.code_hash, block=made.block, admin=self._admin.address
        )

    # Programmes

    def _deploy_token(self, plan: ProgrammePlan) -> ProgrammeEntry:
        terms = plan.terms
        values = (
            terms.epoch_length_seconds,
            terms.validity_epochs,
            terms.clawback_epochs,
            terms.supply_cap_points,
            terms.transferable,
        )
        types = ["string", "string", "(uint48,uint16,uint16,uint48,bool)", "address", "uint48"]
        arguments = encode(types, [plan.name, plan.symbol, values, self._admin.address, self.admin_delay_seconds])
        made = self._admin.create("PointsToken", arguments)
        return ProgrammeEntry(
            slug=plan.slug,
            name=plan.name,
            symbol=plan.symbol,
            token=made.address,
            code_hash=made.code_hash,
            block=made.block,
            terms=terms,
            issuer=to_checksum_address(plan.issuer),
            custodian=to_checksum_address(plan.custodian),
            treasurer=to_checksum_address(plan.treasurer or plan.issuer),
            quoter=to_checksum_address(plan.quoter or plan.issuer),
            admin=self._admin.address,
            home_chain_id=plan.home_chain_id,
        )

    def _finish(self, registry: RegistryEntry, entry: ProgrammeEntry) -> None:
        """Grants the roles and registers the token, whatever of it is not done yet."""
        holders = [("PAUSER_ROLE", entry.admin)]
        if not entry.is_branch:
            holders += [("ISSUER_ROLE", entry.issuer), ("CUSTODIAN_ROLE", entry.custodian)]
        for role, holder in holders:
            self._admin.grant(entry.token_bytes, role, bytes.fromhex(holder[2:]))
        address = bytes.fromhex(registry.address[2:])
        self._admin.grant(address, "REGISTRAR_ROLE", self.signer.address)
        if programme_registry.ProgrammeRegistry(self.client, address).token_of(entry.slug) is None:
            self._admin.send(registry.address, programme_registry.encode_register(entry.slug, entry.token_bytes))

    # Exchange and clearing

    def _check_ready_for_exchange(self, manifest: Manifest) -> None:
        """Refuses an exchange between contracts that could not give a burnt swap back."""
        contracts = [(entry.token, "token") for entry in manifest.programmes]
        contracts += [(manifest.registry.address, "registry")] if manifest.registry else []
        for address, kind in contracts:
            if _NEEDED_BY_THE_EXCHANGE[kind] not in self.client.code(address):
                raise ManifestError(
                    f"The {kind} at {address} was deployed before there was an exchange and cannot take part in one:"
                    " deploy anew, with another manifest."
                )

    def _deploy_clearing(self, registry: RegistryEntry, plan: ExchangePlan) -> ClearingEntry:
        currency = self._currency(plan)
        types = ["address", "address", "uint256", "uint256", "address", "uint48"]
        lengths = (plan.cycle_seconds, plan.payment_seconds)
        values = [registry.address, currency.address, *lengths, self._admin.address, self.admin_delay_seconds]
        made = self._admin.create("ClearingHouse", encode(types, values))
        return ClearingEntry(
            address=made.address,
            code_hash=made.code_hash,
            block=made.block,
            admin=self._admin.address,
            currency=currency,
            cycle_seconds=plan.cycle_seconds,
            payment_seconds=plan.payment_seconds,
            keeper=to_checksum_address(plan.keeper),
        )

    def _currency(self, plan: ExchangePlan) -> CurrencyEntry:
        address = plan.currency
        if address is None:
            if self.client.chain_id() not in LOCAL_CHAIN_IDS:
                raise ManifestError("Only a local chain has a test dollar: name the settlement currency, an ERC-20.")
            address = self._admin.create("TestDollar").address_bytes
        text = to_checksum_address(address)
        currency = SettlementCurrency(self.client, address)
        try:
            symbol, decimals = currency.symbol(), currency.decimals()
        except (ValueError, ExecutionRevertedError) as error:
            raise ManifestError(f"The settlement currency at {text} is no ERC-20 with symbol and decimals.") from error
        return CurrencyEntry(address=text, symbol=symbol, decimals=decimals, code=plan.currency_code)

    def _deploy_exchange(self, registry: RegistryEntry, clearing: ClearingEntry, notice: int) -> ExchangeEntry:
        types = ["address", "address", "uint256", "address", "uint48"]
        values = [registry.address, clearing.address, notice, self._admin.address, self.admin_delay_seconds]
        made = self._admin.create("PointsExchange", encode(types, values))
        return ExchangeEntry(
            address=made.address,
            code_hash=made.code_hash,
            block=made.block,
            admin=self._admin.address,
            notice_period_seconds=notice,
        )

    def _deploy_crosschain(self, manifest: Manifest, path: Path, plan: CrosschainPlan) -> Manifest:
        registry, clearing = manifest.registry, manifest.clearing
        if registry is None or clearing is None:
            raise ManifestError("Swaps across chains are cleared like others: the deployment needs a clearing house.")
        if manifest.gateway is None:
            gateway = deploy_gateway(self._admin, plan, self.admin_delay_seconds)
            manifest = _saved(manifest, path, gateway=gateway)
        if manifest.crosschain is None:
            entry = deploy_crosschain_exchange(self._admin, plan, registry, clearing, self.admin_delay_seconds)
            manifest = _saved(manifest, path, crosschain=entry)
        return manifest

    def _connect_exchange(self, manifest: Manifest) -> None:
        """Grants what exchange and partners need, whatever of it is not done yet."""
        exchange, clearing = manifest.exchange, manifest.clearing
        if exchange is None or clearing is None:
            return
        self._admin.grant(exchange.address_bytes, "PAUSER_ROLE", self.signer.address)
        self._admin.grant(clearing.address_bytes, "EXCHANGE_ROLE", exchange.address_bytes)
        for entry in manifest.programmes:
            treasurer, quoter = bytes.fromhex(entry.treasurer[2:]), bytes.fromhex(entry.quoter[2:])
            if not entry.is_branch:
                self._admin.grant(entry.token_bytes, "EXCHANGE_ROLE", exchange.address_bytes)
            self._admin.grant(entry.token_bytes, points_exchange.LANE_ROLE, treasurer)
            self._admin.grant(entry.token_bytes, TREASURER_ROLE, treasurer)
            self._admin.grant(entry.token_bytes, points_exchange.QUOTER_ROLE, quoter)


def _check_homes(manifest: Manifest, plans: Sequence[ProgrammePlan]) -> None:
    """Refuses a programme that is at home elsewhere than its plan says: what lives here once, lives here for good."""
    homes = {entry.slug: entry.home_chain_id for entry in manifest.programmes}
    for plan in plans:
        if plan.home_chain_id == manifest.chain_id:
            raise ManifestError(f"{plan.slug} is at home here, on chain {manifest.chain_id}: give no home_chain_id.")
        if homes.get(plan.slug, plan.home_chain_id) != plan.home_chain_id:
            raise ManifestError(f"The home of {plan.slug} cannot be changed: it is deployed with another one.")


def _saved(manifest: Manifest, path: Path, **update: object) -> Manifest:
    """The manifest with these parts, on disk too."""
    changed = manifest.model_copy(update=update)
    changed.save(path)
    return changed


def verify_code(client: ChainClient, manifest: Manifest) -> None:
    """Checks that the manifest's addresses hold the code it says. Errors: `ManifestError`."""
    wanted = {entry.token: entry.code_hash for entry in manifest.programmes}
    houses = (manifest.registry, manifest.clearing, manifest.exchange, manifest.gateway, manifest.crosschain)
    wanted |= {entry.address: entry.code_hash for entry in houses if entry is not None}
    for address, code_hash in wanted.items():
        if "0x" + keccak(client.code(address)).hex() != code_hash:
            raise ManifestError(f"The code at {address} is not the one in the manifest.")
