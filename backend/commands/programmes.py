"""`interpoints programme`: the programmes of the deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from backend.chain.manifest import Manifest
from backend.commands.common import CommandError, EnvFile, database, load_settings, notes, output
from backend.hexes import address_text
from backend.money import Money
from backend.points.sweeps import ACCOUNTS_A_SWEEP, sweep_expired
from backend.programmes import repository, service
from backend.programmes.models import Programme
from backend.programmes.schemas import EarningRule, ProgrammeUpdate
from backend.stack.programmes_file import ProgrammesFile

app = typer.Typer(no_args_is_help=True, help="Programmes: take over from the manifest, list, show, change.")

_PAGE = 200
_DAY_SECONDS = 86_400
Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Slug or id of the programme.")]


@app.command("sync")
def sync(
    programmes: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of the programmes: earning rule, currency and colour of new ones.", dir_okay=False
        ),
    ] = None,
    env_file: EnvFile = None,
) -> None:
    """Take the manifest's programmes into the database. Known ones keep what was changed since."""
    profiles = {}
    if programmes is not None:
        profiles = {draft.slug: draft.profile() for draft in ProgrammesFile.load(programmes).programme}
    manifest = Manifest.load(load_settings(env_file).manifest_path)
    with database(env_file) as session:
        known = service.sync_from_manifest(session, manifest, profiles)
        for programme in known:
            output.print(f"{programme.id} {programme.slug}")


@app.command("list")
def list_all(env_file: EnvFile = None) -> None:
    """List the programmes."""
    table = Table("id", "slug", "name", "symbol", "earning rule", "epoch", "validity", box=None)
    with database(env_file) as session:
        for programme in repository.list_programmes(session, None, None, _PAGE):
            table.add_row(
                programme.id,
                programme.slug,
                programme.name,
                programme.symbol,
                _rule(programme),
                f"{programme.epoch_length_seconds // _DAY_SECONDS} days",
                f"{programme.validity_epochs} epochs",
            )
    output.print(table)


@app.command("show")
def show(slug: Slug, env_file: EnvFile = None) -> None:
    """Show everything about one programme."""
    table = Table.grid(padding=(0, 2))
    with database(env_file) as session:
        programme = repository.get_programme(session, slug)
        for name, value in (
            ("id", programme.id),
            ("slug", programme.slug),
            ("name", programme.name),
            ("chain", str(programme.chain_id)),
            ("token", address_text(programme.token)),
            ("issuer", address_text(programme.issuer)),
            ("custodian", address_text(programme.custodian)),
            ("earning rule", _rule(programme)),
            ("return period", f"{programme.return_period_seconds / _DAY_SECONDS:g} days"),
            ("epoch length", f"{programme.epoch_length_seconds // _DAY_SECONDS} days"),
            ("validity", f"{programme.validity_epochs} epochs after the epoch of earning"),
            ("clawback window", f"{programme.clawback_epochs} epochs after the epoch of earning"),
            ("transferable", "yes" if programme.transferable else "no, exchange-only"),
            ("colour", programme.colour),
        ):
            table.add_row(name, value)
    output.print(table)


@app.command("set")
def change(
    slug: Slug,
    earn_points: Annotated[int | None, typer.Option(min=0, help="Points for every --earn-per.")] = None,
    earn_per: Annotated[str | None, typer.Option(help="Money that earns --earn-points, such as 1.00.")] = None,
    return_period_days: Annotated[
        int | None, typer.Option(min=0, max=365, help="Days that points stay pending.")
    ] = None,
    colour: Annotated[str | None, typer.Option(help="Colour on the member page, such as #2f5d50.")] = None,
    env_file: EnvFile = None,
) -> None:
    """Change the earning rule, the return period or the colour, for events from now on."""
    with database(env_file) as session:
        programme = repository.get_programme(session, slug)
        rule = None
        if earn_points is not None or earn_per is not None:
            if earn_points is None or earn_per is None:
                raise CommandError("Give --earn-points and --earn-per together.")
            rule = EarningRule(points=earn_points, per=Money(amount=earn_per, currency=programme.currency))
        seconds = None if return_period_days is None else return_period_days * _DAY_SECONDS
        update = ProgrammeUpdate(earning_rule=rule, return_period_seconds=seconds, colour=colour)
        if update == ProgrammeUpdate():
            raise CommandError("Say what to change; `interpoints programme set --help` shows what can be.")
        service.update_programme(session, programme, update)
        notes.print(f"{programme.slug}: {_rule(programme)}, {programme.return_period_seconds} seconds pending.")


@app.command("sweep")
def sweep(slug: Slug, env_file: EnvFile = None) -> None:
    """Have expired lots removed from the chain's storage and logged. They are worth nothing already."""
    with database(env_file) as session:
        operation = sweep_expired(session, repository.get_programme(session, slug))
        if operation is None:
            notes.print("No account has an expired lot.")
        else:
            notes.print(f"{operation.id} removes expired lots of up to {ACCOUNTS_A_SWEEP} accounts.")


def _rule(programme: Programme) -> str:
    per = Money.of_minor(programme.earn_per_minor, programme.currency)
    return f"{programme.earn_points} points per {per.amount} {per.currency}"
