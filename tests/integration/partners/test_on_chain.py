"""From a burn on a real chain into a partner's system and back: posted and confirmed, or the original lots again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from backend.chain.administering import Administrator
from backend.chain.clearing_house import ClearingHouse, encode_deposit
from backend.chain.exchange_types import SwapStatus
from backend.chain.points_exchange import encode_refund_pending
from backend.chain.points_token import PointsToken, encode_set_supply_cap
from backend.chain.settlement_currency import encode_approve, encode_mint_test_dollars
from backend.database import transaction
from backend.exchange.identifiers import programme_key
from backend.exchange.models import Swap
from backend.partners.burns import burns_of
from backend.partners.models import Posting
from backend.partners.worker import PartnerWorker
from tests.integration.api.exchange_world import ExchangeWorld
from tests.integration.api.test_swap_refusals import administer
from tests.integration.api.world import problem
from tests.integration.partners.test_crashes import end_of, start_worker
from tests.integration.partners.world import ForesightedClient, build_worker, connect
from tests.support.partner_server import Behaviour, PartnerServer

DOLLARS = 10**9
_MOST_ROUNDS = 12


@dataclass
class PostingWorld:
    """The pharmacy keeps its own system; members of the market swap to it."""

    world: ExchangeWorld
    server: PartnerServer
    worker: PartnerWorker
    lane: str

    @property
    def exchange(self) -> bytes:
        return self.world.exchange.address

    def member(self) -> dict[str, Any]:
        """A member with two lots at the market, who has card `C-1` at the pharmacy."""
        world = self.world
        member = world.credited("100.00")
        world.jump(31)
        world.earn(member, "50.00", occurred_at="2017-03-30T18:00:00Z")
        world.finalise()
        body = {"programme_id": world.pharmacy.id, "member_id": member["id"], "reference": "C-1"}
        assert world.operator.post("/v1/members", body).status_code == 201
        return member

    def swap(self, member: dict[str, Any], points: int = 120) -> str:
        """Asks for a swap; answers its id once it is burnt (and not final)."""
        response = self.world.swap(self.lane, member, points)
        assert response.status_code == 202, response.text
        self.world.step()
        swap_id: str = response.json()["id"]
        return swap_id

    def carry_on(self) -> None:
        """Chain and worker go on until nothing is left to do."""
        for _ in range(_MOST_ROUNDS):
            self.world.finalise()
            if not self.worker.run_once():
                return
        raise AssertionError("the worker never comes to rest")

    def read(self, swap_id: str) -> dict[str, Any]:
        """The swap as its member's till sees it."""
        swap: dict[str, Any] = self.world.till.get(f"/v1/swaps/{swap_id}").json()
        return swap

    def posting(self, swap_id: str) -> dict[str, Any]:
        """Its posting as the pharmacy sees it."""
        listed = self.world.other_till.get("/v1/postings", params={"swap_id": swap_id}).json()["data"]
        posting: dict[str, Any] = self.world.other_till.get(f"/v1/postings/{listed[0]['id']}").json()
        return posting

    def swap_hash(self, swap_id: str) -> bytes:
        """Its id on chain."""
        with self.world.sessions() as session:
            return session.get_one(Swap, swap_id).swap_hash

    def status(self, swap_id: str) -> SwapStatus:
        """What the contract says of it."""
        return self.world.exchange.status_of(self.swap_hash(swap_id))

    def lots(self, swap_id: str) -> dict[int, int]:
        """The giver's lots, asked of the token."""
        world = self.world
        with world.sessions() as session:
            account = session.get_one(Swap, swap_id).account
        token = PointsToken(world.deployment.chain.client, world.market.token)
        return {lot.epoch: lot.amount for lot in token.lots_of(account)}

    def debt(self) -> int:
        """What the market owes in the open cycle, in the smallest unit."""
        entry = self.world.deployment.manifest.clearing
        assert entry is not None
        house = ClearingHouse(self.world.deployment.chain.client, entry.address_bytes)
        return -house.standing_of(programme_key(self.world.market.slug)).open

    def refund_as_anyone(self, swap_id: str) -> None:
        """A stranger has the swap refunded."""
        chain, swap_hash = self.world.deployment.chain, self.swap_hash(swap_id)
        with self.world.sessions() as session:
            pending = burns_of(session, self.exchange, [swap_hash])[swap_hash].pending
        accounts = self.world.deployment.signers
        stranger = Administrator(chain.client, accounts.signer(accounts.addresses()[9]))
        stranger.send(to_checksum_address(self.exchange), encode_refund_pending(swap_hash, pending))


def _collateral(world: ExchangeWorld) -> None:
    """The market deposits money: what waits for a partner is reserved from it."""
    entry = world.deployment.manifest.clearing
    assert entry is not None
    currency, treasurer = entry.currency.address_bytes, world.market.treasurer
    world.order(treasurer, currency, encode_mint_test_dollars(treasurer, DOLLARS))
    world.order(treasurer, currency, encode_approve(world.house, DOLLARS))
    world.order(treasurer, world.house, encode_deposit(programme_key(world.market.slug), DOLLARS))


@pytest.fixture
def posting_world(exchange_world: ExchangeWorld) -> Iterator[PostingWorld]:
    world = exchange_world
    _collateral(world)
    lane = world.open_lane(world.pharmacy, world.other_till, delivery="posted", expiry="fresh")
    with PartnerServer() as server:
        server.use_secret(connect(world.sessions, world.settings, world.pharmacy.id, server.url))
        worker = build_worker(
            world.sessions, world.settings, exchange=world.exchange.address, client=ForesightedClient(server)
        )
        yield PostingWorld(world, server, worker, lane)
        worker.close()


class TestPostedSwap:
    def test_succeeded__is_posted_confirmed_and_owed(self, posting_world: PostingWorld) -> None:
        swap_id = posting_world.swap(posting_world.member())
        assert posting_world.read(swap_id)["state"] == "posting"
        assert posting_world.status(swap_id) is SwapStatus.PENDING
        assert posting_world.debt() == 0
        posting_world.worker.run_once()
        assert posting_world.server.calls == []  # The burn is mined, and not final.
        posting_world.carry_on()
        posting = posting_world.posting(swap_id)
        assert (posting["state"], posting["points"], posting["member_reference"]) == ("confirmed", 60, "C-1")
        assert posting_world.server.book.entries == {posting["id"]: [60]}
        assert posting_world.status(swap_id) is SwapStatus.COMPLETED
        assert posting_world.read(swap_id)["state"] == "completed"
        assert posting_world.debt() == 300_000  # 60 points at half a cent.

    def test_failed__gives_the_original_lots_back(self, posting_world: PostingWorld) -> None:
        posting_world.server.script("C-1", Behaviour.FAIL)
        member = posting_world.member()
        swap_id = posting_world.swap(member)
        burnt = posting_world.read(swap_id)
        assert sum(posting_world.lots(swap_id).values()) == 30
        posting_world.carry_on()
        assert posting_world.posting(swap_id)["state"] == "refunded"
        assert posting_world.status(swap_id) is SwapStatus.REFUNDED
        lots = posting_world.lots(swap_id)
        assert sorted(lots.values()) == [50, 100]
        assert lots[min(lots)] == 100, "the earlier lot was the larger one"
        assert burnt["state"] == "posting"
        assert posting_world.read(swap_id)["state"] == "refunded"
        assert (posting_world.debt(), posting_world.server.book.entries) == (0, {})

    def test_late_answer_and_duplicates__are_posted_once(self, posting_world: PostingWorld) -> None:
        posting_world.server.script("C-1", Behaviour.LOST, Behaviour.DELAYED, Behaviour.CUT)
        swap_id = posting_world.swap(posting_world.member())
        posting_world.carry_on()
        posting_world.server.deliver_delayed()
        posting = posting_world.posting(swap_id)
        assert [call["call"] for call in reversed(posting["calls"])] == ["post", "retry", "retry", "retry"]
        assert (posting["state"], posting_world.server.book.entries) == ("confirmed", {posting["id"]: [60]})

    def test_burn_that_a_reorganisation_drops__posts_nothing(self, posting_world: PostingWorld) -> None:
        member = posting_world.member()
        before = posting_world.world.deployment.chain.client.block_number()
        swap_id = posting_world.swap(member)
        chain = posting_world.world.deployment.chain
        posting_world.worker.run_once()
        chain.reorganise(chain.client.block_number() - before)
        posting_world.world.indexer.run_once()
        posting_world.worker.run_once()
        assert posting_world.server.calls == []
        posting_world.carry_on()  # The submitter sends it again; then it is posted, once.
        posting = posting_world.posting(swap_id)
        assert (posting["state"], posting_world.server.book.entries) == ("confirmed", {posting["id"]: [60]})

    def test_unknown_near_the_end__is_reversed_and_refunded(self, posting_world: PostingWorld) -> None:
        posting_world.server.script("C-1", *[Behaviour.DONE_500] * 2)
        swap_id = posting_world.swap(posting_world.member())
        posting_world.world.finalise()
        posting_world.worker.run_once()
        posting_world.worker.run_once()
        posting_world.world.deployment.chain.jump(int(6.1 * 86_400))
        posting_world.carry_on()
        posting = posting_world.posting(swap_id)
        assert (posting["state"], posting_world.server.book.entries) == ("refunded", {posting["id"]: [60, -60]})
        assert posting_world.status(swap_id) is SwapStatus.REFUNDED

    def test_refunded_by_a_stranger_after_the_window__is_undone_at_the_partner(
        self, posting_world: PostingWorld
    ) -> None:
        posting_world.server.script("C-1", Behaviour.DONE_500, *[Behaviour.SYSTEM_ERROR] * 3)
        swap_id = posting_world.swap(posting_world.member())
        posting_world.world.finalise()
        posting_world.worker.run_once()
        posting_world.world.deployment.chain.jump(int(7.1 * 86_400))
        posting_world.world.finalise()
        posting_world.worker.run_once()
        assert posting_world.posting(swap_id)["state"] == "reversing"
        posting_world.refund_as_anyone(swap_id)
        posting_world.carry_on()
        posting = posting_world.posting(swap_id)
        assert (posting["state"], posting["operation_id"]) == ("refunded", None)
        assert posting_world.server.book.balance(posting["id"]) == 0
        assert sorted(posting_world.lots(swap_id).values()) == [50, 100]

    @pytest.mark.parametrize("crash_at", ["poster.after_intent", "poster.after_call", "poster.after_record"])
    def test_worker_killed__another_ends_it_once(
        self, posting_world: PostingWorld, database_url: str, tmp_path: Path, crash_at: str
    ) -> None:
        swap_id = posting_world.swap(posting_world.member())
        posting_world.world.finalise()
        killed = start_worker(database_url, tmp_path, crash_at, posting_world.exchange)
        assert end_of(killed) == -signal.SIGKILL
        assert end_of(start_worker(database_url, tmp_path, "", posting_world.exchange)) == 0
        posting_world.carry_on()
        posting = posting_world.posting(swap_id)
        assert (posting["state"], posting_world.server.book.entries) == ("confirmed", {posting["id"]: [60]})
        assert posting_world.status(swap_id) is SwapStatus.COMPLETED
        with transaction(posting_world.world.sessions) as session:
            assert session.get_one(Posting, posting["id"]).state == "confirmed"


class TestTransferIn:
    def test_taken_points__are_issued_once_and_can_be_swapped(self, posting_world: PostingWorld) -> None:
        world = posting_world.world
        member = world.enrol(world.other_till, "C-7")
        posting_world.server.script("C-7", Behaviour.LOST)
        body = {"member_reference": "C-7", "reference": "t-1", "points": 80}
        location = world.other_till.post("/v1/transfers", body).headers["location"]
        posting_world.carry_on()
        transfer = world.other_till.get(location).json()
        assert transfer["state"] == "issued"
        assert posting_world.server.book.entries == {transfer["id"]: [-80]}
        balance = world.other_till.get(f"/v1/members/{member['id']}/balances").json()["data"][0]
        assert balance["total_points"] == 80

    def test_refused__issues_nothing(self, posting_world: PostingWorld) -> None:
        world = posting_world.world
        world.enrol(world.other_till, "C-8")
        posting_world.server.script("C-8", Behaviour.FAIL)
        body = {"member_reference": "C-8", "reference": "t-1", "points": 80}
        location = world.other_till.post("/v1/transfers", body).headers["location"]
        posting_world.carry_on()
        transfer = world.other_till.get(location).json()
        assert (transfer["state"], transfer["operation_id"]) == ("refused", None)

    def test_more_than_the_chain_would_issue__is_refused_before_it_is_taken(self, posting_world: PostingWorld) -> None:
        world = posting_world.world
        world.enrol(world.other_till, "C-9")
        administer(world, world.pharmacy.token, encode_set_supply_cap(70))
        body = {"member_reference": "C-9", "reference": "t-1", "points": 80}
        refused = problem(world.other_till.post("/v1/transfers", body), 409, "supply-cap-reached")
        assert refused["available_points"] <= 70
        posting_world.carry_on()
        assert posting_world.server.book.entries == {}
        assert world.other_till.get("/v1/transfers").json()["data"] == []

    def test_waiting_for_a_higher_cap__can_be_given_back(self, posting_world: PostingWorld) -> None:
        world = posting_world.world
        world.enrol(world.other_till, "C-9")
        body = {"member_reference": "C-9", "reference": "t-1", "points": 80}
        location = world.other_till.post("/v1/transfers", body).headers["location"]
        administer(world, world.pharmacy.token, encode_set_supply_cap(70))
        posting_world.carry_on()
        taken = world.other_till.get(location).json()
        assert taken["state"] == "taken"
        waiting = world.other_till.get(f"/v1/operations/{taken['operation_id']}").json()
        assert (waiting["state"], waiting["error_code"]) == ("pending", "SupplyCapExceeded")
        assert world.other_till.post(f"{location}/reversal").status_code == 202
        administer(world, world.pharmacy.token, encode_set_supply_cap(10**6))
        posting_world.carry_on()
        assert world.other_till.get(location).json()["state"] == "refused"
        assert sum(posting_world.server.book.entries[taken["id"]]) == 0
        assert world.other_till.get(f"/v1/operations/{taken['operation_id']}").json()["state"] == "failed"
