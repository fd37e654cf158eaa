"""Who holds which role, since when: replayed from the logs, compared with the contracts and with the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.audit.report import Report, RoleHolder
from backend.chain.client import ChainClient, Request
from backend.chain.event_types import ChainEvent, RoleGranted, RoleRevoked
from backend.chain.manifest import Manifest, ProgrammeEntry
from backend.chain.points_token import selector

_HAS_ROLE: Final = selector("hasRole(bytes32,address)")
_NAMES: Final = (
    "ISSUER_ROLE",
    "CUSTODIAN_ROLE",
    "EXCHANGE_ROLE",
    "PAUSER_ROLE",
    "REGISTRAR_ROLE",
    "LANE_ROLE",
    "TREASURER_ROLE",
    "QUOTER_ROLE",
    "GUARDIAN_ROLE",
    "ATTESTER_ADMIN_ROLE",
)
ROLE_NAMES: Final = {bytes(32): "DEFAULT_ADMIN_ROLE"} | {keccak(text=name): name for name in _NAMES}
"""Name of each role that our contracts know, by its id."""
_IDS: Final = {name: role for role, name in ROLE_NAMES.items()}

Grant = tuple[bytes, bytes]
"""Role and account."""


class RolesReplay:
    """Holders of roles of one contract, by its logs."""

    def __init__(self) -> None:
        self.since: dict[Grant, int] = {}
        """Block of the grant of each role that is held."""
        self.ever: set[Grant] = set()

    def apply(self, event: ChainEvent) -> None:
        """One log of the contract."""
        match event:
            case RoleGranted():
                self.since.setdefault((event.role, event.account), event.block_number)
                self.ever.add((event.role, event.account))
            case RoleRevoked():
                self.since.pop((event.role, event.account), None)


def expected_holders(manifest: Manifest) -> dict[bytes, set[Grant]]:
    """The roles that the manifest accounts for, by contract. An account is 20 bytes."""
    expected = {
        entry.token_bytes: _grants(_of_token(manifest, entry)) | (set() if entry.is_branch else _exchanges(manifest))
        for entry in manifest.programmes
    }
    if manifest.registry is not None:
        admin = manifest.registry.admin
        registry = bytes.fromhex(manifest.registry.address[2:])
        expected[registry] = _grants({"DEFAULT_ADMIN_ROLE": admin, "REGISTRAR_ROLE": admin})
    if manifest.exchange is not None:
        admin = manifest.exchange.admin
        expected[manifest.exchange.address_bytes] = _grants({"DEFAULT_ADMIN_ROLE": admin, "PAUSER_ROLE": admin})
    if manifest.clearing is not None:
        holders = {"DEFAULT_ADMIN_ROLE": manifest.clearing.admin}
        expected[manifest.clearing.address_bytes] = _grants(holders) | _exchanges(manifest)
    if manifest.gateway is not None:
        admin = manifest.gateway.admin
        holders = {"DEFAULT_ADMIN_ROLE": admin, "PAUSER_ROLE": admin}
        holders["ATTESTER_ADMIN_ROLE"] = manifest.gateway.attester_admin
        expected[manifest.gateway.address_bytes] = _grants(holders)
    if manifest.crosschain is not None:
        admin = manifest.crosschain.admin
        holders = {"DEFAULT_ADMIN_ROLE": admin, "PAUSER_ROLE": admin, "GUARDIAN_ROLE": manifest.crosschain.guardian}
        expected[manifest.crosschain.address_bytes] = _grants(holders)
    return expected


def _exchanges(manifest: Manifest) -> set[Grant]:
    """EXCHANGE_ROLE of the exchanges there are."""
    found = (manifest.exchange, manifest.crosschain)
    return {(_IDS["EXCHANGE_ROLE"], entry.address_bytes) for entry in found if entry is not None}


def _of_token(manifest: Manifest, entry: ProgrammeEntry) -> dict[str, str]:
    """Who holds which role of a programme's token, exchanges apart. A branch issues nothing."""
    holders = {"DEFAULT_ADMIN_ROLE": entry.admin, "PAUSER_ROLE": entry.admin}
    if not entry.is_branch:
        holders |= {"ISSUER_ROLE": entry.issuer, "CUSTODIAN_ROLE": entry.custodian}
    if manifest.exchange is not None:
        holders |= {"LANE_ROLE": entry.treasurer, "QUOTER_ROLE": entry.quoter}
    if manifest.clearing is not None:
        holders["TREASURER_ROLE"] = entry.treasurer
    return holders


def _grants(holders: Mapping[str, str]) -> set[Grant]:
    return {(_IDS[name], bytes.fromhex(text[2:])) for name, text in holders.items()}


def judge_roles(
    client: ChainClient, manifest: Manifest, replays: dict[bytes, RolesReplay], block: int, report: Report
) -> None:
    """Compares what the logs say with the contracts and the manifest, and lists the holders."""
    check = report.check("roles")
    labels = {entry.token_bytes: entry.slug for entry in manifest.programmes}
    if manifest.exchange is not None:
        labels[manifest.exchange.address_bytes] = "exchange"
    if manifest.clearing is not None:
        labels[manifest.clearing.address_bytes] = "clearing house"
    if manifest.gateway is not None:
        labels[manifest.gateway.address_bytes] = "gateway"
    if manifest.crosschain is not None:
        labels[manifest.crosschain.address_bytes] = "crosschain exchange"
    for contract, expected in expected_holders(manifest).items():
        label = labels.get(contract, "registry")
        replay = replays[contract]
        asked = sorted(replay.ever | expected)
        for grant, held in zip(asked, _held(client, contract, asked, block), strict=True):
            check.examined += 1
            role = ROLE_NAMES.get(grant[0], "0x" + grant[0].hex())
            account = to_checksum_address(grant[1])
            if held != (grant in replay.since):
                says = "holds" if held else "does not hold"
                check.fail(f"{label}: {role}", f"by the chain {account} {says} the role; the logs say otherwise")
            if held and grant not in expected:
                since = replay.since.get(grant)
                check.fail(f"{label}: {role}", f"held by {account}, whom the manifest does not name", block=since)
            if not held and grant in expected:
                check.fail(f"{label}: {role}", f"the manifest names {account}, who does not hold it")
            if not held and grant not in expected:
                check.note(f"{label}: {role}", f"{account} held the role for a time")
            if held:
                since = replay.since.get(grant, 0)
                report.roles.append(RoleHolder(label, role, account, since, grant in expected))


def _held(client: ChainClient, contract: bytes, grants: list[Grant], block: int) -> list[bool]:
    to = "0x" + contract.hex()
    calls = [_HAS_ROLE + role + bytes(12) + account for role, account in grants]
    answers = client.try_batch(
        [Request("eth_call", ({"to": to, "data": "0x" + data.hex()}, hex(block))) for data in calls]
    )
    return [isinstance(answer, str) and len(answer) > 2 and int(answer, 16) == 1 for answer in answers]
