"""The bridge's configuration: a TOML file and `INTERPOINTS_BRIDGE_*` variables, which win over the file.

Each role runs on its own host with a file of its own, so only the sections that a role needs are looked at.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from backend.chain.manifest import AddressText
from backend.chain.signers import LOCAL_CHAIN_IDS
from bridge.errors import BridgeSettingsError

FEWEST_OTHERS = 3
"""Independent endpoints that an attester asks besides its own node."""
ENVIRONMENT_PREFIX = "INTERPOINTS_BRIDGE_"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChainSettings(_Section):
    """One chain: where it is reached, what is final on it, and where the gateway is."""

    name: str = Field(min_length=1, max_length=32, description="Name in logs, metrics and reports")
    chain_id: int = Field(gt=0, description="The chain's id; an endpoint of another chain is never used")
    manifest: Path | None = Field(
        default=None, description="Deployment manifest of this chain; gives gateway, exchange and `start_block`"
    )
    gateway: AddressText | None = Field(default=None, description="Address of the gateway, when there is no manifest")
    exchange: AddressText | None = Field(
        default=None, description="Address of the crosschain exchange, when there is no manifest; for the watchdog"
    )
    endpoints: list[str] = Field(min_length=1, description="JSON-RPC endpoints of your own node, tried in order")
    others: list[str] = Field(
        default=[], description="Endpoints of independent others, one each; an attester needs at least three"
    )
    require_independent: bool = Field(
        default=True,
        description="Whether two of at least three `others` must confirm a block before it is signed; "
        "false is allowed on local chains only",
    )
    finality: Literal["finalized"] | int = Field(
        default="finalized",
        description="What is final: the chain's `finalized` tag, or a number of blocks below the head",
    )
    poll_seconds: float = Field(default=2.0, gt=0, le=60, description="Pause between two looks at the chain")
    timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="An endpoint that has not answered by then abstains"
    )
    start_block: int | None = Field(
        default=None, ge=0, description="First block to read with an empty journal; default: the gateway's own"
    )
    blocks_at_a_time: int = Field(default=200, ge=1, le=1000, description="Most blocks read in one step")

    @field_validator("finality")
    @classmethod
    def _positive(cls, value: str | int) -> str | int:
        if isinstance(value, int) and value < 1:
            raise ValueError("a number of blocks must be at least 1")
        return value

    @field_validator("endpoints", "others")
    @classmethod
    def _addresses(cls, values: list[str]) -> list[str]:
        for value in values:
            if not value.startswith(("http://", "https://")):
                raise ValueError("an endpoint begins with http:// or https://")
        return values

    @model_validator(mode="after")
    def _consistent(self) -> ChainSettings:
        if self.manifest is None and self.gateway is None:
            raise ValueError("give manifest, or gateway")
        if not self.require_independent and self.chain_id not in LOCAL_CHAIN_IDS:
            raise ValueError("require_independent = false is for local chains only")
        hosts = [_host(url) for url in self.others]
        if len(set(hosts)) < len(hosts) or set(hosts) & {_host(url) for url in self.endpoints}:
            raise ValueError("others must be at hosts of their own, different from each other and from endpoints")
        return self


def _host(url: str) -> str:
    parsed = httpx.URL(url)
    return f"{parsed.host}:{parsed.port}"


class KeySettings(_Section):
    """Whose key a role signs with: a keystore file, a remote signer, or a local chain's well-known account."""

    keystore: Path | None = Field(default=None, description="Encrypted keystore file of the key")
    password_file: Path | None = Field(default=None, description="File that holds the keystore's password")
    remote_signer_url: str | None = Field(
        default=None, description="Remote signer (JSON-RPC) used instead of a keystore; needs `address`"
    )
    address: AddressText | None = Field(default=None, description="Account of the remote signer")
    dev_account: int | None = Field(
        default=None, ge=0, le=9, description="Well-known account of local chains, by its number; refused elsewhere"
    )

    @model_validator(mode="after")
    def _one_way(self) -> KeySettings:
        ways = [self.keystore, self.remote_signer_url, self.dev_account]
        if sum(way is not None for way in ways) > 1:
            raise ValueError("give one of keystore, remote_signer_url and dev_account")
        if (self.keystore is None) != (self.password_file is None):
            raise ValueError("keystore and password_file go together")
        if self.remote_signer_url is not None and self.address is None:
            raise ValueError("remote_signer_url needs address")
        return self

    @property
    def given(self) -> bool:
        """Whether there is a key at all."""
        return any(way is not None for way in (self.keystore, self.remote_signer_url, self.dev_account))


class AttestSettings(_Section):
    """`interpoints bridge attest`."""

    key: KeySettings = Field(default=KeySettings(), description="The attester's key, which is in the gateways' sets")
    host: str = Field(default="127.0.0.1", description="Address at which signatures are served")
    port: int = Field(default=8201, ge=0, le=65535, description="Port at which signatures are served; 0: a free one")


class AttesterEndpoint(_Section):
    """Where an attester serves its signatures."""

    url: str = Field(pattern="^https?://", description="Base URL of the attester")
    address: AddressText = Field(description="The attester's account; a signature of another one is refused")


class RelaySettings(_Section):
    """`interpoints bridge relay`."""

    key: KeySettings = Field(default=KeySettings(), description="The account that pays for deliveries, on every chain")
    attesters: list[AttesterEndpoint] = Field(default=[], description="Attesters to collect signatures from")
    gas_cap: int = Field(
        default=12_000_000,
        ge=2_500_000,
        le=16_777_215,
        description="Most gas that one delivery may ask for; the gateway keeps two million ready for each message",
    )
    max_fee_per_gas_gwei: int = Field(
        default=500, ge=1, description="Deliveries wait while they would cost more than this per gas"
    )
    replace_after_blocks: int = Field(
        default=3, ge=1, description="A delivery not mined after this many blocks is sent again with a higher fee"
    )
    retry_seconds: float = Field(
        default=5.0, gt=0, description="First pause before a failed message is tried again; it doubles"
    )
    longest_retry_seconds: float = Field(default=600.0, gt=0, description="Longest such pause")
    timeout_seconds: float = Field(default=5.0, gt=0, le=60, description="Wait for an attester's answer")
    patience_seconds: float = Field(
        default=1.0, gt=0, le=60, description="How long a round waits for attesters; later answers count in the next"
    )
    host: str = Field(default="127.0.0.1", description="Address of health and metrics")
    port: int = Field(default=8202, ge=0, le=65535, description="Port of health and metrics; 0: a free one")


class WatchSettings(_Section):
    """`interpoints bridge watch`."""

    key: KeySettings = Field(
        default=KeySettings(), description="Account with GUARDIAN_ROLE that stops lanes; without one it only warns"
    )
    patience_seconds: float = Field(
        default=60.0, ge=0, description="How long a mint may be without its burn while the source's node is behind"
    )
    max_fee_per_gas_gwei: int = Field(default=5_000, ge=1, description="Most that stopping a lane may cost per gas")
    replace_after_blocks: int = Field(
        default=2, ge=1, description="A stop not mined after this many blocks is sent again with a higher fee"
    )
    host: str = Field(default="127.0.0.1", description="Address of status, health and metrics")
    port: int = Field(default=8203, ge=0, le=65535, description="Port of status, health and metrics; 0: a free one")


class BridgeSettings(BaseSettings):
    """Everything that differs between one installation and the next. docs/bridge-settings.md lists the keys."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Field(description="Folder of the journals; one process a role and folder")
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR"
    )
    chain: list[ChainSettings] = Field(min_length=1, description="The chains, one table each")
    attest: AttestSettings = AttestSettings()
    relay: RelaySettings = RelaySettings()
    watch: WatchSettings = WatchSettings()

    @model_validator(mode="after")
    def _different_chains(self) -> BridgeSettings:
        for values in ([each.chain_id for each in self.chain], [each.name for each in self.chain]):
            if len(set(values)) < len(values):
                raise ValueError("two chains have the same chain_id or name")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What a caller gives, then the environment, then the file that `load_settings` was given."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


def load_settings(path: Path | None) -> BridgeSettings:
    """The settings of the file at `path` and the environment. Errors: `BridgeSettingsError`."""
    if path is not None and not path.is_file():
        raise BridgeSettingsError("--config", f"there is no file {path}")

    class FromFile(BridgeSettings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        # Every value comes from the environment or the file.
        return FromFile()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "chain"
        what = "it is missing" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        raise BridgeSettingsError(key, what) from error
    except (SettingsError, tomllib.TOMLDecodeError) as error:
        raise BridgeSettingsError(str(path or "environment"), str(error)) from error


def check_attester(settings: BridgeSettings) -> None:
    """What an attester needs beyond the form of the settings. Errors: `BridgeSettingsError`."""
    if not settings.attest.key.given:
        raise BridgeSettingsError("attest.key", "an attester needs a key")
    for chain in settings.chain:
        if chain.require_independent and len(chain.others) < FEWEST_OTHERS:
            raise BridgeSettingsError(
                f"chain.{chain.name}.others", f"an attester asks at least {FEWEST_OTHERS} independent endpoints"
            )
    check_carries(settings)


def check_carries(settings: BridgeSettings) -> None:
    """Messages go from one chain to another. Errors: `BridgeSettingsError` when only one is configured."""
    if len(settings.chain) < 2:
        raise BridgeSettingsError("chain", "a bridge has two ends, and only one chain is given")
