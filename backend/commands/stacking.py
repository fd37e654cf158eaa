"""`interpoints up`: the whole local stack, in the foreground."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from backend.chain.signers import LOCAL_CHAIN_IDS
from backend.commands.common import LOCAL_STATE, CommandError, notes, output
from backend.stack.bridge import local_crosschain
from backend.stack.local import ONE_WORKER, LocalStack, Say, StackOptions
from backend.stack.pair import StackPair, is_paired
from backend.stack.programmes_file import ClearingDraft, ProgrammeDraft, ProgrammesFile
from backend.stack.state import StateFolder

BLOCK_SECONDS = 5
BLOCK_SECONDS_OF_TWO = 2
LAST_PORT = 65_535
EXAMPLE_PROGRAMME = ProgrammeDraft(slug="example", name="Example Points", symbol="EXAMPLE")
EXAMPLE_ABROAD = ProgrammeDraft(slug="abroad", name="Points Abroad", symbol="ABROAD", home_chain_id=LOCAL_CHAIN_IDS[1])


def up(
    port: Annotated[int, typer.Option(min=0, max=LAST_PORT, help="Port of the API; 0 picks a free one.")] = 8000,
    chain_port: Annotated[
        int, typer.Option(min=0, max=LAST_PORT, help="Port of the chain; 0 picks a free one.")
    ] = 8545,
    programmes: Annotated[
        Path | None,
        typer.Option(help="TOML file of programmes; default: example, and with two chains abroad.", dir_okay=False),
    ] = None,
    two_chains: Annotated[
        bool,
        typer.Option(
            "--two-chains",
            help="Run a second stack too, on chain 1337 and the next ports, and the bridge between them:"
            " programmes with `home_chain_id = 1337` live there. Their folders are beside the first one's, with -second"
            " and -bridge at the end. Blocks come every 2 s, not every 5 s.",
        ),
    ] = False,
    state: Annotated[Path, typer.Option(help="Folder that holds everything.", file_okay=False)] = LOCAL_STATE,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what the folder, or all three, hold, and begin anew.")
    ] = False,
) -> None:
    """Run the whole stack here: PostgreSQL, a local chain, contracts, API, workers and pages. Ctrl-C stops it.

    What it holds is kept for the next time. Other commands find it by themselves when run in the same folder.
    """
    if not two_chains and is_paired(state):
        raise CommandError(
            f"{state} is the first of two stacks: start both with --two-chains, or name another folder with --state."
        )
    crosschain = local_crosschain() if two_chains else None
    if programmes is not None:
        wanted = ProgrammesFile.load(programmes, crosschain)
    else:
        examples = (EXAMPLE_PROGRAMME, EXAMPLE_ABROAD) if two_chains else (EXAMPLE_PROGRAMME,)
        wanted = ProgrammesFile(programme=examples, clearing=ClearingDraft(), crosschain=crosschain)
    options = StackOptions(
        programmes=wanted.programme,
        clearing=wanted.clearing or ClearingDraft(),
        crosschain=wanted.crosschain,
        api_port=port,
        chain_port=chain_port,
        block_seconds=BLOCK_SECONDS,
    )
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

    def say(text: str) -> None:
        """Tells of a step before it begins, which is the time to stop when asked to."""
        if stopping.is_set():
            raise _StoppedError
        notes.print(f"[dim]{text}[/dim]")

    running = _pair(state, options, say) if two_chains else LocalStack(StateFolder(state), options, say)
    try:
        running.start(fresh=fresh)
        for stack in running.stacks if isinstance(running, StackPair) else [running]:
            show_addresses(stack)
        if isinstance(running, StackPair):
            program = sys.argv[0] if sys.argv[0].endswith("interpoints") else "interpoints"
            command = f"{program} bridge status --config {running.bridge.status_config}"
            output.print(f"where swaps are            {command}", markup=False)
        output.print("Ctrl-C stops it.")
        while not stopping.wait(1.0):
            running.check()
    except _StoppedError:
        notes.print("[dim]stopped before everything was up[/dim]")
    finally:
        if running.started:
            notes.print("[dim]stopping[/dim]")
        running.stop()


class _StoppedError(Exception):
    """Ctrl-C, or a request to end, while the stack was starting."""


def _pair(state: Path, first: StackOptions, say: Say) -> StackPair:
    """Blocks come quickly, since a swap waits for eight of them on either chain before both sides call it done."""
    first = replace(first, block_seconds=BLOCK_SECONDS_OF_TWO, workers=ONE_WORKER)
    api_port, chain_port = (port and port + 1 for port in (first.api_port, first.chain_port))
    ports = [port for port in (first.api_port, api_port, first.chain_port, chain_port) if port]
    if len(set(ports)) < len(ports) or max(ports, default=0) > LAST_PORT:
        raise CommandError(
            "Two stacks take --port, --chain-port and the port after each: name ports with room for that."
        )
    return StackPair(state, first, replace(first, api_port=api_port, chain_port=chain_port), say)


def show_addresses(stack: LocalStack) -> None:
    """Print where everything of a stack is."""
    output.print(f"chain id                   {stack.options.chain_id}")
    output.print(f"API                        {stack.api_url}")
    output.print(f"chain (JSON-RPC)           {stack.chain_url}")
    output.print(f"manifest                   {stack.folder.manifest}")
    output.print(f"settings of this stack     {stack.folder.root / 'environment'}")
    output.print(f"operator's API key         {stack.operator_key}\n", markup=False)
