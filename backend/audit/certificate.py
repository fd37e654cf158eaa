"""A member's certificate: the points of one account at one block, provable to anybody who knows the block's hash.

It holds the block's header, the token's code, and the proofs of the account's lot words that `eth_getProof` gives. Each
part hashes into the one before it, so nothing of it needs to be believed, and no node is asked to verify it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Final, Literal, TypedDict, cast

from eth_utils.crypto import keccak
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.audit.contracts import code_problems
from backend.audit.proofs import Item, ProofError, decode_rlp, prove
from backend.chain.client import ChainClient
from backend.chain.encoding import Header, encode_header
from backend.chain.errors import NodeError
from backend.chain.event_types import Lot
from backend.chain.manifest import AddressText, HashText, Manifest, ProgrammeEntry

_LANES: Final = 5
_LANE_BITS: Final = 48
_TAG_SHIFT: Final = 240
_STATE_ROOT, _NUMBER, _TIMESTAMP = 3, 8, 11
"""Places in a header."""
_CODE_HASH, _STORAGE_ROOT = 3, 2
"""Places in an account."""
_ATTEMPTS: Final = 5

HexText = Annotated[str, Field(pattern=r"^0x([0-9a-f]{2})*$")]


class CertificateError(Exception):
    """The certificate does not prove what it states, or could not be made."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CertifiedLot(_Model):
    """Points that share one expiry."""

    epoch: int
    points: int
    expires_at_seconds: int


class Certificate(_Model):
    """What is stated, and the proof of it."""

    format: Literal["interpoints-certificate/1"] = "interpoints-certificate/1"
    chain_id: int
    programme: ProgrammeEntry
    account: AddressText
    block_number: int
    block_hash: HashText
    block_timestamp_seconds: int
    points: int
    lots: tuple[CertifiedLot, ...]
    header: HexText
    code: HexText
    account_proof: tuple[HexText, ...]
    storage_proofs: tuple[tuple[HexText, ...], ...]

    @classmethod
    def load(cls, path: Path) -> Certificate:
        """Reads a certificate. Raises CertificateError."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise CertificateError(f"There is no file {path}.") from error
        except ValidationError as error:
            raise CertificateError(f"{path} is not a certificate: {error.errors()[0]['msg']}.") from error


@cache
def _ring_slot() -> int:
    """Storage slot of the mapping from accounts to their lot words, as the compiler laid it out."""
    file = resources.files("backend.chain") / "artifacts" / "PointsToken.json"
    layout: list[dict[str, str]] = json.loads(file.read_text())["storageLayout"]["storage"]
    return int(next(entry["slot"] for entry in layout if entry["label"] == "_rings"))


def lot_slots(account: bytes, validity_epochs: int) -> list[bytes]:
    """Storage slots of an account's lot words."""
    first = int.from_bytes(keccak(bytes(12) + account + _ring_slot().to_bytes(32)))
    return [(first + word).to_bytes(32) for word in range(validity_epochs // _LANES + 1)]


def lots_in(words: Sequence[int], first_live_epoch: int) -> list[Lot]:
    """The live lots in an account's words, earliest first; see docs/epoch-ledger.md for the layout."""
    lots = []
    for word in words:
        tag = word >> _TAG_SHIFT
        for lane in range(_LANES):
            newest = tag % _LANES
            epoch = tag + lane - newest - (0 if lane <= newest else _LANES * len(words))
            amount = word >> (lane * _LANE_BITS) & ((1 << _LANE_BITS) - 1)
            if amount and epoch >= first_live_epoch:
                lots.append(Lot(epoch, amount))
    return sorted(lots)


# ---- making


def create_certificate(client: ChainClient, manifest: Manifest, slug: str, account: bytes) -> Certificate:
    """A certificate of the account's points at the newest block. Raises CertificateError and ManifestError."""
    entry = manifest.programme(slug)
    manifest.check_chain(client)
    for _ in range(_ATTEMPTS):
        certificate = _attempt(client, manifest.chain_id, entry, account)
        try:
            verify_certificate(certificate)
        except CertificateError as error:
            problem = error  # A new block may have come between the questions.
        else:
            return certificate
    raise CertificateError(f"The endpoint's proof does not hold: {problem}")


@dataclass(frozen=True, slots=True)
class _Proof:
    """An answer of eth_getProof."""

    account_nodes: tuple[str, ...]
    storage_nodes: tuple[tuple[str, ...], ...]
    words: tuple[int, ...]


def _attempt(client: ChainClient, chain_id: int, entry: ProgrammeEntry, account: bytes) -> Certificate:
    header = cast("Header", client.call("eth_getBlockByNumber", "latest", False))
    slots = lot_slots(account, entry.terms.validity_epochs)
    try:
        answer = client.call("eth_getProof", entry.token, ["0x" + slot.hex() for slot in slots], header["number"])
    except NodeError as error:
        raise CertificateError(f"The endpoint gives no proofs: {error}") from error
    proof = _read_proof(cast("_ProofAnswer", answer))
    timestamp = int(header["timestamp"], 16)
    lots = _certified(entry, lots_in(proof.words, _first_live(entry, timestamp)))
    return Certificate(
        chain_id=chain_id,
        programme=entry,
        account="0x" + account.hex(),
        block_number=int(header["number"], 16),
        block_hash=header["hash"],
        block_timestamp_seconds=timestamp,
        points=sum(lot.points for lot in lots),
        lots=lots,
        header="0x" + encode_header(header).hex(),
        code=str(client.call("eth_getCode", entry.token, header["number"])).lower(),
        account_proof=proof.account_nodes,
        storage_proofs=proof.storage_nodes,
    )


class _StorageAnswer(TypedDict):
    value: str
    proof: list[str]


class _ProofAnswer(TypedDict):
    accountProof: list[str]
    storageProof: list[_StorageAnswer]


def _read_proof(answer: _ProofAnswer) -> _Proof:
    storage = answer["storageProof"]
    return _Proof(
        tuple(answer["accountProof"]),
        tuple(tuple(each["proof"]) for each in storage),
        tuple(int(each["value"], 16) for each in storage),
    )


def _first_live(entry: ProgrammeEntry, timestamp_seconds: int) -> int:
    return timestamp_seconds // entry.terms.epoch_length_seconds - entry.terms.validity_epochs


def _certified(entry: ProgrammeEntry, lots: Sequence[Lot]) -> tuple[CertifiedLot, ...]:
    terms = entry.terms
    return tuple(
        CertifiedLot(
            epoch=lot.epoch,
            points=lot.amount,
            expires_at_seconds=(lot.epoch + terms.validity_epochs + 1) * terms.epoch_length_seconds,
        )
        for lot in lots
    )


# ---- verifying


def verify_certificate(certificate: Certificate) -> None:
    """Follows every hash from the block down to the lots. Raises CertificateError at the first that does not hold.

    What remains to be known from elsewhere is that the block hash is the chain's.
    """
    try:
        storage_root = _verify_account(certificate, _verify_header(certificate))
        words = _verify_words(certificate, storage_root)
    except ProofError as error:
        raise CertificateError(f"The proof does not hold: {error}.") from error
    entry = certificate.programme
    lots = _certified(entry, lots_in(words, _first_live(entry, certificate.block_timestamp_seconds)))
    if lots != certificate.lots or certificate.points != sum(lot.points for lot in lots):
        raise CertificateError("The stated lots are not those in the proven words.")


def _verify_header(certificate: Certificate) -> bytes:
    """The state root that the block hash stands for."""
    encoded = bytes.fromhex(certificate.header[2:])
    if "0x" + keccak(encoded).hex() != certificate.block_hash:
        raise CertificateError("The header does not hash to the stated block hash.")
    fields = _texts(decode_rlp(encoded), _TIMESTAMP + 1)
    if int.from_bytes(fields[_NUMBER]) != certificate.block_number:
        raise CertificateError("The header is of another block number.")
    if int.from_bytes(fields[_TIMESTAMP]) != certificate.block_timestamp_seconds:
        raise CertificateError("The header is of another time.")
    return fields[_STATE_ROOT]


def _verify_account(certificate: Certificate, state_root: bytes) -> bytes:
    """The token's storage root, after its code has been held to the sources and the stated terms."""
    entry = certificate.programme
    value = prove(state_root, entry.token_bytes, _nodes(certificate.account_proof))
    if value is None:
        raise CertificateError("The token does not exist in that block.")
    fields = _texts(decode_rlp(value), _CODE_HASH + 1)
    code = bytes.fromhex(certificate.code[2:])
    if keccak(code) != fields[_CODE_HASH] or "0x" + fields[_CODE_HASH].hex() != entry.code_hash:
        raise CertificateError("The token's code is not the stated one.")
    problems = code_problems(entry, certificate.chain_id, code)
    if problems:
        raise CertificateError(f"The token's code is not that of the stated programme: {problems[0]}.")
    return fields[_STORAGE_ROOT]


def _verify_words(certificate: Certificate, storage_root: bytes) -> list[int]:
    slots = lot_slots(bytes.fromhex(certificate.account[2:]), certificate.programme.terms.validity_epochs)
    if len(slots) != len(certificate.storage_proofs):
        raise CertificateError("There is not one proof for each word of the account.")
    words = []
    for slot, nodes in zip(slots, certificate.storage_proofs, strict=True):
        value = prove(storage_root, slot, _nodes(nodes))
        number = b"" if value is None else decode_rlp(value)
        words.append(int.from_bytes(number) if isinstance(number, bytes) else 0)
    return words


def _nodes(texts: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(text[2:]) for text in texts]


def _texts(item: Item, at_least: int) -> list[bytes]:
    if not isinstance(item, list) or len(item) < at_least or not all(isinstance(each, bytes) for each in item):
        raise ProofError("a list has not the fields it must have")
    return cast("list[bytes]", item)
