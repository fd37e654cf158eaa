"""Programmes."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, SessionDep, protected_router
from backend.auth.scopes import Scope
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.programmes import repository, service
from backend.programmes.errors import ProgrammeNotFoundError
from backend.programmes.models import Programme
from backend.programmes.schemas import ProgrammeRead, ProgrammeUpdate

router = protected_router("/programmes", "programmes")


def visible_programme(session: Session, caller: Caller, programme_id: str) -> Programme:
    """The programme, if the caller may see it; members see every programme. Raises ProgrammeNotFoundError."""
    programme = repository.get_programme(session, programme_id)
    if caller.member_id is None and not caller.sees_programme(programme.id):
        raise ProgrammeNotFoundError(f"There is no programme {programme_id}.")
    return programme


def asked_programme(session: Session, caller: Caller, asked: str | None) -> str | None:
    """Id of the programme that a list is asked for by id or slug; None: of all that the caller may see.

    Raises NotFoundError.
    """
    if caller.programme_id is not None:
        return caller.programme(asked)
    return repository.get_programme(session, asked).id if asked is not None else None


@router.get("")
@allow(Policy(scope=Scope.PROGRAMMES_READ, member=True, auditor=True))
def list_programmes(
    session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: CursorText = None
) -> Page[ProgrammeRead]:
    """The programmes that the caller may see."""
    after = decode_cursor(cursor, str)
    rows = repository.list_programmes(session, caller.programme_id, str(after[0]) if after else None, limit + 1)
    return page_of(rows, limit, lambda programme: [programme.id], ProgrammeRead.of)


@router.get("/{programme_id}")
@allow(Policy(scope=Scope.PROGRAMMES_READ, member=True, auditor=True))
def get_programme(programme_id: str, session: SessionDep, caller: CallerDep) -> ProgrammeRead:
    """One programme, by id or slug."""
    return ProgrammeRead.of(visible_programme(session, caller, programme_id))


@router.patch("/{programme_id}")
@allow(Policy(scope=Scope.PROGRAMMES_WRITE))
def update_programme(programme_id: str, body: ProgrammeUpdate, session: SessionDep, caller: CallerDep) -> ProgrammeRead:
    """Changes the earning rule, the return period or the colour."""
    programme = visible_programme(session, caller, programme_id)
    return ProgrammeRead.of(service.update_programme(session, programme, body))
