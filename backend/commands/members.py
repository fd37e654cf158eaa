"""`interpoints member`: enrol, show, and sign in members."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from backend.auth.sessions import MemberTokens
from backend.commands.common import CommandError, EnvFile, database, load_settings, notes, output
from backend.hexes import address_text
from backend.members import repository, service
from backend.programmes.repository import get_programme

app = typer.Typer(no_args_is_help=True, help="Members: enrol, list, show, and make links that sign them in.")

_PAGE = 200
MemberId = Annotated[str, typer.Argument(metavar="MEMBER_ID", help="Id of the member, such as mem_01k...")]
ProgrammeOption = Annotated[str, typer.Option("--programme", help="Slug or id of the programme.")]


@app.command("enrol")
def enrol(
    reference: Annotated[str, typer.Argument(help="The brand's own customer number.")],
    programme: ProgrammeOption,
    member_id: Annotated[
        str | None, typer.Option(help="An existing member who joins this programme too; default: a new one.")
    ] = None,
    env_file: EnvFile = None,
) -> None:
    """Make a person a member of a programme; prints the member's id. The same again changes nothing."""
    with database(env_file) as session:
        request = service.EnrolmentRequest(get_programme(session, programme), reference, member_id)
        enrolment, is_new = service.enrol(session, request)
        notes.print(f"{enrolment.id} {'made' if is_new else 'was there'}, account {address_text(enrolment.account)}.")
        output.print(enrolment.member_id)


@app.command("list")
def list_some(
    programme: ProgrammeOption,
    reference: Annotated[str | None, typer.Option(help="Only the member with this customer number.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most members to list.")] = 50,
    env_file: EnvFile = None,
) -> None:
    """List members of a programme."""
    table = Table("member", "reference", "account", "wallet", "joined", box=None)
    with database(env_file) as session:
        programme_id = get_programme(session, programme).id
        members = repository.list_members(session, programme_id, reference, None, limit)
        found = repository.enrolments_of_members(session, [member.id for member in members], programme_id)
        for member in members:
            for enrolment in found[member.id]:
                wallet = address_text(enrolment.wallet) if enrolment.wallet else ""
                account, joined = address_text(enrolment.account), f"{enrolment.joined_at:%Y-%m-%d}"
                table.add_row(member.id, enrolment.reference, account, wallet, joined)
    output.print(table)


@app.command("show")
def show(member_id: MemberId, env_file: EnvFile = None) -> None:
    """Show a member's enrolments and accounts."""
    table = Table("programme", "reference", "account", "wallet", "joined", box=None)
    with database(env_file) as session:
        repository.get_member(session, member_id)
        for enrolment in repository.enrolments_of(session, member_id):
            slug = get_programme(session, enrolment.programme_id).slug
            wallet = address_text(enrolment.wallet) if enrolment.wallet else ""
            account, joined = address_text(enrolment.account), f"{enrolment.joined_at:%Y-%m-%d}"
            table.add_row(slug, enrolment.reference, account, wallet, joined)
    output.print(table)


@app.command("link")
def link(
    member_id: MemberId,
    hours: Annotated[int, typer.Option(min=1, max=720, help="How long the link works.")] = 24,
    env_file: EnvFile = None,
) -> None:
    """Print a link that signs the member in on the member page. Whoever has it is the member."""
    settings = load_settings(env_file)
    with database(env_file) as session:
        repository.get_member(session, member_id)
        if not repository.enrolments_of(session, member_id):
            raise CommandError(f"{member_id} is in no programme; enrol them first.")
    token = MemberTokens(settings).issue_link(member_id, hours * 3600)
    output.print(f"{settings.public_url.rstrip('/')}/m/{token.text}", markup=False)
