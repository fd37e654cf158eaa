"""API keys: made, recognised, rotated, revoked. Only the SHA-256 of a key is ever stored."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.auth import repository
from backend.auth.callers import Caller, CallerKind
from backend.auth.errors import UnauthenticatedError
from backend.auth.models import ApiKey
from backend.auth.scopes import Scope
from backend.database import new_id, utc_now
from backend.errors import InvalidRequestError, NotFoundError

_CACHE_SECONDS = 1.0
_MOST_CACHED = 10_000


def hash_secret(text: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(text.encode()).digest()


def create_key(
    session: Session,
    *,
    programme_id: str | None,
    name: str,
    role: CallerKind | None = None,
    scopes: frozenset[Scope] = frozenset(),
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Makes a key and answers it with its text, which is shown this once.

    Without a programme it is the operator's, or an auditor's when `role` says so. Raises InvalidRequestError when role
    and programme do not go together.
    """
    role = role or (CallerKind.OPERATOR if programme_id is None else CallerKind.PROGRAMME)
    if (role is CallerKind.PROGRAMME) != (programme_id is not None):
        raise InvalidRequestError(
            "A key of the role `programme` belongs to a programme; an operator's or auditor's belongs to none."
        )
    key_id = new_id("key")
    text = f"ip_{key_id.removeprefix('key_')}_{secrets.token_urlsafe(32)}"
    key = ApiKey(
        id=key_id,
        programme_id=programme_id,
        name=name,
        role=role.value,
        secret_hash=hash_secret(text),
        scopes=sorted(scope.value for scope in scopes),
        created_at=utc_now(),
        expires_at=expires_at,
        revoked_at=None,
    )
    session.add(key)
    session.flush()
    return key, text


def rotate_key(session: Session, key: ApiKey, overlap_seconds: int) -> tuple[ApiKey, str]:
    """A new key with the same rights; the old one works for `overlap_seconds` more."""
    if key.revoked_at is not None:
        raise NotFoundError(f"The key {key.id} is revoked; create a new one.")
    replacement = create_key(
        session,
        programme_id=key.programme_id,
        name=key.name,
        role=CallerKind(key.role),
        scopes=frozenset(Scope(scope) for scope in key.scopes),
        expires_at=key.expires_at,
    )
    ends_at = utc_now() + timedelta(seconds=overlap_seconds)
    key.expires_at = ends_at if key.expires_at is None else min(key.expires_at, ends_at)
    session.flush()
    return replacement


def revoke_key(session: Session, key: ApiKey) -> None:
    """Ends a key now. Revoking again does nothing."""
    if key.revoked_at is None:
        key.revoked_at = utc_now()
        session.flush()


def caller_of(key: ApiKey | None) -> Caller:
    """Who a stored key stands for. Raises UnauthenticatedError when it is unknown, revoked or expired."""
    if key is None:
        raise UnauthenticatedError("This API key is not known.")
    if key.revoked_at is not None:
        raise UnauthenticatedError("This API key is revoked.")
    if key.expires_at is not None and key.expires_at <= utc_now():
        raise UnauthenticatedError("This API key has expired.")
    if key.role == CallerKind.OPERATOR:
        return Caller(CallerKind.OPERATOR, key_id=key.id, scopes=frozenset(Scope))
    if key.role == CallerKind.AUDITOR:
        return Caller(CallerKind.AUDITOR, key_id=key.id)
    assert key.programme is not None, "checked when the key was made"
    scopes = frozenset(Scope(scope) for scope in key.scopes)
    programme = key.programme
    return Caller(
        CallerKind.PROGRAMME, key_id=key.id, programme_id=programme.id, programme_slug=programme.slug, scopes=scopes
    )


def authenticate_key(session: Session, text: str) -> Caller:
    """Who shows this API key."""
    return caller_of(repository.find_key_by_hash(session, hash_secret(text)))


class CallerCache:
    """Remembers for one second who an API key stands for, for the endpoint that must not ask the database each time.

    A revoked key can thus post events for up to one second more on another API process.
    """

    def __init__(self) -> None:
        self._callers: dict[bytes, tuple[Caller, float]] = {}
        self._looking: dict[bytes, asyncio.Task[Caller]] = {}
        self._generation = 0

    def get(self, text: str) -> Caller | None:
        """The caller, if seen within the last second."""
        entry = self._callers.get(hash_secret(text))
        return entry[0] if entry is not None and entry[1] > time.monotonic() else None

    async def look_up(self, text: str, ask: Callable[[], Coroutine[None, None, Caller]]) -> Caller:
        """The caller by `ask`, which is asked once for all who wait for the same key. Its errors are everybody's."""
        key = hash_secret(text)
        task = self._looking.get(key)
        if task is None:
            task = self._looking[key] = asyncio.ensure_future(self._ask(key, ask))
            task.add_done_callback(lambda _: self._looking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: bytes, ask: Callable[[], Coroutine[None, None, Caller]]) -> Caller:
        generation = self._generation
        caller = await ask()
        if generation == self._generation:  # Otherwise a key was revoked meanwhile, perhaps this one.
            if len(self._callers) >= _MOST_CACHED:
                self._callers.clear()
            self._callers[key] = (caller, time.monotonic() + _CACHE_SECONDS)
        return caller

    def clear(self) -> None:
        """Forgets everybody; called when a key is revoked or rotated here."""
        self._generation += 1
        self._callers.clear()
