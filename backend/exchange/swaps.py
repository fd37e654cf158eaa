"""Swaps: asked for once under a reference, checked, and handed to the chain, which has the last word."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.auth.errors import ForbiddenError
from backend.auth.sessions import EVERYWHERE
from backend.chain import outbox
from backend.chain.client import ChainClient
from backend.chain.exchange_types import Price, SwapRequest
from backend.chain.points_exchange import (
    encode_swap_managed,
    encode_swap_with_signature,
    swap_hash,
    swap_typed_data,
)
from backend.database import new_id, utc_now
from backend.errors import InvalidRequestError
from backend.exchange import repository
from backend.exchange.assessment import gather, quote_on_chain, request_of, with_bounds
from backend.exchange.models import Swap
from backend.exchange.parties import Parties
from backend.exchange.preflight import Route, SwapFacts, examine
from backend.exchange.questions import Trial, check_network, refusal_if_it_answers
from backend.exchange.schemas import (
    CROSSING_DEADLINE_SECONDS,
    DEFAULT_ORDER_SECONDS,
    SignedSwapOrder,
    SwapCreate,
    SwapOrderCreate,
    SwapOrderRead,
)
from backend.hexes import address_text, hex_text, parse_hash
from backend.members.repository import lock_enrolment
from backend.points.clock import to_time
from backend.points.errors import ReferenceReusedError, SignatureRequiredError


@dataclass(frozen=True, slots=True)
class Asked:
    """A swap that is asked for: by whom, where, for whom, and what."""

    caller: Caller
    route: Route
    parties: Parties
    body: SwapCreate
    request_id: str

    @property
    def requester(self) -> str:
        """Whose reference it is: a member's own references never meet the programme's."""
        return self.caller.member_id or self.route.source.id

    @property
    def deadline(self) -> int:
        """Last second of chain time: the order's, the one named, or the usual one."""
        if self.body.order is not None:
            return self.body.order.deadline
        if self.body.deadline is not None:
            return int(self.body.deadline.timestamp())
        return self.route.usual_deadline


def prepare_order(session: Session, route: Route, parties: Parties, body: SwapOrderCreate) -> SwapOrderRead:
    """What a wallet has to sign to swap; nothing is written. Raises InvalidRequestError, and as a swap does."""
    wallet = parties.giver.wallet
    if wallet is None:
        raise InvalidRequestError("The member has no wallet linked; nothing has to be signed.")
    usual = CROSSING_DEADLINE_SECONDS if route.leads_abroad else DEFAULT_ORDER_SECONDS
    deadline = route.timestamp + (body.valid_seconds or usual)
    facts = with_bounds(gather(session, route, parties, body), body.min_points_out, deadline)
    examine(facts).raise_first()
    request = request_of(facts, parties, secrets.token_bytes(32), deadline)
    exchange = route.exchange
    return SwapOrderRead(
        ref=hex_text(request.ref),
        deadline=deadline,
        chain_id=exchange.chain_id,
        account=address_text(wallet),
        typed_data=swap_typed_data(
            exchange=exchange.address,
            chain_id=exchange.chain_id,
            account=wallet,
            request=request,
            quote_id=quote_on_chain(facts.quote.quote if facts.quote is not None else None).quote_id,
        ),
    )


def create_swap(session: Session, chain: ChainClient, asked: Asked) -> tuple[Swap, bool]:
    """Asks the chain to swap; answers the swap and whether it is new. Nothing is written when it is refused.

    Raises the errors of this package, InsufficientPointsError, SignatureRequiredError, ReferenceReusedError,
    ForbiddenError.
    """
    known = repository.find_by_reference(session, asked.requester, asked.body.reference)
    if known is not None:
        return _same(known, asked), False
    order = _check_order(asked)
    facts = _facts(session, asked)
    examine(facts).raise_first()
    request = request_of(
        facts, asked.parties, parse_hash(order.ref) if order else secrets.token_bytes(32), asked.deadline
    )
    signature = bytes.fromhex(order.signature[2:]) if order is not None else None
    quote = quote_on_chain(facts.quote.quote if facts.quote is not None else None)
    refusal = refusal_if_it_answers(chain, asked.route.exchange, Trial(facts.account, request, quote, signature))
    if refusal is not None:
        raise refusal
    return _write(session, asked, request, signature)


def _facts(session: Session, asked: Asked) -> SwapFacts:
    facts = gather(session, asked.route, asked.parties, asked.body)
    return with_bounds(facts, asked.body.min_points_out, asked.deadline)


def _write(session: Session, asked: Asked, request: SwapRequest, signature: bytes | None) -> tuple[Swap, bool]:
    """Checks once more, with the member's points locked against other spending, and writes."""
    account = asked.parties.giver.account
    giver = lock_enrolment(session, asked.parties.giver.id)
    known = repository.find_by_reference(session, asked.requester, asked.body.reference)
    if known is not None:
        return _same(known, asked), False
    if giver.account != account:
        raise SignatureRequiredError("The member has just linked a wallet; it has to sign the swap now.")
    facts = _facts(session, asked)
    priced = examine(facts).raise_first()
    quote = quote_on_chain(facts.quote.quote if facts.quote is not None else None)
    if signature is None:
        data = encode_swap_managed(giver.member_key, request, quote)
    else:
        data = encode_swap_with_signature(account, request, signature, quote)
    swap_id = new_id("swp")
    operation = outbox.enqueue(
        session,
        kind="swap",
        programme_id=asked.route.source.id,
        chain_id=asked.route.exchange.chain_id,
        signer=asked.route.source.custodian,
        target=asked.route.exchange.address,
        data=data,
        subject=swap_id,
        request_id=asked.request_id,
    )
    return _insert(session, asked, request, priced, ids=(swap_id, operation.id)), True


def _insert(session: Session, asked: Asked, request: SwapRequest, priced: Price, *, ids: tuple[str, str]) -> Swap:
    """The swap's row; `ids` are its own and the operation's. Raises ReferenceReusedError."""
    route, giver = asked.route, asked.parties.giver
    exchange = route.exchange
    statement = (
        insert(Swap)
        .values(
            id=ids[0],
            programme_id=route.source.id,
            destination_programme_id=route.destination.id,
            enrolment_id=giver.id,
            destination_enrolment_id=asked.parties.receiver_id,
            requester=asked.requester,
            reference=asked.body.reference,
            ref=request.ref,
            swap_hash=swap_hash(exchange.chain_id, exchange.address, giver.account, request.ref),
            lane_id=request.lane_id,
            account=giver.account,
            recipient=request.to,
            max_points_in=request.max_in,
            min_points_out=request.min_out,
            expected_points_in=priced.points_in,
            expected_points_out=priced.points_out,
            deadline=to_time(request.deadline),
            quote_id=asked.body.quote_id,
            operation_id=ids[1],
            created_at=utc_now(),
        )
        .on_conflict_do_nothing()
        .returning(Swap)
    )
    swap = session.scalar(statement)
    if swap is None:
        raise ReferenceReusedError("The reference or the signed order came with another swap before; use new ones.")
    return swap


def _same(known: Swap, asked: Asked) -> Swap:
    """The swap under the reference, if it is the one that is asked for. Raises ReferenceReusedError."""
    body = asked.body
    same = (
        known.enrolment_id == asked.parties.giver.id
        and known.lane_id == asked.route.lane.lane
        and known.max_points_in == body.max_points_in
        and known.min_points_out == body.min_points_out
        and known.quote_id == body.quote_id
        and (not asked.route.leads_abroad or known.recipient == asked.parties.recipient)
        and (body.deadline is None or known.deadline == _to_second(body.deadline))
        and (body.order is None or known.ref == parse_hash(body.order.ref))
    )
    if not same:
        raise ReferenceReusedError(
            f"The reference {body.reference} came with another swap before ({known.id}); use a new one.",
            swap_id=known.id,
        )
    return known


def _to_second(time: datetime) -> datetime:
    return to_time(int(time.timestamp()))


def _check_link(asked: Asked) -> None:
    """Refuses a session of another brand's link: that brand's stolen key could swap all points into its own."""
    source = asked.route.source
    if asked.caller.member_id is not None and asked.caller.wallets_in not in (EVERYWHERE, source.id):
        raise ForbiddenError(
            f"{source.name} keeps these points; to swap them, open the page by a link of {source.name}."
        )


def _check_order(asked: Asked) -> SignedSwapOrder | None:
    order = asked.body.order
    if asked.parties.giver.wallet is None:
        if order is not None:
            raise InvalidRequestError("The member has no wallet linked; leave out `order`.")
        _check_link(asked)
        return None
    if order is None:
        raise SignatureRequiredError(
            "The member's points are in their own wallet: get what it must sign from POST /v1/swaps/orders."
        )
    if asked.body.deadline is not None:
        raise InvalidRequestError("The deadline is the signed order's; leave out `deadline`.")
    check_network(asked.route.exchange, order.chain_id)
    return order
