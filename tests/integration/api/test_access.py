"""Every endpoint for every role, driven from the application's own routes: a new one without a policy fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from backend.auth.policies import Policy, allow, policy_of
from backend.auth.repository import find_key
from backend.auth.routing import protected_router
from backend.auth.scopes import Scope
from backend.auth.service import authenticate_key, create_key, revoke_key
from backend.database import new_id, transaction, utc_now
from backend.members.repository import find_enrolment
from backend.middleware import MAX_BODY_BYTES
from backend.partners.models import PartnerTransfer, Posting
from backend.web import endpoints as web
from tests.integration.api.exchange_world import TERMS, ExchangeWorld
from tests.integration.api.world import Caller, World, problem

NOBODY = "http://127.0.0.1:1"
"""Where no partner's system answers, without asking for a name."""
SHARED = {"cycle", "partner_id"}
"""Path parameters that name nothing of one programme's own: the cycles and the partners of the clearing."""


@dataclass(frozen=True)
class Endpoint:
    """A method and path template with its policy."""

    method: str
    path: str
    policy: Policy | None

    @property
    def names_a_thing(self) -> bool:
        """Whether the path names something that belongs to a programme."""
        return bool(set(re.findall(r"{(\w+)}", self.path)) - SHARED)


def routes_of(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, APIRoute]]:
    """Every API route with its full path, through included routers."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield prefix + route.path, route
        elif (included := getattr(route, "original_router", None)) is not None:
            yield from routes_of(included.routes, prefix + route.include_context.prefix)  # type: ignore[attr-defined]


def endpoints(world: World) -> list[Endpoint]:
    pages = {route.endpoint for _, route in routes_of(list(web.router.routes))}
    return [
        Endpoint(method, path, policy_of(route.endpoint))
        for path, route in routes_of(world.client.app.routes)  # type: ignore[attr-defined]
        if route.endpoint not in pages
        for method in sorted(route.methods or ())
    ]


@dataclass
class Things:
    """A resource of the market behind each path parameter, and bodies that are good enough to get past validation."""

    ids: dict[str, str]
    bodies: dict[str, Any] = field(default_factory=dict)


def things(world: ExchangeWorld) -> Things:
    """Things of the market and of fuel; the pharmacy has no part in any."""
    lane = world.open_lane(world.fuel, world.fuel_till)
    member = world.swapper("50.00", world.fuel)
    event = world.earn(member, "9.00")
    redemption = world.redeem(member, 5)
    with transaction(world.sessions) as session:
        key_id = create_key(session, programme_id=world.market.id, name="x", scopes=frozenset())[0].id
    upload = world.till.request(
        "POST", "/v1/events/uploads", content=b"", headers={"Content-Type": "application/x-ndjson"}
    )
    signed_quote = {"mode": "signed", "lane_id": lane, "member_id": member["id"], "bonus_bps": 1, "max_points_in": 99}
    quote = world.fuel_till.post("/v1/quotes", signed_quote)
    swap = world.swap(lane, member, 10)
    wallet = {"address": "0x" + "11" * 20}
    signed = {"message": "m", "signature": "0x"}
    spend = {"member_id": member["id"], "reference": "x", "points": 1}
    ids = {
        "programme_id": world.market.id,
        "member_id": member["id"],
        "event_id": event["id"],
        "redemption_id": redemption.json()["id"],
        "operation_id": redemption.json()["operation_id"],
        "upload_id": upload.json()["id"],
        "key_id": key_id,
        "lane_id": lane,
        "cycle": "1",
        "partner_id": world.fuel.id,
        "quote_id": quote.json()["id"],
        "swap_id": swap.json()["id"],
        **partner_things(world, swap.json()["id"], member),
    }
    dollars = {"amount": {"amount": "1.00", "currency": "USD"}}
    terms = {"terms_hash": "0x" + "11" * 32}
    amounts = {"lane_id": lane, "member_id": member["id"], "max_points_in": 10}
    bodies = {
        "POST /v1/keys": {"name": "x"},
        "POST /v1/keys/{key_id}/rotate": {},
        "PATCH /v1/programmes/{programme_id}": {},
        "POST /v1/members": {"reference": "somebody"},
        "POST /v1/members/{member_id}/links": {},
        "POST /v1/members/{member_id}/wallet/challenges": wallet,
        "POST /v1/members/{member_id}/wallet": signed,
        "POST /v1/sessions": {"link_token": "x"},
        "POST /v1/sessions/challenges": wallet,
        "POST /v1/sessions/wallet": signed,
        "POST /v1/events": world.purchase(member),
        "POST /v1/events/{event_id}/returns": {"reference": "x", "value": {"amount": "1.00", "currency": "USD"}},
        "POST /v1/redemptions": spend,
        "POST /v1/redemptions/orders": {"member_id": member["id"], "points": 1},
        "POST /v1/redemptions/{redemption_id}/capture": {},
        "POST /v1/redemptions/{redemption_id}/refunds": {"reference": "x", "points": 1},
        "PUT /v1/partner-systems/{programme_id}": {"base_url": NOBODY},
        "POST /v1/partner-systems/{programme_id}/validations": {"member_reference": "x"},
        "POST /v1/postings/{posting_id}/reversal": {},
        "POST /v1/transfers": spend,
        "POST /v1/clearing/deposits": dollars,
        "POST /v1/clearing/withdrawals": dollars,
        "POST /v1/clearing/payments": {},
        "PUT /v1/clearing/credit-lines/{partner_id}": dollars,
        "POST /v1/clearing/joins": {},
        "POST /v1/clearing/cycles/{cycle}/disputes": {"reference": "x", "note": "x"},
        "POST /v1/clearing/enforcements": {"programme_id": world.fuel.id},
        "POST /v1/clearing/distributions": {"programme_id": world.fuel.id},
        "POST /v1/lanes": {"source": "market", "destination": "fuel", "terms": TERMS},
        "POST /v1/lanes/{lane_id}/accept": terms,
        "POST /v1/lanes/{lane_id}/withdraw": {},
        "POST /v1/lanes/{lane_id}/stop": {},
        "POST /v1/quotes": amounts,
        "POST /v1/swaps": amounts | {"reference": "x", "min_points_out": 1},
        "POST /v1/swaps/orders": amounts | {"min_points_out": 1},
    }
    world.finalise()
    return Things(ids, bodies)


def put_partner_system(world: ExchangeWorld) -> None:
    path = f"/v1/partner-systems/{world.market.id}"
    assert world.till.request("PUT", path, json={"base_url": NOBODY}).is_success


def partner_things(world: ExchangeWorld, swap_id: str, member: dict[str, Any]) -> dict[str, str]:
    """A partner system of the market, with a posting and a transfer that wait."""
    now, posting_id, transfer_id = utc_now(), new_id("pst"), new_id("trf")
    waiting: dict[str, Any] = {
        "programme_id": world.market.id,
        "member_reference": "x",
        "points": 1,
        "state": "waiting",
        "next_attempt_at": now,
        "created_at": now,
        "updated_at": now,
    }
    with transaction(world.sessions) as session:
        enrolment = find_enrolment(session, world.market.id, member_id=member["id"])
        session.add(Posting(id=posting_id, swap_id=swap_id, **waiting))
        session.add(
            PartnerTransfer(id=transfer_id, enrolment_id=enrolment.id, reference="trf", ref=bytes(32), **waiting)
        )
    put_partner_system(world)
    return {"posting_id": posting_id, "transfer_id": transfer_id}


def ask(caller: Caller, endpoint: Endpoint, target: Things) -> Any:
    path = endpoint.path.format(**target.ids)
    body = target.bodies.get(f"{endpoint.method} {endpoint.path}")
    options: dict[str, Any] = {"json": body} if body is not None else {}
    if endpoint.path == "/v1/events/uploads":
        options = {"content": b"", "headers": {"Content-Type": "application/x-ndjson"}}
    return caller.request(endpoint.method, path, **options)


def test_every_endpoint__declares_a_policy(world: World) -> None:
    found = endpoints(world)
    assert len(found) > 35
    assert [endpoint for endpoint in found if endpoint.policy is None] == []


def test_auditors__may_read_what_any_programme_may_and_nothing_else(world: World) -> None:
    for endpoint in endpoints(world):
        assert endpoint.policy is not None
        reads = endpoint.method == "GET" and endpoint.policy.scope is not None
        assert endpoint.policy.auditor == reads, f"{endpoint.method} {endpoint.path}"


def test_endpoint_that_writes__cannot_be_opened_to_auditors() -> None:
    router = protected_router("/v1/leak", "x")
    with pytest.raises(ValueError, match="writes"):

        @router.post("")
        @allow(Policy(scope=Scope.KEYS_WRITE, auditor=True))
        def leak() -> str:
            return "written"


def test_endpoint_without_a_policy__is_closed_even_for_the_operator(world: World) -> None:
    router = protected_router("/v1/forgotten", "x")

    @router.get("")
    def forgotten() -> str:
        return "open"

    world.client.app.include_router(router)  # type: ignore[attr-defined]
    problem(world.operator.get("/v1/forgotten"), 403, "forbidden")


def test_every_endpoint__for_every_role(exchange_world: ExchangeWorld) -> None:
    world = exchange_world
    target = things(world)
    stranger = world.enrol(world.other_till)
    with transaction(world.sessions) as session:
        revoked_key, revoked_text = create_key(session, programme_id=world.market.id, name="r", scopes=frozenset(Scope))
        revoke_key(session, revoked_key)
    expired = world.key(world.market, expires_at=utc_now() - timedelta(seconds=1))
    revoked = Caller(world.client, revoked_text)
    wrong = Caller(world.client, "ip_x_y")
    policies = {endpoint.policy for endpoint in endpoints(world) if endpoint.policy and endpoint.policy.scope}
    needed = {policy: {policy.scope, policy.other_scope} - {None} for policy in policies}
    without = {policy: world.key(world.market, set(Scope) - scopes) for policy, scopes in needed.items()}
    own, other_member = world.member_session({"id": target.ids["member_id"]}), None
    other_member = world.member_session(stranger, world.other_till)
    failures = []

    def expect(role: str, caller: Caller, endpoint: Endpoint, allowed: set[int] | None, refused: set[int]) -> None:
        if endpoint.policy is not None and endpoint.policy.scope is Scope.PARTNERS_WRITE:
            put_partner_system(world)  # Whoever was asked before may have deleted it.
        status = ask(caller, endpoint, target).status_code
        if (allowed is not None and status not in allowed) or status in refused or status >= 500:
            failures.append(f"{role}: {endpoint.method} {endpoint.path} answered {status}")

    for endpoint in endpoints(world):
        policy = endpoint.policy
        assert policy is not None
        if policy.public:
            if endpoint.path.startswith("/v1"):
                expect("anonymous", world.anonymous, endpoint, None, {403})
            continue
        for role, caller in (
            ("anonymous", world.anonymous),
            ("revoked", revoked),
            ("expired", expired),
            ("wrong key", wrong),
        ):
            expect(role, caller, endpoint, {401}, set())
        if policy.scope is not None:
            expect(f"without {policy.scope}", without[policy], endpoint, {403}, set())
        if endpoint.names_a_thing:
            # Another programme's key and another member do not even learn that the thing is there.
            expect("other programme", world.other_till, endpoint, {404} if policy.scope else {403}, set())
            seen_by_members = policy.member and endpoint.path != "/v1/programmes/{programme_id}"
            if seen_by_members:
                expect("other member", other_member, endpoint, {404}, set())
        expect("member", own, endpoint, None if policy.member else {403}, {401, 404} if policy.member else set())
        expect("operator", world.operator, endpoint, None, {401, 403} if policy.operator else set())
        expect(
            "auditor",
            world.auditor,
            endpoint,
            None if policy.auditor else {403},
            {401, 403, 404} if policy.auditor else set(),
        )
        expect("programme", world.till, endpoint, None, {401, 403, 404} if policy.scope else {401})
    assert failures == [], "\n".join(failures)


class TestLists:
    def test_another_programme__never_sees_a_thing_of_ours(self, exchange_world: ExchangeWorld) -> None:
        world, target = exchange_world, things(exchange_world)
        stranger = world.member_session(world.enrol(world.other_till), world.other_till)
        for endpoint in endpoints(world):
            assert endpoint.policy is not None
            if endpoint.method != "GET" or "{" in endpoint.path or not endpoint.path.startswith("/v1"):
                continue
            text = world.other_till.get(endpoint.path).text
            # Who takes part in the clearing is known to all who do; `cycle` is a number.
            known = SHARED | ({"programme_id"} if endpoint.path.startswith("/v1/clearing") else set())
            assert not [name for name in set(target.ids) - known if target.ids[name] in text], endpoint.path
            if endpoint.policy.member and endpoint.path != "/v1/programmes":
                text = stranger.get(endpoint.path).text
                assert not [name for name in set(target.ids) - SHARED if target.ids[name] in text], endpoint.path


class TestKeys:
    def test_text__is_shown_once_and_never_stored(self, world: World) -> None:
        body = {"name": "till 2", "scopes": ["events:write"]}
        first = world.till.post("/v1/keys", body, key="k")
        again = world.till.post("/v1/keys", body, key="k")
        assert first.json()["secret"].startswith("ip_")
        assert (again.json()["secret"], again.json()["id"]) == (None, first.json()["id"])
        with world.sessions() as session:
            row = find_key(session, first.json()["id"], None)
            assert row is not None
            assert len(row.secret_hash) == 32
            assert authenticate_key(session, first.json()["secret"]).scopes == {Scope.EVENTS_WRITE}

    def test_own_programme__by_id_or_slug__another_one_is_said_to_be_needless(self, world: World) -> None:
        for own in (world.market.id, "market"):
            made = world.till.post("/v1/keys", {"name": "x", "programme_id": own})
            assert (made.status_code, made.json()["programme_id"]) == (201, world.market.id)
        refused = problem(world.till.post("/v1/keys", {"name": "x", "programme_id": "pharmacy"}), 404, "not-found")
        assert "Leave it out" in refused["detail"]

    def test_key__cannot_give_away_what_it_lacks(self, world: World) -> None:
        small = world.key(world.market, {Scope.KEYS_WRITE})
        problem(small.post("/v1/keys", {"name": "x", "scopes": ["events:write"]}), 403, "forbidden")

    def test_operator__may_name_the_programme_by_its_slug(self, world: World) -> None:
        made = world.operator.post("/v1/keys", {"name": "x", "programme_id": "market", "scopes": ["events:read"]})
        assert (made.status_code, made.json()["programme_id"]) == (201, world.market.id)

    def test_expiry_that_is_no_date_in_utc__is_refused_so_that_keys_can_be_listed(self, world: World) -> None:
        for time in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"):
            problem(world.till.post("/v1/keys", {"name": "x", "expires_at": time}), 422, "invalid-request")
        assert world.operator.get("/v1/keys").status_code == 200

    def test_key_of_no_programme__holds_no_scopes_that_would_not_bind_it(self, world: World) -> None:
        problem(world.operator.post("/v1/keys", {"name": "x", "scopes": ["events:read"]}), 422, "invalid-request")

    def test_key__cannot_rotate_one_that_holds_more(self, world: World) -> None:
        made = world.till.post("/v1/keys", {"name": "x", "scopes": ["points:spend"]}).json()
        small = world.key(world.market, {Scope.KEYS_WRITE})
        problem(small.post(f"/v1/keys/{made['id']}/rotate", {}), 403, "forbidden")

    def test_rotation__overlaps(self, world: World) -> None:
        made = world.till.post("/v1/keys", {"name": "x", "scopes": ["members:read"]}).json()
        old = Caller(world.client, made["secret"])
        path = f"/v1/keys/{made['id']}/rotate"
        fresh = Caller(world.client, world.till.post(path, {"overlap_seconds": 60}).json()["secret"])
        assert (old.get("/v1/members").status_code, fresh.get("/v1/members").status_code) == (200, 200)
        world.till.post(path, {"overlap_seconds": 0})
        assert (old.get("/v1/members").status_code, fresh.get("/v1/members").status_code) == (401, 200)

    def test_revoked__ends_at_once_on_the_quick_way_too(self, world: World) -> None:
        made = world.till.post("/v1/keys", {"name": "x", "scopes": ["events:write"]}).json()
        caller, member = Caller(world.client, made["secret"]), world.enrol()
        for _ in range(2):
            assert caller.post("/v1/events", world.purchase(member)).status_code == 201
        assert world.till.post(f"/v1/keys/{made['id']}/revoke").status_code == 200
        problem(caller.post("/v1/events", world.purchase(member)), 401, "unauthenticated")


class TestAuditors:
    def test_key__is_the_operators_to_make_and_reads_every_programme(self, world: World) -> None:
        made = world.operator.post("/v1/keys", {"name": "audit", "role": "auditor"}).json()
        auditor = Caller(world.client, made["secret"])
        assert (made["role"], made["programme_id"]) == ("auditor", None)
        slugs = {programme["slug"] for programme in auditor.get("/v1/programmes").json()["data"]}
        assert slugs == {"market", "pharmacy"}
        problem(auditor.post("/v1/members", {"reference": "x"}), 403, "forbidden")

    def test_key__stays_an_auditors_when_rotated(self, world: World) -> None:
        made = world.operator.post("/v1/keys", {"name": "audit", "role": "auditor"}).json()
        fresh = world.operator.post(f"/v1/keys/{made['id']}/rotate", {}).json()
        assert fresh["role"] == "auditor"
        problem(Caller(world.client, fresh["secret"]).post("/v1/keys", {"name": "x"}), 403, "forbidden")

    @pytest.mark.parametrize("role", ["auditor", "operator"])
    def test_programme__cannot_make_one(self, world: World, role: str) -> None:
        problem(world.till.post("/v1/keys", {"name": "x", "role": role}), 422, "invalid-request")


class TestRequests:
    def test_body_that_is_too_large__is_refused_as_a_problem(self, world: World) -> None:
        body = b" " * (MAX_BODY_BYTES + 1)
        for content in (body, iter([body[: 2**20]] * 5)):  # The second says nothing of its size before.
            headers = {"Content-Type": "application/json"}
            problem(world.till.request("POST", "/v1/members", content=content, headers=headers), 413, "too-large")

    def test_unknown_field__is_refused_rather_than_overlooked(self, world: World) -> None:
        member = world.enrol()
        order = {"member_id": member["id"], "reference": "r", "points": 1, "holds": {"expires_in_seconds": 60}}
        assert "holds" in problem(world.till.post("/v1/redemptions", order), 422, "invalid-request")["detail"]
        purchase = world.purchase(member) | {"mod": "dry_run"}
        assert "mod" in problem(world.till.post("/v1/events", purchase), 422, "invalid-request")["detail"]

    @pytest.mark.parametrize("slug", ["bad-request", "method-not-allowed", "not-found", "too-large"])
    def test_problem_of_http_itself__is_explained_as_well(self, world: World, slug: str) -> None:
        assert world.anonymous.get(f"/problems/{slug}").json()["type"] == f"/problems/{slug}"

    def test_refused_write_with_a_path_that_cannot_be_stored__gives_its_connection_back(self, world: World) -> None:
        for _ in range(3):
            problem(world.till.post("/v1/redemptions/%00/release"), 422, "invalid-request")
        assert world.client.app.state.context.engine.pool.checkedout() == 0  # type: ignore[attr-defined]

    def test_request_id__is_taken_over_and_answered(self, world: World) -> None:
        answer = world.till.get("/v1/members", headers={"X-Request-Id": "till-7.42"})
        assert answer.headers["x-request-id"] == "till-7.42"
        assert world.till.get("/v1/members", headers={"X-Request-Id": "no good"}).headers["x-request-id"] != "no good"

    def test_writes__are_in_the_access_log_with_their_outcome(self, world: World) -> None:
        from sqlalchemy import select

        from backend.auth.models import AccessLogEntry

        world.enrol()
        world.till.post("/v1/members", {"reference": "x", "member_id": "mem_1"})
        with world.sessions() as session:
            rows = session.execute(select(AccessLogEntry.path, AccessLogEntry.status).order_by(AccessLogEntry.id)).all()
        assert [tuple(row) for row in rows] == [("/v1/members", 201), ("/v1/members", 403)]


def _lists(world: World) -> list[str]:
    """Paths of the lists that can be asked for one programme."""
    found = [
        path
        for path, route in routes_of(world.client.app.routes)  # type: ignore[attr-defined]
        if "GET" in (route.methods or ())
        and "{" not in path
        and "programme_id" in {parameter.name for parameter in route.dependant.query_params}
    ]
    assert len(found) == 7
    return found


def test_lists__of_a_programme_by_id_or_slug__and_not_of_one_that_is_not_there(exchange_world: ExchangeWorld) -> None:
    world = exchange_world
    things(world)
    for path in _lists(world):
        by_id, by_slug = (
            world.operator.get(path, params={"programme_id": each}).json() for each in (world.market.id, "market")
        )
        assert by_slug == by_id, path
        own = world.till.get(path, params={"programme_id": "market"})
        assert (own.status_code, len(own.json()["data"])) == (200, len(by_id["data"])), path
        for caller, asked in ((world.operator, "nobody"), (world.till, "pharmacy"), (world.till, "nobody")):
            problem(caller.get(path, params={"programme_id": asked}), 404, "not-found")
