"""Programmes and members: read, change, enrol, sign in by link."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from backend.chain.manifest import Manifest, ProgrammeEntry, TermsEntry
from backend.chain.points_token import managed_account
from backend.database import transaction
from backend.members.models import Enrolment, Member
from backend.programmes.errors import ProgrammeMismatchError
from backend.programmes.service import ProgrammeProfile, sync_from_manifest
from tests.integration.api.world import Caller, World, problem

NDJSON = {"Content-Type": "application/x-ndjson"}


class TestProgrammes:
    def test_key__sees_its_own_only_and_the_operator_all(self, world: World) -> None:
        assert [entry["slug"] for entry in world.till.get("/v1/programmes").json()["data"]] == ["market"]
        assert len(world.operator.get("/v1/programmes").json()["data"]) == 2

    def test_rule__changes_what_later_events_earn(self, world: World) -> None:
        rule = {"earning_rule": {"points": 3, "per": {"amount": "2.00", "currency": "USD"}}}
        assert world.till.patch("/v1/programmes/market", rule).json()["earning_rule"] == rule["earning_rule"]
        assert world.earn(world.enrol(), "5.00")["accrual"]["points"] == 7

    def test_rule_without_a_price__is_refused(self, world: World) -> None:
        rule = {"earning_rule": {"points": 3, "per": {"amount": "0.00", "currency": "USD"}}}
        problem(world.till.patch("/v1/programmes/market", rule), 422, "invalid-request")

    def test_sync__adds_once_and_refuses_another_token(self, world: World) -> None:
        terms = TermsEntry(
            epoch_length_seconds=86_400, validity_epochs=4, clawback_epochs=1, supply_cap_points=10, transferable=True
        )
        address, code = "0x" + "12" * 20, "0x" + "34" * 32
        entry = ProgrammeEntry(
            slug="fuel", name="Fuel", symbol="FUEL", token=address, code_hash=code, block=1, terms=terms,
            issuer=address, custodian=address, admin=address,
        )  # fmt: skip
        manifest = Manifest(chain_id=31337, genesis_hash=code, programmes=(entry,))
        with transaction(world.sessions) as session:
            first = sync_from_manifest(session, manifest, {"fuel": ProgrammeProfile(currency="EUR")})[0]
            assert sync_from_manifest(session, manifest)[0].id == first.id
            assert first.currency == "EUR"
            moved = manifest.model_copy(update={"programmes": (entry.model_copy(update={"token": "0x" + "56" * 20}),)})
            with pytest.raises(ProgrammeMismatchError):
                sync_from_manifest(session, moved)


class TestEnrol:
    def test_anonymous__is_refused(self, world: World) -> None:
        problem(world.anonymous.post("/v1/members", {"reference": "x"}), 401, "unauthenticated")

    def test_account__follows_from_the_key_that_is_never_shown(self, world: World) -> None:
        member = world.enrol()
        with world.sessions() as session:
            enrolment = session.scalars(select(Enrolment)).one()
        assert managed_account(world.market.token, enrolment.member_key) == enrolment.account
        assert enrolment.member_key.hex() not in json.dumps(member)

    def test_same_reference__answers_the_same_member(self, world: World) -> None:
        first = world.till.post("/v1/members", {"reference": "x"})
        again = world.till.post("/v1/members", {"reference": "x"})
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json()["id"] == again.json()["id"]

    def test_existing_person__joins_only_by_the_operator(self, world: World) -> None:
        member = world.enrol()
        body = {"reference": "p", "member_id": member["id"]}
        problem(world.other_till.post("/v1/members", body), 403, "forbidden")
        answer = world.operator.post("/v1/members", body | {"programme_id": world.pharmacy.id})
        assert len(answer.json()["enrolments"]) == 2
        assert len(world.other_till.get(f"/v1/members/{member['id']}").json()["enrolments"]) == 1
        problem(
            world.operator.post("/v1/members", body | {"programme_id": world.pharmacy.id, "reference": "q"}),
            409,
            "already-enrolled",
        )
        other = world.enrol()
        problem(
            world.operator.post("/v1/members", body | {"programme_id": world.pharmacy.id, "member_id": other["id"]}),
            409,
            "reference-taken",
        )

    def test_ten_at_once__make_one_member(self, world: World) -> None:
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: world.till.post("/v1/members", {"reference": "x"}), range(10)))
        assert len({answer.json()["id"] for answer in answers}) == 1
        with world.sessions() as session:
            assert session.execute(select(func.count()).select_from(Member)).scalar_one() == 1

    def test_bulk__takes_all_or_none(self, world: World) -> None:
        def bulk(*references: str) -> tuple[int, object]:
            body = "\n".join(json.dumps({"reference": reference}) for reference in references)
            answer = world.till.request("POST", "/v1/members/bulk", content=body, headers=NDJSON)
            return answer.status_code, answer.json()

        status, body = bulk("a", "b", "c")
        assert isinstance(body, dict)
        assert (status, body["enrolled_count"], len(body["members"])) == (200, 3, 3)
        status, body = bulk("c", "d")
        assert isinstance(body, dict)
        assert (status, body["enrolled_count"], body["existing_count"]) == (200, 1, 1)
        assert bulk("e", "")[0] == 422
        assert world.till.get("/v1/members", params={"reference": "e"}).json()["data"] == []


class TestLinks:
    def test_link__opens_a_session_for_the_members_own_things_only(self, world: World) -> None:
        member, other = world.enrol(), world.enrol()
        session = world.member_session(member)
        assert session.get(f"/v1/members/{member['id']}").status_code == 200
        problem(session.get(f"/v1/members/{other['id']}"), 404, "not-found")
        problem(session.get("/v1/members"), 403, "forbidden")

    def test_link_of_somebody_else__cannot_be_made(self, world: World) -> None:
        member = world.enrol()
        problem(world.other_till.post(f"/v1/members/{member['id']}/links", {}), 404, "not-found")

    def test_made_up_link__is_refused(self, world: World) -> None:
        problem(world.anonymous.post("/v1/sessions", {"link_token": "x.y"}), 401, "link-invalid")
        problem(Caller(world.client, "ims_x.y").get("/v1/programmes"), 401, "link-invalid")


class TestService:
    def test_health_and_metrics__need_no_key(self, world: World) -> None:
        world.earn(world.enrol())
        assert world.anonymous.get("/health").json() == {"status": "ok"}
        assert "interpoints_api_requests_total" in world.anonymous.get("/metrics").text

    def test_ready__says_what_is_missing(self, world: World) -> None:
        answer = world.anonymous.get("/ready")
        assert (answer.status_code, answer.json()["chain"]["ok"], answer.json()["database"]["ok"]) == (503, False, True)

    def test_problem_type__explains_itself(self, world: World) -> None:
        kind = problem(world.till.get("/v1/members/mem_x"), 404, "not-found")["type"]
        assert world.anonymous.get(kind).json()["title"] == "Not found"
