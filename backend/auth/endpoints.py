"""API keys, and the exchange of a member link for a session."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from backend.auth import repository, service
from backend.auth.callers import Caller, CallerKind
from backend.auth.errors import ForbiddenError
from backend.auth.models import ApiKey
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, protected_router
from backend.auth.schemas import KeyCreate, KeyCreated, KeyRead, KeyRotate, SessionCreate, SessionRead
from backend.auth.scopes import Scope
from backend.auth.sessions import SESSION_COOKIE, SignedToken
from backend.errors import InvalidRequestError, NotFoundError
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.programmes.repository import get_programme

keys = protected_router("/keys", "keys")
sessions = protected_router("/sessions", "sessions")


def _find(session: Session, caller: Caller, key_id: str) -> ApiKey:
    key = repository.find_key(session, key_id, None if caller.is_operator else caller.programme_id)
    if key is None:
        raise NotFoundError(f"There is no key {key_id} that you may see.")
    return key


def _shown_once(request: Request, key: ApiKey, text: str) -> KeyCreated:
    answer = KeyCreated(**KeyRead.of(key).model_dump(), secret=text)
    request.state.replay_body = answer.model_copy(update={"secret": None}).model_dump_json().encode()
    return answer


@keys.post("", status_code=201)
@allow(Policy(scope=Scope.KEYS_WRITE))
def create_key(body: KeyCreate, request: Request, session: SessionDep, caller: CallerDep) -> KeyCreated:
    """Makes a key. A programme's key can give away only scopes that it holds itself."""
    programme_id = body.programme_id if caller.is_operator else caller.programme(body.programme_id)
    if programme_id is not None:
        programme_id = get_programme(session, programme_id).id
    elif body.scopes:
        raise InvalidRequestError("Scopes are for a programme's key: an operator's may do all, an auditor's only read.")
    if not body.scopes <= caller.scopes:
        raise ForbiddenError("A key can hand on only the scopes that it holds.")
    key, text = service.create_key(
        session,
        programme_id=programme_id,
        name=body.name,
        role=CallerKind(body.role) if body.role is not None else None,
        scopes=body.scopes,
        expires_at=body.expires_at,
    )
    return _shown_once(request, key, text)


@keys.get("")
@allow(Policy(scope=Scope.KEYS_WRITE, auditor=True))
def list_keys(session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: CursorText = None) -> Page[KeyRead]:
    """Keys of the programme; for operator and auditors, all. Never their text."""
    after = decode_cursor(cursor, str)
    rows = repository.list_keys(session, caller.programme_id, str(after[0]) if after else None, limit + 1)
    return page_of(rows, limit, lambda key: [key.id], KeyRead.of)


@keys.post("/{key_id}/rotate", status_code=201)
@allow(Policy(scope=Scope.KEYS_WRITE))
def rotate_key(
    key_id: str, body: KeyRotate, request: Request, session: SessionDep, caller: CallerDep, context: ContextDep
) -> KeyCreated:
    """A new key with the same rights; the old one works for the overlap. The caller must hold its scopes."""
    found = _find(session, caller, key_id)
    if not {Scope(scope) for scope in found.scopes} <= caller.scopes:
        raise ForbiddenError("A key can rotate only keys whose scopes it holds itself.")
    key, text = service.rotate_key(session, found, body.overlap_seconds)
    context.callers.clear()
    return _shown_once(request, key, text)


@keys.post("/{key_id}/revoke")
@allow(Policy(scope=Scope.KEYS_WRITE))
def revoke_key(key_id: str, session: SessionDep, caller: CallerDep, context: ContextDep) -> KeyRead:
    """Ends a key at once."""
    key = _find(session, caller, key_id)
    service.revoke_key(session, key)
    context.callers.clear()
    return KeyRead.of(key)


def set_session_cookie(response: Response, session: SignedToken, secure: bool) -> None:
    """Gives the browser the session, unreadable for scripts and for other sites."""
    response.set_cookie(
        SESSION_COOKIE, session.text, expires=session.expires_at, httponly=True, samesite="lax", secure=secure
    )


@sessions.post("", status_code=201)
@allow(Policy(public=True, keyless=True))
def open_session(body: SessionCreate, response: Response, context: ContextDep) -> SessionRead:
    """Exchanges the signed part of a member link for a session."""
    token = context.tokens.open_link(body.link_token)
    set_session_cookie(response, token, context.settings.public_url.startswith("https://"))
    return SessionRead(member_id=token.member_id, token=token.text, expires_at=token.expires_at)


routers: list[APIRouter] = [keys, sessions]
