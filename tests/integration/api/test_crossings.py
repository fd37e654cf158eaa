"""Lanes and swaps between two chains, through the backends of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.chain.errors import ChainUnavailableError
from backend.exchange.following import Follower
from backend.hexes import address_text
from tests.integration.api.crossing_world import Backend, CrossingWorld, crossing_world
from tests.integration.api.exchange_world import TERMS
from tests.integration.api.world import problem
from tests.support.postgres import TestPostgres

_DEADLINE_SECONDS = 60.0
SOMEBODY = "0x" + "77" * 20


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres_server: TestPostgres) -> Iterator[CrossingWorld]:
    """One for all tests, each with members of its own: two chains take a while to set up."""
    folder: Path = tmp_path_factory.mktemp("crossings")
    with crossing_world(folder, postgres_server) as world:
        yield world


def until(act: Callable[[], object], done: Callable[[], bool]) -> None:
    """Repeats an act until something is so."""
    end = time.monotonic() + _DEADLINE_SECONDS
    while not done():
        assert time.monotonic() < end, "it never became so"
        act()


def learn(backend: Backend, source: str, swap: dict[str, Any], outcome: str) -> dict[str, Any]:
    """Follows until the outcome is known; answers the swap."""
    until(backend.follower.run_once, lambda: backend.read(source, swap)["crossing"]["outcome"] == outcome)
    return backend.read(source, swap)


def account(member: dict[str, Any]) -> str:
    text: str = member["enrolments"][0]["account"]
    return text


def arrivals(backend: Backend, slug: str, lane: str) -> list[dict[str, Any]]:
    answer = backend.tills[slug].get(f"/v1/lanes/{lane}/arrivals")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


class TestLanes:
    def test_list__has_the_chain_of_each_end_on_both_backends(self, world: CrossingWorld) -> None:
        for backend in (world.here, world.there):
            lanes = {each["id"]: each for each in backend.operator.get("/v1/lanes").json()["data"]}
            lane = lanes[world.lane("grocer", "fuel")]
            assert (lane["state"], lane["source"]["chain_id"], lane["destination"]["chain_id"]) == ("open", 31337, 1337)
            assert lane["exchange"] == address_text(backend.side.exchange.address)

    def test_stopped_and_agreed_again__on_the_exchange_between_chains(self, world: CrossingWorld) -> None:
        """Each chain has its own yes: stopping here leaves the other side as it is."""
        backend, lane = world.there, world.lane("cafe", "fuel")
        assert backend.tills["fuel"].post(f"/v1/lanes/{lane}/stop", {}).status_code == 202
        backend.step()
        assert backend.operator.get(f"/v1/lanes/{lane}").json()["state"] == "stopped"
        assert world.here.operator.get(f"/v1/lanes/{lane}").json()["state"] == "open"
        body = {"source": "cafe", "destination": "fuel", "terms": TERMS}
        proposed = backend.tills["cafe"].post("/v1/lanes", body)
        assert proposed.status_code == 202, proposed.text
        backend.step()
        assert backend.tills["cafe"].post(f"/v1/lanes/{lane}/withdraw", {}).status_code == 202
        backend.step()
        refused = backend.tills["fuel"].post(f"/v1/lanes/{lane}/accept", {"terms_hash": proposed.json()["terms_hash"]})
        problem(refused, 409, "proposal-changed")
        again = backend.tills["fuel"].post("/v1/lanes", body)
        backend.step()
        hash_ = {"terms_hash": again.json()["terms_hash"]}
        assert backend.tills["cafe"].post(f"/v1/lanes/{lane}/accept", hash_).status_code == 202
        backend.step()
        read = backend.operator.get(f"/v1/lanes/{lane}").json()
        assert (read["state"], read["agreement"]["terms"]["rate"]) == ("open", TERMS["rate"])
        kinds = [each["kind"] for each in backend.operator.get(f"/v1/lanes/{lane}/history").json()["data"]]
        assert kinds[-5:] == ["stopped", "proposed", "withdrawn", "proposed", "agreed"]

    def test_posted__is_not_for_lanes_between_chains(self, world: CrossingWorld) -> None:
        body = {"source": "grocer", "destination": "fuel", "terms": TERMS | {"delivery": "posted"}}
        problem(world.here.tills["grocer"].post("/v1/lanes", body), 422, "lane-terms")

    def test_branch__takes_no_members(self, world: CrossingWorld) -> None:
        refusal = problem(world.here.tills["fuel"].post("/v1/members", {"reference": "x"}), 409, "branch")
        assert refusal["home_chain_id"] == 1337


class TestSwap:
    def test_swap__burns_here_crosses_and_is_minted_there(self, world: CrossingWorld) -> None:
        here, there, lane = world.here, world.there, world.lane("grocer", "fuel")
        giver, receiver = here.member("grocer", "1000.00"), there.member("fuel")
        asked = here.swap("grocer", lane, giver, 400, recipient=account(receiver))
        assert asked.status_code == 202, asked.text
        swap = asked.json()
        assert (swap["state"], swap["crossing"], swap["recipient"]) == ("pending", None, account(receiver))
        here.finalise()
        burnt = here.read("grocer", swap)
        assert (burnt["state"], burnt["points_in"], burnt["points_out"]) == ("crossing", 400, 117)
        crossing = burnt["crossing"]
        assert (crossing["chain_id"], crossing["outcome"]) == (1337, "unknown")
        assert crossing["exchange"] == address_text(there.side.exchange.address)
        assert f", {crossing['number']})" in crossing["where_to_look"]
        assert here.follower.run_once() == 1, "it is followed once its burn is final"
        assert here.read("grocer", swap)["state"] == "crossing"
        assert "on their way to chain 1337" in page(here, giver)
        world.carry(here)
        done = learn(here, "grocer", swap, "minted")
        assert (done["state"], done["crossing"]["where_to_look"], done["lots_out"]) == ("completed", None, None)
        assert "for 117 of Fuel, on chain 1337" in page(here, giver)
        assert there.balance("fuel", receiver)["total_points"] == 117
        assert "from points of Grocer, on chain 31337" in page(there, receiver)
        (entry,) = there.tills["fuel"].get(f"/v1/members/{receiver['id']}/history").json()["data"]
        assert (entry["kind"], entry["points"], entry["ref"]) == ("swap", 117, swap["swap_hash"])
        assert there.operator.get(f"/v1/lanes/{lane}").json()["cap"]["used_points_out"] >= 117

    def test_lane_stopped_in_flight__gives_the_original_lots_back(self, world: CrossingWorld) -> None:
        here, there, lane = world.here, world.there, world.lane("cafe", "fuel")
        giver = here.member("cafe", "500.00")
        before = here.balance("cafe", giver)
        swap = here.swap("cafe", lane, giver, 200, recipient=SOMEBODY).json()
        here.finalise()
        assert here.follower.run_once() == 1
        assert there.tills["fuel"].post(f"/v1/lanes/{lane}/stop", {}).status_code == 202
        there.finalise()
        world.carry(here)
        refused = learn(here, "cafe", swap, "refused")
        assert refused["state"] == "crossing", "its refund is on its way"
        world.carry(there)
        refunded = here.read("cafe", swap)
        assert (refunded["state"], refunded["expired_points"]) == ("refunded", 0)
        assert refunded["lots_refunded"] == refunded["lots_in"]
        assert here.balance("cafe", giver)["lots"] == before["lots"]
        assert "for 58 of Fuel<" in page(here, giver)
        (arrival,) = arrivals(there, "fuel", lane)
        assert (arrival["swap_hash"], arrival["outcome"], arrival["reason"]) == (
            swap["swap_hash"],
            "refused",
            "lane_not_open",
        )
        assert arrival["message_id"] is not None
        assert {arrival[name] for name in ("recipient", "member_id", "points_out", "lots_out")} == {None}

    def test_recipient__is_named_where_the_lane_leads_abroad_and_only_there(self, world: CrossingWorld) -> None:
        here, lane = world.here, world.lane("grocer", "fuel")
        giver = here.member("grocer", "1000.00")
        refusal = problem(here.swap("grocer", lane, giver, 400), 422, "recipient-required")
        assert refusal["chain_id"] == 1337
        others = ("0x" + "00" * 20, address_text(world.there.side.exchange.address))
        for other in others:
            problem(here.swap("grocer", lane, giver, 400, recipient=other), 422, "recipient-not-taken")
        price = {"lane_id": lane, "member_id": giver["id"], "max_points_in": 400}
        dry = here.tills["grocer"].post("/v1/quotes", price).json()
        assert (dry["possible"], dry["points_out"], dry["lots_out"]) == (True, 117, None)
        local = open_local_lane(here)
        body = {"recipient": SOMEBODY, "mode": "dry_run"}
        problem(here.swap("grocer", local, giver, 100, **body), 422, "recipient-not-taken")
        known = here.swap("grocer", lane, giver, 400, recipient=SOMEBODY, reference="once")
        assert known.status_code == 202
        again = here.swap("grocer", lane, giver, 400, recipient=SOMEBODY, reference="once")
        assert (again.status_code, again.json()["id"]) == (200, known.json()["id"])
        other = here.swap("grocer", lane, giver, 400, recipient="0x" + "78" * 20, reference="once")
        problem(other, 409, "reference-reused")

    def test_member_of_the_source__is_unknown_to_the_destination(self, world: CrossingWorld) -> None:
        """A list shows it no id that a filter of the same list would not find."""
        here, lane = world.here, world.lane("grocer", "fuel")
        giver = here.member("grocer", "1000.00")
        swap = here.swap("grocer", lane, giver, 400, recipient=SOMEBODY).json()
        assert swap["member_id"] == giver["id"]

        def listed(slug: str, **asked: str) -> list[tuple[str, str | None]]:
            answer = here.tills[slug].get("/v1/swaps", params={"lane_id": lane, "limit": "1"} | asked)
            assert answer.status_code == 200, answer.text
            return [(each["id"], each["member_id"]) for each in answer.json()["data"]]

        assert listed("fuel") == [(swap["id"], None)]
        assert here.read("fuel", swap)["member_id"] is None
        problem(here.tills["fuel"].get("/v1/swaps", params={"member_id": giver["id"]}), 404, "not-found")
        assert listed("grocer", member_id=giver["id"]) == [(swap["id"], giver["id"])]

    def test_lane_from_abroad__begins_there(self, world: CrossingWorld) -> None:
        lane = world.lane("fuel", "grocer")
        body = {"lane_id": lane, "member_reference": "x", "max_points_in": 400}
        refusal = problem(world.here.tills["fuel"].post("/v1/quotes", body), 409, "lane-starts-abroad")
        assert refusal["chain_id"] == 1337

    def test_deadline__is_an_hour_unless_named_and_a_week_at_most(self, world: CrossingWorld) -> None:
        here, lane = world.here, world.lane("grocer", "fuel")
        giver = here.member("grocer", "1000.00")
        now = datetime.fromtimestamp(here.side.now(), UTC)
        asked = here.swap("grocer", lane, giver, 100, recipient=SOMEBODY).json()
        left = datetime.fromisoformat(asked["deadline"]) - now
        assert timedelta(minutes=59) < left < timedelta(minutes=61)
        week = {"recipient": SOMEBODY, "deadline": (now + timedelta(days=8)).isoformat()}
        assert "latest" in problem(here.swap("grocer", lane, giver, 100, **week), 409, "deadline-too-far")

    def test_wallet__signs_an_order_for_the_exchange_between_chains(self, world: CrossingWorld) -> None:
        here, lane, alice = world.here, world.lane("grocer", "fuel"), world.chains.alice
        giver = here.member("grocer")
        here.link(giver, alice)
        body = {"lane_id": lane, "member_id": giver["id"], "max_points_in": 400, "min_points_out": 117}
        order = here.tills["grocer"].post("/v1/swaps/orders", body | {"recipient": SOMEBODY}).json()
        typed = order["typed_data"]
        assert typed["domain"]["verifyingContract"] == address_text(here.side.exchange.address)
        assert 0 <= order["deadline"] - here.side.now() - 3_600 <= 60
        signed = {"ref": order["ref"], "deadline": order["deadline"], "chain_id": order["chain_id"]}
        signed["signature"] = "0x" + alice.sign_typed_data(typed).hex()
        asked = here.swap("grocer", lane, giver, 400, min_points_out=117, recipient=SOMEBODY, order=signed)
        assert asked.status_code == 202, asked.text
        here.finalise()
        assert here.read("grocer", asked.json())["state"] == "crossing"


class TestArrivals:
    def test_minted__with_the_member_whose_account_it_is_for_the_destination_only(self, world: CrossingWorld) -> None:
        here, there, lane = world.here, world.there, world.lane("grocer", "fuel")
        giver, receiver = here.member("grocer", "1000.00"), there.member("fuel")
        swaps = [
            here.swap("grocer", lane, giver, 100, recipient=recipient).json()
            for recipient in (account(receiver), SOMEBODY)
        ]
        here.finalise()
        world.carry(here)
        newest = {each["swap_hash"]: each for each in arrivals(there, "fuel", lane)}
        known, stranger = (newest[swap["swap_hash"]] for swap in swaps)
        assert (known["outcome"], known["reason"], known["message_id"]) == ("minted", None, None)
        assert (known["member_id"], known["recipient"]) == (receiver["id"], account(receiver))
        assert (stranger["member_id"], stranger["recipient"]) == (None, SOMEBODY)
        (lot,) = known["lots_out"]
        assert (known["points_out"], lot["points"]) == (29, 29)
        assert lot["expires_at"] > known["block_time"]
        seen_by_source = {each["swap_hash"]: each for each in arrivals(there, "grocer", lane)}
        assert seen_by_source[known["swap_hash"]] == known | {"member_id": None}
        assert arrivals(here, "grocer", lane) == [], "it ends on the other chain"
        problem(there.tills["cafe"].get(f"/v1/lanes/{lane}/arrivals"), 404, "not-found")

    def test_page_by_page__newest_first(self, world: CrossingWorld) -> None:
        here, there, lane = world.here, world.there, world.lane("grocer", "fuel")
        giver = here.member("grocer", "1000.00")
        for _ in range(3):
            assert here.swap("grocer", lane, giver, 100, recipient=SOMEBODY).status_code == 202
        here.finalise()
        world.carry(here)
        whole = arrivals(there, "fuel", lane)
        places = [(each["block_number"], each["log_index"]) for each in whole]
        assert places == sorted(places, reverse=True)
        pages: list[dict[str, Any]] = []
        asked = {"limit": "1"}
        while "cursor" not in asked or asked["cursor"]:
            answer = there.auditor.get(f"/v1/lanes/{lane}/arrivals", params=asked).json()
            pages += answer["data"]
            asked["cursor"] = answer["next_cursor"]
        assert pages == whole


class TestQuotes:
    def test_signed__promises_an_account_of_the_source_a_bonus(self, world: CrossingWorld) -> None:
        here, lane = world.here, world.lane("grocer", "fuel")
        giver = here.member("grocer", "1000.00")
        promise = {"mode": "signed", "lane_id": lane, "bonus_bps": 1_000, "max_points_in": 1_000}
        fuel = here.tills["fuel"]
        problem(fuel.post("/v1/quotes", promise | {"member_reference": "x"}), 422, "invalid-request")
        problem(fuel.post("/v1/quotes", promise | {"account": SOMEBODY}), 404, "not-found")
        quote = fuel.post("/v1/quotes", promise | {"account": account(giver)})
        assert quote.status_code == 201, quote.text
        asked = here.swap("grocer", lane, giver, 400, recipient=SOMEBODY, quote_id=quote.json()["id"]).json()
        here.finalise()
        assert here.read("grocer", asked)["points_out"] == 128
        assert fuel.get(f"/v1/quotes/{quote.json()['id']}").json()["state"] == "used"


class TestFollower:
    def test_without_endpoints__the_swap_stays_on_its_way(self, world: CrossingWorld) -> None:
        here, lane = world.here, world.lane("grocer", "fuel")
        giver = here.member("grocer", "1000.00")
        swap = here.swap("grocer", lane, giver, 400, recipient=SOMEBODY).json()
        here.finalise()
        alone = Follower(here.sessions, here.settings.model_copy(update={"peer_rpc_urls": {}}))
        assert alone.run_once() >= 1
        world.carry(here)
        assert alone.run_once() == 0
        assert "INTERPOINTS_PEER_RPC_URLS" in here.read("grocer", swap)["crossing"]["where_to_look"]
        deaf = Follower(
            here.sessions, here.settings.model_copy(update={"peer_rpc_urls": {1337: ["http://127.0.0.1:1"]}})
        )
        with pytest.raises(ChainUnavailableError):
            deaf.run_once()
        deaf.close()
        assert here.read("grocer", swap)["state"] == "crossing"


def page(backend: Backend, member: dict[str, Any]) -> str:
    """The member's page."""
    link = backend.operator.post(f"/v1/members/{member['id']}/links", {}).json()["link_token"]
    response = backend.client.get(f"/m/{link}", follow_redirects=True)
    backend.client.cookies.clear()
    assert response.status_code == 200, response.text
    text: str = response.text
    return text


def open_local_lane(backend: Backend) -> str:
    """From grocer to cafe, on the exchange of their chain; answers its id."""
    proposed = backend.tills["grocer"].post("/v1/lanes", {"source": "grocer", "destination": "cafe", "terms": TERMS})
    backend.step()
    lane: str
    (lane,) = [
        str(each["id"])
        for each in backend.operator.get("/v1/lanes").json()["data"]
        if (each["source"]["slug"], each["destination"]["slug"]) == ("grocer", "cafe")
    ]
    accepted = backend.tills["cafe"].post(f"/v1/lanes/{lane}/accept", {"terms_hash": proposed.json()["terms_hash"]})
    assert accepted.status_code == 202, accepted.text
    backend.step()
    return lane
