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
from backend.chain.notifications import WorkWaiter
from backend.worker import Role, RoleLoop
from tests.integration.api.conftest import database_url, engine, exchange_world, postgres_server, sessions
from tests.integration.api.exchange_world import ExchangeWorld
from tests.integration.api.test_access import endpoints
from tests.integration.api.test_uploads import work

__all__ = ["database_url", "engine", "exchange_world", "postgres_server", "sessions"]

GUIDE = (Path(__file__).parents[2] / "docs" / "integration.md").read_text()


@contextmanager
def _server(world: ExchangeWorld) -> Iterator[str]:
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
def _workers(world: ExchangeWorld) -> Iterator[None]:
    """The workers, hardly with a pause; a step that fails beside the API is made again, as a worker does."""
    stopping = threading.Event()

    def step() -> bool:
        work(world)
        world.step()
        return False

    loop = RoleLoop(Role.SUBMIT, step, WorkWaiter(world.settings.database_url, ()), 0.05, stopping)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def test_guide__every_command_works_in_order(exchange_world: ExchangeWorld, tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
    with _server(exchange_world) as url, _workers(exchange_world):
        keys = {
            "KEY": exchange_world.till.token or "",
            "PARTNER_KEY": exchange_world.other_till.token or "",
            "OPERATOR_KEY": exchange_world.operator.token or "",
        }
        environment = {**os.environ, "API": url, **keys}
        done = subprocess.run(
            ["bash", "-c", script],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    work(exchange_world)
    exchange_world.finalise()
    member = exchange_world.till.get("/v1/members", params={"reference": "customer-1001"}).json()["data"][0]
    # 129 + 40 earned, 50 spent and given back, 45 captured, 30 taken back with the returned goods, 20 swapped.
    earned = 129 + 40 - 50 + 50 - 45 - 30
    assert exchange_world.points_at(member, exchange_world.market, source="chain") == earned - 20
    # Half of them, less the fee of 1 %, and 12 % more by the quote.
    assert exchange_world.points_at(member, exchange_world.pharmacy, source="chain") == 11


def test_guide__names_every_endpoint_with_its_scope(exchange_world: ExchangeWorld) -> None:
    table = {
        name: line
        for line in GUIDE.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([A-Z]+ /[^`]*)`", line)
    }
    missing = []
    for endpoint in endpoints(exchange_world):
        line = table.pop(f"{endpoint.method} {endpoint.path}", None)
        assert endpoint.policy is not None
        scope = endpoint.policy.scope
        if line is None or (scope is not None and f"`{scope.value}`" not in line):
            missing.append(f"{endpoint.method} {endpoint.path}")
    assert (missing, list(table)) == ([], [])
