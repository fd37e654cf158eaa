"""Swaps that came from another chain, as the exchange here has logged them: minted, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.chain.exchange_types import RefusalReason
from backend.chain.models import Block, TokenEvent
from backend.exchange.lane_schemas import ArrivalRead
from backend.exchange.preflight import Route
from backend.exchange.swap_views import logged_lots
from backend.hexes import address_text, hex_text
from backend.members.models import Enrolment
from backend.points.clock import to_time

_OUTCOMES = ("SwapMinted", "SwapRefused")
_REASONS: dict[RefusalReason, Literal["deadline_past", "lane_not_open", "price_differs"]] = {
    RefusalReason.DEADLINE_PAST: "deadline_past",
    RefusalReason.LANE_NOT_OPEN: "lane_not_open",
    RefusalReason.PRICE_DIFFERS: "price_differs",
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A log of the exchange, with the time of its block."""

    event: TokenEvent
    timestamp: int


def list_arrivals(session: Session, route: Route, *, before: tuple[int, int] | None, limit: int) -> list[Arrival]:
    """Of a lane, newest first, `before` a block and log; a lane that does not come from another chain has none."""
    if not route.source.is_branch:
        return []
    query = (
        select(TokenEvent, Block.timestamp)
        .join(Block, (Block.chain_id == TokenEvent.chain_id) & (Block.number == TokenEvent.block_number))
        .where(
            TokenEvent.token == route.exchange.address,
            TokenEvent.name.in_(_OUTCOMES),
            TokenEvent.payload["lane_id"].astext == hex_text(route.lane.lane),
        )
        .order_by(TokenEvent.block_number.desc(), TokenEvent.log_index.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(TokenEvent.block_number, TokenEvent.log_index) < before)
    return [Arrival(*row) for row in session.execute(query)]


def read_arrivals(
    session: Session, caller: Caller, route: Route, arrivals: Sequence[Arrival]
) -> dict[int, ArrivalRead]:
    """As they are shown, by the row of the log. Whose account it is only the destination sees."""
    members: dict[bytes, str] = {}
    if caller.sees_programme(route.destination.id):
        accounts = {each.event.account for each in arrivals if each.event.account is not None}
        for account in (Enrolment.managed_account, Enrolment.account):
            query = select(account, Enrolment.member_id).where(
                Enrolment.programme_id == route.destination.id, account.in_(accounts)
            )
            members |= {row[0]: row[1] for row in session.execute(query)}
    return {each.event.id: _read(each, route, members) for each in arrivals}


def _read(arrival: Arrival, route: Route, members: dict[bytes, str]) -> ArrivalRead:
    event = arrival.event
    assert event.ref is not None, "logs of swaps are stored under the swap's id"
    payload = cast("dict[str, Any]", event.payload)
    minted = event.name == "SwapMinted"
    return ArrivalRead(
        swap_hash=hex_text(event.ref),
        outcome="minted" if minted else "refused",
        reason=None if minted else _REASONS[RefusalReason(payload["reason"])],
        recipient=address_text(event.account) if event.account is not None else None,
        member_id=members.get(event.account) if event.account is not None else None,
        points_out=payload["points_out"] if minted else None,
        lots_out=logged_lots(route.destination, payload if minted else None, "lots"),
        message_id=None if minted else payload["message_id"],
        block_number=event.block_number,
        block_time=to_time(arrival.timestamp),
        transaction_hash=hex_text(event.transaction_hash),
        log_index=event.log_index,
    )
