"""Deploys gateway and crosschain exchange, and connects them with those of other chains.

Like everything of `backend.chain.deploy` it can be run again and does what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from backend.chain import attested_gateway, crosschain_exchange
from backend.chain.administering import Administrator
from backend.chain.attested_gateway import AttestedGateway
from backend.chain.crosschain_exchange import CrosschainExchange
from backend.chain.errors import ManifestError
from backend.chain.manifest import (
    ClearingEntry,
    CrosschainEntry,
    GatewayEntry,
    LinkEntry,
    Manifest,
    ProgrammeEntry,
    RegistryEntry,
    RemoteEntry,
)
from backend.chain.points_exchange import LANE_ROLE
from backend.chain.points_token import PointsToken, encode_renounce_role
from backend.chain.programme_registry import programme_id


@dataclass(frozen=True)
class CrosschainPlan:
    """Gateway and crosschain exchange to deploy; accounts are 20 bytes.

    `threshold` of the attesters must sign: at least two, and at least two thirds of them. Guardian (halts lanes) and
    attester_admin (proposes other attesters) are the administrator unless given.
    """

    attesters: Sequence[bytes]
    threshold: int
    rotation_delay_seconds: int = 48 * 3_600
    notice_period_seconds: int = 48 * 3_600
    guardian: bytes | None = None
    attester_admin: bytes | None = None


def deploy_gateway(admin: Administrator, plan: CrosschainPlan, admin_delay_seconds: int) -> GatewayEntry:
    """The gateway. Errors: those of `Administrator`; `ContractRevertedError` for attesters that cannot be."""
    attesters = sorted(plan.attesters)
    types = ["address[]", "uint256", "uint256", "address", "uint48"]
    values = [attesters, plan.threshold, plan.rotation_delay_seconds, admin.address, admin_delay_seconds]
    made = admin.create("AttestedGateway", encode(types, values))
    return GatewayEntry(
        address=made.address,
        code_hash=made.code_hash,
        block=made.block,
        admin=admin.address,
        attester_admin=to_checksum_address(plan.attester_admin or admin.signer.address),
        attesters=tuple(to_checksum_address(attester) for attester in attesters),
        threshold=plan.threshold,
        rotation_delay_seconds=plan.rotation_delay_seconds,
    )


def deploy_crosschain_exchange(
    admin: Administrator,
    plan: CrosschainPlan,
    registry: RegistryEntry,
    clearing: ClearingEntry,
    admin_delay_seconds: int,
) -> CrosschainEntry:
    """The crosschain exchange. Errors: those of `Administrator`."""
    types = ["address", "address", "uint256", "address", "uint48"]
    values = [registry.address, clearing.address, plan.notice_period_seconds, admin.address, admin_delay_seconds]
    made = admin.create("CrosschainExchange", encode(types, values))
    return CrosschainEntry(
        address=made.address,
        code_hash=made.code_hash,
        block=made.block,
        admin=admin.address,
        guardian=to_checksum_address(plan.guardian or admin.signer.address),
        notice_period_seconds=plan.notice_period_seconds,
    )


def grant_crosschain_roles(admin: Administrator, manifest: Manifest) -> None:
    """Grants what gateway, exchange and programmes need, and declares homes, whatever of it is not done yet."""
    gateway, crosschain, clearing = manifest.gateway, manifest.crosschain, manifest.clearing
    if gateway is None or crosschain is None or clearing is None:
        return
    admin.grant(gateway.address_bytes, "PAUSER_ROLE", admin.signer.address)
    admin.grant(gateway.address_bytes, "ATTESTER_ADMIN_ROLE", bytes.fromhex(gateway.attester_admin[2:]))
    admin.grant(crosschain.address_bytes, "PAUSER_ROLE", admin.signer.address)
    admin.grant(crosschain.address_bytes, "GUARDIAN_ROLE", bytes.fromhex(crosschain.guardian[2:]))
    admin.grant(clearing.address_bytes, "EXCHANGE_ROLE", crosschain.address_bytes)
    if not AttestedGateway(admin.client, gateway.address_bytes).is_application(crosschain.address_bytes):
        data = attested_gateway.encode_set_application(crosschain.address_bytes, allowed=True)
        admin.send(gateway.address, data)
    for entry in manifest.programmes:
        if entry.is_branch:
            _declare_home(admin, crosschain, entry)
        else:
            admin.grant(entry.token_bytes, "EXCHANGE_ROLE", crosschain.address_bytes)


def _declare_home(admin: Administrator, crosschain: CrosschainEntry, entry: ProgrammeEntry) -> None:
    """Needs the programme's LANE_ROLE, which the administrator of its token takes for this one act."""
    id_ = programme_id(entry.slug)
    home = CrosschainExchange(admin.client, crosschain.address_bytes).home_of(id_)
    if home not in {admin.client.chain_id(), entry.home_chain_id}:
        raise ManifestError(f"{entry.slug} has declared chain {home} its home, not {entry.home_chain_id}.")
    if home != entry.home_chain_id:
        admin.grant(entry.token_bytes, LANE_ROLE, admin.signer.address)
        admin.send(crosschain.address, crosschain_exchange.encode_declare_home(id_, entry.home_chain_id))
    token = PointsToken(admin.client, entry.token_bytes)
    if entry.treasurer != admin.address and token.has_role(LANE_ROLE, admin.signer.address):
        admin.send(entry.token, encode_renounce_role(LANE_ROLE, admin.signer.address))


def ends_of(manifest: Manifest) -> tuple[GatewayEntry, CrosschainEntry]:
    """What a deployment is connected with. Errors: `ManifestError` when it has none."""
    if manifest.gateway is None or manifest.crosschain is None:
        raise ManifestError(
            f"The deployment on chain {manifest.chain_id} has no gateway: put [crosschain] into its programmes file."
        )
    return manifest.gateway, manifest.crosschain


def connect_gateway(admin: Administrator, gateway: GatewayEntry, peer: Manifest) -> GatewayEntry:
    """Makes the peer's gateway known to ours, for good. Errors: `ManifestError` when another one is."""
    theirs, _ = ends_of(peer)
    if peer.chain_id == admin.client.chain_id():
        raise ManifestError(f"The peer's manifest is of this very chain, {peer.chain_id}.")
    known = AttestedGateway(admin.client, gateway.address_bytes).remote_of(peer.chain_id)
    if known is None:
        admin.send(gateway.address, attested_gateway.encode_set_remote(peer.chain_id, theirs.address_bytes))
    elif known != theirs.address_bytes:
        raise ManifestError(
            f"The gateway knows another gateway of chain {peer.chain_id}, 0x{known.hex()}, and that cannot be changed."
        )
    entry = RemoteEntry(chain_id=peer.chain_id, gateway=theirs.address)
    others = [each for each in gateway.remotes if each.chain_id != peer.chain_id]
    return gateway.model_copy(update={"remotes": (*others, entry)})


def link_exchange(
    admin: Administrator, crosschain: CrosschainEntry, gateway: GatewayEntry, peer: Manifest
) -> CrosschainEntry:
    """Links our crosschain exchange with the peer's, for good. Errors: `ManifestError` when it is with another."""
    _, theirs = ends_of(peer)
    wanted = (gateway.address_bytes, theirs.address_bytes)
    known = CrosschainExchange(admin.client, crosschain.address_bytes).link_of(peer.chain_id)
    if known is None:
        admin.send(crosschain.address, crosschain_exchange.encode_link(peer.chain_id, *wanted))
    elif known != wanted:
        raise ManifestError(
            f"The crosschain exchange has another link to chain {peer.chain_id}, through gateway 0x{known[0].hex()},"
            " and that cannot be changed."
        )
    entry = LinkEntry(chain_id=peer.chain_id, gateway=gateway.address, counterpart=theirs.address)
    others = [each for each in crosschain.links if each.chain_id != peer.chain_id]
    return crosschain.model_copy(update={"links": (*others, entry)})
