"""Fixtures: a real database, a real partner server on loopback, the real worker stepped by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session, sessionmaker

from backend.database import transaction
from tests.integration.api.conftest import exchange_world
from tests.integration.api.world import NOON, make_programme, make_settings, put_block
from tests.integration.partners.world import ForesightedClient, PartnerWorld, build_worker, connect
from tests.support.partner_server import PartnerServer
from tests.support.postgres import database_url, engine, postgres_server, sessions

__all__ = ["database_url", "engine", "exchange_world", "partner_world", "postgres_server", "sessions"]


@pytest.fixture
def partner_world(database_url: str, sessions: sessionmaker[Session]) -> Iterator[PartnerWorld]:
    settings = make_settings(database_url, partner_private_addresses=True)
    fuel, airline = make_programme("fuel"), make_programme("airline")
    with transaction(sessions) as session:
        session.add_all([fuel, airline])
        put_block(session, 100, NOON)
    with PartnerServer() as server:
        server.use_secret(connect(sessions, settings, airline.id, server.url))
        worker = build_worker(sessions, settings, client=ForesightedClient(server))
        yield PartnerWorld(sessions, settings, fuel, airline, server, worker)
        worker.close()
