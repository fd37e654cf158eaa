"""Checks of what stands at the manifest's addresses: code, terms, registry entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from eth_utils.crypto import keccak

from backend.audit.report import Check, Report
from backend.chain.artifacts import Artifact, ImmutableReference, load_artifact
from backend.chain.attested_gateway import DOMAIN_NAME as GATEWAY_DOMAIN_NAME
from backend.chain.client import ChainClient
from backend.chain.errors import NodeError
from backend.chain.event_types import (
    ChainEvent,
    ProgrammeRegistered,
    ProgrammeResumed,
    ProgrammeSuspended,
)
from backend.chain.manifest import (
    ClearingEntry,
    CrosschainEntry,
    ExchangeEntry,
    GatewayEntry,
    Manifest,
    ProgrammeEntry,
    RegistryEntry,
)
from backend.chain.points_exchange import DOMAIN_NAME
from backend.chain.points_token import PointsToken
from backend.chain.programme_registry import programme_id
from backend.chain.words import address_word

_DOMAIN_TYPEHASH: Final = keccak(
    text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_LANES: Final = 5
"""Lots in a storage word."""
_Entry = RegistryEntry | ProgrammeEntry | ExchangeEntry | ClearingEntry | GatewayEntry | CrosschainEntry


def check_code(client: ChainClient, manifest: Manifest, block: int, check: Check) -> None:
    """The code on chain is the manifest's, and the sources' with the programme's terms filled in."""
    for subject, entry, contract, values in _deployed(manifest):
        _compare(
            check,
            subject,
            code_hash=entry.code_hash,
            code=_code(client, entry.token if isinstance(entry, ProgrammeEntry) else entry.address, block),
            artifact=load_artifact(contract),
            values=values,
        )


def _deployed(manifest: Manifest) -> Iterator[tuple[str, _Entry, str, list[bytes]]]:
    """Each contract of the manifest: its name in reports, entry, contract, and the constants in its code."""
    if manifest.registry is not None:
        yield "registry", manifest.registry, "ProgrammeRegistry", []
    for entry in manifest.programmes:
        yield entry.slug, entry, "PointsToken", immutables_of(entry, manifest.chain_id)
    if manifest.exchange is not None:
        yield "exchange", manifest.exchange, "PointsExchange", exchange_immutables(manifest, manifest.exchange)
    if manifest.clearing is not None:
        yield "clearing house", manifest.clearing, "ClearingHouse", house_immutables(manifest, manifest.clearing)
    if manifest.gateway is not None:
        values = gateway_immutables(manifest.chain_id, manifest.gateway)
        yield "gateway", manifest.gateway, "AttestedGateway", values
    if manifest.crosschain is not None:
        values = exchange_immutables(manifest, manifest.crosschain)
        yield "crosschain exchange", manifest.crosschain, "CrosschainExchange", values


def _code(client: ChainClient, address: str, block: int) -> bytes:
    answer = client.call("eth_getCode", address, hex(block))
    return bytes.fromhex(str(answer)[2:])


def _compare(
    check: Check, subject: str, *, code_hash: str, code: bytes, artifact: Artifact, values: Iterable[bytes]
) -> None:
    check.examined += 1
    found_hash = "0x" + keccak(code).hex()
    if found_hash != code_hash:
        check.fail(subject, f"the manifest says code hash {code_hash}, the chain has {found_hash}")
    expected = bytes.fromhex(artifact.deployed_bytecode.removeprefix("0x"))
    places = artifact.immutable_references
    if blank(code, places) != blank(expected, places):
        check.fail(subject, f"the code on chain is not what {artifact.name}'s sources compile to")
        return
    found = Counter(value for references in places.values() for value in _values(check, subject, code, references))
    wrong = found - Counter(values)
    if wrong:
        texts = ", ".join(sorted("0x" + value.hex().lstrip("0") for value in wrong))
        check.fail(subject, f"the code holds constants that do not follow from the manifest's terms: {texts}")


def code_problems(entry: ProgrammeEntry, chain_id: int, code: bytes) -> list[str]:
    """What is wrong with a token's code, given its terms; nothing when it is what the sources compile to."""
    check = Check("code", "", "")
    _compare(
        check,
        entry.slug,
        code_hash=entry.code_hash,
        code=code,
        artifact=load_artifact("PointsToken"),
        values=immutables_of(entry, chain_id),
    )
    return [finding.detail for finding in check.findings]


def blank(code: bytes, places: Mapping[str, list[ImmutableReference]]) -> bytes:
    """The code with zeros where constants are filled in at deployment."""
    blanked = bytearray(code)
    for references in places.values():
        for reference in references:
            end = reference.start + reference.length
            blanked[reference.start : end] = bytes(len(blanked[reference.start : end]))
    return bytes(blanked)


def _values(check: Check, subject: str, code: bytes, references: list[ImmutableReference]) -> set[bytes]:
    values = {code[each.start : each.start + each.length] for each in references}
    if len(values) != 1:
        check.fail(subject, "one constant has different values at different places of the code")
    return values


def immutables_of(entry: ProgrammeEntry, chain_id: int) -> list[bytes]:
    """Constants that a token with the manifest's terms holds in its code, one word each, in no order."""
    terms = entry.terms
    numbers = [
        terms.epoch_length_seconds,
        terms.validity_epochs,
        terms.clawback_epochs,
        int(terms.transferable),
        terms.validity_epochs // _LANES + 1,
    ]
    return [*_signing_immutables(entry.name, chain_id, entry.token_bytes), *(each.to_bytes(32) for each in numbers)]


def exchange_immutables(manifest: Manifest, entry: ExchangeEntry | CrosschainEntry) -> list[bytes]:
    """Constants that an exchange of the manifest holds in its code, one word each, in no order."""
    others = [manifest.registry, manifest.clearing]
    addresses = [address_word(bytes.fromhex(other.address[2:])) for other in others if other is not None]
    notice = entry.notice_period_seconds.to_bytes(32)
    return [*_signing_immutables(DOMAIN_NAME, manifest.chain_id, entry.address_bytes), *addresses, notice]


def gateway_immutables(chain_id: int, entry: GatewayEntry) -> list[bytes]:
    """Constants that the manifest's gateway holds in its code, one word each, in no order."""
    delay = entry.rotation_delay_seconds.to_bytes(32)
    return [*_signing_immutables(GATEWAY_DOMAIN_NAME, chain_id, entry.address_bytes), delay]


def house_immutables(manifest: Manifest, entry: ClearingEntry) -> list[bytes]:
    """Constants that the manifest's clearing house holds in its code, one word each, in no order."""
    registry = [] if manifest.registry is None else [address_word(bytes.fromhex(manifest.registry.address[2:]))]
    periods = [each.to_bytes(32) for each in (entry.cycle_seconds, entry.payment_seconds)]
    return [*registry, address_word(entry.currency.address_bytes), *periods]


def _signing_immutables(name: str, chain_id: int, contract: bytes) -> list[bytes]:
    """What OpenZeppelin's EIP712 keeps: the domain and what it is made of."""
    texts = [name.encode(), b"1"]
    hashes = [keccak(text) for text in texts]
    chain, address = chain_id.to_bytes(32), address_word(contract)
    domain = keccak(b"".join([_DOMAIN_TYPEHASH, *hashes, chain, address]))
    return [domain, chain, address, *hashes, *(_short_string(text) for text in texts)]


def _short_string(text: bytes) -> bytes:
    """OpenZeppelin's ShortString: the text, left-aligned, and its length in the last byte."""
    return text.ljust(31, b"\0") + bytes((len(text),))


def check_terms(client: ChainClient, entry: ProgrammeEntry, block: int, check: Check, caps: tuple[int, int]) -> None:
    """The token answers with the manifest's terms. `caps`: the first and the present cap by the logs."""
    check.examined += 1
    try:
        found = PointsToken(client, entry.token_bytes).terms(block)
    except (NodeError, ValueError) as error:
        check.fail(entry.slug, f"the token does not answer terms(): {error}")
        return
    stated = entry.terms
    pairs = {
        "epoch length": (stated.epoch_length_seconds, found.epoch_length_seconds),
        "validity": (stated.validity_epochs, found.validity_epochs),
        "clawback window": (stated.clawback_epochs, found.clawback_epochs),
        "transferable": (stated.transferable, found.transferable),
        "supply cap at deployment": (stated.supply_cap_points, caps[0]),
    }
    for name, (said, answered) in pairs.items():
        if said != answered:
            check.fail(entry.slug, f"{name}: the manifest says {said}, the chain {answered}")
    if found.supply_cap_points != caps[1]:
        check.fail(entry.slug, f"supply cap: the logs say {caps[1]}, the chain {found.supply_cap_points}")
    if caps[1] != stated.supply_cap_points:
        check.note(entry.slug, f"the supply cap was changed from {stated.supply_cap_points} to {caps[1]}")


class RegistryReplay:
    """The registry's entries, by its logs."""

    def __init__(self) -> None:
        self.entries: dict[bytes, ProgrammeRegistered] = {}
        self.suspended: set[bytes] = set()

    def apply(self, event: ChainEvent) -> None:
        """One log of the registry."""
        match event:
            case ProgrammeRegistered():
                self.entries.setdefault(event.programme_id, event)
            case ProgrammeSuspended():
                self.suspended.add(event.programme_id)
            case ProgrammeResumed():
                self.suspended.discard(event.programme_id)

    def judge(self, manifest: Manifest, report: Report) -> None:
        """Compares the entries with the manifest's programmes."""
        check = report.check("registry")
        expected = {programme_id(entry.slug): entry for entry in manifest.programmes}
        for wanted, entry in expected.items():
            check.examined += 1
            found = self.entries.get(wanted)
            if found is None:
                check.fail(entry.slug, "the programme is not registered")
                continue
            if found.token != entry.token_bytes:
                detail = f"registered with token 0x{found.token.hex()}, the manifest says {entry.token.lower()}"
                check.fail(entry.slug, detail, block=found.block_number)
            if "0x" + found.code_hash.hex() != entry.code_hash:
                check.fail(entry.slug, f"registered with code hash 0x{found.code_hash.hex()}", block=found.block_number)
            if wanted in self.suspended:
                check.note(entry.slug, "the programme is suspended")
        for other in self.entries.keys() - expected.keys():
            name = other.rstrip(b"\0").decode("ascii", "replace")
            check.note(name, "registered on chain, but not in the manifest", block=self.entries[other].block_number)
