"""Cursor pagination: `limit` and an opaque `cursor` that says where the next page starts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeAlias, TypeVar

import orjson
from fastapi import Query
from pydantic import BaseModel, Field

from backend.errors import InvalidRequestError

MAX_PAGE_SIZE = 200

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="Most entries to answer")]
"""`?limit=`"""
CursorText = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before")]
"""`?cursor=`"""

Key: TypeAlias = list[str | int]

Item = TypeVar("Item")
Row = TypeVar("Row")


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


def encode_cursor(key: Key) -> str:
    """An opaque text for the sort key of the last entry of a page."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def decode_cursor(text: str | None, *types: type) -> Key | None:
    """The sort key in `text`, whose parts must have the given types. Raises InvalidRequestError."""
    if text is None:
        return None
    try:
        key = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError("The cursor is not one of ours; leave it out to start again.") from error
    wanted = isinstance(key, list) and len(key) == len(types)
    if not wanted or any(type(part) is not kind for part, kind in zip(key, types, strict=True)):
        raise InvalidRequestError("The cursor belongs to another list; leave it out to start again.")
    if any(type(part) is int and not -(2**63) <= part < 2**63 for part in key):
        raise InvalidRequestError("The cursor is not one of ours; leave it out to start again.")
    if any(type(part) is str and "\0" in part for part in key):
        raise InvalidRequestError("The cursor is not one of ours; leave it out to start again.")
    return list(key)


def page_of(rows: Sequence[Row], limit: int, key: Callable[[Row], Key], item: Callable[[Row], Item]) -> Page[Item]:
    """A page from up to `limit + 1` rows: the extra one only says that there is a next page."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(data=[item(row) for row in shown], next_cursor=encode_cursor(key(shown[-1])) if more else None)
