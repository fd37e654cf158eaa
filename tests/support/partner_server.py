"""A brand's own points system, as small as the contract allows, with everything that can go wrong on order.

    with PartnerServer(secret) as server:
        server.script("C-1", Behaviour.LOST)          # what the next calls about this member do; then all is well
        ...
        assert server.book.entries == {"pst_...": [250]}

It listens on a free loopback port, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import TypeAdapter
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.types import Receive, Scope, Send

from backend.partners.machine import NOT_POSTED
from backend.partners.wire import (
    MOST_ANSWER_BYTES,
    MemberValidation,
    Message,
    PostingMessage,
    RetryMessage,
    ReversalMessage,
    TransferMessage,
)

_LONGEST_HANG_SECONDS: Final = 30.0
_NOBODYS_SECRET: Final = "whsec_" + "A" * 43 + "="
_MESSAGES: Final[TypeAdapter[Message]] = TypeAdapter(Message)
Original = PostingMessage | TransferMessage


class Behaviour(Enum):
    """What a call does and how it is answered."""

    SUCCEED = auto()
    FAIL = auto()
    """Says no, with 200."""
    FAIL_4XX = auto()
    """Says no, with 422."""
    BARE_404 = auto()
    """Does nothing, and says nothing that is of the contract."""
    SYSTEM_ERROR = auto()
    """Does nothing, and answers 500."""
    DONE_500 = auto()
    """Does it, and answers 500."""
    SAYS_SYSTEM_ERROR = auto()
    """Does nothing, and says `system_error`."""
    PENDING = auto()
    HANG = auto()
    """Does nothing, and never answers (unless `PartnerServer.release` is called)."""
    LOST = auto()
    """Does it, and never answers."""
    CUT = auto()
    """Does it, and the connection breaks in the middle of the answer."""
    GARBAGE = auto()
    """Does it, and answers something that is no JSON."""
    TOO_LONG = auto()
    """Does it, and answers more than is read."""
    REDIRECT = auto()
    """Does nothing, and points elsewhere."""
    DELAYED = auto()
    """The request stays on the way, unanswered; `PartnerServer.deliver_delayed` lets it arrive."""
    STANDS = auto()
    """Of a reversal: refuses to undo it."""


@dataclass
class Book:
    """The partner's accounts: what was credited (+) and debited (-) under each id, in order."""

    entries: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    outcomes: dict[str, str] = field(default_factory=dict)
    """The outcome of each id that is decided."""
    members: set[str] = field(default_factory=set)
    """Members who exist; empty: everybody does."""

    def knows(self, member: str) -> bool:
        """Whether there is such a member."""
        return not self.members or member in self.members

    def carry_out(self, original: Original) -> str:
        """Does what is asked, once for an id, and answers the outcome that it has."""
        if original.id not in self.outcomes:
            if self.knows(original.member_reference):
                sign = 1 if isinstance(original, PostingMessage) else -1
                self.entries[original.id].append(sign * original.points)
                self.outcomes[original.id] = "succeeded"
            else:
                self.outcomes[original.id] = "failed"
        return self.outcomes[original.id]

    def undo(self, subject_id: str) -> bool:
        """Undoes what was done under an id, if anything, and sees to it that it never happens; whether it had been."""
        was_done = self.outcomes.get(subject_id) == "succeeded"
        if was_done:
            self.entries[subject_id].append(-self.entries[subject_id][0])
        self.outcomes[subject_id] = "failed"
        return was_done

    def balance(self, subject_id: str) -> int:
        """What an id comes to."""
        return sum(self.entries.get(subject_id, []))


class PartnerServer:
    """The server. `calls` is what arrived with a good signature: (call, id)."""

    def __init__(self, secret: str = "") -> None:
        self.book = Book()
        self.calls: list[tuple[str, str]] = []
        self.refused_signatures = 0
        self.message_ids: list[str] = []
        self._webhook = Webhook(secret or _NOBODYS_SECRET)
        self._scripts: dict[str, deque[Behaviour]] = {}
        self._delayed: list[Original] = []
        self._released = False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/points"
        self._server = uvicorn.Server(uvicorn.Config(self._app(), log_config=None, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)
        self._socket.close()

    def use_secret(self, secret: str) -> None:
        """Checks signatures with this secret from now on."""
        self._webhook = Webhook(secret)

    def script(self, member_reference: str, *behaviours: Behaviour) -> None:
        """What the next calls about a member do, in order."""
        self._scripts[member_reference] = deque(behaviours)

    def deliver_delayed(self) -> None:
        """Lets requests arrive that were on the way."""
        for original in self._delayed:
            self.book.carry_out(original)
        self._delayed.clear()

    def release(self) -> None:
        """Lets calls that hang be answered."""
        self._released = True

    def will_answer(self, body: bytes) -> bool:
        """Whether a call with this body, if it is the next about its member, is answered."""
        script = self._scripts.get(_about(_MESSAGES.validate_json(body)))
        return not script or script[0] not in _SILENT

    def calls_about(self, subject_id: str) -> list[str]:
        """Calls about one id, in order."""
        return [call for call, each in self.calls if each == subject_id]

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.post("/points/{path:path}")
        async def take(path: str, request: Request) -> Response:
            body = await request.body()
            try:
                self._webhook.verify(body, dict(request.headers))
            except WebhookVerificationError:
                self.refused_signatures += 1
                return Response(b'{"outcome": "system_error", "reason": "signature"}', 401)
            message = _MESSAGES.validate_json(body)
            if path != _path_of(message):
                return Response(status_code=400)
            self.calls.append((message.call, message.id))
            self.message_ids.append(request.headers["webhook-id"])
            return await self._answer(message, request)

        return app

    async def _answer(self, message: Message, request: Request) -> Response:
        behaviour = self._next(_about(message))
        if isinstance(message, MemberValidation):
            known = self.book.knows(message.member_reference)
            return await self._respond(behaviour, request, "succeeded" if known else "failed", "member_unknown")
        original = message.original if isinstance(message, RetryMessage | ReversalMessage) else message
        if isinstance(message, ReversalMessage):
            return await self._reverse(behaviour, request, original)
        if behaviour in _DOES_IT:
            outcome = self.book.carry_out(original)
        elif behaviour in (Behaviour.FAIL, Behaviour.FAIL_4XX):
            outcome = self.book.outcomes.setdefault(original.id, "failed")
        else:
            outcome = self.book.outcomes.get(original.id, "failed")
            if behaviour is Behaviour.DELAYED:
                self._delayed.append(original)
        return await self._respond(behaviour, request, outcome, "member_unknown")

    async def _reverse(self, behaviour: Behaviour, request: Request, original: Original) -> Response:
        if behaviour is Behaviour.STANDS:
            return await self._respond(Behaviour.FAIL, request, "failed", "points_spent")
        was_done = self.book.undo(original.id) if behaviour in _DOES_IT else False
        return await self._respond(behaviour, request, "succeeded" if was_done else "failed", NOT_POSTED)

    async def _respond(self, behaviour: Behaviour, request: Request, outcome: str, reason: str) -> Response:
        if behaviour in _SILENT:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hang(request), _LONGEST_HANG_SECONDS)
        return _response(behaviour, outcome, reason)

    async def _hang(self, request: Request) -> None:
        while not (self._released or await request.is_disconnected()):
            await asyncio.sleep(0.01)

    def _next(self, member_reference: str) -> Behaviour:
        script = self._scripts.get(member_reference)
        return script.popleft() if script else Behaviour.SUCCEED


_DOES_IT: Final = frozenset(
    {
        Behaviour.SUCCEED,
        Behaviour.DONE_500,
        Behaviour.LOST,
        Behaviour.CUT,
        Behaviour.GARBAGE,
        Behaviour.TOO_LONG,
    }
)
_SILENT: Final = frozenset({Behaviour.HANG, Behaviour.LOST, Behaviour.DELAYED})
_STATUS: Final = {
    Behaviour.FAIL_4XX: 422,
    Behaviour.BARE_404: 404,
    Behaviour.SYSTEM_ERROR: 500,
    Behaviour.DONE_500: 500,
    Behaviour.REDIRECT: 307,
}
_SAYS: Final = {Behaviour.PENDING: "pending", Behaviour.SAYS_SYSTEM_ERROR: "system_error"}


def _response(behaviour: Behaviour, outcome: str, reason: str) -> Response:
    if behaviour is Behaviour.CUT:
        return _CutResponse()
    said = _SAYS.get(behaviour, outcome)
    body = b'{"outcome": "%s", "reference": "TX-1", "reason": "%s"}' % (said.encode(), reason.encode())
    if said == "succeeded":
        body = b'{"outcome": "succeeded", "reference": "TX-1"}'
    if behaviour is Behaviour.GARBAGE:
        body = b"<html>All is well</html>"
    if behaviour is Behaviour.BARE_404:
        body = b"not here"
    if behaviour is Behaviour.TOO_LONG:
        body = body[:-1] + b', "more": "' + b"x" * MOST_ANSWER_BYTES + b'"}'
    headers = {"Location": "/elsewhere"} if behaviour is Behaviour.REDIRECT else {}
    return Response(body, _STATUS.get(behaviour, 200), headers, media_type="application/json")


class _CutResponse(Response):
    """Promises more than it sends."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b'{"outcome": "succ'})


def _about(message: Message) -> str:
    """The member whom it is about."""
    original = message.original if isinstance(message, RetryMessage | ReversalMessage) else message
    return original.member_reference


def _path_of(message: Message) -> str:
    if isinstance(message, RetryMessage | ReversalMessage):
        return f"postings/{message.id}/{message.call}"
    return {"member_validation": "member-validations", "posting": "postings", "transfer": "transfers"}[message.call]
