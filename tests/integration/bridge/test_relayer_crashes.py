"""Kills a real relayer wherever something has just been, or is about to be, kept or sent, and starts another."""

from __future__ import annotations

import multiprocessing
import signal

import pytest

from backend.chain.exchange_types import SwapStatus
from tests.integration.bridge.relayer_process import main
from tests.integration.bridge.relaying import Bridge

_PROCESSES = multiprocessing.get_context("forkserver")
# One server for all tests of a process, with the modules loaded: real processes, without a start of seconds each.
_PROCESSES.set_forkserver_preload(
    ["tests.integration.bridge.attester_process", "tests.integration.bridge.relayer_process"]
)
_DEADLINE_SECONDS = 120
CRASH_POINTS = (
    "relayer.before_read",
    "relayer.after_read",
    "relayer.before_sign",
    "relayer.after_sign",
    "relayer.before_store",
    "relayer.after_store",
    "relayer.before_broadcast",
    "relayer.after_broadcast",
    "relayer.before_settle",
    "relayer.after_settle",
)


def _run(bridge: Bridge, crash_at: str) -> int | None:
    """Exit status of a relayer's process."""
    process = _PROCESSES.Process(target=main, args=(bridge.settings("relayer").model_dump_json(), crash_at))
    process.start()
    process.join(_DEADLINE_SECONDS)
    assert not process.is_alive(), "the relayer did not end"
    return process.exitcode


@pytest.mark.timeout(1_800)
def test_wherever_it_is_killed_each_swap_is_delivered_by_one_transaction(bridge: Bridge) -> None:
    """Each process finds what the one before it has left behind, and is killed in its turn."""
    world = bridge.world
    for point in CRASH_POINTS:
        world.swap("grocer", "fuel")
        bridge.attest()
        assert _run(bridge, point) == -signal.SIGKILL, point
    relayer = bridge.relayer()
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == {SwapStatus.COMPLETED}
    assert bridge.nonce(relayer, world.second) == len(CRASH_POINTS)
