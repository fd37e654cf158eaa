"""Deploys the registry and the programmes' tokens, grants their roles, and writes the manifest as it goes.

Running it again with the same manifest continues where it stopped. It sends a handful of transactions by itself, one
at a time: it is the administrator's act, not the service's, and needs no database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain import points_token, programme_registry
from backend.chain.artifacts import load_artifact
from backend.chain.client import ChainClient, Json
from backend.chain.errors import (
    AlreadyKnownError,
    ChainError,
    ChainUnavailableError,
    ExecutionRevertedError,
    ManifestError,
)
from backend.chain.manifest import Manifest, ProgrammeEntry, RegistryEntry, TermsEntry
from backend.chain.reverts import revert_from_text
from backend.chain.signers import Signer, transaction_hash

log = structlog.get_logger(__name__)
_GAS_CAP = 16_777_216
"""EIP-7825: no transaction may ask for more."""


@dataclass(frozen=True)
class ProgrammePlan:
    """A token to deploy. Accounts are 20 bytes."""

    slug: str
    name: str
    symbol: str
    terms: TermsEntry
    issuer: bytes
    custodian: bytes


@dataclass
class Deployer:
    """Sends the administrator's transactions with `signer`, who becomes admin of everything."""

    client: ChainClient
    signer: Signer
    admin_delay_seconds: int = 0
    receipt_timeout_seconds: float = 120.0
    _sender: str = field(init=False)

    def __post_init__(self) -> None:
        self._sender = to_checksum_address(self.signer.address)

    def deploy(self, plans: Sequence[ProgrammePlan], manifest_path: Path) -> Manifest:
        """Deploys what the manifest does not have yet and answers the whole manifest.

        Errors: `WrongChainError` and `ManifestError` when the manifest there is of another chain or its contracts are
        not what it says; `ContractRevertedError`; `ChainUnavailableError`.
        """
        manifest = self._start(manifest_path)
        if manifest.registry is None:
            manifest = manifest.model_copy(update={"registry": self._deploy_registry()})
            manifest.save(manifest_path)
        known = {entry.slug for entry in manifest.programmes}
        for plan in plans:
            if plan.slug not in known:
                entry = self._deploy_token(plan)
                manifest = manifest.model_copy(update={"programmes": (*manifest.programmes, entry)})
                manifest.save(manifest_path)
            self._finish(manifest, manifest.programme(plan.slug))
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
        arguments = encode(["address", "uint48"], [self._sender, self.admin_delay_seconds])
        address, block = self._create("ProgrammeRegistry", arguments)
        code_hash = "0x" + keccak(self.client.code(address)).hex()
        return RegistryEntry(address=address, code_hash=code_hash, block=block, admin=self._sender)

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
        arguments = encode(types, [plan.name, plan.symbol, values, self._sender, self.admin_delay_seconds])
        address, block = self._create("PointsToken", arguments)
        return ProgrammeEntry(
            slug=plan.slug,
            name=plan.name,
            symbol=plan.symbol,
            token=address,
            code_hash="0x" + keccak(self.client.code(address)).hex(),
            block=block,
            terms=terms,
            issuer=to_checksum_address(plan.issuer),
            custodian=to_checksum_address(plan.custodian),
            admin=self._sender,
        )

    def _finish(self, manifest: Manifest, entry: ProgrammeEntry) -> None:
        """Grants the roles and registers the token, whatever of it is not done yet."""
        token = points_token.PointsToken(self.client, entry.token_bytes)
        holders = (("ISSUER_ROLE", entry.issuer), ("CUSTODIAN_ROLE", entry.custodian), ("PAUSER_ROLE", entry.admin))
        for name, holder in holders:
            role, account = token.role(name), bytes.fromhex(holder[2:])
            if not token.has_role(role, account):
                self._send(entry.token, points_token.encode_grant_role(role, account))
        if manifest.registry is None:
            raise ManifestError("The manifest has programmes but no registry.")
        registry = programme_registry.ProgrammeRegistry(self.client, bytes.fromhex(manifest.registry.address[2:]))
        self._grant_registrar(registry)
        if registry.token_of(entry.slug) is None:
            self._send(manifest.registry.address, programme_registry.encode_register(entry.slug, entry.token_bytes))

    def _grant_registrar(self, registry: programme_registry.ProgrammeRegistry) -> None:
        roles = points_token.PointsToken(self.client, registry.address)  # Same AccessControl functions.
        role = roles.role("REGISTRAR_ROLE")
        if not roles.has_role(role, self.signer.address):
            data = points_token.encode_grant_role(role, self.signer.address)
            self._send(to_checksum_address(registry.address), data)

    def _create(self, contract: str, arguments: bytes) -> tuple[str, int]:
        code = bytes.fromhex(load_artifact(contract).bytecode.removeprefix("0x"))
        receipt = self._send(None, code + arguments)
        address = receipt["contractAddress"]
        if not isinstance(address, str):
            raise ManifestError(f"{contract} was deployed but the receipt names no address.")
        log.info("contract_deployed", contract=contract, address=address)
        return to_checksum_address(address), int(str(receipt["blockNumber"]), 16)

    def _send(self, to: str | None, data: bytes) -> dict[str, Json]:
        """Sends one transaction and waits for its receipt."""
        call: dict[str, Json] = {"from": self._sender, "data": "0x" + data.hex()}
        if to is not None:
            call["to"] = to
        try:
            gas = int(str(self.client.call("eth_estimateGas", call)), 16)
        except ExecutionRevertedError as error:
            raise revert_from_text(error.data) from error
        base_fee = int(self.client.block("latest").get("baseFeePerGas", "0x0"), 16)
        tip = int(str(self.client.call("eth_maxPriorityFeePerGas")), 16)
        fields: dict[str, int | str] = {
            "type": 2,
            "chainId": self.client.chain_id(),
            "nonce": self.client.transaction_count(self._sender, "pending"),
            "value": 0,
            "data": "0x" + data.hex(),
            "gas": min(gas + gas // 10, _GAS_CAP),
            "maxFeePerGas": 2 * base_fee + tip,
            "maxPriorityFeePerGas": tip,
        }
        raw = self.signer.sign_transaction(fields if to is None else {**fields, "to": to})
        refusal = self.client.send_raw(raw)
        if refusal is not None and not isinstance(refusal, AlreadyKnownError):
            raise refusal
        return self._await_receipt("0x" + transaction_hash(raw).hex())

    def _await_receipt(self, hash_text: str) -> dict[str, Json]:
        deadline = time.monotonic() + self.receipt_timeout_seconds
        while time.monotonic() < deadline:
            receipt = self.client.call("eth_getTransactionReceipt", hash_text)
            if isinstance(receipt, dict):
                if receipt["status"] != "0x1":
                    raise ChainError(f"The transaction {hash_text} failed.")
                return receipt
            time.sleep(0.05)
        raise ChainUnavailableError(
            f"The transaction {hash_text} was not mined in {self.receipt_timeout_seconds:.0f} s."
        )


def verify_code(client: ChainClient, manifest: Manifest) -> None:
    """Checks that the manifest's addresses hold the code it says. Errors: `ManifestError`."""
    entries: list[RegistryEntry | ProgrammeEntry] = [*manifest.programmes]
    entries += [manifest.registry] if manifest.registry else []
    for entry in entries:
        address = entry.address if isinstance(entry, RegistryEntry) else entry.token
        if "0x" + keccak(client.code(address)).hex() != entry.code_hash:
            raise ManifestError(f"The code at {address} is not the one in the manifest.")
