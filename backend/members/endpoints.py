"""Members, their enrolments and member links."""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from backend.auth.callers import Caller
from backend.auth.errors import ForbiddenError
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, protected_router
from backend.auth.scopes import Scope
from backend.auth.sessions import EVERYWHERE
from backend.errors import InvalidRequestError
from backend.members import repository, service
from backend.members.errors import MemberNotFoundError
from backend.members.models import Enrolment, Member
from backend.members.schemas import (
    BulkEnrolled,
    BulkEnrolment,
    LinkCreate,
    LinkRead,
    MemberEnrol,
    MemberRead,
    Reference,
)
from backend.members.service import EnrolmentRequest
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.programmes.endpoints import asked_programme
from backend.programmes.models import Programme
from backend.programmes.repository import get_programme
from backend.wording import pointed

router = protected_router("/members", "members")
_LINES = {"application/x-ndjson": {"schema": {"type": "string", "description": "One MemberEnrol a line"}}}


def visible_member(session: Session, caller: Caller, member_id: str) -> tuple[Member, list[Enrolment]]:
    """A member with the enrolments that the caller may see. Raises MemberNotFoundError when there are none."""
    if not caller.sees_member(member_id):
        raise MemberNotFoundError(f"There is no member {member_id} that you may see.")
    enrolments = list(repository.enrolments_of(session, member_id, caller.programme_id))
    if not enrolments and caller.programme_id is not None:
        raise MemberNotFoundError(f"There is no member {member_id} that you may see.")
    return repository.get_member(session, member_id), enrolments


def asked_member(session: Session, caller: Caller, asked: str | None) -> str | None:
    """Id of the member that a list is asked for; None: of all whom the caller may see.

    Raises MemberNotFoundError.
    """
    if asked is None:
        return caller.member_id
    return visible_member(session, caller, asked)[0].id


def _request(programmes: dict[str, Programme], session: Session, caller: Caller, body: MemberEnrol) -> EnrolmentRequest:
    if body.member_id is not None and not caller.is_operator:
        raise ForbiddenError("Only the operator can say that an existing person joins; leave out `member_id`.")
    programme_id = caller.programme(body.programme_id)
    if programme_id not in programmes:
        programmes[programme_id] = get_programme(session, programme_id)
    return EnrolmentRequest(programmes[programme_id], body.reference, body.member_id)


@router.post("", status_code=201)
@allow(Policy(scope=Scope.MEMBERS_WRITE))
def enrol_member(body: MemberEnrol, response: Response, session: SessionDep, caller: CallerDep) -> MemberRead:
    """Makes a person a member; the same reference again answers the member that is there, with status 200."""
    enrolment, is_new = service.enrol(session, _request({}, session, caller, body))
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/members/{enrolment.member_id}"
    return MemberRead.of(*visible_member(session, caller, enrolment.member_id))


def _lines(text: bytes) -> list[MemberEnrol]:
    lines = text.splitlines()
    if len(lines) > service.MAX_BULK:
        raise InvalidRequestError(f"At most {service.MAX_BULK} lines in one request.")
    requests = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                requests.append(MemberEnrol.model_validate_json(line))
            except ValidationError as error:
                told = pointed(error.errors()[0])
                raise InvalidRequestError(f"Line {number}: {told}", line=number) from error
    return requests


@router.post("/bulk", openapi_extra={"requestBody": {"required": True, "content": _LINES}})
@allow(Policy(scope=Scope.MEMBERS_WRITE))
def enrol_members(request: Request, session: SessionDep, caller: CallerDep) -> BulkEnrolled:
    """Enrols up to 10,000 people: one JSON object a line, as for one; all of them or, on the first error, none."""
    body: bytes = request.state.body
    programmes: dict[str, Programme] = {}
    requests = [_request(programmes, session, caller, line) for line in _lines(body)]
    enrolments, new_count = service.enrol_many(session, requests)
    members = [
        BulkEnrolment(
            programme_id=row.programme_id, reference=row.reference, member_id=row.member_id, enrolment_id=row.id
        )
        for row in enrolments
    ]
    return BulkEnrolled(enrolled_count=new_count, existing_count=len(members) - new_count, members=members)


@router.get("")
@allow(Policy(scope=Scope.MEMBERS_READ, auditor=True))
def list_members(
    session: SessionDep,
    caller: CallerDep,
    programme_id: str | None = None,
    reference: Reference | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[MemberRead]:
    """Members; by the brand's reference when given."""
    asked = asked_programme(session, caller, programme_id)
    after = decode_cursor(cursor, str)
    rows = repository.list_members(session, asked, reference, str(after[0]) if after else None, limit + 1)
    enrolments = repository.enrolments_of_members(session, [row.id for row in rows], asked)
    return page_of(rows, limit, lambda row: [row.id], lambda row: MemberRead.of(row, enrolments[row.id]))


@router.get("/{member_id}")
@allow(Policy(scope=Scope.MEMBERS_READ, member=True, auditor=True))
def get_member(member_id: str, session: SessionDep, caller: CallerDep) -> MemberRead:
    """One member with the enrolments that the caller may see."""
    return MemberRead.of(*visible_member(session, caller, member_id))


@router.post("/{member_id}/links", status_code=201)
@allow(Policy(scope=Scope.MEMBERS_WRITE, keyless=True))
def create_link(
    member_id: str, body: LinkCreate, session: SessionDep, caller: CallerDep, context: ContextDep
) -> LinkRead:
    """A signed, expiring link that the brand sends to the member and that opens the member page."""
    visible_member(session, caller, member_id)
    token = context.tokens.issue_link(member_id, body.valid_seconds, caller.programme_id or EVERYWHERE)
    url = f"{context.settings.public_url.rstrip('/')}/m/{token.text}"
    return LinkRead(url=url, link_token=token.text, expires_at=token.expires_at)
