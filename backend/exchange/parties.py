"""Who swaps: the member at both ends of a lane, or an account at its far end, and who may act for them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.callers import Caller, CallerKind
from backend.auth.errors import ForbiddenError
from backend.errors import InvalidRequestError
from backend.exchange.errors import NotEnrolledError, RecipientNotTakenError, RecipientRequiredError
from backend.exchange.preflight import Route
from backend.exchange.schemas import MemberNamed, SignedQuoteCreate, SwapAmounts
from backend.hexes import parse_address
from backend.members.errors import MemberNotFoundError
from backend.members.models import Enrolment
from backend.members.repository import find_enrolment
from backend.programmes.models import Programme


@dataclass(frozen=True, slots=True)
class Parties:
    """Who gives and who gets: the member's enrolments, or an account on the chain that the lane leads to."""

    giver: Enrolment
    receiver: Enrolment | None
    """None where the points go to another chain."""
    recipient: bytes

    @property
    def receiver_id(self) -> str | None:
        """Id of the receiver's enrolment."""
        return self.receiver.id if self.receiver is not None else None


def find_parties(
    session: Session, caller: Caller, route: Route, named: SwapAmounts, *, pricing: bool = False
) -> Parties:
    """Giver and receiver of a swap, as the source programme or the member names them.

    `pricing`: it is only asked what a swap would come to, so that an account abroad may be left out. Raises
    LaneStartsAbroadError, RecipientRequiredError, RecipientNotTakenError, ForbiddenError, MemberNotFoundError,
    NotEnrolledError, InvalidRequestError.
    """
    route.check_begins_here()
    _check_caller(caller, route.source)
    member_id = _member_id(session, caller, named, route.source)
    giver = _enrolled(session, member_id, route.source)
    if route.leads_abroad:
        return Parties(giver, None, _recipient(route, giver, named.recipient, pricing))
    if named.recipient is not None:
        raise RecipientNotTakenError(
            "This lane leads to no other chain: the points go to the member's own account. Leave out `recipient`."
        )
    receiver = _enrolled(session, member_id, route.destination)
    return Parties(giver, receiver, receiver.account)


def find_quoted(session: Session, caller: Caller, route: Route, body: SignedQuoteCreate) -> Enrolment:
    """Whom the destination promises a bonus: a customer of both, or, from another chain, an account at the source.

    Raises as `find_parties` does.
    """
    route.check_begins_here()
    _check_caller(caller, route.destination)
    if route.leads_abroad:
        return _named_by_account(session, route, body)
    if body.account is not None:
        raise InvalidRequestError("This lane leads to no other chain: name the member, not an `account`.")
    member_id = _member_id(session, caller, body, route.destination)
    _enrolled(session, member_id, route.destination)
    return _enrolled(session, member_id, route.source)


def _named_by_account(session: Session, route: Route, body: SignedQuoteCreate) -> Enrolment:
    if body.account is None or body.member_id is not None or body.member_reference is not None:
        raise InvalidRequestError(
            f"{route.destination.name} has its customers on chain {route.destination.home_chain_id}: name by `account`,"
            f" and by nothing else, the account at {route.source.name} that will give the points."
        )
    query = select(Enrolment).where(
        Enrolment.programme_id == route.source.id, Enrolment.account == parse_address(body.account)
    )
    enrolment = session.scalars(query.limit(1)).first()
    if enrolment is None:
        raise MemberNotFoundError(f"No member of {route.source.name} has the account {body.account}.")
    return enrolment


def _recipient(route: Route, giver: Enrolment, named: str | None, pricing: bool) -> bytes:
    home = route.destination.home_chain_id
    if named is None and pricing:
        return giver.account  # The price is the same for every account.
    if named is None:
        raise RecipientRequiredError(
            f"The points of {route.destination.name} live on chain {home}. Name as `recipient` the member's account"
            f" there: `account` of their enrolment at {route.destination.name}'s deployment, or their wallet.",
            chain_id=home,
        )
    recipient = parse_address(named)
    if recipient in {bytes(20), route.exchange.counterpart(home), route.exchange.address, route.source.token}:
        raise RecipientNotTakenError(
            f"{named} is no account that can get points of {route.destination.name}. Name the member's account on chain"
            f" {home}.",
            chain_id=home,
        )
    return recipient


def _check_caller(caller: Caller, side: Programme) -> None:
    """Raises ForbiddenError for the programme at the other end."""
    if caller.kind is CallerKind.PROGRAMME and caller.programme_id != side.id:
        raise ForbiddenError(f"Only {side.name} may do this: it is the lane's other programme.")


def _member_id(session: Session, caller: Caller, named: MemberNamed, side: Programme) -> str:
    """The member's id; `side` is the programme whose customer number may name them."""
    if caller.member_id is not None:
        if named.member_reference is not None or named.member_id not in (None, caller.member_id):
            raise MemberNotFoundError("A member's session acts for that member only; leave the member out.")
        return caller.member_id
    if named.member_id is None and named.member_reference is None:
        raise InvalidRequestError("Say whose points: `member_id` or `member_reference` is required here.")
    enrolment = find_enrolment(session, side.id, member_id=named.member_id, reference=named.member_reference)
    return enrolment.member_id


def _enrolled(session: Session, member_id: str, programme: Programme) -> Enrolment:
    query = select(Enrolment).where(Enrolment.programme_id == programme.id, Enrolment.member_id == member_id)
    enrolment = session.scalar(query)
    if enrolment is None:
        raise NotEnrolledError(
            f"The member is not enrolled at {programme.name}. They join there first: with the key of"
            f" {programme.name} or the operator's, POST /v1/members with a `reference`; the operator adds"
            " `member_id`, which says that it is the same person.",
            programme_id=programme.id,
            member_id=member_id,
        )
    return enrolment
