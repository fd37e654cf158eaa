"""The deployment manifest: what was deployed where. Everything else, the audit included, starts from this file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Protocol

from eth_utils.address import is_checksum_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from backend.chain.errors import ManifestError, WrongChainError


def _checksummed(value: str) -> str:
    if len(value) != 42 or not value.startswith("0x") or not (value.islower() or is_checksum_address(value)):
        raise ValueError("not an address, or its checksum is wrong")
    return str(to_checksum_address(value))


def _hash(value: str) -> str:
    if len(value) != 66 or not value.startswith("0x"):
        raise ValueError("not 32 bytes of 0x hex")
    bytes.fromhex(value[2:])
    return value.lower()


AddressText = Annotated[str, AfterValidator(_checksummed)]
"""0x address with EIP-55 checksum."""
HashText = Annotated[str, AfterValidator(_hash)]
"""32 bytes as 0x hex."""


class KnowsItsChain(Protocol):
    """What the manifest asks a client."""

    def chain_id(self) -> int:
        """Chain id of the endpoint."""

    def genesis_hash(self) -> str:
        """Hash of block 0, 0x hex."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TermsEntry(_Model):
    """Terms of a token, as at deployment; lengths of epochs in seconds, windows in epochs, the cap in points."""

    epoch_length_seconds: int = Field(ge=86_400)
    validity_epochs: int = Field(ge=0, le=29)
    clawback_epochs: int = Field(ge=0)
    supply_cap_points: int = Field(ge=0, lt=1 << 48)
    transferable: bool


class RegistryEntry(_Model):
    """The programme registry."""

    address: AddressText
    code_hash: HashText
    block: int = Field(ge=0)
    admin: AddressText


class ProgrammeEntry(_Model):
    """A programme's token and who acts for it."""

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    name: str = Field(min_length=1, max_length=31)
    symbol: str = Field(min_length=1, max_length=11)
    token: AddressText
    code_hash: HashText
    block: int = Field(ge=0, description="Block of the token's deployment: its first log is not below")
    terms: TermsEntry
    issuer: AddressText
    custodian: AddressText
    treasurer: AddressText = Field(
        default="", description="Agrees to lanes and handles the programme's money; default: the issuer"
    )
    quoter: AddressText = Field(default="", description="Signs transfer bonuses; default: the issuer")
    admin: AddressText
    home_chain_id: int = Field(
        default=0, ge=0, description="Chain where the points live, of a branch on this one; 0: here"
    )

    @model_validator(mode="before")
    @classmethod
    def _default_to_issuer(cls, values: object) -> object:
        if isinstance(values, dict) and "issuer" in values:
            return {"treasurer": values["issuer"], "quoter": values["issuer"], **values}
        return values

    @property
    def token_bytes(self) -> bytes:
        """The token's address as 20 bytes."""
        return bytes.fromhex(self.token[2:])

    @property
    def is_branch(self) -> bool:
        """Whether the programme is at home on another chain: it issues nothing here."""
        return self.home_chain_id != 0


class CurrencyEntry(_Model):
    """The settlement currency, an ERC-20."""

    address: AddressText
    symbol: str = Field(min_length=1, max_length=32)
    decimals: int = Field(ge=0, le=36)
    code: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code of the money that it stands for")

    @property
    def address_bytes(self) -> bytes:
        """The currency's address as 20 bytes."""
        return bytes.fromhex(self.address[2:])


class ClearingEntry(_Model):
    """The clearing house; lengths in seconds."""

    address: AddressText
    code_hash: HashText
    block: int = Field(ge=0)
    admin: AddressText
    currency: CurrencyEntry
    cycle_seconds: int = Field(gt=0)
    payment_seconds: int = Field(gt=0)
    keeper: AddressText
    """Sends what anyone may: closes and settles cycles, enforces payments. It has no role."""

    @property
    def address_bytes(self) -> bytes:
        """The house's address as 20 bytes."""
        return bytes.fromhex(self.address[2:])


class ExchangeEntry(_Model):
    """The exchange."""

    address: AddressText
    code_hash: HashText
    block: int = Field(ge=0)
    admin: AddressText
    notice_period_seconds: int = Field(ge=0)

    @property
    def address_bytes(self) -> bytes:
        """The exchange's address as 20 bytes."""
        return bytes.fromhex(self.address[2:])


class RemoteEntry(_Model):
    """The gateway of another chain."""

    chain_id: int = Field(gt=0)
    gateway: AddressText


class GatewayEntry(_Model):
    """The gateway to other chains. Attesters and threshold are those of the deployment; `remotes` grows."""

    address: AddressText
    code_hash: HashText
    block: int = Field(ge=0)
    admin: AddressText
    attester_admin: AddressText
    """Proposes other attesters."""
    attesters: tuple[AddressText, ...]
    threshold: int = Field(ge=2)
    rotation_delay_seconds: int = Field(ge=0)
    remotes: tuple[RemoteEntry, ...] = ()

    @property
    def address_bytes(self) -> bytes:
        """The gateway's address as 20 bytes."""
        return bytes.fromhex(self.address[2:])


class LinkEntry(_Model):
    """The crosschain exchange of another chain, and the gateway here that leads to it."""

    chain_id: int = Field(gt=0)
    gateway: AddressText
    counterpart: AddressText


class CrosschainEntry(_Model):
    """The exchange with programmes of other chains; `links` grows."""

    address: AddressText
    code_hash: HashText
    block: int = Field(ge=0)
    admin: AddressText
    guardian: AddressText
    """Halts lanes."""
    notice_period_seconds: int = Field(ge=0)
    links: tuple[LinkEntry, ...] = ()

    @property
    def address_bytes(self) -> bytes:
        """The exchange's address as 20 bytes."""
        return bytes.fromhex(self.address[2:])


class Manifest(_Model):
    """A deployment on one chain. One without exchange and clearing issues and redeems all the same."""

    chain_id: int = Field(gt=0)
    genesis_hash: HashText
    sources_hash: str = ""
    registry: RegistryEntry | None = None
    clearing: ClearingEntry | None = None
    exchange: ExchangeEntry | None = None
    gateway: GatewayEntry | None = None
    crosschain: CrosschainEntry | None = None
    programmes: tuple[ProgrammeEntry, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Reads a manifest. Errors: `ManifestError`."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise ManifestError(f"No deployment manifest at {path}: run `interpoints deploy`.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ManifestError(f"{path} is not a deployment manifest: {where}: {first['msg']}.") from error

    def save(self, path: Path) -> None:
        """Writes the manifest whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(path.suffix + ".part")
        with draft.open("w") as file:
            file.write(self.model_dump_json(indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def programme(self, slug: str) -> ProgrammeEntry:
        """The programme called `slug`. Errors: `ManifestError`."""
        for entry in self.programmes:
            if entry.slug == slug:
                return entry
        raise ManifestError(f"The manifest has no programme {slug!r}.")

    def home_of(self, entry: ProgrammeEntry) -> int:
        """Id of the chain where a programme of this manifest is at home."""
        return entry.home_chain_id or self.chain_id

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """Addresses of all tokens, 20 bytes each."""
        return tuple(entry.token_bytes for entry in self.programmes)

    @property
    def contracts(self) -> dict[bytes, int]:
        """Contracts whose logs make the projection, each with the block of its deployment."""
        found = {entry.token_bytes: entry.block for entry in self.programmes}
        houses = (self.clearing, self.exchange, self.crosschain)
        return found | {entry.address_bytes: entry.block for entry in houses if entry is not None}

    def check_chain(self, client: KnowsItsChain) -> None:
        """Refuses a client of another chain. Errors: `WrongChainError`."""
        chain_id = client.chain_id()
        if chain_id != self.chain_id:
            raise WrongChainError("The endpoint", self.chain_id, chain_id)
        genesis_hash = client.genesis_hash().lower()
        if genesis_hash != self.genesis_hash:
            raise WrongChainError("The endpoint", f"with genesis {self.genesis_hash}", f"with genesis {genesis_hash}")
