"""Fixtures of the API's tests: a real database, the real application and, where it matters, a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from backend.app import create_app
from backend.auth.callers import CallerKind
from backend.auth.scopes import Scope
from backend.auth.service import create_key
from backend.chain.deploy import Deployer
from backend.chain.submitter import Submitter
from backend.database import transaction
from backend.hexes import parse_address
from backend.programmes.service import sync_from_manifest
from backend.settings import Settings
from tests.integration.api.chain_world import ChainWorld
from tests.integration.api.clearing_world import ClearingWorld
from tests.integration.api.exchange_world import ExchangeWorld
from tests.integration.api.world import NOON, Caller, World, make_programme, make_settings, put_block
from tests.support.anvil import TERMS, Anvil, Deployment, deploy, plan
from tests.support.postgres import database_url, engine, postgres_server, sessions

__all__ = ["chain_world", "database_url", "engine", "exchange_world", "postgres_server", "sessions", "world"]

SHORT_TERMS = TERMS.model_copy(update={"validity_epochs": 2})


def _keys(session: Session, *programme_ids: str | None) -> list[str]:
    """Texts of fresh keys: one for each programme (none: the operator), and an auditor's."""
    keys = [
        create_key(session, programme_id=programme_id, name="test", scopes=frozenset(Scope))[1]
        for programme_id in programme_ids
    ]
    return [*keys, create_key(session, programme_id=None, name="audit", role=CallerKind.AUDITOR)[1]]


@pytest.fixture
def world(database_url: str, sessions: sessionmaker[Session]) -> Iterator[World]:
    settings = make_settings(database_url)
    market, pharmacy = make_programme("market"), make_programme("pharmacy")
    with transaction(sessions) as session:
        session.add_all([market, pharmacy])
        put_block(session, 100, NOON)
        session.flush()
        texts = _keys(session, None, market.id, pharmacy.id)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        operator, till, other_till, auditor, anonymous = (Caller(client, text) for text in [*texts, None])
        yield World(client, sessions, settings, market, pharmacy, operator, till, other_till, anonymous, auditor)


def _submitters(deployment: Deployment, sessions: sessionmaker[Session]) -> tuple[Submitter, ...]:
    """Those of issuer and custodian, who are the same for every programme."""
    entry, client = deployment.manifest.programmes[0], deployment.chain.client
    return tuple(
        Submitter(sessions, client, deployment.signers.signer(parse_address(address)), deployment.manifest.chain_id)
        for address in (entry.issuer, entry.custodian)
    )


def _chain_settings(database_url: str, deployment: Deployment) -> Settings:
    return make_settings(
        database_url,
        rpc_urls=[deployment.chain.url],
        manifest_path=deployment.manifest_path,
        batch_max_age_seconds=0.001,
        public_url="http://127.0.0.1:8000",
        partner_private_addresses=True,
    )


@pytest.fixture
def chain_world(database_url: str, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[ChainWorld]:
    with Anvil(timestamp=int(NOON.timestamp())) as anvil:
        deployment = deploy(anvil, tmp_path, ("market", "pharmacy"), SHORT_TERMS)
        settings = _chain_settings(database_url, deployment)
        with transaction(sessions) as session:
            market, pharmacy = sync_from_manifest(session, deployment.manifest)
            texts = _keys(session, None, market.id, pharmacy.id)
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            operator, till, other_till, auditor, anonymous = (Caller(client, text) for text in [*texts, None])
            world = ChainWorld(
                client=client,
                sessions=sessions,
                settings=settings,
                market=market,
                pharmacy=pharmacy,
                operator=operator,
                till=till,
                other_till=other_till,
                anonymous=anonymous,
                auditor=auditor,
                deployment=deployment,
                submitters=_submitters(deployment, sessions),
            )
            world.step()
            yield world


def _deploy_exchange(anvil: Anvil, folder: Path) -> Deployment:
    """Three programmes with an exchange. Fuel's points expire by the quarter, so not every point can become one."""
    deployment = deploy(anvil, folder, ("market", "pharmacy"), SHORT_TERMS, with_exchange=True)
    quarters = TERMS.model_copy(update={"epoch_length_seconds": 90 * 86_400, "validity_epochs": 0})
    admin = deployment.signers.signer(deployment.accounts[0])
    plans = [plan("fuel", deployment.signers, quarters)]
    manifest = Deployer(anvil.client, admin).deploy(plans, deployment.manifest_path)
    return replace(deployment, manifest=manifest)


@pytest.fixture
def exchange_world(database_url: str, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[ExchangeWorld]:
    with Anvil(timestamp=int(NOON.timestamp())) as anvil:
        deployment = _deploy_exchange(anvil, tmp_path)
        settings = _chain_settings(database_url, deployment)
        with transaction(sessions) as session:
            market, pharmacy, fuel = sync_from_manifest(session, deployment.manifest)
            texts = _keys(session, None, market.id, pharmacy.id, fuel.id)
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            operator, till, other_till, fuel_till, auditor, anonymous = (
                Caller(client, text) for text in [*texts, None]
            )
            world = ExchangeWorld(
                client=client,
                sessions=sessions,
                settings=settings,
                market=market,
                pharmacy=pharmacy,
                operator=operator,
                till=till,
                other_till=other_till,
                anonymous=anonymous,
                auditor=auditor,
                deployment=deployment,
                submitters=_submitters(deployment, sessions),
                fuel=fuel,
                fuel_till=fuel_till,
            )
            world.step()
            world.join_clearing()
            yield world


@pytest.fixture
def clearing_world(exchange_world: ExchangeWorld) -> ClearingWorld:
    return ClearingWorld(exchange_world)
