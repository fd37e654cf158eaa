"""A small town: three brands on a real chain, a member of all of them, and the real server with its pages."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import uvicorn
from sqlalchemy.orm import Session, sessionmaker

from backend.app import create_app
from backend.auth.sessions import EVERYWHERE, MemberTokens
from backend.chain import points_token as pt
from backend.chain.client import Json
from backend.chain.deploy import Deployer, ExchangePlan, ProgrammePlan
from backend.chain.indexer import Indexer
from backend.chain.manifest import Manifest, TermsEntry
from backend.chain.points_token import PointsToken
from backend.chain.signers import DevSigners
from backend.chain.submitter import Submitter
from backend.database import make_engine, make_sessions, transaction
from backend.members.models import Enrolment
from backend.members.service import EnrolmentRequest, enrol
from backend.points.batches import Batcher
from backend.points.models import Accrual, EarnEvent
from backend.programmes.repository import find_by_slug
from backend.programmes.service import ProgrammeProfile, sync_from_manifest
from backend.settings import Settings
from tests.e2e.market import KEEPER, QUOTER, TREASURER, Market
from tests.support.anvil import DAY, Anvil

START = 1_483_228_800
"""2017-01-01, in epoch 572 of 30 days."""
BRANDS = {
    "supermarket": ("Supermarket", "SUP", "#1d6b4f", 4),
    "pharmacy": ("Pharmacy", "PHA", "#7a2e6b", 2),
    "fuel": ("Fuel", "FUEL", "#d9822b", 1),
}
"""Name, symbol, colour and validity in epochs, by slug."""
TILL_ISSUER, TILL_CUSTODIAN = 3, 4
"""Accounts of the chain that send for the tests. They are not those of the submitters, who share a key with nobody."""


@dataclass
class Town:
    """The running parts. Members are named by the numbers that their brands give them."""

    chain: Anvil
    manifest: Manifest
    sessions: sessionmaker[Session]
    settings: Settings
    signers: DevSigners

    def __post_init__(self) -> None:
        self._refs: Iterator[bytes] = (number.to_bytes(32) for number in count(1))
        self._indexer = Indexer(self.sessions, self.chain.client, self.manifest)
        self._batcher = Batcher(self.sessions, self.settings)
        self._submitters = [
            Submitter(self.sessions, self.chain.client, self.signers.signer(address), self.manifest.chain_id)
            for address in self.signers.addresses()[1:3]
        ]
        self.chain.automine(False)
        for slug in BRANDS:
            reader = PointsToken(self.chain.client, self.token(slug))
            for role, number in (("ISSUER_ROLE", TILL_ISSUER), ("CUSTODIAN_ROLE", TILL_CUSTODIAN)):
                grant = pt.encode_grant_role(reader.role(role), self.signers.addresses()[number])
                self.send(0, self.token(slug), grant)
        self.market = Market(self.manifest, self.sessions, self.settings, self.signers, self.send)
        self.market.open()

    @property
    def url(self) -> str:
        """Where the pages are."""
        return self.settings.public_url

    # ---- people

    def next_number(self) -> int:
        """A number that nobody has had."""
        return int.from_bytes(next(self._refs))

    def enrol(self, reference: str, slugs: tuple[str, ...] = tuple(BRANDS)) -> str:
        """Makes a person a member of brands; answers the member's id."""
        member_id: str | None = None
        with transaction(self.sessions) as session:
            for slug in slugs:
                programme = find_by_slug(session, slug)
                assert programme is not None
                enrolment, _ = enrol(session, EnrolmentRequest(programme, reference, member_id))
                session.flush()
                member_id = enrolment.member_id
        assert member_id is not None
        return member_id

    def enrolment(self, member_id: str, slug: str) -> Enrolment:
        """The member's enrolment with a brand."""
        with self.sessions() as session:
            programme = find_by_slug(session, slug)
            assert programme is not None
            return session.query(Enrolment).filter_by(member_id=member_id, programme_id=programme.id).one()

    def link(self, member_id: str, valid_seconds: int = 3600, brand: str = EVERYWHERE) -> str:
        """A signed link of a brand, by its slug, or of the operator."""
        wallets_in = brand if brand == EVERYWHERE else self.enrolment(member_id, brand).programme_id
        return f"{self.url}/m/{MemberTokens(self.settings).issue_link(member_id, valid_seconds, wallets_in).text}"

    # ---- points

    def token(self, slug: str) -> bytes:
        return self.manifest.programme(slug).token_bytes

    def send(self, sender: int, target: bytes, data: bytes) -> None:
        """Sends calldata to a contract from a numbered account of the chain, and mines it."""
        call: dict[str, Json] = {
            "from": "0x" + self.signers.addresses()[sender].hex(),
            "to": "0x" + target.hex(),
            "data": "0x" + data.hex(),
            "gas": hex(16_000_000),
        }
        hash_text = self.chain.rpc("eth_sendTransaction", call)
        self.chain.rpc("evm_mine")
        receipt = self.chain.rpc("eth_getTransactionReceipt", hash_text)
        assert isinstance(receipt, dict)
        assert receipt["status"] == "0x1"

    def credit(self, member_id: str, slug: str, points: int) -> None:
        """Issues points, in a batch of one."""
        account = self.enrolment(member_id, slug).account
        self.send(TILL_ISSUER, self.token(slug), pt.encode_issue_batch(next(self._refs), [(account, points)]))

    def redeem(self, member_id: str, slug: str, points: int) -> None:
        """Spends points at the till."""
        self.send(
            TILL_CUSTODIAN,
            self.token(slug),
            pt.encode_redeem_managed(self.enrolment(member_id, slug).member_key, points, next(self._refs)),
        )

    def hold(self, member_id: str, slug: str, points: int) -> None:
        """Sets points aside for a day."""
        key = self.enrolment(member_id, slug).member_key
        self.send(
            TILL_CUSTODIAN, self.token(slug), pt.encode_hold_managed(key, points, next(self._refs), self.now() + DAY)
        )

    def refund_last(self, member_id: str, slug: str, points: int) -> None:
        """Spends points and gives some of them back."""
        enrolment, ref = self.enrolment(member_id, slug), next(self._refs)
        reader = PointsToken(self.chain.client, self.token(slug))
        lots = reader.lots_of(enrolment.account)[:1]
        spent = [lots[0]._replace(amount=points)]
        self.send(TILL_CUSTODIAN, self.token(slug), pt.encode_redeem_managed(enrolment.member_key, points, ref))
        self.send(TILL_ISSUER, self.token(slug), pt.encode_refund(ref, enrolment.account, spent, points // 2))

    def purchase(
        self, member_id: str, slug: str, amount_minor: int, matures_at: int, location: str = "Store 31"
    ) -> None:
        """A purchase whose points are pending."""
        enrolment = self.enrolment(member_id, slug)
        when = datetime.fromtimestamp(matures_at, UTC)
        with transaction(self.sessions) as session:
            event = EarnEvent(
                programme_id=enrolment.programme_id,
                enrolment_id=enrolment.id,
                reference=next(self._refs).hex()[-12:],
                kind="purchase",
                amount_minor=amount_minor,
                occurred_at=when,
                location=location,
            )
            session.add(event)
            session.flush()
            session.add(
                Accrual(
                    event_id=event.id,
                    programme_id=enrolment.programme_id,
                    enrolment_id=enrolment.id,
                    points=amount_minor // 100,
                    matures_at=when,
                )
            )

    # ---- time

    def index(self) -> None:
        """Brings the projection up to the head of the chain."""
        while self._indexer.run_once():
            pass

    def carry_out(self) -> None:
        """Sends what the API has asked of the chain, mines it and indexes it."""
        while self._round():
            self.chain.mine()
            self.index()

    def finalise(self) -> None:
        """Lets what is mined become final."""
        self.chain.mine(10)
        self.index()
        self.carry_out()

    def _round(self) -> int:
        """Every worker once; how much they did."""
        return int(self._batcher.run_once()) + sum(submitter.run_once() for submitter in self._submitters)

    def now(self) -> int:
        """Chain time, Unix seconds."""
        return int(self.chain.client.block("latest")["timestamp"], 16)

    def live_through_spring(self, member_id: str) -> None:
        """Gives a member a history: three epochs of points with each brand, some spent, one refund, one expiry near."""
        self.credit(member_id, "supermarket", 1_240)
        self.credit(member_id, "pharmacy", 310)
        self.credit(member_id, "fuel", 96)
        self.chain.jump(30 * DAY)
        self.credit(member_id, "supermarket", 860)
        self.redeem(member_id, "supermarket", 500)
        self.credit(member_id, "pharmacy", 145)
        self.credit(member_id, "fuel", 120)
        self.chain.jump(32 * DAY)
        self.credit(member_id, "supermarket", 415)
        self.refund_last(member_id, "supermarket", 200)
        self.credit(member_id, "fuel", 64)
        self.purchase(member_id, "supermarket", 4_310, self.now() + 9 * DAY)
        self.purchase(member_id, "pharmacy", 1_295, self.now() + 12 * DAY)
        self.chain.mine()
        self.index()


def deploy_brands(chain: Anvil, folder: Path) -> tuple[Manifest, DevSigners]:
    """Deploys the registry, the three tokens, and what they exchange points with."""
    signers = DevSigners(chain.client.chain_id())
    admin, issuer, custodian = signers.addresses()[:3]
    plans = []
    for slug, (name, symbol, _, validity) in BRANDS.items():
        terms = TermsEntry(
            epoch_length_seconds=30 * DAY,
            validity_epochs=validity,
            clawback_epochs=1,
            supply_cap_points=10**12,
            transferable=True,
        )
        plans.append(
            ProgrammePlan(
                slug=slug,
                name=name,
                symbol=symbol,
                terms=terms,
                issuer=issuer,
                custodian=custodian,
                treasurer=signers.addresses()[TREASURER],
                quoter=signers.addresses()[QUOTER],
            )
        )
    deployer = Deployer(chain.client, signers.signer(admin))
    exchange = ExchangePlan(keeper=signers.addresses()[KEEPER], notice_period_seconds=0)
    return deployer.deploy(plans, folder / "manifest.json", exchange), signers


@contextmanager
def serving(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """The real server. What is asked before it answers waits in the listener's queue."""
    config = uvicorn.Config(create_app(settings), log_level="error", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def open_town(database_url: str, folder: Path) -> Iterator[Town]:
    """A chain, a database and the server, all real."""
    # Kept from here on: a port that is let go may be somebody else's when the server wants it.
    with Anvil(timestamp=START) as chain, socket.create_server(("127.0.0.1", 0)) as listener:
        manifest, signers = deploy_brands(chain, folder)
        port = listener.getsockname()[1]
        settings = Settings.model_validate(
            {
                "database_url": database_url,
                "secret_key": "a secret that only the browser tests know",
                "manifest_path": folder / "manifest.json",
                "rpc_urls": [chain.url],
                "public_rpc_url": chain.url,
                "public_url": f"http://127.0.0.1:{port}",
                "api_port": port,
                "sample_links_path": folder / "sample-links.json",
                "batch_max_age_seconds": 0.001,
                "log_level": "ERROR",
            }
        )
        engine = make_engine(database_url)
        sessions = make_sessions(engine)
        profiles = {slug: ProgrammeProfile(colour=colour) for slug, (_, _, colour, _) in BRANDS.items()}
        with transaction(sessions) as session:
            sync_from_manifest(session, manifest, profiles)
        town = Town(chain, manifest, sessions, settings, signers)
        town.index()
        with serving(settings, listener):
            yield town
        engine.dispose()
