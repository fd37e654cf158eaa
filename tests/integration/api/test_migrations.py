"""The migrations and the models say the same."""

from __future__ import annotations

from backend.migrations.run import check
from tests.support.postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]


def test_migrations__on_a_fresh_database__give_exactly_the_models(database_url: str) -> None:
    check(database_url)
