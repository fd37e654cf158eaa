"""Endpoints of wallets: link one to a member, or sign in with one that is linked."""

from __future__ import annotations

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.callers import Caller, CallerKind
from backend.auth.endpoints import set_session_cookie
from backend.auth.errors import ForbiddenError
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, RequestIdDep, SessionDep, protected_router
from backend.auth.schemas import SessionRead
from backend.auth.scopes import Scope
from backend.auth.sessions import EVERYWHERE, NOWHERE
from backend.context import AppContext
from backend.errors import UnavailableError
from backend.hexes import address_text
from backend.members import wallets
from backend.members.endpoints import visible_member
from backend.members.errors import SignInError
from backend.members.schemas import WalletChallengeCreate, WalletChallengeRead, WalletLink, WalletLinked, WalletProof
from backend.members.wallets import Challenge, Site
from backend.programmes.models import Programme

members = protected_router("/members", "wallets")
sessions = protected_router("/sessions", "sessions")
_LINK = Policy(scope=Scope.MEMBERS_WRITE, member=True)
_CHALLENGE = Policy(scope=Scope.MEMBERS_WRITE, member=True, keyless=True)
_PUBLIC = Policy(public=True, keyless=True)


def _site(session: Session, context: AppContext, caller: Caller) -> Site:
    """Where members sign in, on the chain of their programmes."""
    query = select(Programme.chain_id).limit(1)
    if caller.programme_id is not None:
        query = query.where(Programme.id == caller.programme_id)
    chain_id = session.scalar(query)
    if chain_id is None:
        raise UnavailableError("No programme is set up yet.")
    return Site(context.settings.public_url.rstrip("/"), chain_id)


def _links_in(caller: Caller) -> str | None:
    """The programme in which the caller may link a wallet; None for all. Raises ForbiddenError."""
    if caller.kind is not CallerKind.MEMBER:
        return caller.programme_id
    if caller.wallets_in == NOWHERE:
        raise ForbiddenError("This session was opened by a wallet; open a brand's link to link one there.")
    return None if caller.wallets_in == EVERYWHERE else caller.wallets_in


def _read(challenge: Challenge) -> WalletChallengeRead:
    return WalletChallengeRead(message=challenge.message, nonce=challenge.nonce, expires_at=challenge.expires_at)


@members.post("/{member_id}/wallet/challenges", status_code=201)
@allow(_CHALLENGE)
def create_wallet_challenge(
    member_id: str, body: WalletChallengeCreate, session: SessionDep, caller: CallerDep, context: ContextDep
) -> WalletChallengeRead:
    """A message (EIP-4361) for the member's wallet to sign. A brand, or its link, links in its own programme."""
    visible_member(session, caller, member_id)
    programme_id, site = _links_in(caller), _site(session, context, caller)
    return _read(wallets.create_challenge(session, site, body.address, member_id=member_id, programme_id=programme_id))


@members.post("/{member_id}/wallet", status_code=202)
@allow(_LINK)
def link_wallet(
    member_id: str,
    body: WalletProof,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    request_id: RequestIdDep,
) -> WalletLinked:
    """Links the wallet that signed the challenge and moves the points there. Then only the wallet spends them."""
    visible_member(session, caller, member_id)
    site = _site(session, context, caller)
    challenge = wallets.check_proof(session, context.chain, site, body.message, body.signature)
    if challenge.member_id != member_id or challenge.programme_id != _links_in(caller):
        raise SignInError("The message was given for another member or by another caller; ask for a new one.")
    links = [
        WalletLink(
            programme_id=enrolment.programme_id,
            enrolment_id=enrolment.id,
            operation_id=operation.id if operation is not None else None,
        )
        for enrolment, operation in wallets.link_wallet(session, challenge, request_id)
    ]
    return WalletLinked(wallet=address_text(challenge.address), links=links)


@sessions.post("/challenges", status_code=201)
@allow(_PUBLIC)
def create_sign_in_challenge(
    body: WalletChallengeCreate, request: Request, session: SessionDep, caller: CallerDep, context: ContextDep
) -> WalletChallengeRead:
    """A message (EIP-4361) for a linked wallet to sign in with."""
    host = request.client.host if request.client is not None else "unknown"
    context.sign_in_limiter.take(host)
    return _read(wallets.create_challenge(session, _site(session, context, caller), body.address))


@sessions.post("/wallet", status_code=201)
@allow(_PUBLIC)
def open_wallet_session(
    body: WalletProof, response: Response, session: SessionDep, caller: CallerDep, context: ContextDep
) -> SessionRead:
    """Opens the session of the member who has linked the wallet that signed."""
    site = _site(session, context, caller)
    challenge = wallets.check_proof(session, context.chain, site, body.message, body.signature)
    if challenge.member_id is not None:
        raise SignInError("This message was signed to link a wallet, not to sign in.")
    token = context.tokens.issue_session(wallets.member_of_wallet(session, challenge.address))
    set_session_cookie(response, token, context.settings.public_url.startswith("https://"))
    return SessionRead(member_id=token.member_id, token=token.text, expires_at=token.expires_at)
