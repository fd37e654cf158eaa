"""Fixtures of the API's tests: a real database, the real application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from backend.app import create_app
from backend.auth.scopes import Scope
from backend.auth.service import create_key
from backend.database import transaction
from tests.integration.api.world import NOON, Caller, World, make_programme, make_settings, put_block
from tests.support.postgres import database_url, engine, postgres_server, sessions

__all__ = ["database_url", "engine", "postgres_server", "sessions", "world"]


@pytest.fixture
def world(database_url: str, sessions: sessionmaker[Session]) -> Iterator[World]:
    settings = make_settings(database_url)
    market, pharmacy = make_programme("market"), make_programme("pharmacy")
    with transaction(sessions) as session:
        session.add_all([market, pharmacy])
        put_block(session, 100, NOON)
        session.flush()
        texts = [
            create_key(session, programme_id=programme, name="test", scopes=frozenset(Scope))[1]
            for programme in (None, market.id, pharmacy.id)
        ]
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        operator, till, other_till, anonymous = (Caller(client, text) for text in [*texts, None])
        yield World(client, sessions, settings, market, pharmacy, operator, till, other_till, anonymous)
