"""Kills a real attester wherever something has just been, or is about to be, kept, and starts another.

What it then serves must be what a twin serves that nobody disturbed. And the command itself, from start to SIGTERM.
"""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from backend.stack.waiting import free_port
from bridge.attester_api import Attestations
from bridge.cli import app
from bridge.journal import Journal
from tests.integration.bridge.attester_process import main
from tests.integration.bridge.attesting import Desk, desk
from tests.integration.bridge.gateways import FINALITY_BLOCKS, Gateways

# Processes come from a server that has the modules loaded: real ones, without a start of seconds each.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.integration.bridge.attester_process"])
_DEADLINE_SECONDS = 120

CRASH_POINTS = [
    "attester.before_journal",
    "attester.before_journal:2",
    "attester.before_journal_commit",
    "attester.after_journal:2",
    "attester.before_sign",
    "attester.after_sign",
    "attester.before_signature_commit:2",
    "attester.after_signature",
]


def _run(folder: Desk, crash_at: str, clock_offset_seconds: float = 0) -> int | None:
    """Exit status of an attester's process on a stopped desk's folder."""
    arguments = (folder.settings.model_dump_json(), crash_at, clock_offset_seconds)
    process = _PROCESSES.Process(target=main, args=arguments)
    process.start()
    process.join(_DEADLINE_SECONDS)
    assert not process.is_alive(), "the attester did not end"
    return process.exitcode


def _journaled(folder: Desk) -> list[tuple[bool, bool]]:
    """Of each batch in a stopped desk's journal: whether it has a root, and a signature."""
    journal = Journal(folder.settings.data_dir, "attest", exclusive=False)
    rows = journal.query("SELECT root, signature FROM batches")
    journal.close()
    return [(row["root"] is not None, row["signature"] is not None) for row in rows]


@pytest.fixture
def stopped_desk(gateways: Gateways, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose attester is not running, with two blocks of messages to sign in two steps."""
    with desk(gateways, tmp_path / "attester", blocks_at_a_time=6) as made:
        made.stop()
        yield made
        made.stop()


class TestCrashes:
    @pytest.mark.parametrize("point", CRASH_POINTS)
    def test_kill__restarted__serves_what_an_undisturbed_twin_serves(
        self, stopped_desk: Desk, gateways: Gateways, tmp_path: Path, point: str
    ) -> None:
        gateways.send(gateways.first, b"one", b"two")
        gateways.first.chain.mine(6)
        gateways.send_final(gateways.first, b"three")
        assert _run(stopped_desk, point) == -signal.SIGKILL
        if point.endswith("_sign"):  # No signature exists of anything that is not in the journal.
            assert _journaled(stopped_desk) == [(True, False)]
        assert _run(stopped_desk, "") == 0
        stopped_desk.start()
        with desk(gateways, tmp_path / "twin", blocks_at_a_time=6) as twin:
            twin.run()
            assert stopped_desk.ask() == twin.ask()
        assert len(stopped_desk.signed()) == 2

    @pytest.mark.parametrize("point", ["attester.before_halt", "attester.after_halt"])
    def test_kill__while_halting__halted_after_the_restart(
        self, stopped_desk: Desk, gateways: Gateways, point: str
    ) -> None:
        gateways.send_final(gateways.first, b"one")
        assert _run(stopped_desk, "") == 0
        gateways.first.chain.reorganise(FINALITY_BLOCKS + 1)
        gateways.send_final(gateways.first, b"another")
        assert _run(stopped_desk, point) == -signal.SIGKILL
        assert _run(stopped_desk, "") == 0
        stopped_desk.start()
        assert stopped_desk.get("/v1/attestations", source_chain=31337, destination_chain=1337).status_code == 503
        assert stopped_desk.attester.journal.query("SELECT count(*) FROM batches")[0][0] == 1


@pytest.mark.parametrize("offset_seconds", [-3_600, 3_600])
def test_clock__an_hour_wrong__nothing_changes(
    stopped_desk: Desk, gateways: Gateways, tmp_path: Path, offset_seconds: float
) -> None:
    gateways.send(gateways.first, b"not final")
    gateways.first.chain.mine(FINALITY_BLOCKS - 1)
    assert _run(stopped_desk, "", offset_seconds) == 0
    gateways.send_final(gateways.first, b"one")
    assert _run(stopped_desk, "", -offset_seconds) == 0
    stopped_desk.start()
    with desk(gateways, tmp_path / "twin", blocks_at_a_time=6) as twin:
        twin.run()
        assert stopped_desk.ask() == twin.ask()


def _toml(made: Desk, port: int) -> str:
    lines = [f'data_dir = "{made.settings.data_dir}"']
    for chain in made.settings.chain:
        lines += [
            "[[chain]]",
            f'name = "{chain.name}"',
            f"chain_id = {chain.chain_id}",
            f'gateway = "{chain.gateway}"',
            f"endpoints = {chain.endpoints}",
            f"others = {chain.others}",
            f"require_independent = {str(chain.require_independent).lower()}",
            "poll_seconds = 0.1",
        ]
    return "\n".join([*lines, "[attest]", f"port = {port}", "[attest.key]", "dev_account = 5"])


@contextmanager
def _running(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`interpoints bridge attest`, without the other commands, which take long to load."""
    command = [sys.executable, "-c", "from bridge.cli import app; app()", "attest", "--config", str(config)]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _await_attestations(url: str, count: int) -> Attestations:
    """What a process serves, once it serves so many."""
    end, params = time.monotonic() + _DEADLINE_SECONDS, {"source_chain": 31337, "destination_chain": 1337}
    with httpx.Client(base_url=url, timeout=30, verify=False) as client:
        while True:
            with suppress(httpx.HTTPError):
                found = Attestations.model_validate_json(client.get("/v1/attestations", params=params).content)
                if len(found.attestations) >= count:
                    return found
            assert time.monotonic() < end, "the attester does not serve what it should"
            threading.Event().wait(0.1)


class TestCommand:
    def test_attest__serves_until_sigterm(self, stopped_desk: Desk, gateways: Gateways, tmp_path: Path) -> None:
        port, config, log = free_port(), tmp_path / "bridge.toml", tmp_path / "log"
        config.write_text(_toml(stopped_desk, port))
        number = gateways.send_final(gateways.first, b"one")
        with _running(config, log) as process:
            served = _await_attestations(f"http://127.0.0.1:{port}", 1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(_DEADLINE_SECONDS) == 0
        assert [each.block_number for each in served.attestations] == [number]
        assert b'"event":"message_attested"' in log.read_bytes()

    def test_check_config__every_endpoint_and_gateway(self, at_desk: Desk, tmp_path: Path) -> None:
        config = tmp_path / "bridge.toml"
        config.write_text(_toml(at_desk, 0))
        found = CliRunner().invoke(app, ["check-config", "--config", str(config)])
        assert (found.exit_code, found.output.count(": final to block ")) == (0, 5), found.output
        assert found.output.count("knows the gateway of") == 2
        assert found.output.startswith("attest: signs as 0x")
        at_desk.endpoints.others[1].chain_id = "0x1"
        found = CliRunner().invoke(app, ["check-config", "--config", str(config)])
        assert (found.exit_code, found.output.count(": final to block ")) == (1, 4), found.output

    def test_resume__beside_the_running_attester__goes_on(
        self, at_desk: Desk, gateways: Gateways, tmp_path: Path
    ) -> None:
        config = tmp_path / "bridge.toml"
        config.write_text(_toml(at_desk, 0))
        at_desk.attester.journal.halt("equivocation", "seen twice", 31337)
        number = gateways.send_final(gateways.first, b"one")
        at_desk.run()
        arguments = ["resume", "--role", "attest", "--reason", "it was a test of ours", "--config", str(config)]
        found = CliRunner().invoke(app, arguments)
        assert (found.exit_code, "seen twice" in found.output) == (0, True), found.output
        at_desk.run()
        assert list(at_desk.signed()) == [number]
