"""Burnt swaps that wait for a partner, read from the projection - only from its final part."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from backend.chain.event_types import Lot
from backend.chain.exchange_types import PendingSwap
from backend.chain.models import Block, TokenEvent
from backend.exchange.models import Swap
from backend.partners.machine import SwapEnd
from backend.partners.models import Posting

_ENDS = {"SwapPosted": SwapEnd.COMPLETED, "SwapRefunded": SwapEnd.REFUNDED}


@dataclass(frozen=True, slots=True)
class Burn:
    """A burnt swap: where it was logged, what was logged, and the time of its block (Unix seconds)."""

    exchange: bytes
    swap_hash: bytes
    pending: PendingSwap
    timestamp: int


def new_burns(
    session: Session, chain_id: int, exchange: bytes, after_block: int, last_block: int
) -> list[tuple[Swap, Burn]]:
    """Swaps of ours, without a posting, whose burn was logged in these blocks.

    A wallet can burn under a ref of ours in other terms than those asked for; such a swap is not ours to post.
    """
    query = (
        select(Swap, TokenEvent, Block.timestamp)
        .join(TokenEvent, TokenEvent.ref == Swap.swap_hash)
        .join(Block, (Block.chain_id == TokenEvent.chain_id) & (Block.number == TokenEvent.block_number))
        .where(
            TokenEvent.name == "SwapPending",
            TokenEvent.chain_id == chain_id,
            TokenEvent.token == exchange,
            TokenEvent.block_number > after_block,
            TokenEvent.block_number <= last_block,
            ~exists().where(Posting.swap_id == Swap.id),
        )
        .order_by(TokenEvent.block_number, TokenEvent.log_index)
    )
    found = [(swap, _burn(event, timestamp)) for swap, event, timestamp in session.execute(query)]
    return [
        (swap, burn)
        for swap, burn in found
        if (burn.pending.lane_id, burn.pending.to) == (swap.lane_id, swap.recipient)
    ]


def burns_of(session: Session, exchange: bytes, swap_hashes: Collection[bytes]) -> dict[bytes, Burn]:
    """The burns of these swaps by their hashes."""
    query = (
        select(TokenEvent, Block.timestamp)
        .join(Block, (Block.chain_id == TokenEvent.chain_id) & (Block.number == TokenEvent.block_number))
        .where(TokenEvent.token == exchange, TokenEvent.ref.in_(list(swap_hashes)), TokenEvent.name == "SwapPending")
    )
    burns = [_burn(event, timestamp) for event, timestamp in session.execute(query)]
    return {burn.swap_hash: burn for burn in burns}


def ends_of(session: Session, exchange: bytes, swap_hashes: Collection[bytes], last_block: int) -> dict[bytes, SwapEnd]:
    """What became of burnt swaps up to `last_block`, by their hashes; those that wait are left out."""
    query = select(TokenEvent.ref, TokenEvent.name).where(
        TokenEvent.token == exchange,
        TokenEvent.ref.in_(list(swap_hashes)),
        TokenEvent.name.in_(list(_ENDS)),
        TokenEvent.block_number <= last_block,
    )
    return {ref: _ENDS[name] for ref, name in session.execute(query) if ref is not None}


def _burn(event: TokenEvent, timestamp: int) -> Burn:
    assert event.ref is not None, "a SwapPending is about a swap"
    pending = cast("dict[str, object]", event.payload["pending"])
    return Burn(event.token, event.ref, read_pending(pending), timestamp)


def read_pending(payload: dict[str, object]) -> PendingSwap:
    """The struct out of the projection's JSON."""
    lots = cast("list[list[int]]", payload["lots"])
    return PendingSwap(
        lane_id=_bytes(payload["lane_id"]),
        account=_bytes(payload["account"]),
        to=_bytes(payload["to"]),
        points_out=_number(payload["points_out"]),
        settlement=_number(payload["settlement"]),
        refundable_from=_number(payload["refundable_from"]),
        lots=tuple(Lot(*pair) for pair in lots),
    )


def _bytes(value: object) -> bytes:
    assert isinstance(value, str)
    return bytes.fromhex(value.removeprefix("0x"))


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
