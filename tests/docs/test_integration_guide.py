"""The integration guide's commands, run one after the other against a real server, chain and workers."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from backend.app import create_app
from tests.integration.api.chain_world import ChainWorld
from tests.integration.api.conftest import chain_world, database_url, engine, postgres_server, sessions
from tests.integration.api.test_access import endpoints
from tests.integration.api.test_uploads import work

__all__ = ["chain_world", "database_url", "engine", "postgres_server", "sessions"]

GUIDE = (Path(__file__).parents[2] / "docs" / "integration.md").read_text()


@contextmanager
def _server(world: ChainWorld) -> Iterator[str]:
    """The API on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(world.settings), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _workers(world: ChainWorld) -> Iterator[None]:
    """The workers, without a pause."""
    stopping = threading.Event()

    def run() -> None:
        while not stopping.wait(0.05):
            work(world)
            world.step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def test_guide__every_command_works_in_order(chain_world: ChainWorld, tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
    with _server(chain_world) as url, _workers(chain_world):
        environment = {**os.environ, "API": url, "KEY": chain_world.till.token or ""}
        done = subprocess.run(
            ["bash", "-c", script],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    work(chain_world)
    chain_world.finalise()
    member = chain_world.till.get("/v1/members", params={"reference": "customer-1001"}).json()["data"][0]
    # 129 + 40 earned, 50 spent and given back, 45 captured, 30 taken back with the returned goods.
    assert chain_world.balance(member, source="chain")["total_points"] == 129 + 40 - 50 + 50 - 45 - 30


def test_guide__names_every_endpoint_with_its_scope(chain_world: ChainWorld) -> None:
    table = {
        name: line
        for line in GUIDE.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([A-Z]+ /[^`]*)`", line)
    }
    missing = []
    for endpoint in endpoints(chain_world):
        line = table.pop(f"{endpoint.method} {endpoint.path}", None)
        assert endpoint.policy is not None
        scope = endpoint.policy.scope
        if line is None or (scope is not None and f"`{scope.value}`" not in line):
            missing.append(f"{endpoint.method} {endpoint.path}")
    assert (missing, list(table)) == ([], [])
