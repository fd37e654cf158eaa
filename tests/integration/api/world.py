"""What the tests of the API start from: programmes, keys, members, and a client that asks like a till does."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from backend.auth.scopes import Scope
from backend.auth.service import create_key
from backend.chain.models import Block, Cursor
from backend.database import new_id, transaction, utc_now
from backend.programmes.models import Programme
from backend.settings import Settings

CHAIN_ID = 31337
EPOCH_SECONDS = 30 * 86_400
NOON = datetime(2017, 3, 1, 12, tzinfo=UTC)
"""Chain time at the start."""


def make_settings(database_url: str, **changes: object) -> Settings:
    """Settings that need no environment."""
    values: dict[str, object] = {
        "database_url": database_url,
        "secret_key": "a secret that only these tests know",
        "manifest_path": Path("manifest.json"),
        "rpc_urls": ["http://127.0.0.1:1"],
        "log_level": "ERROR",
    }
    return Settings.model_validate(values | changes)


def make_programme(slug: str, **changes: object) -> Programme:
    """A programme's row: one point a dollar, epochs of 30 days, valid for two more."""
    values: dict[str, object] = {
        "id": new_id("prg"),
        "slug": slug,
        "name": slug.title(),
        "symbol": slug[:4].upper(),
        "currency": "USD",
        "colour": "#2f5d50",
        "chain_id": CHAIN_ID,
        "token": secrets.token_bytes(20),
        "epoch_length_seconds": EPOCH_SECONDS,
        "validity_epochs": 2,
        "clawback_epochs": 1,
        "transferable": True,
        "earn_points": 1,
        "earn_per_minor": 100,
        "return_period_seconds": 0,
        "issuer": secrets.token_bytes(20),
        "custodian": secrets.token_bytes(20),
        "treasurer": secrets.token_bytes(20),
        "quoter": secrets.token_bytes(20),
        "created_at": utc_now(),
    }
    return Programme(**(values | changes))


def put_block(session: Session, number: int, when: datetime) -> None:
    """Makes a block the newest one of the projection."""
    session.add(
        Block(
            chain_id=CHAIN_ID,
            number=number,
            hash=secrets.token_bytes(32),
            parent_hash=secrets.token_bytes(32),
            timestamp=int(when.timestamp()),
        )
    )
    cursor = session.get(Cursor, CHAIN_ID)
    if cursor is None:
        cursor = Cursor(chain_id=CHAIN_ID, genesis_hash=bytes(32), finalized_block=0, tokens=[])
        session.add(cursor)
    cursor.next_block = number + 1


@dataclass
class Caller:
    """A client with credentials, which makes up idempotency keys."""

    client: TestClient
    token: str | None

    def request(self, method: str, path: str, *, key: str | None = None, **options: Any) -> httpx.Response:
        """Any request; writes get a fresh Idempotency-Key unless `key` says which."""
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if method != "GET":
            headers["Idempotency-Key"] = key or secrets.token_hex(8)
        response: httpx.Response = self.client.request(method, path, headers=headers, **options)
        return response

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, *, key: str | None = None, **options: Any) -> httpx.Response:
        return self.request("POST", path, json=json, key=key, **options)

    def patch(self, path: str, json: Any, *, key: str | None = None) -> httpx.Response:
        return self.request("PATCH", path, json=json, key=key)


@dataclass
class World:
    """Two programmes with a key each, the operator, nobody enrolled yet."""

    client: TestClient
    sessions: sessionmaker[Session]
    settings: Settings
    market: Programme
    pharmacy: Programme
    operator: Caller
    till: Caller
    """A key of the market with every scope."""
    other_till: Caller
    """A key of the pharmacy with every scope."""
    anonymous: Caller
    auditor: Caller
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    """For references; threads may share it."""

    def key(self, programme: Programme | None, scopes: Iterable[Scope] = Scope, **options: Any) -> Caller:
        """A client with a fresh key."""
        programme_id = programme.id if programme is not None else None
        with transaction(self.sessions) as session:
            _, text = create_key(session, programme_id=programme_id, name="test", scopes=frozenset(scopes), **options)
        return Caller(self.client, text)

    def enrol(self, till: Caller | None = None, reference: str | None = None) -> dict[str, Any]:
        """Enrols somebody; answers the member."""
        reference = reference or f"card-{next(self.numbers)}"
        response = (till or self.till).post("/v1/members", {"reference": reference})
        assert response.status_code in (200, 201), response.text
        member: dict[str, Any] = response.json()
        return member

    def purchase(self, member: dict[str, Any], amount: str = "25.00", **changes: Any) -> dict[str, Any]:
        """A purchase as a till posts it."""
        return {
            "reference": f"basket-{next(self.numbers)}",
            "member_id": member["id"],
            "value": {"amount": amount, "currency": "USD"},
            "occurred_at": "2017-02-28T18:00:00Z",
            **changes,
        }

    def earn(self, member: dict[str, Any], amount: str = "25.00", **changes: Any) -> dict[str, Any]:
        """Records a purchase; answers the event."""
        response = self.till.post("/v1/events", self.purchase(member, amount, **changes))
        assert response.status_code == 201, response.text
        event: dict[str, Any] = response.json()
        return event

    def member_session(self, member: dict[str, Any], till: Caller | None = None) -> Caller:
        """A client signed in as the member by a link."""
        link = (till or self.till).post(f"/v1/members/{member['id']}/links", {})
        session = self.anonymous.post("/v1/sessions", {"link_token": link.json()["link_token"]})
        assert session.status_code == 201, session.text
        self.client.cookies.clear()
        return Caller(self.client, session.json()["token"])


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem that the response must be."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{slug}", body
    assert body["status"] == status
    return body
