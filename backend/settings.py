"""One typed settings object, read from `INTERPOINTS_*` environment variables or a `.env`-style file named on start.

Nothing is read at import time, and no secret has a default.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that differs between one installation and the next. `docs/settings.md` lists the keys."""

    model_config = SettingsConfigDict(env_prefix="INTERPOINTS_", extra="forbid", frozen=True)

    database_url: str = Field(description="PostgreSQL, as postgresql+psycopg://user:password@host/name")
    secret_key: SecretStr = Field(
        min_length=32,
        description="Signs member links and sessions, and encrypts partners' secrets; at least 32 characters",
    )
    manifest_path: Path = Field(description="Deployment manifest written by `interpoints deploy`")
    rpc_urls: list[str] = Field(min_length=1, description="JSON-RPC endpoints of the chain, tried in order")
    peer_rpc_urls: dict[int, list[str]] = Field(
        default_factory=dict,
        description="JSON-RPC endpoints of other chains by chain id, to learn there what became of swaps; JSON object",
    )
    public_rpc_url: str | None = Field(
        default=None, description="RPC endpoint that browsers use for `check on chain`; the check is hidden without one"
    )
    explorer_url: str | None = Field(
        default=None,
        description="Block explorer whose `/tx/<hash>` the member page links to; the page's own explorer without one",
    )
    sample_links_path: Path | None = Field(
        default=None, description="JSON list of label and url that the start page shows, as `make demo` writes it"
    )
    public_url: str = Field(default="http://127.0.0.1:8000", description="Where members reach the API; used in links")
    api_host: str = Field(default="127.0.0.1", description="Address the API listens on")
    api_port: int = Field(default=8000, ge=0, le=65535, description="Port the API listens on; 0 picks a free one")
    keystore_dir: Path | None = Field(default=None, description="Folder of encrypted keystore files of the signers")
    keystore_password_file: Path | None = Field(default=None, description="File that holds the keystores' password")
    remote_signer_url: str | None = Field(
        default=None, description="Remote signer (eth_signTransaction over JSON-RPC) used instead of keystores"
    )
    batch_max_age_seconds: float = Field(
        default=5.0, gt=0, description="A batch is closed when its oldest matured accrual waited this long (wall clock)"
    )
    batch_max_credits: int = Field(default=1500, ge=1, le=2200, description="Most credits in one batch transaction")
    max_fee_per_gas_gwei: int = Field(default=500, ge=1, description="Fee bumps stop here; the transaction then waits")
    replace_after_blocks: int = Field(
        default=3, ge=1, description="A transaction not mined after this many blocks is sent again with a higher fee"
    )
    submit_window: int = Field(
        default=64,
        ge=1,
        le=4096,
        description="Most transactions that one signer has in flight; nodes keep only so many of one sender",
    )
    chain_poll_seconds: float = Field(
        default=0.5, gt=0, le=60, description="How often the index worker asks the chain for a new block"
    )
    finality_blocks: int | None = Field(
        default=None,
        description="Blocks below the head that count as final, for chains without a `finalized` tag; default: the tag",
    )
    rate_limit_per_second: float = Field(
        default=5000.0, gt=0, description="Requests per second that one API key may make to one API process"
    )
    rate_limit_burst: int = Field(default=10000, ge=1, description="Requests that one API key may make at once")
    idempotency_keep_hours: int = Field(default=72, ge=24, description="How long answers to writes are kept for replay")
    max_upload_bytes: int = Field(default=2**30, ge=1024, description="Largest bulk upload of events")
    partner_private_addresses: bool = Field(
        default=False,
        description="Whether partners' systems may be at private addresses, and at loopback ones without TLS",
    )
    posting_reserve_seconds: int = Field(
        default=86_400,
        ge=0,
        le=604_800,
        description="An unanswered posting is reversed this long before its swap becomes refundable (chain time)",
    )
    clearing_alert_percent: int = Field(
        default=80, ge=1, le=100, description="An alert is raised when a programme uses this much of what it may owe"
    )
    member_session_seconds: int = Field(default=3600, ge=60, description="How long a member stays signed in")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    metrics_port: int = Field(default=0, ge=0, le=65535, description="Port of a worker's Prometheus metrics; 0: off")
