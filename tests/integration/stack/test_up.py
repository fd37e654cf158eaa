from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import psutil
import pytest

from backend.chain.client import ChainClient
from backend.chain.manifest import Manifest
from backend.chain.settlement_currency import SettlementCurrency
from tests.integration.stack.conftest import PATIENCE_SECONDS, ROOT, Starter, Up, wait_for

PORTS = ("--port", "0", "--chain-port", "0")
pytestmark = pytest.mark.timeout(4 * PATIENCE_SECONDS)


def _ready(up: Up) -> bool:
    url = up.environment()["INTERPOINTS_PUBLIC_URL"]
    try:
        return httpx.get(f"{url}/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _run(up: Up, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backend.cli", *arguments, "--env-file", str(up.state / "environment")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def _pids(up: Up) -> dict[str, int]:
    return {each["name"]: each["pid"] for each in json.loads((up.state / "processes.json").read_text())}


def _runs(pid: int) -> bool:
    """Whether there is such a process; one that has ended may wait for somebody to take note of it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _check_exchange(up: Up) -> None:
    """A local stack has exchange and clearing house, and its brands have play money."""
    manifest = Manifest.load(up.state / "manifest.json")
    assert manifest.exchange is not None
    assert manifest.clearing is not None
    client = ChainClient(json.loads(up.environment()["INTERPOINTS_RPC_URLS"]), manifest.chain_id)
    currency = SettlementCurrency(client, manifest.clearing.currency.address_bytes)
    (example,) = manifest.programmes
    assert currency.balance_of(bytes.fromhex(example.treasurer[2:])) == 1_000_000 * 10**6
    assert manifest.clearing.keeper not in {example.issuer, example.custodian, example.treasurer, example.admin}
    client.close()


def test_up__serves_keeps_its_state_and_leaves_nothing_running(starter: Starter) -> None:
    up = starter.start(*PORTS)
    up.wait_until_up()
    wait_for(lambda: _ready(up), PATIENCE_SECONDS, "readiness")
    enrolled = _run(up, "member", "enrol", "c-1", "--programme", "example")
    assert enrolled.returncode == 0, enrolled.stderr
    member = enrolled.stdout.strip()
    assert "/m/" in _run(up, "member", "link", member).stdout
    pids = _pids(up)
    assert set(pids) == {"chain", "api", "worker-1", "worker-2"}
    _check_exchange(up)
    assert up.stop() == 0
    assert not any(_runs(pid) for pid in pids.values())
    assert not (up.state / "postgres" / "postmaster.pid").exists()

    # A machine that lost power leaves such a file, and another program may have got the number since.
    lock = up.state / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1500000000\n5432\n{lock.parent}\n\n  5432001  0\nready   \n")
    again = starter.start(*PORTS)
    again.wait_until_up()
    wait_for(lambda: _ready(again), PATIENCE_SECONDS, "readiness")
    assert member in _run(again, "member", "list", "--programme", "example").stdout
    assert again.stop() == 0
    assert "deploying contracts and creating tables" in up.errors.read_text()
    told = again.errors.read_text()
    assert "checking contracts and tables" in told
    assert "deploying" not in told
    assert "stopping" in told


def test_quiet_stack__credits_what_happens_now_and_makes_it_final(starter: Starter) -> None:
    up = starter.start(*PORTS)
    up.wait_until_up()
    wait_for(lambda: _ready(up), PATIENCE_SECONDS, "readiness")
    member = _run(up, "member", "enrol", "c-1", "--programme", "example").stdout.strip()
    till = httpx.Client(
        base_url=up.environment()["INTERPOINTS_PUBLIC_URL"],
        headers={"Authorization": f"Bearer {(up.state / 'operator-key').read_text()}", "Idempotency-Key": "now"},
    )
    with till:
        programme = till.get("/v1/programmes/example").json()["id"]
        purchase = {
            "programme_id": programme,
            "member_id": member,
            "reference": "receipt-now",
            "value": {"amount": "12.00", "currency": "USD"},
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        event = till.post("/v1/events", json=purchase).json()["id"]

        def is_final() -> bool:
            return bool(till.get(f"/v1/events/{event}").json()["accrual"]["state"] == "final")

        wait_for(is_final, PATIENCE_SECONDS, "the credit and its finality")


def test_killed_run__is_cleared_up_by_the_next_and_a_running_one_is_left_alone(starter: Starter) -> None:
    up = starter.start(*PORTS)
    up.wait_until_up()
    left = _pids(up)
    second = starter.start(*PORTS)
    assert second.process.wait(PATIENCE_SECONDS) == 1
    assert f"process {up.process.pid}" in second.errors.read_text()
    assert "Traceback" not in second.errors.read_text()
    up.kill()
    assert all(_runs(pid) for pid in left.values())

    again = starter.start(*PORTS)
    again.wait_until_up()
    wait_for(lambda: _ready(again), PATIENCE_SECONDS, "readiness")
    assert "ended what a killed run left behind" in again.errors.read_text()
    assert not any(_runs(pid) for pid in left.values())

    postgres = (again.state / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]
    os.kill(int(postgres), signal.SIGKILL)
    assert again.process.wait(PATIENCE_SECONDS) == 1
    assert "has ended by itself: start again" in " ".join(again.errors.read_text().split())


def test_stopped_while_it_starts__leaves_nothing_running(starter: Starter) -> None:
    up = starter.start(*PORTS)
    wait_for(lambda: "starting the local chain" in up.errors.read_text(), PATIENCE_SECONDS, "the second step")
    assert up.stop() == 0
    assert "stopped before everything was up" in up.errors.read_text()
    assert not (up.state / "postgres" / "postmaster.pid").exists()
    running = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
    assert not [command for command in running if str(up.state.resolve()) in " ".join(command)]


def test_chain_killed_before_it_could_save__asks_for_a_fresh_start(starter: Starter) -> None:
    up = starter.start(*PORTS)
    up.wait_until_up()
    wait_for(lambda: _ready(up), PATIENCE_SECONDS, "readiness")
    os.kill(_pids(up)["chain"], signal.SIGKILL)
    assert up.process.wait(PATIENCE_SECONDS) == 1
    assert "chain ended with status -9" in up.errors.read_text()

    refused = starter.start(*PORTS)
    assert refused.process.wait(PATIENCE_SECONDS) == 1
    assert "begin anew with --fresh" in refused.errors.read_text()
    assert "Traceback" not in refused.errors.read_text()

    fresh = starter.start(*PORTS, "--fresh")
    fresh.wait_until_up()


def test_occupied_port__is_named(starter: Starter) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = starter.start("--port", str(port), "--chain-port", "0")
        assert up.process.wait(PATIENCE_SECONDS) == 1
    said = up.errors.read_text()
    assert f"Port {port} of 127.0.0.1 is taken" in said
    assert "--port" in said
    assert "Traceback" not in said
    assert "stopping" not in said
    assert not up.state.exists()
