"""`interpoints import`: a brand's events from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backend.commands.common import CommandError, notes, output
from backend.importing.api import ImportApi
from backend.importing.journal import Counts
from backend.importing.mapping import Mapping
from backend.importing.service import PART_ROWS, default_journal, import_events

_JOURNALS = Path(".interpoints/imports")


def import_file(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet (.parquet) file of events.")],
    mapping: Annotated[
        Path, typer.Option(help="TOML file that says which column is what; docs/importing.md describes it.")
    ],
    programme: Annotated[str, typer.Option(help="Slug or id of the programme.")],
    api_key: Annotated[
        str, typer.Option(envvar="INTERPOINTS_API_KEY", help="API key with events:write; better in the environment.")
    ],
    api_url: Annotated[
        str, typer.Option(envvar="INTERPOINTS_API_URL", help="Where the API is.")
    ] = "http://127.0.0.1:8000",
    enrol: Annotated[
        bool, typer.Option("--enrol", help="Enrol customer numbers that are not known yet (needs members:write).")
    ] = False,
    journal: Annotated[
        Path | None, typer.Option(help="File that notes what is done; default: below .interpoints/imports.")
    ] = None,
    rejected: Annotated[
        Path | None, typer.Option(help="CSV file for rejected rows; default: beside the journal.")
    ] = None,
    tries: Annotated[
        int, typer.Option(min=1, max=20, help="How often a call is made that may come out well later.")
    ] = 8,
    part_rows: Annotated[int, typer.Option(min=1, max=100_000, help="Rows in one upload.")] = PART_ROWS,
) -> None:
    """Import events. After any stop, the same command goes on where it was; a file imported twice changes nothing.

    Exit status 0 when every row became an event or was known, 1 when the import could not finish, 3 when rows were
    rejected: the rejected-rows file says which and why.
    """
    rules = Mapping.load(mapping)
    if not source.exists():
        raise CommandError(f"There is no file {source}.")
    journal_path, rejected_path = default_journal(_JOURNALS, source, rules, programme)
    if journal is not None:
        journal_path, rejected_path = journal, journal.with_suffix(".rejected.csv")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with (
        ImportApi(api_url, api_key, tries) as api,
        Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=notes) as progress,
    ):
        task = progress.add_task(source.name, total=1.0)

        def show(done_fraction: float, counts: Counts) -> None:
            progress.update(task, completed=done_fraction, description=f"{source.name}: {counts.rows:,} rows")

        api.choose_programme(programme)
        counts = import_events(
            source,
            rules,
            api,
            journal_path=journal_path,
            rejected_path=rejected or rejected_path,
            progress=show,
            part_rows=part_rows,
            enrol=enrol,
        )
    output.print(
        f"{counts.rows:,} rows: {counts.processed:,} became events, {counts.duplicates:,} were known, "
        f"{counts.rejected:,} were rejected."
    )
    if counts.rejected:
        notes.print(f"The rejected rows and their reasons are in {rejected or rejected_path}.", markup=False)
        raise typer.Exit(3)
