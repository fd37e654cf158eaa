"""Everything that runs in the demonstration: two stacks, each with a chain of its own, and the bridge between them."""

from __future__ import annotations

import argparse
import subprocess
from dataclasses import replace
from pathlib import Path

import httpx

from backend.chain.signers import LOCAL_CHAIN_IDS
from backend.stack.bridge import COMMAND
from backend.stack.local import ONE_WORKER, Say, StackOptions
from backend.stack.pair import StackPair
from backend.stack.programmes_file import ClearingDraft, ProgrammeDraft
from backend.stack.waiting import wait_until
from scripts.demo.programmes import EPOCH_DAYS, FIRST_DAY, PROGRAMMES, DemoProgramme

_SETTINGS = {
    # The data's days follow each other in seconds here, so nothing waits long to fill a batch.
    "INTERPOINTS_BATCH_MAX_AGE_SECONDS": "0.2",
    "INTERPOINTS_CHAIN_POLL_SECONDS": "0.1",
    "INTERPOINTS_LOG_LEVEL": "WARNING",
}
_CATCH_UP_SECONDS = 240.0


class BridgeBehindError(Exception):
    """An attester that came back did not catch up."""


class Stage(StackPair):
    """Start it afresh, use the stacks and the bridge, stop it. `state` is the folder for all of them."""

    def __init__(self, state: Path, options: argparse.Namespace, say: Say) -> None:
        first = StackOptions(
            programmes=[_draft(each) for each in PROGRAMMES],
            clearing=ClearingDraft(cycle_days=7, payment_days=2, notice_hours=1),
            api_port=options.port,
            chain_port=options.chain_port,
            chain_start_timestamp=int(FIRST_DAY.timestamp()),
            keeps_chain=False,
            settings=_SETTINGS,
        )
        # The second chain has one programme's purchases only.
        second = replace(first, api_port=0, chain_port=0, workers=ONE_WORKER)
        super().__init__(state / "demo", first, second, say)
        self.audit = state / "demo" / "audit.html"
        """Where the audit's page is written, and beside it the report for machines."""

    def await_same_signatures(self) -> int:
        """Wait until all attesters have signed the same messages; how many. Raises BridgeBehindError."""
        signed: list[set[str]] = []

        def same() -> bool:
            signed[:] = [_signed(url) for url in self.bridge.attester_urls]
            return all(each == signed[0] for each in signed)

        if not wait_until(same, _CATCH_UP_SECONDS, poll_seconds=0.3):
            raise BridgeBehindError(f"An attester has not caught up within {_CATCH_UP_SECONDS:.0f} seconds.")
        return len(signed[0])

    def bridge_status(self) -> str:
        """What `interpoints bridge status` prints."""
        command = [*COMMAND, "status", "--config", str(self.bridge.status_config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def _signed(attester_url: str) -> set[str]:
    """Messages, in both directions, that an attester has signed."""
    found: set[str] = set()
    for source, destination in (LOCAL_CHAIN_IDS, LOCAL_CHAIN_IDS[::-1]):
        from_block: int | None = 0
        while from_block is not None:
            query = {"source_chain": source, "destination_chain": destination, "from_block": from_block}
            answer = httpx.get(f"{attester_url}/v1/attestations", params=query, timeout=60).raise_for_status().json()
            found |= {message for each in answer["attestations"] for message in each["message_ids"]}
            from_block = answer["next_from_block"]
    return found


def _draft(programme: DemoProgramme) -> ProgrammeDraft:
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
        home_chain_id=programme.chain_id,
    )
