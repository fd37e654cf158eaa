"""Ids of lanes and programmes as the API, and as the chain, writes them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from backend.chain.points_exchange import crosschain_lane_id
from backend.errors import NotFoundError
from backend.programmes.models import Programme

_LANE = re.compile(r"lan_[0-9a-f]{64}", re.ASCII)
LaneText = Annotated[str, Field(pattern=r"^lan_[0-9a-f]{64}$")]
"""Public id of a lane: `lan_` and its id on chain."""


def programme_key(slug: str) -> bytes:
    """A programme's id in the registry: its slug in ASCII, filled with zeros."""
    return slug.encode("ascii").ljust(32, b"\0")


def slug_of(key: bytes) -> str:
    """The slug behind a programme's id in the registry."""
    return key.rstrip(b"\0").decode("ascii", "replace")


def lane_text(lane: bytes) -> str:
    """Public id of a lane."""
    return "lan_" + lane.hex()


def parse_lane(text: str) -> bytes:
    """The lane's id on chain. Raises NotFoundError when it is not one."""
    if not _LANE.fullmatch(text):
        raise NotFoundError(f"There is no lane {text}.")
    return bytes.fromhex(text.removeprefix("lan_"))


def lane_between(source: Programme, destination: Programme) -> bytes:
    """The lane's id on chain, whether or not it was ever proposed."""
    keys = programme_key(source.slug), programme_key(destination.slug)
    return crosschain_lane_id(source.home_chain_id, keys[0], destination.home_chain_id, keys[1])
