"""Redemptions, holds and refunds, on a real chain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.integration.api.chain_world import ChainWorld
from tests.integration.api.world import World, problem


class TestRedeem:
    def test_anonymous__is_refused(self, world: World) -> None:
        body = {"member_id": "mem_1", "reference": "r", "points": 1}
        problem(world.anonymous.post("/v1/redemptions", body), 401, "unauthenticated")

    def test_immediate__burns_the_points_and_shows_the_lots(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        response = chain_world.redeem(member, 30)
        assert (response.status_code, response.json()["state"]) == (202, "redeeming")
        assert chain_world.balance(member)["available_points"] == 70
        chain_world.finalise()
        redemption = chain_world.till.get(f"/v1/redemptions/{response.json()['id']}").json()
        assert (redemption["state"], [lot["points"] for lot in redemption["lots"]]) == ("redeemed", [30])
        operation = chain_world.till.get(response.headers["location"]).json()
        assert (operation["state"], operation["kind"]) == ("final", "redeem")
        balance, on_chain = chain_world.balance(member), chain_world.balance(member, source="chain")
        assert balance["total_points"] == balance["available_points"] == 70
        assert on_chain["lots"] == balance["lots"]

    def test_more_than_there_is__is_refused_before_the_chain(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("10.00")
        body = problem(chain_world.redeem(member, 11), 409, "insufficient-points")
        assert body["available_points"] == 10

    def test_dry_run__names_the_lots_and_writes_nothing(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("10.00")
        answer = chain_world.redeem(member, 4, mode="dry_run").json()
        assert (answer["possible"], answer["available_points"], answer["lots"][0]["points"]) == (True, 10, 4)
        assert chain_world.redeem(member, 11, mode="dry_run").json()["possible"] is False
        assert chain_world.till.get("/v1/redemptions").json()["data"] == []

    def test_twenty_at_once_with_different_keys__exactly_one_spends_the_balance(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: chain_world.redeem(member, 100), range(20)))
        assert sorted(answer.status_code for answer in answers) == [202] + [409] * 19
        chain_world.finalise()
        assert chain_world.balance(member, source="chain")["total_points"] == 0

    def test_twenty_at_once_with_one_key__spend_once_and_answer_the_same(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        body = {"member_id": member["id"], "reference": "r", "points": 10}
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: chain_world.till.post("/v1/redemptions", body, key="k"), range(20)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        chain_world.finalise()
        assert chain_world.balance(member, source="chain")["total_points"] == 90

    def test_same_reference__answers_the_known_one_or_refuses(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        first = chain_world.redeem(member, 5, reference="r").json()
        again = chain_world.redeem(member, 5, reference="r")
        assert (again.status_code, again.json()["id"]) == (200, first["id"])
        problem(chain_world.redeem(member, 6, reference="r"), 409, "reference-reused")

    def test_expired_lots__cannot_be_spent(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("10.00")
        chain_world.jump(95)
        problem(chain_world.redeem(member, 1), 409, "insufficient-points")
        assert chain_world.balance(member)["total_points"] == 0


class TestHold:
    def test_capture_part__spends_it_and_gives_the_rest_back(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        hold = chain_world.redeem(member, 60, hold={"expires_in_seconds": 3600}).json()
        assert hold["state"] == "reserving"
        path = f"/v1/redemptions/{hold['id']}"
        problem(chain_world.till.post(f"{path}/capture", {}), 409, "wrong-state")
        chain_world.step()
        assert chain_world.till.get(path).json()["state"] == "reserved"
        balance = chain_world.balance(member)
        assert (balance["total_points"], balance["locked_points"]) == (40, 60)
        assert chain_world.till.post(f"{path}/capture", {"points": 25}).json()["state"] == "capturing"
        chain_world.finalise()
        redemption = chain_world.till.get(path).json()
        assert (redemption["state"], redemption["captured_points"]) == ("redeemed", 25)
        balance = chain_world.balance(member)
        assert (balance["total_points"], balance["locked_points"]) == (75, 0)
        kinds = [entry["kind"] for entry in chain_world.till.get(f"/v1/members/{member['id']}/history").json()["data"]]
        assert kinds[-2:] == ["hold", "issue"]

    def test_release__gives_everything_back(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        hold = chain_world.redeem(member, 60, hold={"expires_in_seconds": 3600}).json()
        chain_world.step()
        path = f"/v1/redemptions/{hold['id']}"
        chain_world.till.post(f"{path}/release")
        chain_world.step()
        assert chain_world.till.get(path).json()["state"] == "released"
        assert chain_world.balance(member)["available_points"] == 100
        problem(chain_world.till.post(f"{path}/capture", {}), 409, "wrong-state")

    def test_capture_after_the_deadline__is_refused(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        hold = chain_world.redeem(member, 60, hold={"expires_in_seconds": 3600}).json()
        chain_world.step()
        chain_world.jump(1)
        problem(chain_world.till.post(f"/v1/redemptions/{hold['id']}/capture", {}), 409, "wrong-state")


class TestRefund:
    def test_parts__add_up_to_the_redemption_and_no_more(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        redemption = chain_world.redeem(member, 50).json()
        path = f"/v1/redemptions/{redemption['id']}/refunds"
        problem(chain_world.till.post(path, {"reference": "f0", "points": 1}), 409, "wrong-state")
        chain_world.finalise()
        for number, points in enumerate((20, 25), 1):
            assert chain_world.till.post(path, {"reference": f"f{number}", "points": points}).status_code == 202
        body = problem(chain_world.till.post(path, {"reference": "f3", "points": 6}), 409, "refund-exceeds-redemption")
        assert body["refundable_points"] == 5
        chain_world.finalise()
        refunds = chain_world.till.get(path).json()["data"]
        assert [(refund["points"], refund["state"], refund["expired_points"]) for refund in refunds] == [
            (20, "final", 0),
            (25, "final", 0),
        ]
        assert chain_world.balance(member, source="chain")["total_points"] == 95

    def test_ten_at_once__give_back_no_more_than_was_spent(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        redemption = chain_world.redeem(member, 50).json()
        chain_world.finalise()
        path = f"/v1/redemptions/{redemption['id']}/refunds"
        with ThreadPoolExecutor(10) as pool:
            answers = pool.map(
                lambda number: chain_world.till.post(path, {"reference": f"f{number}", "points": 20}).status_code,
                range(10),
            )
            assert sorted(answers) == [202] * 2 + [409] * 8
        chain_world.finalise()
        assert chain_world.balance(member, source="chain")["total_points"] == 90

    def test_refund_into_an_expired_lot__says_how_many_came_too_late(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        redemption = chain_world.redeem(member, 50).json()
        chain_world.finalise()
        chain_world.jump(95)
        path = f"/v1/redemptions/{redemption['id']}/refunds"
        chain_world.till.post(path, {"reference": "f", "points": 10})
        chain_world.finalise()
        assert chain_world.till.get(path).json()["data"][0]["expired_points"] == 10


class TestOperations:
    def test_prefer_wait__answers_when_the_time_is_over_as_it_is_then(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        response = chain_world.till.request(
            "POST",
            "/v1/redemptions",
            json={"member_id": member["id"], "reference": "r", "points": 1},
            headers={"Prefer": "wait=1"},
        )
        assert (response.status_code, response.headers["preference-applied"]) == (202, "wait=1")

    def test_prefer_wait__answers_as_soon_as_it_is_mined(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        location = chain_world.redeem(member, 1).headers["location"]
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(chain_world.till.get, location, headers={"Prefer": "wait=60"})
            chain_world.step()
            assert waiting.result(60).json()["state"] == "mined"

    def test_stream__tells_each_state_until_it_is_final(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        location = chain_world.redeem(member, 1).headers["location"]
        chain_world.finalise()
        answer = chain_world.till.get(f"{location}/events")
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "id: final" in answer.text
        assert "event: operation" in answer.text

    def test_other_programme__does_not_see_it(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("100.00")
        location = chain_world.redeem(member, 1).headers["location"]
        problem(chain_world.other_till.get(location), 404, "not-found")
        problem(chain_world.other_till.get(f"{location}/events"), 404, "not-found")
