"""One request, one database transaction: who asks, whether they may, the answer stored for replay, the access log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from backend.auth import repository
from backend.auth.callers import ANONYMOUS, Caller, CallerKind
from backend.auth.errors import IdempotencyKeyMissingError, IdempotencyKeyReusedError, RequestInProgressError
from backend.auth.models import AccessLogEntry, IdempotencyRecord
from backend.auth.policies import Policy
from backend.auth.service import authenticate_key
from backend.auth.sessions import SESSION_COOKIE
from backend.database import utc_now
from backend.errors import InvalidRequestError

if TYPE_CHECKING:
    from backend.context import AppContext

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
REPLAYED_HEADER = "Idempotency-Replayed"
_LONGEST_WAIT = "10s"
_KEPT_HEADERS = ("location", "content-type")


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What of a request decides who asks and whether it was asked before."""

    method: str
    target: str
    token: str | None
    idempotency_key: str | None
    body_hash: bytes
    request_id: str

    @property
    def is_write(self) -> bool:
        """Whether the method may change something."""
        return self.method not in SAFE_METHODS

    @property
    def hash(self) -> bytes:
        """The same for the same request."""
        return hashlib.sha256(f"{self.method} {self.target}\n".encode() + self.body_hash).digest()


def token_of(request: Request) -> str | None:
    """The API key or member session that the request carries."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text:
        return text.strip()
    return request.cookies.get(SESSION_COOKIE)


def facts_of(request: Request, body_hash: bytes) -> RequestFacts:
    """The facts of `request`."""
    scope = request.scope
    query = str(scope["query_string"], "latin-1")
    return RequestFacts(
        method=request.method,
        target=scope["path"] + ("?" + query if query else ""),
        token=token_of(request),
        idempotency_key=request.headers.get("idempotency-key"),
        body_hash=body_hash,
        request_id=request.state.request_id,
    )


def identify(context: AppContext, session: Session, token: str | None) -> Caller:
    """Who shows this token; ANONYMOUS without one. Raises UnauthenticatedError when it is not valid."""
    if token is None:
        return ANONYMOUS
    if token.startswith("ip_"):
        return authenticate_key(session, token)
    session_token = context.tokens.read_session(token)
    return Caller(CallerKind.MEMBER, member_id=session_token.member_id, wallets_in=session_token.wallets_in)


class UnitOfWork:
    """The transaction around one request. Its methods block: call them in a worker thread."""

    def __init__(self, context: AppContext, policy: Policy, facts: RequestFacts) -> None:
        self._context = context
        self._policy = policy
        self._facts = facts
        self.session = context.sessions()
        self.caller = ANONYMOUS
        self._stores_answer = facts.is_write and not policy.keyless

    def begin(self) -> Response | None:
        """Checks the caller and answers the stored response if the request was carried out before."""
        self.admit()
        return self.recall(self._facts.hash)

    def admit(self) -> None:
        """Says who asks and whether they may."""
        if not self._policy.public:
            self.caller = identify(self._context, self.session, self._facts.token)
            self._context.rate_limiter.take(self.caller.name)
        self._policy.check(self.caller)
        if self._stores_answer:
            _check_key(self._facts.idempotency_key)

    def recall(self, request_hash: bytes) -> Response | None:
        """The answer stored under the request's key, after waiting for whoever works under it."""
        if not self._stores_answer:
            return None
        record = self.find_record()
        if record is None:
            return None
        if record.request_hash != request_hash:
            raise IdempotencyKeyReusedError("This Idempotency-Key came with another request before; use a new one.")
        return Response(record.body, record.status, {**record.headers, REPLAYED_HEADER: "true"})

    def find_record(self) -> IdempotencyRecord | None:
        """The record of the request's key, locked against everybody else until the transaction ends."""
        owner, key = self.caller.idempotency_owner, self._facts.idempotency_key or ""
        self.session.execute(select(func.set_config("lock_timeout", _LONGEST_WAIT, True)))
        try:
            repository.lock_idempotency_key(self.session, owner, key)
        except OperationalError as error:
            raise RequestInProgressError("A request with this Idempotency-Key is still being carried out.") from error
        return repository.find_record(self.session, owner, key)

    def commit(self, response: Response, request_hash: bytes | None = None, replay_body: bytes | None = None) -> None:
        """Stores the answer and commits. `replay_body` is stored in place of a body that holds a secret."""
        succeeded = response.status_code < 300
        if self._stores_answer and succeeded:
            self.session.add(
                IdempotencyRecord(
                    caller=self.caller.idempotency_owner,
                    key=self._facts.idempotency_key,
                    request_hash=request_hash or self._facts.hash,
                    status=response.status_code,
                    headers={name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers},
                    body=bytes(response.body) if replay_body is None else replay_body,
                    created_at=utc_now(),
                )
            )
        if self._facts.is_write:
            self.session.add(self._log_entry(response.status_code))
        self.session.commit()
        self.session.close()

    def abort(self, status: int) -> None:
        """Rolls back; a refused write by somebody we know still goes to the access log."""
        try:
            self.session.rollback()
            if self._facts.is_write and self.caller.kind is not CallerKind.ANONYMOUS:
                self.session.add(self._log_entry(status))
                self.session.commit()
        finally:
            self.session.close()

    def _log_entry(self, status: int) -> AccessLogEntry:
        return AccessLogEntry(
            caller=self.caller.name,
            method=self._facts.method,
            path=self._facts.target.replace("\0", "\N{REPLACEMENT CHARACTER}"),  # PostgreSQL stores no NUL.
            status=status,
            request_id=self._facts.request_id,
            created_at=utc_now(),
        )


def _check_key(key: str | None) -> None:
    if key is None:
        raise IdempotencyKeyMissingError("Send a fresh `Idempotency-Key` header with each write, such as a UUID.")
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise InvalidRequestError("`Idempotency-Key` is 1 to 255 printable ASCII characters.")
