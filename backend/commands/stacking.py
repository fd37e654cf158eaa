"""`interpoints up`: the whole local stack, in the foreground."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from backend.commands.common import LOCAL_STATE, notes, output
from backend.stack.local import LocalStack, StackOptions
from backend.stack.programmes_file import ClearingDraft, ProgrammeDraft, ProgrammesFile
from backend.stack.state import StateFolder

BLOCK_SECONDS = 5
EXAMPLE_PROGRAMME = ProgrammeDraft(slug="example", name="Example Points", symbol="EXAMPLE")


def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the API; 0 picks a free one.")] = 8000,
    chain_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the chain; 0 picks a free one.")] = 8545,
    programmes: Annotated[
        Path | None, typer.Option(help="TOML file of programmes; default: one called example.", dir_okay=False)
    ] = None,
    state: Annotated[Path, typer.Option(help="Folder that holds everything.", file_okay=False)] = LOCAL_STATE,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the folder holds, and begin anew.")] = False,
) -> None:
    """Run the whole stack here: PostgreSQL, a local chain, contracts, API, workers and pages. Ctrl-C stops it.

    What it holds is kept for the next time. Other commands find it by themselves when run in the same folder.
    """
    wanted = ProgrammesFile.load(programmes) if programmes else ProgrammesFile(programme=(EXAMPLE_PROGRAMME,))
    options = StackOptions(
        programmes=wanted.programme,
        clearing=wanted.clearing or ClearingDraft(),
        api_port=port,
        chain_port=chain_port,
        block_seconds=BLOCK_SECONDS,
    )
    stack = LocalStack(StateFolder(state), options, lambda text: notes.print(f"[dim]{text}[/dim]"))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        stack.start(fresh=fresh)
        show_addresses(stack)
        while not stopping.wait(1.0):
            stack.check()
    finally:
        notes.print("[dim]stopping[/dim]")
        stack.stop()


def show_addresses(stack: LocalStack) -> None:
    """Print where everything is."""
    output.print(f"API                        {stack.api_url}")
    output.print(f"chain (JSON-RPC)           {stack.chain_url}")
    output.print(f"manifest                   {stack.folder.manifest}")
    output.print(f"settings of this stack     {stack.folder.root / 'environment'}")
    output.print(f"operator's API key         {stack.operator_key}", markup=False)
    output.print("Ctrl-C stops it.")
