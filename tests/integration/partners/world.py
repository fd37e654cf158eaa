"""A brand with its own points system, and a chain as the projection shows it - written here by hand."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.models import Block, Cursor, Operation, OutboxTransaction, TokenEvent
from backend.database import new_id, transaction, utc_now
from backend.exchange.models import Swap
from backend.members.models import Enrolment, Member
from backend.partners.client import CallResult, Endpoint, PartnerClient
from backend.partners.jobs import JobConfig
from backend.partners.machine import Call
from backend.partners.models import PartnerCall, PartnerTransfer, Posting
from backend.partners.postings import PostingDesk
from backend.partners.schemas import PartnerSystemPut
from backend.partners.secrets import SecretVault
from backend.partners.service import set_system
from backend.partners.transfers import TransferDesk
from backend.partners.worker import PartnerWorker
from backend.programmes.models import Programme
from backend.settings import Settings
from tests.integration.api.world import CHAIN_ID, NOON, put_block
from tests.support.partner_server import PartnerServer

EXCHANGE = bytes.fromhex("e0" * 20)
WINDOW_SECONDS = 7 * 86_400
AT_ONCE = JobConfig(
    first_pause_seconds=0,
    longest_pause_seconds=0,
    lease_margin_seconds=60,
    refusal_pause_seconds=0,
    turn_seconds=10,
)
"""No pause anywhere, and a step ends when a call has."""
TIMEOUT_SECONDS = 30
"""What answers does so in time, on the busiest machine."""
IMPATIENT = replace(AT_ONCE, lease_margin_seconds=-TIMEOUT_SECONDS)
"""What was begun and not recorded is followed by a retry at once."""
_MOST_ROUNDS = 30


def connect(sessions: sessionmaker[Session], settings: Settings, programme_id: str, url: str) -> str:
    """Sets the programme's partner system; answers its secret."""
    body = PartnerSystemPut(base_url=url, timeout_seconds=TIMEOUT_SECONDS, new_secret=True)
    with transaction(sessions) as session:
        vault = SecretVault(settings.secret_key)
        _, secret, _ = set_system(session, vault, programme_id, body, private_addresses=True)
    assert secret is not None
    return secret


class ForesightedClient(PartnerClient):
    """Waits no longer than a second for an answer that the server will not give."""

    def __init__(self, server: PartnerServer) -> None:
        super().__init__(private_addresses=True)
        self._server = server

    async def call(self, endpoint: Endpoint, call: Call, path: str, message_id: str, body: bytes) -> CallResult:
        if not self._server.will_answer(body):
            endpoint = replace(endpoint, timeout_seconds=1)
        return await super().call(endpoint, call, path, message_id, body)


def build_worker(
    sessions: sessionmaker[Session],
    settings: Settings,
    config: JobConfig = AT_ONCE,
    exchange: bytes = EXCHANGE,
    client: PartnerClient | None = None,
) -> PartnerWorker:
    """A worker as `build_partner_worker` makes it, with bounds of the test's own."""
    vault = SecretVault(settings.secret_key)
    return PartnerWorker(
        sessions,
        client or PartnerClient(private_addresses=True),
        PostingDesk(sessions, vault, chain_id=CHAIN_ID, exchange=exchange, config=config),
        TransferDesk(sessions, vault, chain_id=CHAIN_ID, config=config),
        config.turn_seconds,
    )


def enrol(session: Session, programme: Programme, reference: str) -> Enrolment:
    """A member's row."""
    member = Member(id=new_id("mem"), created_at=utc_now())
    account = secrets.token_bytes(20)
    session.add(member)
    session.flush()
    enrolment = Enrolment(
        id=new_id("enr"),
        member_id=member.id,
        programme_id=programme.id,
        reference=reference,
        member_key=secrets.token_bytes(32),
        managed_account=account,
        account=account,
        joined_at=utc_now(),
    )
    session.add(enrolment)
    session.flush()
    return enrolment


@dataclass
class PartnerWorld:
    """Fuel points are swapped to the airline, which keeps its own system."""

    sessions: sessionmaker[Session]
    settings: Settings
    fuel: Programme
    airline: Programme
    server: PartnerServer
    worker: PartnerWorker
    block: int = 100

    # The chain

    def mine(self, days: float = 0, *, final: bool = True) -> int:
        """The next block, so much later."""
        with transaction(self.sessions) as session:
            last = session.get_one(Block, (CHAIN_ID, self.block)).timestamp
            self.block += 1
            put_block(session, self.block, NOON + timedelta(days=days, seconds=last - NOON.timestamp()))
            if final:
                session.get_one(Cursor, CHAIN_ID).finalized_block = self.block
        return self.block

    def burn(self, reference: str = "C-1", points: int = 250, *, final: bool = True, **changes: Any) -> Swap:
        """A swap that was burnt in a new block."""
        self.mine(final=final)
        with transaction(self.sessions) as session:
            giver = enrol(session, self.fuel, new_id("F"))
            known = session.scalar(select(Enrolment).where(Enrolment.reference == reference))
            swap = self._swap(session, giver, known or enrol(session, self.airline, reference))
            timestamp = session.get_one(Block, (CHAIN_ID, self.block)).timestamp
            pending = {
                "lane_id": "0x" + swap.lane_id.hex(),
                "account": "0x" + swap.account.hex(),
                "to": "0x" + swap.recipient.hex(),
                "points_out": points,
                "settlement": 17,
                "refundable_from": timestamp + WINDOW_SECONDS,
                "lots": [[574, 500]],
            }
            self._log(session, swap, "SwapPending", {"pending": pending | changes})
        return swap

    def burn_for_fuel(self, reference: str) -> Swap:
        """A swap in the other direction, as far as postings are concerned."""
        swap = self.burn(reference)
        with transaction(self.sessions) as session:
            session.get_one(Swap, swap.id).destination_programme_id = self.fuel.id
        return swap

    def end(self, swap: Swap, name: str) -> None:
        """The chain says in a new, final block what became of a swap: SwapPosted or SwapRefunded."""
        self.mine()
        with transaction(self.sessions) as session:
            self._log(session, swap, name, {})

    def log_issue(self, transfer: PartnerTransfer) -> None:
        """The chain issued under the transfer's ref."""
        self.mine()
        with transaction(self.sessions) as session:
            self._insert_event(session, self.airline.token, transfer.ref, "PointsIssued", {})

    def settle(self, operation_id: str | None, state: str = "final") -> None:
        """An operation ended."""
        with transaction(self.sessions) as session:
            session.get_one(Operation, operation_id).state = state

    def _swap(self, session: Session, giver: Enrolment, taker: Enrolment) -> Swap:
        operation = Operation(id=new_id("op"), kind="swap", state="final", created_at=utc_now(), updated_at=utc_now())
        session.add(operation)
        session.flush()
        swap = Swap(
            id=new_id("swp"),
            programme_id=self.fuel.id,
            destination_programme_id=self.airline.id,
            enrolment_id=giver.id,
            destination_enrolment_id=taker.id,
            requester=self.fuel.id,
            reference=new_id("r"),
            ref=secrets.token_bytes(32),
            swap_hash=secrets.token_bytes(32),
            lane_id=bytes(32),
            account=giver.account,
            recipient=taker.account,
            max_points_in=500,
            min_points_out=1,
            expected_points_in=500,
            expected_points_out=250,
            deadline=utc_now(),
            quote_id=None,
            operation_id=operation.id,
            created_at=utc_now(),
        )
        session.add(swap)
        session.flush()
        return swap

    def _log(self, session: Session, swap: Swap, name: str, payload: dict[str, object]) -> None:
        self._insert_event(session, EXCHANGE, swap.swap_hash, name, payload)

    def _insert_event(self, session: Session, token: bytes, ref: bytes, name: str, payload: dict[str, object]) -> None:
        session.add(
            TokenEvent(
                chain_id=CHAIN_ID,
                token=token,
                block_number=self.block,
                transaction_hash=secrets.token_bytes(32),
                log_index=0,
                name=name,
                ref=ref,
                payload=payload,
            )
        )

    # The worker

    def desk(self) -> PostingDesk:
        """The part of a worker that keeps the books, without the part that calls; its calls are soon taken for lost."""
        vault = SecretVault(self.settings.secret_key)
        return PostingDesk(self.sessions, vault, chain_id=CHAIN_ID, exchange=EXCHANGE, config=IMPATIENT)

    def run(self) -> None:
        """Rounds of the worker until it has nothing more to do."""
        for _ in range(_MOST_ROUNDS):
            if not self.worker.run_once():
                return
        raise AssertionError("the worker never comes to rest")

    def rounds(self, count: int) -> None:
        """So many rounds."""
        for _ in range(count):
            self.worker.run_once()

    # Looking

    def posting(self, swap: Swap) -> Posting:
        """The swap's posting."""
        with self.sessions() as session:
            return session.scalars(select(Posting).where(Posting.swap_id == swap.id)).one()

    def postings(self) -> list[Posting]:
        """All of them."""
        with self.sessions() as session:
            return list(session.scalars(select(Posting)))

    def asked_of_chain(self) -> list[str]:
        """Kinds of operations on swaps and transfers, oldest first; each has one row in the outbox."""
        kinds = ("confirm_posted", "refund_pending", "issue")
        with self.sessions() as session:
            query = select(Operation.kind, OutboxTransaction.signer)
            query = query.join(OutboxTransaction, OutboxTransaction.operation_id == Operation.id)
            rows = session.execute(query.where(Operation.kind.in_(kinds)).order_by(Operation.id)).all()
        assert {signer for _, signer in rows} <= {self.airline.issuer}
        return [kind for kind, _ in rows]

    def outcomes(self, subject_id: str) -> list[tuple[str, str]]:
        """Calls about a posting or transfer and what they came to, oldest first."""
        with self.sessions() as session:
            about = (PartnerCall.posting_id == subject_id) | (PartnerCall.transfer_id == subject_id)
            query = select(PartnerCall.call, PartnerCall.outcome).where(about).order_by(PartnerCall.id)
            return [(call, outcome) for call, outcome in session.execute(query)]


def states(postings: Iterable[Posting]) -> list[str]:
    """Their states."""
    return [posting.state for posting in postings]
