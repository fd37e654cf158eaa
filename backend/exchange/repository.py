"""Queries on quotes and swaps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Boolean, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from backend.chain.models import Operation, TokenEvent
from backend.chain.points_exchange import QUOTER_ROLE
from backend.exchange.models import Crossing, ExchangeQuote, Swap
from backend.exchange.states import SWAP_EVENTS, Events, Outcome
from backend.hexes import hex_text
from backend.members.models import Enrolment
from backend.programmes.models import Programme

_IS_UNSETTLED = literal_column("operations.state IN ('pending','sent')", Boolean)
"""`UNSETTLED` of backend.points.accounts, spelt so that the index of the few unsettled operations is used."""


@dataclass(frozen=True, slots=True)
class SwapRow:
    """A swap with its operation and its member."""

    swap: Swap
    operation: Operation
    member_id: str


def find_by_reference(session: Session, requester: str, reference: str) -> Swap | None:
    """The swap that `requester` asked for under this reference."""
    return session.scalar(select(Swap).where(Swap.requester == requester, Swap.reference == reference))


def list_swaps(
    session: Session,
    *,
    limit: int,
    swap_id: str | None = None,
    party: str | None = None,
    source: str | None = None,
    destination: str | None = None,
    member_id: str | None = None,
    lane: bytes | None = None,
    requester: str | None = None,
    reference: str | None = None,
    before: str | None = None,
) -> list[SwapRow]:
    """Swaps, newest first; `party` is a programme that is either source or destination."""
    query = (
        select(Swap, Operation, Enrolment.member_id)
        .join(Operation, Operation.id == Swap.operation_id)
        .join(Enrolment, Enrolment.id == Swap.enrolment_id)
        .order_by(Swap.id.desc())
        .limit(limit)
    )
    if party is not None:
        query = query.where(or_(Swap.programme_id == party, Swap.destination_programme_id == party))
    for column, value in (
        (Swap.id, swap_id),
        (Swap.programme_id, source),
        (Swap.destination_programme_id, destination),
        (Enrolment.member_id, member_id),
        (Swap.requester, requester),
        (Swap.reference, reference),
    ):
        if value is not None:
            query = query.where(column == value)
    if lane is not None:
        query = query.where(Swap.lane_id == lane)
    if before is not None:
        query = query.where(Swap.id < before)
    return [SwapRow(*row) for row in session.execute(query.execution_options(populate_existing=True))]


def swap_events(session: Session, exchanges: Sequence[bytes], swap_hashes: Sequence[bytes]) -> dict[bytes, Events]:
    """What the exchanges have logged about swaps, by swap and name."""
    found: defaultdict[bytes, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    if swap_hashes:
        query = select(TokenEvent.ref, TokenEvent.name, TokenEvent.payload).where(
            TokenEvent.token.in_(exchanges), TokenEvent.ref.in_(swap_hashes), TokenEvent.name.in_(SWAP_EVENTS)
        )
        for swap_hash, name, payload in session.execute(query):
            found[cast("bytes", swap_hash)][name] = payload
    return dict(found)


def outcomes_of(session: Session, swap_ids: Sequence[str]) -> dict[str, Outcome]:
    """What other chains made of these swaps, as far as it is known."""
    query = select(Crossing.swap_id, Crossing.outcome).where(
        Crossing.swap_id.in_(swap_ids), Crossing.outcome.is_not(None)
    )
    return {swap_id: Outcome(outcome) for swap_id, outcome in session.execute(query) if outcome is not None}


def leaving_out(session: Session, lane: bytes) -> int:
    """Points out of a lane's swaps that the projection does not show yet."""
    query = (
        select(func.coalesce(func.sum(Swap.expected_points_out), 0))
        .join(Operation, Operation.id == Swap.operation_id)
        .where(Swap.lane_id == lane, _IS_UNSETTLED)
    )
    return int(session.execute(query).scalar_one())


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """A quote with the programmes and the member that it concerns."""

    quote: ExchangeQuote
    source_programme_id: str
    member_id: str


def list_quotes(
    session: Session,
    *,
    limit: int,
    quote_id: str | None = None,
    party: str | None = None,
    member_id: str | None = None,
    lane: bytes | None = None,
    before: str | None = None,
) -> list[QuoteRow]:
    """Quotes, newest first; `party` is a programme that is either source or destination."""
    query = (
        select(ExchangeQuote, Enrolment.programme_id, Enrolment.member_id)
        .join(Enrolment, Enrolment.id == ExchangeQuote.enrolment_id)
        .order_by(ExchangeQuote.id.desc())
        .limit(limit)
    )
    if party is not None:
        query = query.where(or_(ExchangeQuote.programme_id == party, Enrolment.programme_id == party))
    for column, value in ((ExchangeQuote.id, quote_id), (Enrolment.member_id, member_id)):
        if value is not None:
            query = query.where(column == value)
    if lane is not None:
        query = query.where(ExchangeQuote.lane_id == lane)
    if before is not None:
        query = query.where(ExchangeQuote.id < before)
    return [QuoteRow(*row) for row in session.execute(query)]


def burns_with(session: Session, exchanges: Sequence[bytes], quotes: Sequence[ExchangeQuote]) -> dict[bytes, bytes]:
    """The swaps on chain that used these quotes, by the quotes' ids on chain."""
    if not quotes:
        return {}
    burn = aliased(TokenEvent)
    wanted = {hex_text(quote.quote_id): quote.quote_id for quote in quotes}
    quote_id = burn.payload["quote_id"].astext
    query = select(quote_id, burn.ref).where(
        burn.token.in_(exchanges),
        burn.account.in_({quote.account for quote in quotes}),
        burn.name == "SwapBurnt",
        quote_id.in_(wanted),
    )
    return {wanted[text]: ref for text, ref in session.execute(query)}


def is_named_by_open_swap(session: Session, quote_id: str) -> bool:
    """Whether a swap that is on its way to the chain uses the quote."""
    query = (
        select(Swap.id)
        .join(Operation, Operation.id == Swap.operation_id)
        .where(Swap.quote_id == quote_id, _IS_UNSETTLED)
        .limit(1)
    )
    return session.scalar(query) is not None


def is_quoter(session: Session, programme: Programme) -> bool:
    """Whether the programme's quoter holds QUOTER_ROLE of its token, by the last log about it."""
    query = (
        select(TokenEvent.name)
        .where(
            TokenEvent.token == programme.token,
            TokenEvent.account == programme.quoter,
            TokenEvent.name.in_(("RoleGranted", "RoleRevoked")),
            TokenEvent.payload["role"].astext == hex_text(QUOTER_ROLE),
        )
        .order_by(TokenEvent.block_number.desc(), TokenEvent.log_index.desc())
        .limit(1)
    )
    return session.scalar(query) == "RoleGranted"
