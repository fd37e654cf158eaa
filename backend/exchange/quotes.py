"""Signed quotes: a transfer bonus that the destination programme promises one account."""

from __future__ import annotations

import secrets

from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.chain.exchange_types import Quote
from backend.chain.points_exchange import quote_typed_data
from backend.chain.signers import Signer
from backend.database import new_id, utc_now
from backend.exchange import repository
from backend.exchange.deployment import Exchanges
from backend.exchange.errors import BonusTooHighError, NotQuoterError, QuoteNotFoundError, QuoteSignatureError
from backend.exchange.identifiers import lane_text
from backend.exchange.models import ExchangeQuote
from backend.exchange.preflight import Route
from backend.exchange.questions import signer_of
from backend.exchange.repository import QuoteRow
from backend.exchange.schemas import QuoteRead, SignedQuoteCreate
from backend.hexes import address_text, hex_text
from backend.members.models import Enrolment
from backend.points.clock import chain_now, to_time
from backend.programmes.models import Programme


def check_quoter(session: Session, programme: Programme) -> None:
    """Raises NotQuoterError when the chain would not take the programme's quotes."""
    if not repository.is_quoter(session, programme):
        raise NotQuoterError(
            f"{address_text(programme.quoter)} has not been given QUOTER_ROLE of {programme.name}'s token: the token's"
            " admin grants it, then quotes can be signed."
        )


def create_quote(
    session: Session, route: Route, giver: Enrolment, body: SignedQuoteCreate, signer: Signer
) -> ExchangeQuote:
    """Signs and stores a quote on the terms in force.

    Raises LaneNotAgreedError, LaneStoppedError, BonusTooHighError, QuoteSignatureError, SignerError.
    """
    agreement = route.agreement
    if body.bonus_bps > agreement.terms.max_bonus_bps:
        raise BonusTooHighError(
            f"The lane allows a bonus of at most {agreement.terms.max_bonus_bps} hundredths of a percent, not"
            f" {body.bonus_bps}.",
            max_bonus_bps=agreement.terms.max_bonus_bps,
        )
    quote = Quote(
        quote_id=secrets.token_bytes(32),
        lane_id=route.lane.lane,
        version=agreement.version,
        account=giver.account,
        max_in=body.max_points_in,
        bonus_bps=body.bonus_bps,
        expires_at=route.timestamp + body.valid_seconds,
        signer=signer.address,
        signature=b"",
    )
    row = _row(route, giver, quote, _sign(route, quote, signer))
    session.add(row)
    session.flush()
    return row


def _sign(route: Route, quote: Quote, signer: Signer) -> bytes:
    """The quoter's signature, checked to be the quoter's over this quote."""
    exchange = route.exchange
    typed = quote_typed_data(exchange=exchange.address, chain_id=exchange.chain_id, quote=quote)
    signature = signer.sign_typed_data(typed)
    if signer_of(typed, signature) != route.destination.quoter:
        raise QuoteSignatureError("The signer did not sign this quote with the programme's quoter; nothing was stored.")
    return signature


def _row(route: Route, giver: Enrolment, quote: Quote, signature: bytes) -> ExchangeQuote:
    return ExchangeQuote(
        id=new_id("qte"),
        programme_id=route.destination.id,
        enrolment_id=giver.id,
        lane_id=quote.lane_id,
        version=quote.version,
        quote_id=quote.quote_id,
        account=quote.account,
        max_points_in=quote.max_in,
        bonus_bps=quote.bonus_bps,
        expires_at=to_time(quote.expires_at),
        signer=quote.signer,
        signature=signature,
        created_at=utc_now(),
    )


def visible_quotes(
    session: Session,
    caller: Caller,
    *,
    limit: int,
    quote_id: str | None = None,
    lane: bytes | None = None,
    before: str | None = None,
) -> list[QuoteRow]:
    """Quotes that the caller may see, newest first: a member's own, or those of a programme's lanes."""
    return repository.list_quotes(
        session,
        limit=limit,
        quote_id=quote_id,
        party=caller.programme_id,
        member_id=caller.member_id,
        lane=lane,
        before=before,
    )


def visible_quote(session: Session, caller: Caller, quote_id: str) -> QuoteRow:
    """One quote that the caller may see. Raises QuoteNotFoundError."""
    rows = visible_quotes(session, caller, limit=1, quote_id=quote_id)
    if not rows:
        raise QuoteNotFoundError(f"There is no quote {quote_id} that you may see.")
    return rows[0]


def read_quotes(session: Session, exchanges: Exchanges, rows: list[QuoteRow]) -> dict[str, QuoteRead]:
    """Quotes as they are shown, by id."""
    now = chain_now(session, exchanges.chain_id)
    used = repository.burns_with(session, exchanges.addresses, [row.quote for row in rows])
    return {row.quote.id: _read(row, used.get(row.quote.quote_id), now) for row in rows}


def _read(row: QuoteRow, used_by: bytes | None, now: int) -> QuoteRead:
    quote = row.quote
    expired = now > quote.expires_at.timestamp()
    return QuoteRead(
        id=quote.id,
        lane_id=lane_text(quote.lane_id),
        version=quote.version,
        programme_id=quote.programme_id,
        member_id=row.member_id,
        account=address_text(quote.account),
        max_points_in=quote.max_points_in,
        bonus_bps=quote.bonus_bps,
        expires_at=quote.expires_at,
        state="used" if used_by is not None else "expired" if expired else "open",
        swap_hash=hex_text(used_by) if used_by is not None else None,
        quote_hash=hex_text(quote.quote_id),
        signer=address_text(quote.signer),
        signature=hex_text(quote.signature),
        created_at=quote.created_at,
    )
