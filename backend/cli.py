"""The command `interpoints`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points, version

import typer

from backend.logging import configure_logging

_COMMANDS = (
    ("up", "Try", "stacking", "up"),
    ("deploy", "Run", "deploying", "deploy"),
    ("api", "Run", "serving", "api"),
    ("worker", "Run", "serving", "worker"),
    ("db", "Run", "databases", "app"),
    ("keys", "Run", "keys", "app"),
    ("programme", "Use", "programmes", "app"),
    ("member", "Use", "members", "app"),
    ("clearing", "Use", "clearing", "app"),
    ("import", "Use", "importing", "import_file"),
    ("audit", "Verify", "auditing", "audit"),
    ("certificate", "Verify", "certificates", "app"),
)
"""Name, panel of the help, module of `backend.commands`, and what in it is the command."""


def application(wanted: str | None = None) -> typer.Typer:
    """The whole command, or only as much as `interpoints WANTED` needs: all of it takes seconds to load."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Loyalty points that keep their value across brands: points on a chain, everything else in PostgreSQL.",
        epilog="Settings are INTERPOINTS_* variables, or a file given with --env-file; docs/settings.md lists them.",
    )
    app.callback()(_options)
    # Packages beside this one, such as the bridge, bring commands of their own; nothing here knows them.
    found = sorted(entry_points(group="interpoints.commands"), key=lambda each: each.name)
    names = {name for name, *_ in _COMMANDS} | {each.name for each in found}
    only = wanted if wanted in names else None
    for name, panel, module, attribute in _COMMANDS:
        if only in {None, name}:
            _add(app, name, panel, getattr(import_module(f"backend.commands.{module}"), attribute))
    for each in found:
        if only in {None, each.name}:
            _add(app, each.name, "Run", each.load())
    return app


def _add(app: typer.Typer, name: str, panel: str, command: typer.Typer | Callable[..., None]) -> None:
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, rich_help_panel=panel)
    else:
        app.command(name, rich_help_panel=panel)(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"interpoints {version('interpoints')}")
        raise typer.Exit


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
        application(next(iter(sys.argv[1:]), None))()
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more is to be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        from backend.commands.common import notes, sentence_for  # noqa: PLC0415 - loads all that may have failed

        sentence = sentence_for(error)
        if sentence is None:
            raise
        notes.print(f"interpoints: {sentence}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
