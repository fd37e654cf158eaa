"""Two local stacks, each with a chain of its own, and the bridge between them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from backend.chain.manifest import Manifest
from backend.chain.signers import LOCAL_CHAIN_IDS
from backend.stack.bridge import LocalBridge, local_crosschain
from backend.stack.errors import StackError, StacksApartError
from backend.stack.local import LocalStack, Say, StackOptions
from backend.stack.programmes_file import ProgrammeDraft
from backend.stack.state import StateFolder, write_private

PAIRING = "chains.json"


class StackPair:
    """Start it, use the stacks and the bridge, stop it.

    `state` is the folder of the first stack; beside it, with names that end in -second and -bridge, are the others'.
    """

    def __init__(self, state: Path, first: StackOptions, second: StackOptions, say: Say) -> None:
        """The programmes of `first` are those of both; one that names no home has it on the first chain."""
        self._say = say
        self.bridge = LocalBridge(StateFolder(_beside(state, "bridge")), say)
        crosschain, programmes = local_crosschain(), first.programmes
        self.stacks = tuple(
            LocalStack(
                StateFolder(folder),
                replace(
                    options,
                    chain_id=chain_id,
                    crosschain=crosschain,
                    programmes=[_seen_from(chain_id, each) for each in programmes],
                ),
                say_there,
            )
            for folder, options, chain_id, say_there in (
                (state, first, LOCAL_CHAIN_IDS[0], say),
                (_beside(state, "second"), second, LOCAL_CHAIN_IDS[1], lambda text: say(f"second chain: {text}")),
            )
        )

    def start(self, *, fresh: bool = False) -> None:
        """Start everything. Raises StackError's family; what was started then is to be ended by `stop`."""
        # All folders first: nothing is cleared while another run holds one of them, or made when the start is refused.
        parts: tuple[LocalBridge | LocalStack, ...] = (self.bridge, *self.stacks)
        for part in parts:
            part.claim()
        fresh = fresh or not any(stack.folder.manifest.exists() for stack in self.stacks)
        if not fresh and self._geneses() != self._paired():
            raise StacksApartError([stack.folder.root for stack in self.stacks])
        for part in parts:
            part.folder.acquire()
        if fresh:
            self.bridge.folder.clear()
        with ThreadPoolExecutor(len(self.stacks)) as pool:
            list(pool.map(lambda stack: stack.open(fresh=fresh), self.stacks))
            self._connect()
            write_private(self._pairing, json.dumps(self._geneses()))
            list(pool.map(lambda stack: stack.serve(), self.stacks))
        self.bridge.start(self.stacks)

    @property
    def started(self) -> bool:
        """Whether there is something to stop."""
        return any(stack.started for stack in self.stacks)

    @property
    def _pairing(self) -> Path:
        """Which chains the journals and the contracts' records of seen messages are about.

        Addresses do not tell: deployed anew, a contract has the same one.
        """
        return self.bridge.folder.root / PAIRING

    def _paired(self) -> dict[str, str]:
        return dict(json.loads(self._pairing.read_text())) if self._pairing.exists() else {}

    def _geneses(self) -> dict[str, str]:
        """Hashes of the chains' first blocks, by chain id."""
        manifests = [stack.folder.manifest for stack in self.stacks]
        found = [Manifest.load(path) for path in manifests if path.exists()]
        return {str(manifest.chain_id): manifest.genesis_hash for manifest in found}

    def _connect(self) -> None:
        self._say("connecting the chains")
        for stack, other in zip(self.stacks, reversed(self.stacks), strict=True):
            stack.connect([Manifest.load(other.folder.manifest)])
            peers = json.dumps({other.options.chain_id: [other.chain_url]})
            settings = {**stack.options.settings, "INTERPOINTS_PEER_RPC_URLS": peers}
            stack.options = replace(stack.options, settings=settings)

    def check(self) -> None:
        """Raise ProcessFailedError when a process has ended."""
        for stack in self.stacks:
            stack.check()
        self.bridge.check()

    def stop(self) -> None:
        """End everything, in order."""
        with ExitStack() as ending:
            for stack in self.stacks:
                ending.callback(stack.stop)
            ending.callback(self.bridge.stop)


def is_paired(state: Path) -> bool:
    """Whether the stack in `state` is the first of two."""
    return (_beside(state, "bridge") / PAIRING).exists()


def _beside(state: Path, what: str) -> Path:
    whole = state.resolve()
    if not whole.name:
        raise StackError(f"{whole} cannot be the folder of a stack: name one below it with --state.")
    return (
        whole.with_name(f"{whole.name}-{what}") if state.name in {"", ".."} else state.with_name(f"{state.name}-{what}")
    )


def _seen_from(chain_id: int, draft: ProgrammeDraft) -> ProgrammeDraft:
    """The programme on its own chain, or its branch on the other. Raises StackError when it is at home on neither."""
    home = draft.home_chain_id or LOCAL_CHAIN_IDS[0]
    if home not in LOCAL_CHAIN_IDS:
        here = " and ".join(map(str, LOCAL_CHAIN_IDS))
        raise StackError(f"The programme {draft.slug} is at home on chain {home}: here are chains {here} only.")
    return draft.model_copy(update={"home_chain_id": 0 if home == chain_id else home})
