"""`interpoints up`: the whole local stack, in the foreground."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from backend.chain.manifest import Manifest
from backend.chain.signers import LOCAL_CHAIN_IDS
from backend.commands.common import LOCAL_STATE, CommandError, notes, output
from backend.stack.local import LocalStack, StackOptions
from backend.stack.programmes_file import ClearingDraft, ProgrammeDraft, ProgrammesFile
from backend.stack.state import StateFolder
from backend.stack.waiting import POLL_SECONDS

BLOCK_SECONDS = 5
PEER_DEADLINE_SECONDS = 180.0
EXAMPLE_PROGRAMME = ProgrammeDraft(slug="example", name="Example Points", symbol="EXAMPLE")


def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the API; 0 picks a free one.")] = 8000,
    chain_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the chain; 0 picks a free one.")] = 8545,
    programmes: Annotated[
        Path | None, typer.Option(help="TOML file of programmes; default: one called example.", dir_okay=False)
    ] = None,
    chain_id: Annotated[
        int, typer.Option(help="Id of the chain: 31337, or 1337 for a second stack beside the first.")
    ] = LOCAL_CHAIN_IDS[0],
    peer: Annotated[
        Path | None,
        typer.Option(
            help="State folder of a stack with the other chain id, to connect with; it is waited for."
            " Both name each other, and both begin anew or neither.",
            file_okay=False,
        ),
    ] = None,
    state: Annotated[Path, typer.Option(help="Folder that holds everything.", file_okay=False)] = LOCAL_STATE,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the folder holds, and begin anew.")] = False,
) -> None:
    """Run the whole stack here: PostgreSQL, a local chain, contracts, API, workers and pages. Ctrl-C stops it.

    What it holds is kept for the next time. Other commands find it by themselves when run in the same folder.
    """
    if chain_id not in LOCAL_CHAIN_IDS:
        raise CommandError(f"A local chain has the id {' or '.join(map(str, LOCAL_CHAIN_IDS))}, not {chain_id}.")
    wanted = ProgrammesFile.load(programmes) if programmes else ProgrammesFile(programme=(EXAMPLE_PROGRAMME,))
    options = StackOptions(
        programmes=wanted.programme,
        clearing=wanted.clearing or ClearingDraft(),
        crosschain=wanted.crosschain,
        chain_id=chain_id,
        api_port=port,
        chain_port=chain_port,
        block_seconds=BLOCK_SECONDS,
    )
    stack = LocalStack(StateFolder(state), options, lambda text: notes.print(f"[dim]{text}[/dim]"))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        stack.open(fresh=fresh)
        if peer is not None:
            notes.print(f"[dim]waiting for the stack in {peer}[/dim]")
            connect_with(stack, StateFolder(peer), stopping)
        stack.serve()
        show_addresses(stack)
        while not stopping.wait(1.0):
            stack.check()
    finally:
        notes.print("[dim]stopping[/dim]")
        stack.stop()


def connect_with(stack: LocalStack, peer: StateFolder, stopping: threading.Event) -> None:
    """Connect an open stack with another one, once that one's gateway and crosschain exchange are there.

    Raises CommandError when that takes longer than `PEER_DEADLINE_SECONDS`, or when stopped.
    """
    end = time.monotonic() + PEER_DEADLINE_SECONDS
    while not stopping.is_set() and time.monotonic() < end:
        manifest = Manifest.load(peer.manifest) if peer.manifest.exists() else None
        if manifest is not None and manifest.gateway is not None and manifest.crosschain is not None:
            stack.connect([manifest])
            return
        stopping.wait(POLL_SECONDS)
    raise CommandError(f"No stack with a gateway came up in {peer.root}: start it too, with [crosschain].")


def show_addresses(stack: LocalStack) -> None:
    """Print where everything is."""
    output.print(f"API                        {stack.api_url}")
    output.print(f"chain (JSON-RPC)           {stack.chain_url}")
    output.print(f"manifest                   {stack.folder.manifest}")
    output.print(f"settings of this stack     {stack.folder.root / 'environment'}")
    output.print(f"operator's API key         {stack.operator_key}", markup=False)
    output.print("Ctrl-C stops it.")
