"""A real API on a port of its own, with an intake worker behind it, and the importer as a process like a user's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from backend.app import create_app
from backend.auth.scopes import Scope
from backend.auth.service import create_key
from backend.chain.notifications import WorkWaiter
from backend.database import transaction
from backend.points.intake import IntakeWorker
from backend.points.uploads import INTAKE_CHANNEL
from backend.worker import Role, RoleLoop, Worker
from tests.integration.api.world import NOON, make_programme, make_settings, put_block
from tests.support.postgres import database_url, engine, postgres_server, sessions

__all__ = ["database_url", "engine", "postgres_server", "service", "sessions"]

ROOT = Path(__file__).parents[3]
MAPPING = """
[columns]
reference = "receipt"
member = "customer"
amount = "total"
occurred_at = "sold_at"
location = "store"
"""


@dataclass(frozen=True)
class Service:
    """An API that serves the programme `market`."""

    url: str
    key: str
    folder: Path
    sessions: sessionmaker[Session]

    def run(self, source: Path, *options: str, crash_at: str = "") -> subprocess.CompletedProcess[str]:
        """`interpoints import`."""
        mapping = self.folder / "mapping.toml"
        mapping.write_text(MAPPING)
        command = [sys.executable, "-m", "backend.cli", "import", str(source), "--mapping", str(mapping)]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "INTERPOINTS_API_KEY": self.key,
            "INTERPOINTS_API_URL": self.url,
            "INTERPOINTS_CRASH_AT": crash_at,
        }
        return subprocess.run(
            [*command, "--programme", "market", *options],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def count(self, table: str) -> int:
        with transaction(self.sessions) as session:
            return int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    def sum_minor(self) -> int:
        with transaction(self.sessions) as session:
            return int(session.scalar(text("SELECT coalesce(sum(amount_minor), 0) FROM events")) or 0)


class _Server(uvicorn.Server):
    """A server in a thread, which says where it listens."""

    def url(self) -> str:
        (socket,) = self.servers[0].sockets
        return f"http://127.0.0.1:{socket.getsockname()[1]}"


@pytest.fixture
def service(database_url: str, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Service]:
    market = make_programme("market")
    with transaction(sessions) as session:
        session.add(market)
        put_block(session, 100, NOON)
        session.flush()
        _, key = create_key(session, programme_id=market.id, name="import", scopes=frozenset(Scope))
    stopping = threading.Event()
    waiter = WorkWaiter(database_url, (INTAKE_CHANNEL,))
    intake = RoleLoop(Role.INTAKE, IntakeWorker(sessions).run_once, waiter, 0.2, stopping)
    worker = Worker([intake], stopping)
    app = create_app(make_settings(database_url))
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    worker.start()
    while not server.started:
        threading.Event().wait(0.02)
    yield Service(server.url(), key, tmp_path, sessions)
    server.should_exit = True
    thread.join(20)
    worker.stop()
