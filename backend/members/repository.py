"""Queries on members and enrolments."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from backend.members.errors import MemberNotFoundError
from backend.members.models import Enrolment, Member


def get_member(session: Session, member_id: str) -> Member:
    """A member. Raises MemberNotFoundError."""
    member = session.get(Member, member_id)
    if member is None:
        raise MemberNotFoundError(f"There is no member {member_id}.")
    return member


def enrolments_of(session: Session, member_id: str, programme_id: str | None = None) -> Sequence[Enrolment]:
    """The member's enrolments in the order of joining; in one programme when given."""
    query = select(Enrolment).where(Enrolment.member_id == member_id).order_by(Enrolment.id)
    if programme_id is not None:
        query = query.where(Enrolment.programme_id == programme_id)
    return session.scalars(query).all()


def find_by_reference(session: Session, programme_id: str, reference: str) -> Enrolment | None:
    """An enrolment by the brand's own customer number."""
    return session.scalar(
        select(Enrolment).where(Enrolment.programme_id == programme_id, Enrolment.reference == reference)
    )


def find_by_references(session: Session, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Enrolment]:
    """Enrolments by (programme, reference)."""
    if not pairs:
        return {}
    query = select(Enrolment).where(tuple_(Enrolment.programme_id, Enrolment.reference).in_(pairs))
    return {(row.programme_id, row.reference): row for row in session.scalars(query)}


def find_enrolment(
    session: Session, programme_id: str, *, member_id: str | None = None, reference: str | None = None
) -> Enrolment:
    """An enrolment by member or by the brand's reference. Raises MemberNotFoundError."""
    query = select(Enrolment).where(Enrolment.programme_id == programme_id)
    query = query.where(Enrolment.member_id == member_id if member_id is not None else Enrolment.reference == reference)
    enrolment = session.scalar(query)
    if enrolment is None:
        named = f"member {member_id}" if member_id is not None else f"member with the reference {reference}"
        raise MemberNotFoundError(f"There is no {named} in this programme; enrol them first.")
    return enrolment


def lock_enrolment(session: Session, enrolment_id: str) -> Enrolment:
    """The enrolment, locked against other spending until the transaction ends."""
    query = select(Enrolment).where(Enrolment.id == enrolment_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def list_members(
    session: Session, programme_id: str | None, reference: str | None, after: str | None, limit: int
) -> Sequence[Member]:
    """Members by id: of a programme, or all."""
    query = select(Member).order_by(Member.id).limit(limit)
    if programme_id is not None or reference is not None:
        inside = select(Enrolment.member_id)
        if programme_id is not None:
            inside = inside.where(Enrolment.programme_id == programme_id)
        if reference is not None:
            inside = inside.where(Enrolment.reference == reference)
        query = query.where(Member.id.in_(inside))
    if after is not None:
        query = query.where(Member.id > after)
    return session.scalars(query).all()


def enrolments_of_members(
    session: Session, member_ids: Sequence[str], programme_id: str | None
) -> dict[str, list[Enrolment]]:
    """Enrolments of several members; in one programme when given."""
    query = select(Enrolment).where(Enrolment.member_id.in_(member_ids)).order_by(Enrolment.id)
    if programme_id is not None:
        query = query.where(Enrolment.programme_id == programme_id)
    found: dict[str, list[Enrolment]] = {member_id: [] for member_id in member_ids}
    for enrolment in session.scalars(query):
        found[enrolment.member_id].append(enrolment)
    return found


def members_with_wallet(session: Session, wallet: bytes) -> set[str]:
    """Members who have linked this wallet."""
    return set(session.scalars(select(Enrolment.member_id).where(Enrolment.wallet == wallet)))
