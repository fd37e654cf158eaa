"""Who swaps: the member's enrolments at both ends of a lane, and who may act for them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.callers import Caller, CallerKind
from backend.auth.errors import ForbiddenError
from backend.errors import InvalidRequestError
from backend.exchange.errors import NotEnrolledError
from backend.exchange.preflight import Route
from backend.exchange.schemas import MemberNamed
from backend.members.errors import MemberNotFoundError
from backend.members.models import Enrolment
from backend.members.repository import find_enrolment
from backend.programmes.models import Programme


@dataclass(frozen=True, slots=True)
class Parties:
    """The member's enrolment where points are given, and where they are got."""

    giver: Enrolment
    receiver: Enrolment


def find_parties(session: Session, caller: Caller, route: Route, named: MemberNamed, side: Programme) -> Parties:
    """The member at both ends of the lane; `side` is the programme whose customer number may name them.

    Raises ForbiddenError, MemberNotFoundError, NotEnrolledError, InvalidRequestError.
    """
    _check_caller(caller, side)
    member_id = _member_id(session, caller, named, side)
    ends = [_enrolment(session, member_id, programme) for programme in (route.source, route.destination)]
    for enrolment, programme in zip(ends, (route.source, route.destination), strict=True):
        if enrolment is None:
            raise NotEnrolledError(
                f"The member is not enrolled at {programme.name}. They join there first: with the key of"
                f" {programme.name} or the operator's, POST /v1/members with a `reference`; the operator adds"
                " `member_id`, which says that it is the same person.",
                programme_id=programme.id,
                member_id=member_id,
            )
    giver, receiver = ends
    assert giver is not None
    assert receiver is not None
    return Parties(giver, receiver)


def _check_caller(caller: Caller, side: Programme) -> None:
    """Raises ForbiddenError for the programme at the other end."""
    if caller.kind is CallerKind.PROGRAMME and caller.programme_id != side.id:
        raise ForbiddenError(f"Only {side.name} may do this: it is the lane's other programme.")


def _member_id(session: Session, caller: Caller, named: MemberNamed, side: Programme) -> str:
    if caller.member_id is not None:
        if named.member_reference is not None or named.member_id not in (None, caller.member_id):
            raise MemberNotFoundError("A member's session acts for that member only; leave the member out.")
        return caller.member_id
    if named.member_id is None and named.member_reference is None:
        raise InvalidRequestError("Say whose points: `member_id` or `member_reference` is required here.")
    enrolment = find_enrolment(session, side.id, member_id=named.member_id, reference=named.member_reference)
    return enrolment.member_id


def _enrolment(session: Session, member_id: str, programme: Programme) -> Enrolment | None:
    query = select(Enrolment).where(Enrolment.programme_id == programme.id, Enrolment.member_id == member_id)
    return session.scalar(query)
