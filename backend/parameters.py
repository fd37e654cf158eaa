"""The query parameters that an endpoint takes. Others are refused: a mistyped filter would answer everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any, get_args, get_origin

from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from starlette.datastructures import QueryParams

MOST_TOLD = 20
_LONGEST_NAME = 64
_MANY = (list, set, frozenset, tuple)


def parameters_of(dependant: Dependant) -> dict[str, bool]:
    """Names of the query parameters of an endpoint and of what it depends on; whether each may come several times."""
    declared = Dependant(query_params=[*_declared(dependant)])
    return {
        field.validation_alias or field.alias: _is_list(field.field_info.annotation)
        for field in get_flat_params(declared)  # The fields of query models instead of the models.
    }


def _declared(dependant: Dependant) -> Iterator[Any]:
    yield from dependant.query_params
    for other in dependant.dependencies:
        yield from _declared(other)


def _is_list(annotation: object) -> bool:
    return any((get_origin(part) or part) in _MANY for part in (annotation, *get_args(annotation)))


def wrong_parameters(query: QueryParams, taken: Mapping[str, bool]) -> list[dict[str, object]]:
    """What of a query is not taken, and what comes twice but may not, in the form of Pydantic's errors."""
    counts = Counter(name for name, _ in query.multi_items())
    wrong = ((name, count) for name, count in counts.items() if name not in taken or (count > 1 and not taken[name]))
    return [
        {"type": "query_parameter", "loc": ("query", name[:_LONGEST_NAME]), "msg": _told(name, count, taken)}
        for name, count in islice(wrong, MOST_TOLD)
    ]


def _told(name: str, count: int, taken: Mapping[str, bool]) -> str:
    if name in taken:
        return f"is given {count} times; give it once"
    names = ", ".join(taken) or "none"
    nearest = get_close_matches(name[:_LONGEST_NAME], taken, 1)
    question = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"is not a parameter of this endpoint, which takes {names}{question}"
