"""Swaps, from the request to the points at the other programme."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import func, select

from backend.exchange.models import Swap
from tests.integration.api.exchange_world import ExchangeWorld
from tests.integration.api.world import World, problem


def swap_of(world: ExchangeWorld, swap_id: str) -> dict[str, Any]:
    response = world.till.get(f"/v1/swaps/{swap_id}")
    assert response.status_code == 200, response.text
    swap: dict[str, Any] = response.json()
    return swap


class TestSwap:
    def test_anonymous__is_refused(self, world: World) -> None:
        body = {"lane_id": "lan_" + "11" * 32, "reference": "r", "max_points_in": 1, "min_points_out": 1}
        problem(world.anonymous.post("/v1/swaps", body), 401, "unauthenticated")

    def test_swap__burns_here_and_mints_there(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        response = world.swap(lane, member, 41)
        assert response.status_code == 202, response.text
        swap = response.json()
        assert (swap["state"], swap["expected_points_in"], swap["expected_points_out"]) == ("pending", 40, 20)
        assert world.balance(member)["available_points"] == 60
        assert world.till.get(f"/v1/lanes/{lane}").json()["cap"] == {
            "used_points_out": 0,
            "leaving_points_out": 20,
            "available_points_out": 980,
        }
        world.finalise()
        done = swap_of(world, swap["id"])
        assert (done["state"], done["points_in"], done["points_out"]) == ("completed", 40, 20)
        assert [lot["points"] for lot in done["lots_in"]] == [40]
        assert done["settlement"] == {"amount": "0.10", "currency": "USD"}
        for source in ("projection", "chain"):
            assert world.points_at(member, world.market, source=source) == 60
            assert world.points_at(member, world.pharmacy, source=source) == 20
        assert world.till.get(f"/v1/lanes/{lane}").json()["cap"] == {
            "used_points_out": 20,
            "leaving_points_out": 0,
            "available_points_out": 980,
        }
        operation = world.till.get(response.headers["location"]).json()
        assert (operation["state"], operation["kind"], operation["subject"]) == ("final", "swap", swap["id"])

    def test_swap__is_in_the_members_history_at_both_ends(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        session = world.member_session(member)
        body = {"lane_id": lane, "reference": "mine", "max_points_in": 40, "min_points_out": 20}
        asked = session.post("/v1/swaps", body)
        assert asked.status_code == 202, asked.text
        assert session.get(asked.headers["location"]).json()["state"] == "pending"
        world.finalise()
        history = session.get(f"/v1/members/{member['id']}/history").json()["data"]
        swapped = [(entry["programme_id"], entry["points"], entry["subject"]) for entry in history[:2]]
        assert swapped == [(world.pharmacy.id, 20, asked.json()["id"]), (world.market.id, -40, asked.json()["id"])]
        assert {entry["kind"] for entry in history[:2]} == {"swap"}
        assert [swap["id"] for swap in session.get("/v1/swaps").json()["data"]] == [asked.json()["id"]]

    def test_link_of_another_brand__prices_but_does_not_swap(self, exchange_world: ExchangeWorld) -> None:
        """Its stolen key could otherwise swap the market's points into its own, and the market would owe it."""
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        session = world.member_session(world.swapper(), world.other_till)
        assert session.post("/v1/quotes", {"lane_id": lane, "max_points_in": 40}).json()["possible"]
        body = {"lane_id": lane, "reference": "mine", "max_points_in": 40, "min_points_out": 20}
        refusal = problem(session.post("/v1/swaps", body), 403, "forbidden")
        assert "by a link of" in refusal["detail"]

    def test_prefer_wait__answers_with_what_became_of_it(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        body = world.swap_body(lane, world.swapper(), 40)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(world.till.post, "/v1/swaps", body, headers={"Prefer": "wait=60"})
            while not asked.done():
                world.step()
        assert (asked.result().status_code, asked.result().json()["state"]) == (200, "completed")

    def test_destination__sees_the_swap_without_the_sources_numbers(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        swap = world.swap(lane, world.swapper(), 40, reference="till-7").json()
        world.finalise()
        seen = world.other_till.get(f"/v1/swaps/{swap['id']}").json()
        assert (seen["state"], seen["points_out"], seen["reference"], seen["operation_id"]) == (
            "completed",
            20,
            None,
            None,
        )
        assert swap_of(world, swap["id"])["reference"] == "till-7"
        assert world.auditor.get(f"/v1/swaps/{swap['id']}").json()["reference"] == "till-7"

        def ids(caller: Any, **params: str) -> list[str]:
            return [row["id"] for row in caller.get("/v1/swaps", params=params).json()["data"]]

        assert ids(world.other_till, direction="in") == ids(world.till, direction="out") == [swap["id"]]
        assert ids(world.other_till, direction="out") == ids(world.till, direction="in") == []
        problem(world.operator.get("/v1/swaps", params={"direction": "in"}), 422, "invalid-request")
        assert ids(world.other_till, member_id=swap["member_id"]) == [swap["id"]]
        for caller, asked in ((world.operator, "nosuch"), (world.fuel_till, swap["member_id"])):
            problem(caller.get("/v1/swaps", params={"member_id": asked}), 404, "not-found")
        assert (ids(world.till, reference="till-7"), ids(world.other_till, reference="till-7")) == ([swap["id"]], [])
        assert ids(world.fuel_till) == []
        problem(world.fuel_till.get(f"/v1/swaps/{swap['id']}"), 404, "not-found")


class TestOnce:
    def test_same_reference__answers_the_known_one_or_refuses(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        first = world.swap(lane, member, 40, reference="r")
        again = world.swap(lane, member, 40, reference="r")
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        for changes in ({"max_points_in": 42}, {"min_points_out": 2}, {"deadline": "2017-03-01T13:00:00Z"}):
            body = world.swap_body(lane, member, 40, reference="r") | changes
            problem(world.till.post("/v1/swaps", body), 409, "reference-reused")
        # A member's own numbers are another matter.
        session = world.member_session(member)
        own = session.post("/v1/swaps", {"lane_id": lane, "reference": "r", "max_points_in": 20, "min_points_out": 1})
        assert (own.status_code, own.json()["id"] == first.json()["id"]) == (202, False)
        world.finalise()
        again = world.swap(lane, member, 40, reference="r")
        assert (again.status_code, again.json()["state"]) == (200, "completed")
        assert world.points_at(member, world.market, source="chain") == 40

    def test_many_at_once__spend_the_balance_once(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()

        def spend(number: int) -> int:
            answer = world.swap(lane, member, 100) if number % 2 else world.redeem(member, 100)
            status: int = answer.status_code
            return status

        with ThreadPoolExecutor(16) as pool:
            assert sorted(pool.map(spend, range(16))) == [202] + [409] * 15
        world.finalise()
        assert world.points_at(member, world.market, source="chain") == 0

    def test_many_at_once_under_one_reference__swap_once(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        body = world.swap_body(lane, member, 40)
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: world.till.post("/v1/swaps", body), range(12)))
        assert sorted(answer.status_code for answer in answers) == [200] * 11 + [202]
        assert len({answer.json()["id"] for answer in answers}) == 1
        world.finalise()
        assert world.points_at(member, world.pharmacy, source="chain") == 20

    def test_refused_swap__leaves_nothing_behind(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        problem(world.swap(lane, world.swapper(), 500), 409, "insufficient-points")
        with world.sessions() as session:
            assert session.scalar(select(func.count()).select_from(Swap)) == 0


class TestChain:
    def test_dropped_by_a_reorganisation__is_sent_again_and_done_once(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        swap = world.swap(lane, member, 40).json()
        world.step()
        assert swap_of(world, swap["id"])["state"] == "completed"
        world.deployment.chain.reorganise(1)
        assert world.indexer.run_once()
        undone = swap_of(world, swap["id"])
        assert (undone["state"], undone["points_in"], undone["lots_out"]) == ("sent", None, None)
        assert world.balance(member)["available_points"] == 60
        assert world.points_at(member, world.pharmacy) == 0
        assert world.till.get(f"/v1/lanes/{lane}").json()["cap"]["leaving_points_out"] == 20
        world.finalise()
        assert swap_of(world, swap["id"])["state"] == "completed"
        assert world.points_at(member, world.pharmacy, source="chain") == 20

    def test_refused_by_the_chain__says_why_and_what_to_do(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        world.till.post(f"/v1/lanes/{lane}/stop", {})  # Goes out first; nobody knows yet.
        swap = world.swap(lane, member, 40)
        assert swap.status_code == 202
        world.finalise()
        failed = swap_of(world, swap.json()["id"])
        assert (failed["state"], failed["error"]["code"]) == ("failed", "LaneNotOpen")
        assert "Choose another lane" in failed["error"]["what_to_do"]
        assert world.balance(member)["available_points"] == 100

    def test_posted_lane__waits_for_the_destination(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till, delivery="posted")
        member = world.swapper()
        # What waits must be covered by collateral; credit lines do not count.
        refused = problem(world.swap(lane, member, 40), 409, "debit-cap-reached")
        assert (refused["available_amount"], refused["currency"]) == ("0.00", "USD")
        world.post_collateral(world.market, 10**9)
        swap = world.swap(lane, member, 40).json()
        world.finalise()
        waiting = swap_of(world, swap["id"])
        assert (waiting["state"], waiting["points_in"], waiting["lots_out"]) == ("posting", 40, None)
        assert waiting["refundable_from"] is not None
        world.refund_pending(swap["swap_hash"])
        refunded = swap_of(world, swap["id"])
        assert (refunded["state"], refunded["expired_points"]) == ("refunded", 0)
        assert refunded["lots_refunded"] == refunded["lots_in"]
        assert world.points_at(member, world.market, source="chain") == 100
        history = world.till.get(f"/v1/members/{member['id']}/history").json()["data"]
        assert [(entry["kind"], entry["points"]) for entry in history[:2]] == [("swap_refund", 40), ("swap", -40)]
