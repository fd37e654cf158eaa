"""The member page and what belongs to it. Pages read; every change goes through the API."""

from __future__ import annotations

import json
import re
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.endpoints import set_session_cookie
from backend.auth.errors import LinkInvalidError
from backend.auth.policies import Policy, allow
from backend.auth.sessions import SESSION_COOKIE, SignedToken
from backend.chain.errors import ChainError
from backend.chain.points_token import selector
from backend.context import AppContext
from backend.exchange.deployment import find_exchanges
from backend.hexes import address_text
from backend.programmes.models import Programme
from backend.settings import Settings
from backend.web import pages
from backend.web.brands import stylesheet
from backend.web.explorer import transaction_view
from backend.web.swapping import swap_view
from backend.web.views import MemberView, member_view, newest_block

router = APIRouter(include_in_schema=False)
_PUBLIC = Policy(public=True)
_HASH = re.compile(r"0x[0-9a-f]{64}")
_LOTS_OF = "0x" + selector("lotsOf(address)").hex()


def _context(request: Request) -> AppContext:
    context: AppContext = request.app.state.context
    return context


def _programmes(session: Session) -> list[Programme]:
    return list(session.scalars(select(Programme).order_by(Programme.id)))


def _session_token(request: Request) -> SignedToken | None:
    """The session that the cookie carries; None without one that is valid."""
    text = request.cookies.get(SESSION_COOKIE)
    if text is None:
        return None
    try:
        return _context(request).tokens.read_session(text)
    except LinkInvalidError:
        return None


@router.get("/")
@allow(_PUBLIC)
def landing(request: Request) -> HTMLResponse:
    """What is running here."""
    context = _context(request)
    with context.sessions() as session:
        programmes = _programmes(session)
        chains = {each.chain_id: newest_block(session, each.chain_id) for each in programmes}
    values = {"programmes": programmes, "chains": chains, "samples": _samples(context.settings.sample_links_path)}
    return pages.page(context.settings, "landing.html", values)


def _samples(path: Path | None) -> list[dict[str, str]]:
    """Links to sample members that a demonstration left: a JSON list of {"label", "url"}."""
    if path is None or not path.exists():
        return []
    entries = json.loads(path.read_text())
    return [{"label": str(each["label"]), "url": str(each["url"])} for each in entries]


@router.get("/m/{token}")
@allow(_PUBLIC)
def open_link(token: str, request: Request) -> Response:
    """Signs the member of a brand's link in."""
    context = _context(request)
    try:
        session = context.tokens.open_link(token)
    except LinkInvalidError:
        return pages.page(context.settings, "link_problem.html", {}, 410)
    response = RedirectResponse("/me", 303, pages.headers(context.settings))
    set_session_cookie(response, session, context.settings.public_url.startswith("https://"))
    return response


@router.get("/me")
@allow(_PUBLIC)
def member_page(request: Request) -> HTMLResponse:
    """The member's points."""
    context = _context(request)
    token = _session_token(request)
    if token is None:
        return pages.page(context.settings, "sign_in.html", {}, 401)
    with context.sessions() as session:
        # One snapshot: lots and the block that they belong to must not come from two states of the projection.
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        exchanges = find_exchanges(context.settings)
        view = member_view(session, token.member_id, exchanges)
        swap = swap_view(session, exchanges, token.member_id, token.wallets_in)
    values = {
        "member": view,
        "swap": swap,
        "wallets_in": token.wallets_in,
        "rpc_url": context.settings.public_rpc_url,
        "check": _check_data(view, context.settings.public_rpc_url),
        "transaction_url": lambda text: transaction_url(context.settings, text),
    }
    return pages.page(context.settings, "member.html", values)


def transaction_url(settings: Settings, transaction_hash: str) -> str:
    """Where a transaction is shown: in the configured block explorer, or on our own page."""
    base = "" if settings.explorer_url is None else settings.explorer_url.rstrip("/")
    return f"{base}/tx/{transaction_hash}"


def _check_data(view: MemberView, rpc_url: str | None) -> dict[str, object]:
    """What the browser compares with the chain."""
    programmes = [
        {
            "slug": each.slug,
            "token": each.token,
            "chainId": each.chain.chain_id,
            "block": each.chain.number,
            "accounts": each.accounts,
            "lots": [{"account": lot.account, "epoch": lot.epoch, "points": lot.points} for lot in each.lots],
        }
        for each in view.programmes
    ]
    return {"rpcUrl": rpc_url, "lotsOf": _LOTS_OF, "programmes": programmes}


@router.post("/sign-out")
@allow(Policy(public=True, keyless=True))
def sign_out(request: Request) -> RedirectResponse:
    """Ends the member's session in this browser."""
    response = RedirectResponse("/me", 303, pages.headers(_context(request).settings))
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax")
    return response


@router.get("/tx/{transaction_hash}")
@allow(_PUBLIC)
def transaction_page(transaction_hash: str, request: Request) -> HTMLResponse:
    """One transaction, as the chain has it."""
    context = _context(request)
    with context.sessions() as session:
        names = {address_text(each.token).lower(): f"{each.name} points" for each in _programmes(session)}
    exchanges = find_exchanges(context.settings)
    if exchanges is not None:
        names |= {address_text(address).lower(): "Exchange" for address in exchanges.addresses}
    if not _HASH.fullmatch(transaction_hash):
        return pages.page(context.settings, "no_transaction.html", {"reason": "unknown"}, 404)
    try:
        view = transaction_view(context.chain, transaction_hash, names)
    except ChainError:
        return pages.page(context.settings, "no_transaction.html", {"reason": "unreachable"}, 503)
    if view is None:
        return pages.page(context.settings, "no_transaction.html", {"reason": "unknown"}, 404)
    return pages.page(context.settings, "transaction.html", {"transaction": view})


@router.get("/brands.css")
@allow(_PUBLIC)
def brands(request: Request) -> PlainTextResponse:
    """The programmes' colours."""
    with _context(request).sessions() as session:
        text = stylesheet([(each.slug, each.colour) for each in _programmes(session)])
    return PlainTextResponse(text, media_type="text/css", headers={"Cache-Control": "max-age=300"})


@router.get("/static/{name}")
@allow(_PUBLIC)
def static_file(name: str, v: str = "") -> Response:
    """Style sheet, scripts and icon: with a version, for ever; scripts import each other without one."""
    media_type = pages.MEDIA_TYPES.get(name)
    if media_type is None:
        return PlainTextResponse("There is no such file.", 404)
    caching = "public, max-age=31536000, immutable" if v else "no-cache"
    headers = {"Cache-Control": caching, "X-Content-Type-Options": "nosniff"}
    return FileResponse(str(pages.STATIC / name), media_type=media_type, headers=headers)
