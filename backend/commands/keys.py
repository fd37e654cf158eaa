"""`interpoints keys`: API keys, and keystores of signers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from eth_utils.address import to_checksum_address
from rich.table import Table

from backend.auth import repository, service
from backend.auth.callers import CallerKind
from backend.auth.models import ApiKey
from backend.auth.schemas import Role
from backend.auth.scopes import Scope
from backend.chain.signers import create_keystore
from backend.commands.common import CommandError, EnvFile, database, notes, output
from backend.database import utc_now
from backend.programmes.repository import find_by_slug

app = typer.Typer(no_args_is_help=True, help="API keys of programmes and of the operator, and keystores of signers.")

_PAGE = 200
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key, such as key_01k...")]


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What the key is for, such as 'till 7'.")],
    programme: Annotated[str | None, typer.Option(help="Slug of the programme the key belongs to.")] = None,
    operator: Annotated[bool, typer.Option("--operator", help="A key of the operator: every programme.")] = False,
    role: Annotated[
        Role | None, typer.Option(help="`auditor`: reads everything and writes nothing. Default: as the key's owner.")
    ] = None,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What the key may do; repeat it. Default: everything.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until the key expires; default: never.")] = None,
    env_file: EnvFile = None,
) -> None:
    """Make an API key. It is printed this once; only its hash is kept."""
    kind = _kind(programme, operator=operator, role=role)
    with database(env_file) as session:
        programme_id = None
        if programme is not None:
            found = find_by_slug(session, programme)
            if found is None:
                raise CommandError(f"There is no programme {programme!r}; `interpoints programme list` shows them.")
            programme_id = found.id
        key, text = service.create_key(
            session,
            programme_id=programme_id,
            name=name,
            role=kind,
            scopes=frozenset(scope or (Scope if kind is CallerKind.PROGRAMME else ())),
            expires_at=utc_now() + timedelta(days=days) if days else None,
        )
        notes.print(f"{key.id} made; this is the only time it is shown:")
    output.print(text, markup=False)


def _kind(programme: str | None, *, operator: bool, role: Role | None) -> CallerKind:
    """Whose key it is. Exactly one of the ways to say it."""
    said = {CallerKind.PROGRAMME} if programme is not None else set()
    said |= {CallerKind.OPERATOR} if operator else set()
    said |= {CallerKind(role)} if role is not None else set()
    if len(said) != 1 or (said == {CallerKind.PROGRAMME} and programme is None):
        raise CommandError("Say whose key it is: --programme SLUG or --operator, or --role auditor.")
    return said.pop()


@app.command("list")
def list_all(env_file: EnvFile = None) -> None:
    """List the API keys, without their secrets."""
    table = Table("id", "name", "whose", "scopes", "created", "expires", "revoked", box=None)
    with database(env_file) as session:
        after: str | None = None
        while keys := repository.list_keys(session, None, after, _PAGE):
            for key in keys:
                scopes = _scopes(key)
                times = (
                    f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (key.created_at, key.expires_at, key.revoked_at)
                )
                table.add_row(key.id, key.name, key.programme_id or key.role, scopes, *times)
            after = keys[-1].id
    output.print(table)


def _scopes(key: ApiKey) -> str:
    if key.role == CallerKind.AUDITOR:
        return "read"
    return "all" if key.role == CallerKind.OPERATOR or set(key.scopes) == set(Scope) else ", ".join(key.scopes)


@app.command("rotate")
def rotate(
    key_id: KeyId,
    overlap_seconds: Annotated[int, typer.Option(min=0, help="How long the old key still works.")] = 86_400,
    env_file: EnvFile = None,
) -> None:
    """Make a new key with the same rights; the old one works for a while more."""
    with database(env_file) as session:
        old = repository.find_key(session, key_id, None)
        key, text = service.rotate_key(session, _known(old, key_id), overlap_seconds)
        notes.print(f"{key.id} replaces {key_id}, which works for {overlap_seconds} more seconds; shown this once:")
    output.print(text, markup=False)


@app.command("revoke")
def revoke(key_id: KeyId, env_file: EnvFile = None) -> None:
    """End a key now."""
    with database(env_file) as session:
        service.revoke_key(session, _known(repository.find_key(session, key_id, None), key_id))
    notes.print(f"{key_id} is revoked.")


@app.command("signer")
def signer(
    keystore_dir: Annotated[
        Path, typer.Option(envvar="INTERPOINTS_KEYSTORE_DIR", help="Folder of encrypted keystore files.")
    ],
    keystore_password_file: Annotated[
        Path, typer.Option(envvar="INTERPOINTS_KEYSTORE_PASSWORD_FILE", help="File that holds their password.")
    ],
) -> None:
    """Make a signer's key, encrypted, and print its address: an issuer or custodian for the programmes file."""
    if not keystore_password_file.is_file():
        raise CommandError(f"There is no password file {keystore_password_file}: write one that only you can read.")
    password = keystore_password_file.read_text().rstrip("\n")
    if not password:
        raise CommandError(f"The password file {keystore_password_file} is empty.")
    output.print(to_checksum_address(create_keystore(keystore_dir, password)))


def _known(key: ApiKey | None, key_id: str) -> ApiKey:
    if key is None:
        raise CommandError(f"There is no key {key_id}; `interpoints keys list` shows them.")
    return key
