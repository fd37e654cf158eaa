"""What the commands share: settings, output, and one sentence for each error that a user can do something about."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from rich.console import Console
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from backend.chain.client import ChainClient
from backend.chain.manifest import Manifest
from backend.chain.signers import DevSigners, KeystoreSigners, RemoteSigners, SignerSource
from backend.database import make_engine, make_sessions, transaction
from backend.errors import InterpointsError
from backend.importing.errors import ImportingError
from backend.settings import Settings
from backend.stack.errors import StackError

LOCAL_STATE = Path(".interpoints/stack")
LOCAL_ENVIRONMENT = LOCAL_STATE / "environment"
"""Settings of the local stack; `interpoints up` writes them."""

output = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 500)
"""For results."""
notes = Console(stderr=True, highlight=False, soft_wrap=True)
"""For everything else."""


class ChainSettings(BaseSettings):
    """The part of the settings that concerns the chain, for commands that need no database."""

    model_config = SettingsConfigDict(env_prefix="INTERPOINTS_", extra="ignore", frozen=True)

    manifest_path: Path
    rpc_urls: list[str] = Field(min_length=1)
    keystore_dir: Path | None = None
    keystore_password_file: Path | None = None
    remote_signer_url: str | None = None


class CommandError(Exception):
    """A command cannot do what was asked; the message says what to do."""


def sentence_for(error: Exception) -> str | None:
    """One sentence on an error that a user can do something about; None for any other, which is a fault of ours."""
    if isinstance(error, InterpointsError | StackError | ImportingError | CommandError):
        return str(error)
    if isinstance(error, SettingsError):
        return (
            f"A setting is not written as it must be ({error}): lists are JSON, such as '[\"http://127.0.0.1:8545\"]'."
        )
    if isinstance(error, ValidationError):
        return settings_problem(error)
    if isinstance(error, OperationalError | ProgrammingError):
        return database_problem(error)
    return None


def settings_problem(error: ValidationError) -> str:
    """One sentence on a setting that is missing or wrong."""
    first = error.errors()[0]
    key = "INTERPOINTS_" + "_".join(str(part) for part in first["loc"]).upper()
    if first["type"] == "missing":
        return f"The setting {key} is missing: set it, give --env-file, or start a local stack with `interpoints up`."
    return f"The setting {key} is wrong: {first['msg']}."


def database_problem(error: OperationalError | ProgrammingError) -> str:
    """One sentence on a database that cannot be used."""
    if isinstance(error, ProgrammingError):
        return f"The database has not the tables of this version ({_first_line(error)}): run `interpoints db migrate`."
    return f"The database does not answer ({_first_line(error)}): check INTERPOINTS_DATABASE_URL, or start the stack."


def _first_line(error: OperationalError | ProgrammingError) -> str:
    return str(error.orig).strip().split("\n", 1)[0].rstrip(".")


EnvFile = Annotated[
    Path | None,
    typer.Option(
        "--env-file",
        envvar="INTERPOINTS_ENV_FILE",
        help="File of INTERPOINTS_* settings; default: the environment, or the local stack when one was started here.",
        dir_okay=False,
    ),
]

_Model = TypeVar("_Model", bound=BaseSettings)


def _load(model: type[_Model], env_file: Path | None) -> _Model:
    if env_file is not None and not env_file.exists():
        raise CommandError(f"There is no settings file {env_file}.")
    if env_file is None and "INTERPOINTS_RPC_URLS" not in os.environ and LOCAL_ENVIRONMENT.exists():
        env_file = LOCAL_ENVIRONMENT
    return model(_env_file=env_file)


def load_settings(env_file: Path | None) -> Settings:
    """All settings."""
    return _load(Settings, env_file)


def load_chain_settings(env_file: Path | None) -> ChainSettings:
    """Settings of the chain only."""
    return _load(ChainSettings, env_file)


@contextlib.contextmanager
def database(env_file: Path | None) -> Iterator[Session]:
    """A session whose changes are committed when the block ends well."""
    engine = make_engine(load_settings(env_file).database_url, pool_size=1)
    try:
        with transaction(make_sessions(engine)) as session:
            yield session
    finally:
        engine.dispose()


def signer_source(settings: Settings | ChainSettings, chain_id: int) -> SignerSource:
    """Who signs: the remote signer, the keystores, or on a local chain its well-known accounts."""
    if settings.remote_signer_url:
        return RemoteSigners(settings.remote_signer_url)
    if settings.keystore_dir:
        if settings.keystore_password_file is None:
            raise CommandError("INTERPOINTS_KEYSTORE_DIR needs INTERPOINTS_KEYSTORE_PASSWORD_FILE beside it.")
        return KeystoreSigners(settings.keystore_dir, settings.keystore_password_file)
    return DevSigners(chain_id)


def open_chain(settings: Settings | ChainSettings) -> tuple[ChainClient, Manifest]:
    """The chain, checked to be the manifest's."""
    manifest = Manifest.load(settings.manifest_path)
    client = ChainClient(settings.rpc_urls)
    manifest.check_chain(client)
    return client, manifest
