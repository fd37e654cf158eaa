"""Gathers what decides about a swap, and tells what it would come to."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from backend.chain.client import ChainClient
from backend.chain.exchange_types import NO_QUOTE, Quote, SwapRequest
from backend.exchange import repository
from backend.exchange.deployment import Exchange
from backend.exchange.errors import QuoteNotFoundError
from backend.exchange.identifiers import lane_text
from backend.exchange.lane_schemas import Reason
from backend.exchange.lane_views import lane_volume
from backend.exchange.models import ExchangeQuote
from backend.exchange.parties import Parties
from backend.exchange.preflight import Outlook, QuoteFacts, Route, SwapFacts, examine
from backend.exchange.questions import Trial, refusal_by_chain
from backend.exchange.schemas import DryRunSwap, SwapAmounts
from backend.exchange.settlement_money import SettlementMoney
from backend.points.accounts import holding_of
from backend.points.clock import to_time
from backend.points.redemptions import read_lots

_ANY_REF = bytes(31) + b"\1"
"""Stands for a ref in questions that nothing is written for."""


def gather(session: Session, route: Route, parties: Parties, amounts: SwapAmounts) -> SwapFacts:
    """What decides about the swap, as it is now. Raises QuoteNotFoundError."""
    giver = parties.giver
    return SwapFacts(
        route=route,
        account=giver.account,
        holding=holding_of(session, route.source, giver.id, giver.account, route.timestamp),
        volume=lane_volume(session, route),
        max_points_in=amounts.max_points_in,
        quote=find_quote(session, route.exchange, amounts.quote_id),
    )


def find_quote(session: Session, exchange: Exchange, quote_id: str | None) -> QuoteFacts | None:
    """A quote by its id, whoever it is for, and whether it is used. Raises QuoteNotFoundError."""
    if quote_id is None:
        return None
    quote = session.get(ExchangeQuote, quote_id)
    if quote is None:
        raise QuoteNotFoundError(f"There is no quote {quote_id}; ask the destination programme for one.")
    used = bool(repository.burns_with(session, [exchange.address], [quote]))
    return QuoteFacts(quote, used or repository.is_named_by_open_swap(session, quote.id))


def quote_on_chain(quote: ExchangeQuote | None) -> Quote:
    """The quote as the chain takes it; none is all zeros."""
    if quote is None:
        return NO_QUOTE
    return Quote(
        quote_id=quote.quote_id,
        lane_id=quote.lane_id,
        version=quote.version,
        account=quote.account,
        max_in=quote.max_points_in,
        bonus_bps=quote.bonus_bps,
        expires_at=int(quote.expires_at.timestamp()),
        signer=quote.signer,
        signature=quote.signature,
    )


def request_of(facts: SwapFacts, parties: Parties, ref: bytes, deadline: int) -> SwapRequest:
    """The request as the chain takes it."""
    return SwapRequest(
        lane_id=facts.route.lane.lane,
        to=parties.recipient,
        max_in=facts.max_points_in,
        min_out=facts.min_points_out,
        ref=ref,
        deadline=deadline,
    )


def dry_run(chain: ChainClient, facts: SwapFacts, parties: Parties) -> DryRunSwap:
    """What the swap would come to, and why it would be refused. Writes nothing.

    The chain is asked for no fewer points out than are told, since the projection may be behind it. Raises
    ChainUnavailableError when only the chain could refuse, and does not say.
    """
    outlook = examine(facts)
    if not outlook.refusals:
        told = replace(facts, min_points_out=outlook.raise_first().points_out)
        deadline = facts.deadline or facts.route.usual_deadline
        quote = quote_on_chain(facts.quote.quote if facts.quote is not None else None)
        request = request_of(told, parties, _ANY_REF, deadline)
        refusal = refusal_by_chain(chain, facts.route.exchange, Trial(facts.account, request, quote))
        outlook.refusals += [refusal] if refusal is not None else []
    return read_outlook(facts, outlook)


def read_outlook(facts: SwapFacts, outlook: Outlook) -> DryRunSwap:
    """What a swap would come to, as it is shown."""
    route, priced = facts.route, outlook.price
    agreement = route.lane.present if route.lane.is_open(route.timestamp) else None
    return DryRunSwap(
        possible=not outlook.refusals,
        reasons=[Reason(code=error.slug, detail=error.detail) for error in outlook.refusals],
        lane_id=lane_text(route.lane.lane),
        version=agreement.version if agreement is not None else None,
        points_in=priced.points_in if priced is not None else None,
        points_out=priced.points_out if priced is not None else None,
        bonus_points=priced.points_out - priced.base_out if priced is not None else None,
        settlement=SettlementMoney.of_units(priced.settlement, route.exchange.currency) if priced is not None else None,
        lots_in=read_lots(route.source, outlook.lots_in),
        lots_out=read_lots(route.destination, outlook.lots_out) if outlook.lots_out is not None else None,
        available_points=facts.holding.available_points,
        available_points_out=(
            facts.volume.available(agreement.terms, route.timestamp) if agreement is not None else None
        ),
        as_of=to_time(route.timestamp),
    )


def with_bounds(facts: SwapFacts, min_points_out: int, deadline: int | None) -> SwapFacts:
    """The facts of a swap that must give so many points until then."""
    return replace(facts, min_points_out=min_points_out, deadline=deadline)
