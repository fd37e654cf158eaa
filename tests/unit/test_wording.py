"""What users of the API are told of a value that cannot be taken."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from fastapi import Body as BodyPart
from fastapi import FastAPI, Query
from fastapi.testclient import TestClient
from pydantic import Field, model_validator

from backend.bodies import Body, WrittenTime
from backend.exchange.schemas import QuoteCreate
from backend.handlers import install_handlers


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Body):
    amount: str = Field(pattern=r"^[0-9]{1,13}(\.[0-9]{1,3})?$")


class Order(Body):
    reference: str = Field(default="a", min_length=1, max_length=3)
    points: int = Field(default=1, gt=0, lt=10, strict=True)
    count: int = Field(default=1, ge=1, le=5)
    ready: bool = True
    mode: Literal["commit", "dry_run"] = "commit"
    colour: Colour = Colour.RED
    inner: Inner | None = None
    facts: dict[str, str] = Field(default_factory=dict)
    labels: list[str] = Field(default=[], min_length=1, max_length=2)
    at: WrittenTime | None = None
    day: datetime | None = None

    @model_validator(mode="after")
    def _not_three(self) -> Order:
        if self.points == 3:
            raise ValueError("three is no number of points")
        return self


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    install_handlers(app)

    @app.post("/orders")
    def order(body: Order, limit: Annotated[int, Query(le=200)] = 1, colour: Colour | None = None) -> None: ...

    @app.post("/quotes")
    def quote(body: Annotated[QuoteCreate, BodyPart()]) -> None: ...

    return TestClient(app)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"inner": {}}, "body.inner.amount", "is required"),
        ({"refrence": "x"}, "body.refrence", "is not a field here; leave it out or correct its name"),
        ({"reference": 1}, "body.reference", "must be a text in quotes"),
        ({"reference": ""}, "body.reference", "must have 1 or more characters"),
        ({"reference": "long"}, "body.reference", "must have 3 or fewer characters"),
        ({"points": "1"}, "body.points", "must be a whole number, without quotes"),
        ({"points": 0}, "body.points", "must be greater than 0"),
        ({"points": 10}, "body.points", "must be less than 10"),
        ({"points": 3}, "body", "three is no number of points"),
        ({"count": "many"}, "body.count", "must be a whole number"),
        ({"count": 1.5}, "body.count", "must be a whole number"),
        ({"count": "9" * 5000}, "body.count", "is too large a number"),
        ({"count": 0}, "body.count", "must be 1 or more"),
        ({"count": 6}, "body.count", "must be 5 or less"),
        ({"count": None}, "body.count", "must be a whole number, without quotes"),
        ({"ready": "perhaps"}, "body.ready", "must be true or false"),
        ({"ready": []}, "body.ready", "must be true or false"),
        ({"mode": "dry"}, "body.mode", "must be 'commit' or 'dry_run'"),
        ({"colour": "green"}, "body.colour", "must be 'red' or 'blue'"),
        ({"inner": "x"}, "body.inner", "must be a JSON object"),
        ({"facts": "x"}, "body.facts", "must be a JSON object"),
        (
            {"inner": {"amount": "12,90"}},
            "body.inner.amount",
            "must be a decimal number with up to 13 digits and 3 decimals, for example 12.90",
        ),
        ({"labels": "x"}, "body.labels", "must be a JSON array"),
        ({"labels": []}, "body.labels", "must have 1 or more entries"),
        ({"labels": ["a", "b", "c"]}, "body.labels", "must have 2 or fewer entries"),
        (
            {"at": 1},
            "body.at",
            "the time must be written as in RFC 3339, for example 2026-01-05T18:04:00Z",
        ),
        ({"at": "2026-13-05T18:04:00Z"}, "body.at", "must be a time as in RFC 3339, for example 2026-01-05T18:04:00Z"),
        ({"day": "yesterday"}, "body.day", "must be a time as in RFC 3339, for example 2026-01-05T18:04:00Z"),
        (
            {"at": "2026-01-05T18:04:00"},
            "body.at",
            "must say the time zone: end it with Z, or an offset such as +01:00",
        ),
        ([], "body", "must be a JSON object"),
        (None, "body", "must be a JSON object"),
    ],
)
def test_body__that_cannot_be_taken__says_what_to_send(client: TestClient, body: Any, field: str, message: str) -> None:
    answer = client.post("/orders", content=json.dumps(body), headers={"Content-Type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "/problems/invalid-request")
    assert problem["errors"] == [{"field": field, "message": message}]
    assert problem["detail"] == f"{field}: {message}"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"limit": "all"}, "query.limit: must be a whole number"),
        ({"limit": "201"}, "query.limit: must be 200 or less"),
        ({"colour": "green"}, "query.colour: must be 'red' or 'blue'"),
    ],
)
def test_query__that_cannot_be_taken__says_what_to_send(client: TestClient, query: dict[str, str], told: str) -> None:
    assert client.post("/orders", params=query, json={}).json()["detail"] == told


def test_body__that_is_not_there__is_required(client: TestClient) -> None:
    assert client.post("/orders").json()["detail"] == "body: is required"


@pytest.mark.parametrize("path", ["/orders", "/quotes"])
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain"])
def test_body__sent_as_something_else__names_the_header(client: TestClient, path: str, content_type: str) -> None:
    answer = client.post(path, content=b'{"reference": "a"}', headers={"Content-Type": content_type})
    assert answer.json()["detail"] == "body: must be JSON; send it with `Content-Type: application/json`"


def test_body__that_is_no_json__says_where(client: TestClient) -> None:
    answer = client.post("/orders", content=b'{"reference": }', headers={"Content-Type": "application/json"})
    assert answer.json()["errors"] == [{"field": "body.14", "message": "is not JSON: Expecting value"}]
