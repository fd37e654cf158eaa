"""Lanes: proposed, agreed, changed and stopped, each as the chain logs it."""

from __future__ import annotations

from typing import Any

from backend.chain.points_exchange import PointsExchange
from backend.exchange.identifiers import lane_between, lane_text, parse_lane
from tests.integration.api.exchange_world import TERMS, ExchangeWorld
from tests.integration.api.world import World, problem


def lane_of(world: ExchangeWorld, lane: str) -> dict[str, Any]:
    response = world.till.get(f"/v1/lanes/{lane}")
    assert response.status_code == 200, response.text
    read: dict[str, Any] = response.json()
    return read


class TestPropose:
    def test_anonymous__is_refused(self, world: World) -> None:
        body = {"source": "market", "destination": "pharmacy", "terms": TERMS}
        problem(world.anonymous.post("/v1/lanes", body), 401, "unauthenticated")

    def test_without_an_exchange__says_so(self, world: World) -> None:
        problem(world.till.get("/v1/lanes"), 503, "exchange-not-deployed")

    def test_dry_run__shows_what_swaps_would_come_to_and_writes_nothing(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        body = {"source": "market", "destination": "pharmacy", "terms": TERMS, "mode": "dry_run"}
        dry = world.till.post("/v1/lanes", body)
        assert dry.status_code == 200, dry.text
        assert dry.json()["possible"]
        assert {example["max_points_in"]: example["points_out"] for example in dry.json()["examples"]} == {
            10: 5,
            100: 50,
            1_000: 500,
            10_000: 5_000,
        }
        assert dry.json()["examples"][3]["settlement"] == {"amount": "25.00", "currency": "USD"}
        assert world.till.get("/v1/lanes").json()["data"] == []
        past = world.till.post("/v1/lanes", body | {"terms": TERMS | {"valid_until": "2017-01-01T00:00:00Z"}}).json()
        assert [reason["code"] for reason in past["reasons"]] == ["lane-terms"]

    def test_terms_that_cannot_be__are_refused(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world

        def propose(**changes: Any) -> Any:
            body = {"source": "market", "destination": "pharmacy", "terms": TERMS | changes}
            return world.till.post("/v1/lanes", body)

        problem(propose(valid_until="2017-01-01T00:00:00Z"), 422, "lane-terms")
        problem(propose(settlement_price={"amount": "5000.00", "currency": "EUR"}), 422, "invalid-request")
        problem(propose(settlement_price={"amount": "1.0000001", "currency": "USD"}), 422, "invalid-request")
        loose: list[dict[str, Any]] = [{"fee_bps": True}, {"daily_cap_points_out": "5"}]
        for changes in (*loose, {"fee_bps": 10_000}, {"rate": {"points_out": 0, "points_in": 1}}, {"expiry": "never"}):
            problem(propose(**changes), 422, "invalid-request")
        both = {"source": "market", "destination": "market", "terms": TERMS}
        problem(world.till.post("/v1/lanes", both), 422, "invalid-request")
        others = {"source": "pharmacy", "destination": "fuel", "terms": TERMS}
        problem(world.till.post("/v1/lanes", others), 422, "invalid-request")


class TestLife:
    def test_lane__from_the_proposal_to_the_stop(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        proposed = world.propose(world.pharmacy)
        lane = lane_text(lane_between(world.market, world.pharmacy))
        read = lane_of(world, lane)
        assert (read["state"], read["agreement"], read["cap"]) == ("proposed", None, None)
        (offer,) = read["proposals"]
        assert (offer["proposer_programme_id"], offer["terms_hash"]) == (world.market.id, proposed["terms_hash"])
        assert offer["terms"] == TERMS | {"delivery": "minted"}
        wrong = world.other_till.post(f"/v1/lanes/{lane}/accept", {"terms_hash": "0x" + "11" * 32})
        assert problem(wrong, 409, "proposal-changed")["terms_hash"] == proposed["terms_hash"]
        own = world.till.post(f"/v1/lanes/{lane}/accept", {"terms_hash": proposed["terms_hash"]})
        problem(own, 409, "proposal-changed")

        accepted = world.other_till.post(f"/v1/lanes/{lane}/accept", {"terms_hash": proposed["terms_hash"]})
        operation = world.other_till.get(f"/v1/operations/{accepted.json()['operation_id']}").json()
        assert (operation["kind"], operation["subject"]) == ("accept_lane", lane)
        world.step()
        read = lane_of(world, lane)
        assert (read["state"], read["agreement"]["version"], read["proposals"]) == ("open", 1, [])
        assert read["cap"]["available_points_out"] == 1_000

        changed = world.propose(world.pharmacy, world.other_till, fee_bps=500)
        world.till.post(f"/v1/lanes/{lane}/accept", {"terms_hash": changed["terms_hash"]})
        world.step()
        read = lane_of(world, lane)
        assert (read["agreement"]["version"], read["coming"]["version"]) == (1, 2)
        world.deployment.chain.jump(3_601)
        world.step()
        read = lane_of(world, lane)
        assert (read["agreement"]["version"], read["agreement"]["terms"]["fee_bps"], read["coming"]) == (2, 500, None)

        world.propose(world.pharmacy, fee_bps=100)
        assert world.till.post(f"/v1/lanes/{lane}/withdraw", {}).status_code == 202
        world.step()
        assert lane_of(world, lane)["proposals"] == []
        problem(world.till.post(f"/v1/lanes/{lane}/withdraw", {}), 409, "proposal-changed")
        assert world.other_till.post(f"/v1/lanes/{lane}/stop", {}).status_code == 202
        world.step()
        assert lane_of(world, lane)["state"] == "stopped"
        on_chain = world.exchange.lane_of(parse_lane(lane))
        assert (on_chain.open, on_chain.version) == (False, 2)

        events = world.till.get(f"/v1/lanes/{lane}/history").json()["data"]
        market, pharmacy = world.market.id, world.pharmacy.id
        assert [(event["kind"], event["programme_id"]) for event in events] == [
            ("proposed", market),
            ("agreed", pharmacy),
            ("proposed", pharmacy),
            ("agreed", market),
            ("proposed", market),
            ("withdrawn", market),
            ("stopped", pharmacy),
        ]
        assert events[0]["terms_hash"] == events[1]["terms_hash"] == proposed["terms_hash"]
        first = world.till.get(f"/v1/lanes/{lane}/history", params={"limit": 4}).json()
        rest = world.till.get(f"/v1/lanes/{lane}/history", params={"cursor": first["next_cursor"]}).json()
        assert first["data"] + rest["data"] == events

    def test_terms_that_gain_there_and_back__are_refused_when_accepted(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        world.open_lane(world.pharmacy, world.other_till)
        terms = TERMS | {"rate": {"points_out": 3, "points_in": 1}}
        back = {"source": "pharmacy", "destination": "market", "terms": terms}
        dry = world.till.post("/v1/lanes", back | {"mode": "dry_run"}).json()
        assert [reason["code"] for reason in dry["reasons"]] == ["round-trip-gains"]
        proposed = world.other_till.post("/v1/lanes", back).json()
        world.step()
        lane = lane_text(lane_between(world.pharmacy, world.market))
        answer = world.till.post(f"/v1/lanes/{lane}/accept", {"terms_hash": proposed["terms_hash"]})
        problem(answer, 409, "round-trip-gains")

    def test_lane_past_its_last_second__has_ended(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till, valid_until="2017-03-02T00:00:00Z")
        world.jump(2)
        assert lane_of(world, lane)["state"] == "ended"


class TestVisibility:
    def test_lane__is_seen_by_its_programmes_members_operator_and_auditors(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.fuel, world.fuel_till)
        member = world.member_session(world.enrol())
        stranger = world.member_session(world.enrol(world.other_till), world.other_till)

        def lanes(caller: Any) -> list[str]:
            return [row["id"] for row in caller.get("/v1/lanes").json()["data"]]

        assert [lanes(caller) for caller in (world.till, world.fuel_till, world.operator, world.auditor, member)] == [
            [lane]
        ] * 5
        assert (lanes(world.other_till), lanes(stranger)) == ([], [])
        for caller in (world.other_till, stranger):
            problem(caller.get(f"/v1/lanes/{lane}"), 404, "not-found")
            problem(caller.get(f"/v1/lanes/{lane}/history"), 404, "not-found")
        problem(world.till.get("/v1/lanes/lan_1"), 404, "not-found")
        problem(world.operator.get("/v1/lanes/lan_" + "11" * 32), 404, "not-found")
        world.till.post(f"/v1/lanes/{lane}/stop", {})
        world.step()
        assert (lanes(member), lanes(world.till)) == ([], [lane])

    def test_operator__says_for_whom(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        body = {"source": "market", "destination": "fuel", "terms": TERMS}
        problem(world.operator.post("/v1/lanes", body), 422, "invalid-request")
        proposed = world.operator.post("/v1/lanes", body | {"programme_id": world.market.id})
        assert proposed.status_code == 202
        world.step()
        exchange: PointsExchange = world.exchange
        offered = exchange.proposal_of(lane_between(world.market, world.fuel), b"market".ljust(32, b"\0"))
        assert offered == bytes.fromhex(proposed.json()["terms_hash"][2:])
