"""Two chains with a backend on each, and nothing between them but what a test carries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker

from backend.app import create_app
from backend.auth.callers import CallerKind
from backend.auth.scopes import Scope
from backend.auth.service import create_key
from backend.chain.indexer import build_indexer
from backend.chain.signers import LocalSigner
from backend.chain.submitter import Submitter
from backend.database import make_engine, make_sessions, transaction
from backend.exchange.following import Follower
from backend.exchange.identifiers import lane_text
from backend.members.models import Enrolment
from backend.points.batches import Batcher
from backend.points.settlement import Settler
from backend.programmes.models import Programme
from backend.programmes.service import sync_from_manifest
from backend.settings import Settings
from tests.integration.api.world import NOON, Caller, make_settings
from tests.support.postgres import TestPostgres
from tests.support.two_chains import CUSTODIAN, PARTNER, Setting, Side, TwoChains, two_chains

_MOST_STEPS = 300


@dataclass
class Backend:
    """The backend of one chain, with its workers stepped by hand."""

    side: Side
    client: TestClient
    sessions: sessionmaker[Session]
    settings: Settings
    programmes: Mapping[str, Programme]
    tills: Mapping[str, Caller]
    """A key with every scope of each programme or branch."""
    operator: Caller
    auditor: Caller
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        client = self.side.chain.client
        self.indexer = build_indexer(self.settings, self.sessions, client, self.side.manifest)
        self.works: list[Callable[[], int | bool]] = [
            Batcher(self.sessions, self.settings).run_once,
            Settler(self.sessions, retry_seconds=0).run_once,
        ]
        self.submitters = [
            Submitter(self.sessions, client, self.side.signer(number), self.side.chain_id)
            for number in (PARTNER, CUSTODIAN)
        ]
        self.works += [self._submit, self.indexer.run_once]
        self.follower = Follower(self.sessions, self.settings)

    def _submit(self) -> int:
        """One pass of every submitter; what they send is in a block then."""
        with self.side.chain.one_block():
            return sum(submitter.run_once() for submitter in self.submitters)

    def number(self) -> int:
        """One that was not used before."""
        return next(self._numbers)

    def step(self) -> None:
        """Runs the workers until nothing is left to do at this head."""
        for _ in range(_MOST_STEPS):
            done = [work() for work in self.works]
            if not any(done):
                return
        raise AssertionError("the workers never come to rest")

    def finalise(self) -> None:
        """Runs the workers and mines until everything so far is final."""
        self.step()
        self.side.chain.mine(10)
        self.step()

    def member(self, slug: str, amount: str | None = None) -> dict[str, Any]:
        """A member of a programme, with points for so many dollars."""
        till = self.tills[slug]
        response = till.post("/v1/members", {"reference": f"card-{self.number()}"})
        assert response.status_code == 201, response.text
        member: dict[str, Any] = response.json()
        if amount is not None:
            purchase = {
                "reference": f"basket-{self.number()}",
                "member_id": member["id"],
                "value": {"amount": amount, "currency": "USD"},
                "occurred_at": "2017-02-28T18:00:00Z",
            }
            assert till.post("/v1/events", purchase).status_code == 201
            self.finalise()
        return member

    def link(self, member: dict[str, Any], wallet: LocalSigner) -> None:
        """The member's points are in their wallet, which holds some already."""
        with transaction(self.sessions) as session:
            enrolment = session.get_one(Enrolment, member["enrolments"][0]["id"])
            enrolment.account = enrolment.wallet = wallet.address

    def balance(self, slug: str, member: dict[str, Any]) -> dict[str, Any]:
        """The member's balance at a programme."""
        response = self.tills[slug].get(f"/v1/members/{member['id']}/balances")
        balance: dict[str, Any] = response.json()["data"][0]
        return balance

    def swap(self, source: str, lane: str, member: dict[str, Any], points: int, **changes: Any) -> Any:
        """Asks for a swap; answers the response."""
        body = {
            "lane_id": lane,
            "member_id": member["id"],
            "reference": f"swap-{self.number()}",
            "max_points_in": points,
            "min_points_out": 1,
        }
        return self.tills[source].post("/v1/swaps", body | changes)

    def read(self, source: str, swap: dict[str, Any]) -> dict[str, Any]:
        """The swap as it is now."""
        response = self.tills[source].get(f"/v1/swaps/{swap['id']}")
        assert response.status_code == 200, response.text
        read: dict[str, Any] = response.json()
        return read


@dataclass
class CrossingWorld:
    """`here` is the backend of the first chain, where grocer and cafe are at home, `there` fuel's on the second."""

    chains: TwoChains
    here: Backend
    there: Backend

    def lane(self, source: str, destination: str) -> str:
        """Public id of a lane."""
        return lane_text(self.chains.lane(source, destination))

    def carry(self, source: Backend) -> None:
        """Does a bridge's work for all that left a chain, and makes it final where it arrives."""
        to = self.there if source is self.here else self.here
        self.chains.deliver(source.side)
        to.finalise()


@contextmanager
def crossing_world(folder: Path, postgres: TestPostgres) -> Iterator[CrossingWorld]:
    """Starts both chains and opens both backends; grocer's and fuel's can ask each other's chain."""
    with ExitStack() as stack:
        setting = Setting(timestamp=int(NOON.timestamp()))
        chains = stack.enter_context(two_chains(folder, setting))
        here, there = (_open(stack, postgres, side, chains.other(side)) for side in chains.sides)
        yield CrossingWorld(chains, here, there)


def _open(stack: ExitStack, postgres: TestPostgres, side: Side, peer: Side) -> Backend:
    name = postgres.create()
    stack.callback(postgres.drop, name)
    settings = make_settings(
        postgres.url(name),
        rpc_urls=[side.chain.url],
        manifest_path=side.manifest_path,
        batch_max_age_seconds=0.001,
        peer_rpc_urls={peer.chain_id: [peer.chain.url]},
    )
    engine = make_engine(settings.database_url)
    stack.callback(engine.dispose)
    sessions = make_sessions(engine)
    with transaction(sessions) as session:
        programmes = {each.slug: each for each in sync_from_manifest(session, side.manifest)}
        owners = {slug: programme.id for slug, programme in programmes.items()}
        keys = {
            slug: create_key(session, programme_id=id_, name="test", scopes=frozenset(Scope))[1]
            for slug, id_ in owners.items()
        }
        operator = create_key(session, programme_id=None, name="test", scopes=frozenset(Scope))[1]
        auditor = create_key(session, programme_id=None, name="audit", role=CallerKind.AUDITOR)[1]
    client = stack.enter_context(TestClient(create_app(settings), raise_server_exceptions=False))
    tills = {slug: Caller(client, text) for slug, text in keys.items()}
    backend = Backend(
        side, client, sessions, settings, programmes, tills, Caller(client, operator), Caller(client, auditor)
    )
    stack.callback(backend.follower.close)
    backend.step()
    return backend
