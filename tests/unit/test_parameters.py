"""Which query parameters an endpoint takes, and what is told about others."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from fastapi import APIRouter, Depends, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.datastructures import QueryParams

from backend.parameters import MOST_TOLD, parameters_of, wrong_parameters

TAKEN = {"programme_id": False, "status": False, "limit": False, "tag": True}


class Window(BaseModel):
    since: int = 0
    until: int | None = Field(default=None, alias="to")


async def _sorting(order: Literal["up", "down"] = "up") -> str:
    return order


async def _paging(sorting: Annotated[str, Depends(_sorting)], cursor: str | None = None) -> None:
    assert sorting


def _told(query: str) -> dict[str, str]:
    wrong = wrong_parameters(QueryParams(query), TAKEN)
    return {".".join(error["loc"]): str(error["msg"]) for error in wrong}  # type: ignore[arg-type]


def test_parameters__are_the_endpoints_its_dependencies_and_its_query_models() -> None:
    router = APIRouter()

    @router.get("/{thing}")
    def read(
        thing: str,
        paging: Annotated[None, Depends(_paging)],
        window: Annotated[Window, Query()],
        open_only: Annotated[bool, Query(alias="open")] = True,
        tag: Annotated[list[str] | None, Query()] = None,
    ) -> None: ...

    (route,) = router.routes
    assert isinstance(route, APIRoute)
    assert parameters_of(route.dependant) == {
        "since": False,
        "to": False,
        "open": False,
        "tag": True,
        "order": False,
        "cursor": False,
    }


@pytest.mark.parametrize("query", ["", "limit=1&status=", "tag=a&tag=b&limit=1", "limit"])
def test_query__of_known_parameters__is_not_wrong(query: str) -> None:
    assert wrong_parameters(QueryParams(query), TAKEN) == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("programe_id=x", "; did you mean programme_id?"),
        ("state=open", "; did you mean status?"),
        ("limit=1&tags=a", "; did you mean tag?"),
        ("utm_source=mail", ""),
        ("programe_id=x&programe_id=y", "; did you mean programme_id?"),
    ],
)
def test_parameter__that_is_unknown__is_named_with_those_that_are_taken(query: str, told: str) -> None:
    ((field, message),) = _told(query).items()
    assert field.removeprefix("query.") in query
    assert message == f"is not a parameter of this endpoint, which takes programme_id, status, limit, tag{told}"


def test_parameter__where_none_is_taken() -> None:
    (error,) = wrong_parameters(QueryParams("x=1"), {})
    assert error["msg"] == "is not a parameter of this endpoint, which takes none"


def test_parameter__given_twice_where_one_value_is_taken() -> None:
    assert _told("limit=1&limit=2&status=a&limit=1") == {"query.limit": "is given 3 times; give it once"}


def test_query__of_very_much__is_told_in_part() -> None:
    told = _told("&".join(f"{number}{'x' * 900}=1" for number in range(500)))
    assert len(told) == MOST_TOLD
    assert max(map(len, told)) < 80
