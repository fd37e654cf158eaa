"""POST and GET /v1/events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from backend.points.models import Accrual, EarnEvent
from backend.points.rules import points_earned_down
from tests.integration.api.world import World, problem


def count(world: World, table: type[EarnEvent] | type[Accrual]) -> int:
    with world.sessions() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture(params=["first", "warm"])
def warmed(request: pytest.FixtureRequest, world: World) -> World:
    """The first request of a key takes the ordinary way, later ones the quick way: both must answer the same."""
    if request.param == "warm":
        assert world.earn(world.enrol())["accrual"]["points"] == 25
    return world


class TestCreateEvent:
    def test_anonymous__is_refused(self, world: World) -> None:
        problem(world.anonymous.post("/v1/events", world.purchase(world.enrol())), 401, "unauthenticated")

    def test_purchase__earns_by_the_rule_rounded_down(self, warmed: World) -> None:
        member = warmed.enrol()
        event = warmed.earn(member, "12.99")
        assert event["accrual"] | {"id": ""} == {
            "id": "",
            "points": 12,
            "state": "pending",
            "reversed_points": 0,
            "netted_points": 0,
            "matures_at": event["accrual"]["matures_at"],
            "batch_id": None,
            "operation_id": None,
        }
        assert event["value"] == {"amount": "12.99", "currency": "USD"}
        assert warmed.till.get(f"/v1/events/{event['id']}").json()["accrual"]["points"] == 12

    def test_same_key__replays_the_stored_answer(self, warmed: World) -> None:
        purchase = warmed.purchase(warmed.enrol())
        first = warmed.till.post("/v1/events", purchase, key="k")
        again = warmed.till.post("/v1/events", purchase, key="k")
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["location"] == first.headers["location"]

    def test_same_key_with_another_body__is_refused(self, warmed: World) -> None:
        member = warmed.enrol()
        before = count(warmed, EarnEvent)
        warmed.till.post("/v1/events", warmed.purchase(member), key="k")
        problem(warmed.till.post("/v1/events", warmed.purchase(member), key="k"), 422, "idempotency-key-reused")
        assert count(warmed, EarnEvent) == before + 1

    def test_without_key__is_refused(self, warmed: World) -> None:
        response = warmed.client.post(
            "/v1/events",
            json=warmed.purchase(warmed.enrol()),
            headers={"Authorization": f"Bearer {warmed.till.token}"},
        )
        problem(response, 400, "idempotency-key-missing")

    def test_known_reference_with_the_same_content__answers_the_known_event(self, warmed: World) -> None:
        purchase = warmed.purchase(warmed.enrol())
        first = warmed.till.post("/v1/events", purchase)
        again = warmed.till.post("/v1/events", purchase)
        assert again.status_code == 200
        assert again.json()["id"] == first.json()["id"]

    @pytest.mark.parametrize("change", [{"value": {"amount": "1.00", "currency": "USD"}}, {"kind": "visit"}])
    def test_known_reference_with_other_content__is_refused(self, warmed: World, change: dict[str, Any]) -> None:
        purchase = warmed.purchase(warmed.enrol())
        warmed.till.post("/v1/events", purchase)
        problem(warmed.till.post("/v1/events", purchase | change), 409, "reference-reused")

    def test_unknown_member__is_named(self, warmed: World) -> None:
        problem(warmed.till.post("/v1/events", warmed.purchase({"id": "mem_nobody"})), 404, "not-found")

    def test_member_of_another_programme__is_unknown(self, warmed: World) -> None:
        stranger = warmed.enrol(warmed.other_till)
        problem(warmed.till.post("/v1/events", warmed.purchase(stranger)), 404, "not-found")

    def test_another_currency__is_refused(self, warmed: World) -> None:
        purchase = warmed.purchase(warmed.enrol(), value={"amount": "5.00", "currency": "EUR"})
        problem(warmed.till.post("/v1/events", purchase), 422, "invalid-request")

    def test_dry_run__writes_nothing(self, warmed: World) -> None:
        before = count(warmed, EarnEvent)
        answer = warmed.till.post("/v1/events", warmed.purchase(warmed.enrol(), "7.50", mode="dry_run"))
        assert (answer.status_code, answer.json()["points"]) == (200, 7)
        assert count(warmed, EarnEvent) == before

    def test_return_period__delays_maturity(self, warmed: World) -> None:
        assert warmed.till.patch("/v1/programmes/market", {"return_period_seconds": 86400}).status_code == 200
        event = warmed.earn(warmed.enrol())
        assert event["accrual"]["matures_at"].startswith("2017-03-01T18:00:00")

    def test_twenty_at_once_with_one_key__record_one_event(self, warmed: World) -> None:
        purchase, before = warmed.purchase(warmed.enrol()), count(warmed, EarnEvent)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: warmed.till.post("/v1/events", purchase, key="k"), range(20)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert count(warmed, EarnEvent) == count(warmed, Accrual) == before + 1

    def test_twenty_at_once_with_one_reference__record_one_event(self, warmed: World) -> None:
        purchase, before = warmed.purchase(warmed.enrol()), count(warmed, EarnEvent)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: warmed.till.post("/v1/events", purchase), range(20)))
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert count(warmed, EarnEvent) == count(warmed, Accrual) == before + 1

    def test_many_at_once__each_earns_what_the_rule_says(self, warmed: World) -> None:
        member = warmed.enrol()
        purchases = [warmed.purchase(member, f"{cents // 100}.{cents % 100:02}") for cents in range(950, 1050, 5)]
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda purchase: warmed.till.post("/v1/events", purchase), purchases))
        points = [answer.json()["accrual"]["points"] for answer in answers]
        assert points == [points_earned_down(cents, 1, 100) for cents in range(950, 1050, 5)]


class TestListEvents:
    def test_pages__hold_every_event_once_newest_first(self, world: World) -> None:
        member = world.enrol()
        made = [world.earn(member)["id"] for _ in range(5)]
        seen, cursor = [], None
        for _ in range(3):
            page = world.till.get("/v1/events", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
            seen += [event["id"] for event in page["data"]]
            cursor = page["next_cursor"]
        assert (seen, cursor) == (made[::-1], None)

    def test_another_programme__sees_none(self, world: World) -> None:
        event = world.earn(world.enrol())
        assert world.other_till.get("/v1/events").json()["data"] == []
        problem(world.other_till.get(f"/v1/events/{event['id']}"), 404, "not-found")
