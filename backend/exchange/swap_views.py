"""Swaps as they are shown, each to those who may see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.exchange import repository
from backend.exchange.deployment import Exchanges
from backend.exchange.errors import SwapNotFoundError
from backend.exchange.identifiers import lane_text
from backend.exchange.models import Swap
from backend.exchange.refusals import remedy
from backend.exchange.repository import SwapRow
from backend.exchange.schemas import CrossingRead, SwapProblem, SwapRead
from backend.exchange.settlement_money import SettlementMoney
from backend.exchange.states import Events, Outcome, swap_state
from backend.hexes import address_text, hex_text
from backend.points.accounts import LotAmount
from backend.points.clock import to_time
from backend.points.redemptions import read_lots
from backend.points.schemas import LotRead
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme


@dataclass(frozen=True, slots=True)
class _Seen:
    """What both chains have said of a swap."""

    events: Events
    outcome: Outcome | None


def visible_swap(session: Session, caller: Caller, swap_id: str) -> SwapRow:
    """A swap that the caller may see: as the member, as either programme, as operator or auditor.

    Raises SwapNotFoundError.
    """
    rows = repository.list_swaps(
        session, limit=1, swap_id=swap_id, party=caller.programme_id, member_id=caller.member_id
    )
    if not rows:
        raise SwapNotFoundError(f"There is no swap {swap_id} that you may see.")
    return rows[0]


def read_swaps(session: Session, exchanges: Exchanges, caller: Caller, rows: Sequence[SwapRow]) -> dict[str, SwapRead]:
    """Swaps as this caller sees them, by id."""
    events = repository.swap_events(session, exchanges.addresses, [row.swap.swap_hash for row in rows])
    outcomes = repository.outcomes_of(session, [row.swap.id for row in rows])
    programmes: dict[str, Programme] = {}
    for row in rows:
        for programme_id in (row.swap.programme_id, row.swap.destination_programme_id):
            programmes.setdefault(programme_id, get_programme(session, programme_id))
    read = {}
    for row in rows:
        ends = (programmes[row.swap.programme_id], programmes[row.swap.destination_programme_id])
        seen = _Seen(events.get(row.swap.swap_hash, {}), outcomes.get(row.swap.id))
        shown = _read(row, seen, ends, exchanges)
        read[row.swap.id] = _as_seen_by(caller, row, shown)
    return read


def _as_seen_by(caller: Caller, row: SwapRow, swap: SwapRead) -> SwapRead:
    """Without what only the asker may know: the destination learns no number of the source's.

    A member of the source alone, whose points go abroad, is unknown to it: no request of its own would find them.
    """
    hidden: dict[str, None] = {}
    if not caller.sees_everything and row.swap.requester not in (caller.programme_id, caller.member_id):
        hidden["reference"] = None
    if caller.programme_id == row.swap.destination_programme_id:
        hidden["operation_id"] = None
        if row.swap.destination_enrolment_id is None:
            hidden["member_id"] = None
    return swap.model_copy(update=hidden)


def _read(row: SwapRow, seen: _Seen, ends: tuple[Programme, Programme], exchanges: Exchanges) -> SwapRead:
    swap, (source, destination), events = row.swap, ends, seen.events
    price = events.get("SwapBurnt", {}).get("price")
    pending = events.get("SwapPending", {}).get("pending")
    refund = events.get("SwapRefunded")
    state = swap_state(row.operation, events, seen.outcome)
    return SwapRead(
        id=swap.id,
        lane_id=lane_text(swap.lane_id),
        source_programme_id=source.id,
        destination_programme_id=destination.id,
        member_id=row.member_id,
        reference=swap.reference,
        state=state,
        max_points_in=swap.max_points_in,
        min_points_out=swap.min_points_out,
        points_in=price["points_in"] if price else None,
        points_out=price["points_out"] if price else None,
        expected_points_in=swap.expected_points_in,
        expected_points_out=swap.expected_points_out,
        lots_in=logged_lots(source, events.get("SwapBurnt"), "lots"),
        lots_out=logged_lots(destination, events.get("SwapMinted"), "lots"),
        lots_refunded=logged_lots(source, refund, "restored"),
        expired_points=refund["expired_amount"] if refund else None,
        settlement=SettlementMoney.of_units(price["settlement"], exchanges.currency) if price else None,
        quote_id=swap.quote_id,
        deadline=swap.deadline,
        crossing=_crossing(swap, seen, destination, exchanges),
        refundable_from=to_time(pending["refundable_from"]) if pending and state == "posting" else None,
        account=address_text(swap.account),
        recipient=address_text(swap.recipient),
        swap_hash=hex_text(swap.swap_hash),
        error=_problem(row) if state == "failed" else None,
        operation_id=row.operation.id,
        created_at=swap.created_at,
    )


def _crossing(swap: Swap, seen: _Seen, destination: Programme, exchanges: Exchanges) -> CrossingRead | None:
    """The way to the other chain, of a swap that has set out on it."""
    sent = seen.events.get("SwapSent")
    if sent is None:
        return None
    chain_id = destination.home_chain_id
    counterpart = exchanges.abroad.counterpart(chain_id) if exchanges.abroad is not None else None
    exchange, number = (address_text(counterpart) if counterpart is not None else None), sent["swap"]["number"]
    where = None
    if seen.outcome is None:
        where = (
            f"Ask the exchange {exchange or 'there'} on chain {chain_id}: outcomeOf({hex_text(swap.lane_id)}, {number})"
            " is 1 once the points are minted, and 3 once the swap is refused and its refund is on its way. A worker"
            " with the role `follow` does so by itself where INTERPOINTS_PEER_RPC_URLS names that chain."
        )
    return CrossingRead(
        chain_id=chain_id,
        exchange=exchange,
        number=number,
        message_id=sent["message_id"],
        outcome=seen.outcome.value if seen.outcome is not None else "unknown",
        where_to_look=where,
    )


def logged_lots(programme: Programme, payload: Any, name: str) -> list[LotRead] | None:
    """The lots under `name` in what the exchange has logged; None when it has not."""
    if payload is None:
        return None
    return read_lots(programme, [LotAmount(int(epoch), int(points)) for epoch, points in payload[name]])


def _problem(row: SwapRow) -> SwapProblem:
    code = row.operation.error_code or "Unknown"
    return SwapProblem(code=code, detail=row.operation.error_detail, what_to_do=remedy(code))
