"""Fixtures of the chain's integration tests: a real anvil, a real PostgreSQL, and a service to drive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session, sessionmaker

from tests.integration.chain.service import Service
from tests.support.anvil import Deployment, anvil, deployment, exchange_deployment
from tests.support.postgres import database_url, engine, postgres_server, sessions

__all__ = [
    "anvil",
    "database_url",
    "deployment",
    "engine",
    "exchange_deployment",
    "postgres_server",
    "service",
    "sessions",
]


@pytest.fixture
def service(deployment: Deployment, sessions: sessionmaker[Session]) -> Iterator[Service]:
    """Submitters and an indexer on the test's chain and database."""
    service = Service(deployment, sessions)
    yield service
    service.client.close()
