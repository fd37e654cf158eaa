"""Requests that ask for what an endpoint does not know: refused everywhere under /v1, and told why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from backend.auth.models import AccessLogEntry
from backend.wording import in_plain_words
from tests.integration.api.world import World, problem

NDJSON = {"Content-Type": "application/x-ndjson"}


def _schema(world: World) -> dict[str, Any]:
    schema: dict[str, Any] = world.client.app.openapi()  # type: ignore[attr-defined]
    return schema


def _operations(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, a path with made-up ids, and description of every endpoint under /v1."""
    for path, methods in _schema(world)["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/v1"):
                made_up = {each["name"]: "1" for each in operation.get("parameters", []) if each["in"] == "path"}
                yield method.upper(), path.format(**made_up), operation


def _patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _patterns(part)


def test_every_endpoint__refuses_parameters_that_it_does_not_take(world: World) -> None:
    found = list(_operations(world))
    assert len(found) > 60
    for method, path, operation in found:
        answer = world.operator.request(method, f"{path}?nosuch=1")
        taken = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
        told = problem(answer, 422, "invalid-request")
        message = f"is not a parameter of this endpoint, which takes {', '.join(taken) or 'none'}"
        assert told["errors"] == [{"field": "query.nosuch", "message": message}], f"{method} {path}"


def test_every_endpoint__refuses_strangers_before_parameters(world: World) -> None:
    closed = [(method, path) for method, path, operation in _operations(world) if "security" in operation]
    assert len(closed) > 55
    for method, path in closed:
        problem(world.anonymous.request(method, f"{path}?nosuch=1"), 401, "unauthenticated")


def test_parameter__that_is_mistyped__names_the_nearest(world: World) -> None:
    told = problem(world.operator.get("/v1/members?programe_id=market"), 422, "invalid-request")
    assert told["detail"] == (
        "query.programe_id: is not a parameter of this endpoint,"
        " which takes programme_id, reference, limit, cursor; did you mean programme_id?"
    )


def test_parameter__given_twice__is_refused(world: World) -> None:
    told = problem(world.operator.get("/v1/members?limit=1&limit=2"), 422, "invalid-request")
    assert told["detail"] == "query.limit: is given 2 times; give it once"


def test_write__refused_for_a_parameter__writes_nothing_and_is_in_the_access_log(world: World) -> None:
    body = {"reference": "somebody"}
    problem(world.till.post("/v1/members?mode=dry_run", body, key="once"), 422, "invalid-request")
    assert world.till.get("/v1/members").json()["data"] == []
    assert world.till.post("/v1/members", body, key="once").status_code == 201
    with world.sessions() as session:
        rows = session.execute(select(AccessLogEntry.path, AccessLogEntry.status).order_by(AccessLogEntry.id)).all()
    assert [tuple(row) for row in rows] == [("/v1/members?mode=dry_run", 422), ("/v1/members", 201)]


def test_pages_and_monitors__may_add_parameters_of_their_own(world: World) -> None:
    member = world.enrol()
    link = world.till.post(f"/v1/members/{member['id']}/links", {}).json()["link_token"]
    for path, status in {
        "/": 200,
        "/me": 401,
        f"/m/{link}": 303,
        "/health": 200,
        "/metrics": 200,
        "/ready": 503,
        "/problems/conflict": 200,
    }.items():
        answer = world.client.get(f"{path}?utm_source=mail&utm_source=again", follow_redirects=False)
        assert answer.status_code == status, path


@pytest.mark.parametrize("path", ["balances", "history"])
def test_members_points__in_a_programme_that_is_not_there(world: World, path: str) -> None:
    member = world.enrol()
    address = f"/v1/members/{member['id']}/{path}"
    for caller, asked in ((world.operator, "nosuch"), (world.till, "nosuch"), (world.till, "pharmacy")):
        problem(caller.get(address, params={"programme_id": asked}), 404, "not-found")
    problem(world.member_session(member).get(address, params={"programme_id": "nosuch"}), 404, "not-found")
    # A programme that the member is not in is there, and empty.
    assert world.operator.get(address, params={"programme_id": "pharmacy"}).json()["data"] == []


def test_members_points__of_a_programme_by_id_or_slug(world: World) -> None:
    member = world.enrol()
    address = f"/v1/members/{member['id']}/balances"
    for asked in ("market", world.market.id):
        (balance,) = world.operator.get(address, params={"programme_id": asked}).json()["data"]
        assert balance["programme_id"] == world.market.id


@pytest.mark.parametrize("path", ["/v1/events", "/v1/redemptions"])
def test_lists__of_a_member_who_is_not_there(world: World, path: str) -> None:
    member, stranger = world.enrol(), world.enrol(world.other_till)
    own = world.member_session(member)
    for caller, asked in ((world.operator, "nosuch"), (world.till, stranger["id"]), (own, stranger["id"])):
        problem(caller.get(path, params={"member_id": asked}), 404, "not-found")
    for caller in (world.operator, world.till, own):
        assert caller.get(path, params={"member_id": member["id"]}).json()["data"] == []


def test_bulk_enrolment__says_in_plain_words_what_is_wrong_with_a_line(world: World) -> None:
    def told(line: str) -> str:
        body = json.dumps({"reference": "a"}) + "\n" + line
        answer = world.till.request("POST", "/v1/members/bulk", content=body, headers=NDJSON)
        detail: str = problem(answer, 422, "invalid-request")["detail"]
        return detail

    assert told("{}") == "Line 2: reference: is required"
    assert told('{"reference": ""}') == "Line 2: reference: must have 1 or more characters"
    assert told("[]") == "Line 2: must be a JSON object"
    assert told("{") == "Line 2: is not JSON: EOF while parsing an object at line 1 column 1"


def test_pattern__of_every_field_of_the_api__has_words(world: World) -> None:
    found = set(_patterns(_schema(world)))
    assert len(found) > 10
    wordless = [
        pattern
        for pattern in found
        if "must" not in in_plain_words({"type": "string_pattern_mismatch", "msg": "", "ctx": {"pattern": pattern}})
    ]
    assert wordless == []
