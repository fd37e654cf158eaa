"""The API of partner systems, postings and transfers, asked as callers ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from backend.app import create_app
from backend.auth.scopes import Scope
from backend.auth.service import create_key
from backend.database import transaction
from backend.partners.models import PartnerCall, PartnerSystem
from tests.integration.api.world import Caller, problem
from tests.integration.partners.world import PartnerWorld, enrol
from tests.support.partner_server import Behaviour

PUBLIC = "https://points.example/ip"


@dataclass
class Api:
    """Callers of the application on the partner world's database."""

    operator: Caller
    airline: Caller
    fuel: Caller
    anonymous: Caller


@pytest.fixture
def api(partner_world: PartnerWorld) -> Iterator[Api]:
    with transaction(partner_world.sessions) as session:
        texts = [
            create_key(session, programme_id=programme_id, name="test", scopes=frozenset(Scope))[1]
            for programme_id in (None, partner_world.airline.id, partner_world.fuel.id)
        ]
    with TestClient(create_app(partner_world.settings), raise_server_exceptions=False) as client:
        yield Api(*(Caller(client, text) for text in [*texts, None]))


class TestPartnerSystem:
    def test_anonymous__is_refused(self, api: Api) -> None:
        problem(api.anonymous.get("/v1/partner-systems/fuel"), 401, "unauthenticated")

    def test_put__shows_the_secret_once_and_keeps_it_unreadable(self, api: Api, partner_world: PartnerWorld) -> None:
        path = f"/v1/partner-systems/{partner_world.fuel.id}"
        first = api.fuel.request("PUT", path, json={"base_url": PUBLIC}, key="k")
        assert first.status_code == 201
        assert first.json()["secret"].startswith("whsec_")
        again = api.fuel.request("PUT", path, json={"base_url": PUBLIC}, key="k")
        assert (again.status_code, again.json()["secret"]) == (201, None)
        changed = api.fuel.request("PUT", path, json={"base_url": PUBLIC + "/2", "timeout_seconds": 5})
        assert (changed.status_code, changed.json()["secret"]) == (200, None)
        renewed = api.fuel.request("PUT", path, json={"base_url": PUBLIC, "new_secret": True}).json()["secret"]
        assert renewed not in (None, first.json()["secret"])
        assert "secret" not in api.fuel.get(path).json()
        with partner_world.sessions() as session:
            assert renewed.encode() not in session.get_one(PartnerSystem, partner_world.fuel.id).secret

    @pytest.mark.parametrize("url", ["http://points.example", "https://169.254.169.254", "https://u:p@points.example"])
    def test_put__refuses_addresses_that_may_not_be_called(
        self, api: Api, partner_world: PartnerWorld, url: str
    ) -> None:
        path = f"/v1/partner-systems/{partner_world.fuel.id}"
        problem(api.fuel.request("PUT", path, json={"base_url": url}), 422, "partner-address-refused")
        problem(api.fuel.get(path), 404, "not-found")

    def test_another_programme__sees_nothing(self, api: Api, partner_world: PartnerWorld) -> None:
        path = f"/v1/partner-systems/{partner_world.airline.id}"
        problem(api.fuel.get(path), 404, "not-found")
        problem(api.fuel.request("PUT", path, json={"base_url": PUBLIC}), 404, "not-found")
        problem(api.fuel.request("DELETE", path), 404, "not-found")
        problem(api.fuel.post(f"{path}/validations", {"member_reference": "C-1"}), 404, "not-found")

    def test_delete__waits_for_what_was_asked_there(self, api: Api, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.SYSTEM_ERROR)
        partner_world.burn("C-1")
        partner_world.rounds(1)
        path = f"/v1/partner-systems/{partner_world.airline.id}"
        body = problem(api.airline.request("DELETE", path), 409, "partner-system-in-use")
        assert body["open_count"] == 1

    def test_delete__forgets_it(self, api: Api, partner_world: PartnerWorld) -> None:
        path = f"/v1/partner-systems/{partner_world.airline.id}"
        assert api.airline.request("DELETE", path).status_code == 204
        problem(api.airline.get(path), 404, "not-found")


class TestValidation:
    @pytest.mark.parametrize(("member", "outcome"), [("C-1", "succeeded"), ("C-2", "failed")])
    def test_member__is_there_or_not(self, api: Api, partner_world: PartnerWorld, member: str, outcome: str) -> None:
        partner_world.server.book.members = {"C-1"}
        path = f"/v1/partner-systems/{partner_world.airline.id}/validations"
        body = {"member_reference": member, "facts": {"family_name": "Lovelace"}}
        answer = api.airline.post(path, body)
        assert (answer.status_code, answer.json()["outcome"]) == (200, outcome)
        with partner_world.sessions() as session:
            call = session.scalars(select(PartnerCall)).one()
        assert (call.call, call.outcome, call.posting_id) == ("validate", outcome, None)

    def test_system_that_answers_garbage__is_unknown(self, api: Api, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.GARBAGE)
        path = f"/v1/partner-systems/{partner_world.airline.id}/validations"
        answer = api.operator.post(path, {"member_reference": "C-1"}).json()
        assert answer["outcome"] == "system_error"

    def test_no_system__is_said(self, api: Api, partner_world: PartnerWorld) -> None:
        path = f"/v1/partner-systems/{partner_world.fuel.id}/validations"
        problem(api.fuel.post(path, {"member_reference": "C-1"}), 404, "not-found")

    def test_facts__are_bounded(self, api: Api, partner_world: PartnerWorld) -> None:
        path = f"/v1/partner-systems/{partner_world.airline.id}/validations"
        for facts in ({"Family Name": "x"}, {"x": "y" * 201}, {f"f{number}": "" for number in range(11)}):
            problem(api.airline.post(path, {"member_reference": "C-1", "facts": facts}), 422, "invalid-request")


class TestPostings:
    def test_list_and_get__show_state_and_calls_to_the_destination_only(
        self, api: Api, partner_world: PartnerWorld
    ) -> None:
        partner_world.server.script("C-1", Behaviour.SYSTEM_ERROR)
        swap = partner_world.burn("C-1")
        partner_world.run()
        listed = api.airline.get("/v1/postings", params={"state": "posted"}).json()["data"]
        assert [entry["swap_id"] for entry in listed] == [swap.id]
        assert api.airline.get("/v1/postings", params={"state": "refused"}).json()["data"] == []
        assert api.fuel.get("/v1/postings").json()["data"] == []
        detail = api.airline.get(f"/v1/postings/{listed[0]['id']}").json()
        assert [(call["call"], call["outcome"], call["http_status"]) for call in detail["calls"]] == [
            ("retry", "succeeded", 200),
            ("post", "system_error", 500),
        ]
        problem(api.fuel.get(f"/v1/postings/{listed[0]['id']}"), 404, "not-found")
        assert api.operator.get("/v1/postings", params={"swap_id": swap.id}).json()["data"] == listed

    def test_pages__follow_one_another(self, api: Api, partner_world: PartnerWorld) -> None:
        for number in range(3):
            partner_world.burn(f"C-{number}")
        partner_world.run()
        first = api.airline.get("/v1/postings", params={"limit": 2}).json()
        second = api.airline.get("/v1/postings", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        assert (len(first["data"]), len(second["data"]), second["next_cursor"]) == (2, 1, None)

    def test_retry__asks_now(self, api: Api, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.SYSTEM_ERROR)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        path = f"/v1/postings/{partner_world.posting(swap).id}"
        assert api.airline.post(f"{path}/retry").status_code == 202
        partner_world.run()
        partner_world.end(swap, "SwapPosted")
        partner_world.settle(partner_world.posting(swap).operation_id)
        partner_world.run()
        assert problem(api.airline.post(f"{path}/retry"), 409, "posting-state")["state"] == "confirmed"

    def test_reversal__gives_the_posting_up(self, api: Api, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.LOST)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        path = f"/v1/postings/{partner_world.posting(swap).id}/reversal"
        early = problem(api.airline.post(path, {"refund_unreversed": True}), 409, "posting-state")
        assert "window" in early["detail"]
        assert api.airline.post(path, {}).json()["state"] == "reversing"
        partner_world.run()
        assert partner_world.asked_of_chain() == ["refund_pending"]
        problem(api.airline.post(path, {}), 409, "posting-state")


class TestTransfers:
    def test_create__is_once_for_a_reference(self, api: Api, partner_world: PartnerWorld) -> None:
        with transaction(partner_world.sessions) as session:
            enrolment = enrol(session, partner_world.airline, "C-1")
            member_id = enrolment.member_id
        body = {"member_reference": "C-1", "reference": "t-1", "points": 40}
        first = api.airline.post("/v1/transfers", body)
        assert (first.status_code, first.json()["state"], first.json()["member_id"]) == (202, "waiting", member_id)
        assert first.headers["location"] == f"/v1/transfers/{first.json()['id']}"
        again = api.airline.post("/v1/transfers", body)
        assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
        problem(api.airline.post("/v1/transfers", body | {"points": 41}), 409, "reference-reused")
        partner_world.run()
        detail = api.airline.get(first.headers["location"]).json()
        assert (detail["state"], [call["call"] for call in detail["calls"]]) == ("taken", ["transfer"])
        assert [entry["id"] for entry in api.airline.get("/v1/transfers").json()["data"]] == [detail["id"]]
        assert api.fuel.get("/v1/transfers").json()["data"] == []
        problem(api.fuel.get(first.headers["location"]), 404, "not-found")
        problem(api.airline.post(f"{first.headers['location']}/reversal"), 409, "posting-state")

    def test_pages__follow_one_another(self, api: Api, partner_world: PartnerWorld) -> None:
        with transaction(partner_world.sessions) as session:
            enrol(session, partner_world.airline, "C-1")
        for number in range(3):
            body = {"member_reference": "C-1", "reference": f"t-{number}", "points": 40}
            assert api.airline.post("/v1/transfers", body).status_code == 202
        first = api.airline.get("/v1/transfers", params={"limit": 2}).json()
        second = api.airline.get("/v1/transfers", params={"limit": 2, "cursor": first["next_cursor"]}).json()
        assert [entry["reference"] for entry in first["data"] + second["data"]] == ["t-2", "t-1", "t-0"]

    def test_create__needs_a_system_and_a_member(self, api: Api, partner_world: PartnerWorld) -> None:
        body = {"member_reference": "nobody", "reference": "t-1", "points": 40}
        problem(api.fuel.post("/v1/transfers", body), 404, "not-found")
        problem(api.airline.post("/v1/transfers", body), 404, "not-found")
        problem(api.operator.post("/v1/transfers", body), 422, "invalid-request")

    def test_reversal_before_it_is_asked__ends_it(self, api: Api, partner_world: PartnerWorld) -> None:
        with transaction(partner_world.sessions) as session:
            enrol(session, partner_world.airline, "C-1")
        body = {"member_reference": "C-1", "reference": "t-1", "points": 40}
        location = api.airline.post("/v1/transfers", body).headers["location"]
        assert api.airline.post(f"{location}/reversal").json()["state"] == "refused"
        partner_world.run()
        assert partner_world.server.calls == []
