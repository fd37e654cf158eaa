"""Everything that runs in the demonstration: two stacks, each with a chain of its own, and the bridge between them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from backend.chain.manifest import Manifest
from backend.stack.local import LocalStack, StackOptions
from backend.stack.programmes_file import ClearingDraft, CrosschainDraft, ProgrammeDraft
from backend.stack.state import StateFolder
from scripts.demo.bridge import THRESHOLD, Bridge
from scripts.demo.programmes import EPOCH_DAYS, FIRST_CHAIN, FIRST_DAY, PROGRAMMES, SECOND_CHAIN, DemoProgramme

_SETTINGS = {
    # The data's days follow each other in seconds here, so nothing waits long to fill a batch.
    "INTERPOINTS_BATCH_MAX_AGE_SECONDS": "0.2",
    "INTERPOINTS_CHAIN_POLL_SECONDS": "0.1",
    "INTERPOINTS_LOG_LEVEL": "WARNING",
}
_ONE_WORKER = ("intake,batch,clear,post,follow,submit,index",)
"""The second chain has one programme's purchases only."""

Say = Callable[[str], None]


class Stage:
    """Start it, use the stacks and the bridge, stop it. `state` is the folder for all of them."""

    def __init__(self, state: Path, options: argparse.Namespace, say: Say) -> None:
        self._say = say
        self.audit = state / "demo" / "audit.html"
        """Where the audit's page is written, and beside it the report for machines."""
        self.bridge = Bridge(StateFolder(state / "demo-bridge"), say)
        common = StackOptions(
            programmes=(),
            clearing=ClearingDraft(cycle_days=7, payment_days=2, notice_hours=1),
            chain_start_timestamp=int(FIRST_DAY.timestamp()),
            keeps_chain=False,
            settings=_SETTINGS,
        )
        first = replace(common, chain_id=FIRST_CHAIN, api_port=options.port, chain_port=options.chain_port)
        second = replace(common, chain_id=SECOND_CHAIN, api_port=0, workers=_ONE_WORKER)
        self.stacks = (
            LocalStack(StateFolder(state / "demo"), replace(first, programmes=_drafts(first.chain_id)), say),
            LocalStack(
                StateFolder(state / "demo-second"),
                replace(second, programmes=_drafts(second.chain_id)),
                lambda text: say(f"second chain: {text}"),
            ),
        )

    def start(self) -> None:
        """Start everything anew. Raises StackError's family; what was started then is to be ended by `stop`."""
        self.bridge.prepare()
        crosschain = CrosschainDraft(
            attesters=self.bridge.attesters, threshold=THRESHOLD, rotation_delay_hours=1, notice_hours=1
        )
        for stack in self.stacks:
            stack.options = replace(stack.options, crosschain=crosschain)
        with ThreadPoolExecutor(len(self.stacks)) as pool:
            list(pool.map(lambda stack: stack.open(fresh=True), self.stacks))
            self._connect()
            list(pool.map(lambda stack: stack.serve(), self.stacks))
        self.bridge.start(self.stacks)

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
        self.bridge.stop()
        for stack in reversed(self.stacks):
            stack.stop()


def _drafts(chain_id: int) -> list[ProgrammeDraft]:
    return [_draft(each, chain_id) for each in PROGRAMMES]


def _draft(programme: DemoProgramme, chain_id: int) -> ProgrammeDraft:
    """The programme, or its branch on another chain than its own."""
    return ProgrammeDraft(
        slug=programme.slug,
        name=programme.name,
        symbol=programme.symbol,
        colour=programme.colour,
        epoch_length_days=EPOCH_DAYS,
        validity_epochs=programme.validity_epochs,
        clawback_epochs=programme.clawback_epochs,
        earn_points=programme.earn_points,
        earn_per_minor=programme.earn_per_minor,
        return_period_days=programme.return_period_days,
        home_chain_id=programme.chain_id if programme.chain_id != chain_id else 0,
    )
