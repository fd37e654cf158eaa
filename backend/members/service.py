"""Enrolment: a person joins a programme and gets an account that nobody has a key for."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from backend.chain.points_token import managed_account
from backend.database import new_id, utc_now
from backend.errors import InvalidRequestError
from backend.members import repository
from backend.members.errors import AlreadyEnrolledError, BranchError, ReferenceTakenError
from backend.members.models import Enrolment, Member
from backend.programmes.models import Programme

MAX_BULK = 10_000
"""Most lines of one bulk enrolment."""


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """One enrolment that is asked for."""

    programme: Programme
    reference: str
    member_id: str | None


def enrol(session: Session, request: EnrolmentRequest) -> tuple[Enrolment, bool]:
    """Enrols one person; answers the enrolment and whether it is new.

    The same request again answers what is there. Raises ReferenceTakenError, AlreadyEnrolledError,
    MemberNotFoundError, BranchError.
    """
    enrolments, new_count = enrol_many(session, [request])
    return enrolments[0], new_count == 1


def enrol_many(session: Session, requests: Sequence[EnrolmentRequest]) -> tuple[list[Enrolment], int]:
    """Enrols many in three statements; answers their enrolments in order and how many are new. Raises as `enrol`."""
    for programme in {request.programme.id: request.programme for request in requests}.values():
        _check_home(programme)
    pairs = [(request.programme.id, request.reference) for request in requests]
    if len(set(pairs)) != len(pairs):
        raise InvalidRequestError("The same reference comes twice in one request.")
    known = repository.find_by_references(session, pairs)
    fresh = [request for request, pair in zip(requests, pairs, strict=True) if pair not in known]
    _insert(session, fresh)
    found = known | repository.find_by_references(session, [(r.programme.id, r.reference) for r in fresh])
    for request, pair in zip(requests, pairs, strict=True):
        _check(request, found.get(pair))
    return [found[pair] for pair in pairs], len(fresh)


def _check_home(programme: Programme) -> None:
    if programme.is_branch:
        raise BranchError(
            f"The points of {programme.name} live on chain {programme.home_chain_id}; here it only agrees to lanes and"
            f" settles. Enrol its members at the deployment of {programme.name} on that chain.",
            home_chain_id=programme.home_chain_id,
        )


def _insert(session: Session, requests: Sequence[EnrolmentRequest]) -> None:
    """Adds members and enrolments; rows that somebody else added meanwhile are left as they are."""
    if not requests:
        return
    now = utc_now()
    named = {request.member_id for request in requests if request.member_id is not None}
    for member_id in named:
        repository.get_member(session, member_id)
    rows = []
    members: list[dict[str, object]] = []
    for request in requests:
        member_id = request.member_id or new_id("mem")
        if request.member_id is None:
            members.append({"id": member_id, "created_at": now})
        rows.append(_row(request, member_id) | {"joined_at": now})
    if members:
        session.execute(insert(Member), members)
    statement = insert(Enrolment).on_conflict_do_nothing().returning(Enrolment.member_id)
    added = set(session.scalars(statement, rows))
    lost = [member["id"] for member in members if member["id"] not in added]
    if lost:
        session.query(Member).where(Member.id.in_(lost)).delete()


def _row(request: EnrolmentRequest, member_id: str) -> dict[str, object]:
    member_key = secrets.token_bytes(32)
    account = managed_account(request.programme.token, member_key)
    return {
        "id": new_id("enr"),
        "member_id": member_id,
        "programme_id": request.programme.id,
        "reference": request.reference,
        "member_key": member_key,
        "managed_account": account,
        "account": account,
    }


def _check(request: EnrolmentRequest, enrolment: Enrolment | None) -> None:
    if enrolment is None:
        raise AlreadyEnrolledError(
            f"{request.member_id} is a member of this programme under another reference.",
            member_id=request.member_id,
        )
    if request.member_id not in (None, enrolment.member_id):
        raise ReferenceTakenError(
            f"The reference {request.reference} belongs to another member.", reference=request.reference
        )
