"""Endpoints of a member's points: balances and history."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, protected_router
from backend.auth.scopes import Scope
from backend.members.endpoints import visible_member
from backend.members.models import Enrolment
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.points.balances import read_balance
from backend.points.history import Movement, list_movements, read_movement, subjects_of
from backend.points.views import Balances, HistoryEntry, Source
from backend.programmes.endpoints import asked_programme
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme

router = protected_router("/members", "points")
_POLICY = Policy(scope=Scope.POINTS_READ, member=True, auditor=True)
AtBlock = Annotated[int | None, Query(ge=0, lt=1 << 48, description="As of this block instead of the newest")]


def _enrolments(
    session: Session, caller: Caller, member_id: str, programme_id: str | None
) -> list[tuple[Enrolment, Programme]]:
    """The enrolments that the caller may see, in one programme when given by id or slug.

    Raises MemberNotFoundError, and NotFoundError when there is no such programme.
    """
    _, enrolments = visible_member(session, caller, member_id)
    asked = asked_programme(session, caller, programme_id)
    pairs = [(enrolment, get_programme(session, enrolment.programme_id)) for enrolment in enrolments]
    return [pair for pair in pairs if asked in (None, pair[1].id)]


@router.get("/{member_id}/balances")
@allow(_POLICY)
def get_balances(
    member_id: str,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    programme_id: str | None = None,
    at_block: AtBlock = None,
    source: Source = "projection",
) -> Balances:
    """Points by lot with their expiry, pending, locked and owed. `source=chain` asks the chain itself."""
    chain = context.chain if source == "chain" else None
    data = [
        read_balance(session, programme, enrolment, at_block=at_block, chain=chain)
        for enrolment, programme in _enrolments(session, caller, member_id, programme_id)
    ]
    return Balances(member_id=member_id, data=data)


@router.get("/{member_id}/history")
@allow(_POLICY)
def get_history(
    member_id: str,
    session: SessionDep,
    caller: CallerDep,
    programme_id: str | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[HistoryEntry]:
    """Movements of the member's points on the chain, newest first."""
    enrolments = _enrolments(session, caller, member_id, programme_id)
    after = decode_cursor(cursor, int, int)
    before = (int(after[0]), int(after[1])) if after else None
    movements = list_movements(session, enrolments, before, limit + 1)
    names = {programme.token: programme.id for _, programme in enrolments}
    subjects = subjects_of(session, movements)

    def key(movement: Movement) -> list[str | int]:
        return [movement.block_number, movement.log_index]

    return page_of(movements, limit, key, lambda movement: read_movement(movement, names, subjects))
