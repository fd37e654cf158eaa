"""The command `interpoints`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points, version

import typer

from backend.commands import certificates, clearing, databases, keys, members, programmes
from backend.commands.auditing import audit
from backend.commands.common import notes, output, sentence_for
from backend.commands.deploying import deploy
from backend.commands.importing import import_file
from backend.commands.serving import api, worker
from backend.commands.stacking import up
from backend.logging import configure_logging

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Loyalty points that keep their value across brands: points on a chain, everything else in PostgreSQL.",
    epilog="Settings are INTERPOINTS_* variables, or a file given with --env-file; docs/settings.md lists them.",
)
app.command("up", rich_help_panel="Try")(up)
app.command("deploy", rich_help_panel="Run")(deploy)
app.command("api", rich_help_panel="Run")(api)
app.command("worker", rich_help_panel="Run")(worker)
app.add_typer(databases.app, name="db", rich_help_panel="Run")
app.add_typer(keys.app, name="keys", rich_help_panel="Run")
app.add_typer(programmes.app, name="programme", rich_help_panel="Use")
app.add_typer(members.app, name="member", rich_help_panel="Use")
app.add_typer(clearing.app, name="clearing", rich_help_panel="Use")
app.command("import", rich_help_panel="Use")(import_file)
# Packages beside this one, such as the bridge, bring commands of their own; nothing here knows them.
for _found in sorted(entry_points(group="interpoints.commands"), key=lambda each: each.name):
    app.add_typer(_found.load(), name=_found.name, rich_help_panel="Run")
app.command("audit", rich_help_panel="Verify")(audit)
app.add_typer(certificates.app, name="certificate", rich_help_panel="Verify")


def _print_version(wanted: bool) -> None:
    if wanted:
        output.print(f"interpoints {version('interpoints')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command; errors that the user can do something about are one sentence and exit status 1."""
    configure_logging("WARNING")
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more is to be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        sentence = sentence_for(error)
        if sentence is None:
            raise
        notes.print(f"interpoints: {sentence}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
