"""Alembic's entry: runs the migrations on one connection."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool

from backend.migrations.tables import metadata


def _run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, compare_server_default=False)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


_run()
