"""Kills a real worker at every point where something has just been, or is about to be, kept - and starts another."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.partners.test_transfers import ask as ask_for_transfer
from tests.integration.partners.worker_process import main
from tests.integration.partners.world import EXCHANGE, PartnerWorld
from tests.support.partner_server import Behaviour

# Processes come from a server that has the modules loaded: real ones, without a start of seconds each.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.integration.partners.worker_process"])

CRASH_POINTS = [
    "poster.before_intent",
    "poster.before_intent:3",
    "poster.after_intent",
    "poster.after_intent:2",
    "poster.after_call",
    "poster.after_record",
]
"""`before_intent` is passed once a round for postings and once for transfers; the second round asks the chain."""


def start_worker(database_url: str, folder: Path, crash_at: str = "", exchange: bytes = EXCHANGE) -> BaseProcess:
    """A worker process."""
    arguments = (database_url, exchange, folder / "worker.log", crash_at)
    worker = _PROCESSES.Process(target=main, args=arguments, daemon=True)
    worker.start()
    return worker


def end_of(worker: BaseProcess) -> int | None:
    """Its exit status."""
    worker.join(60)
    worker.kill()
    worker.join()
    return worker.exitcode


class Case(NamedTuple):
    """What the partner does, and what must come of it whatever dies in between."""

    script: tuple[Behaviour, ...]
    amounts: list[int]
    asked: str


CASES = {
    "succeeds": Case((), [250], "confirm_posted"),
    "done-but-500": Case((Behaviour.DONE_500,), [250], "confirm_posted"),
    "pending": Case((Behaviour.PENDING,), [250], "confirm_posted"),
    "fails": Case((Behaviour.FAIL, Behaviour.FAIL), [], "refund_pending"),
}


@pytest.mark.parametrize("crash_at", CRASH_POINTS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_kill__restart__posted_once_and_the_chain_asked_once(
    partner_world: PartnerWorld, database_url: str, tmp_path: Path, crash_at: str, case: Case
) -> None:
    partner_world.server.script("C-1", *case.script)
    swap = partner_world.burn("C-1", 250)
    assert end_of(start_worker(database_url, tmp_path, crash_at)) == -signal.SIGKILL
    assert end_of(start_worker(database_url, tmp_path)) == 0
    posting = partner_world.posting(swap)
    assert partner_world.server.book.entries.get(posting.id, []) == case.amounts
    assert partner_world.server.calls_about(posting.id).count("posting") <= 1
    assert partner_world.asked_of_chain() == [case.asked]


@pytest.mark.parametrize("crash_at", CRASH_POINTS)
@pytest.mark.parametrize("script", [(), (Behaviour.DONE_500,)], ids=["succeeds", "done-but-500"])
def test_kill__restart__taken_once_and_issued_once(
    partner_world: PartnerWorld, database_url: str, tmp_path: Path, crash_at: str, script: tuple[Behaviour, ...]
) -> None:
    partner_world.server.script("C-1", *script)
    transfer_id = ask_for_transfer(partner_world, "C-1", 400)
    assert end_of(start_worker(database_url, tmp_path, crash_at)) == -signal.SIGKILL
    assert end_of(start_worker(database_url, tmp_path)) == 0
    assert partner_world.server.book.entries == {transfer_id: [-400]}
    assert partner_world.asked_of_chain() == ["issue"]
