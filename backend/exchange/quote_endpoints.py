"""Endpoints of quotes: what a swap would come to, and signed transfer bonuses."""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import BaseModel

from backend.auth.callers import Caller, CallerKind
from backend.auth.errors import ForbiddenError
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, protected_router
from backend.auth.scopes import Scope
from backend.chain.signers import SignerSource, signers_from_settings
from backend.context import AppContext
from backend.exchange import assessment, quotes
from backend.exchange.deployment import exchanges_of
from backend.exchange.identifiers import LaneText, parse_lane
from backend.exchange.parties import find_parties, find_quoted
from backend.exchange.routes import visible_route
from backend.exchange.schemas import DryRunSwap, QuoteCreate, QuoteRead, SignedQuoteCreate
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of

router = protected_router("/quotes", "quotes")
_READ = Policy(scope=Scope.SWAPS_READ, member=True, auditor=True)


def _signers(context: AppContext, chain_id: int) -> SignerSource:
    """Opened by the first quote that is to be signed, and kept: keystores take a second to decrypt."""
    if context.signers is None:
        context.signers = signers_from_settings(context.settings, chain_id)
    return context.signers


def _require(caller: Caller, scope: Scope) -> None:
    if caller.kind is CallerKind.PROGRAMME and scope not in caller.scopes:
        raise ForbiddenError(f"This key lacks the scope {scope.value}.", scope=scope.value)


@router.post(
    "",
    status_code=201,
    response_model=QuoteRead | DryRunSwap,
    responses={200: {"model": QuoteRead | DryRunSwap, "description": "A dry run"}},
)
@allow(Policy(scope=Scope.QUOTES_WRITE, other_scope=Scope.SWAPS_WRITE, member=True))
def create_quote(
    body: QuoteCreate,
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
) -> BaseModel:
    """What a swap would come to now (`dry_run`, scope `swaps:write`), or a transfer bonus for one member (`signed`).

    A dry run is the source programme's or the member's to ask; it writes nothing. A bonus is the destination
    programme's to promise; its quoter signs it, for the lane's terms in force.
    """
    exchanges = exchanges_of(context.settings)
    route = visible_route(session, exchanges, caller, body.lane_id)
    if isinstance(body, SignedQuoteCreate):
        if caller.member_id is not None:
            raise ForbiddenError("A member cannot sign quotes; ask the programme that you want points of.")
        _require(caller, Scope.QUOTES_WRITE)
        giver = find_quoted(session, caller, route, body)
        quotes.check_quoter(session, route.destination)
        signer = _signers(context, exchanges.chain_id).signer(route.destination.quoter)
        quote = quotes.create_quote(session, route, giver, body, signer)
        row = quotes.visible_quote(session, caller, quote.id)
        return quotes.read_quotes(session, exchanges, [row])[quote.id]
    _require(caller, Scope.SWAPS_WRITE)
    parties = find_parties(session, caller, route, body, pricing=True)
    facts = assessment.gather(session, route, parties, body)
    request.state.nothing_written = True
    response.status_code = 200
    return assessment.dry_run(context.chain, facts, parties)


@router.get("")
@allow(_READ)
def list_quotes(
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    lane_id: LaneText | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[QuoteRead]:
    """Signed quotes, newest first: a member's own, or those of a programme's lanes in either direction."""
    exchanges, after = exchanges_of(context.settings), decode_cursor(cursor, str)
    rows = quotes.visible_quotes(
        session,
        caller,
        limit=limit + 1,
        lane=parse_lane(lane_id) if lane_id is not None else None,
        before=str(after[0]) if after else None,
    )
    read = quotes.read_quotes(session, exchanges, rows)
    return page_of(rows, limit, lambda row: [row.quote.id], lambda row: read[row.quote.id])


@router.get("/{quote_id}")
@allow(_READ)
def get_quote(quote_id: str, session: SessionDep, caller: CallerDep, context: ContextDep) -> QuoteRead:
    """One signed quote, and whether a swap has used it."""
    row = quotes.visible_quote(session, caller, quote_id)
    return quotes.read_quotes(session, exchanges_of(context.settings), [row])[quote_id]
