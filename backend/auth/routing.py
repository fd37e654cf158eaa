"""The class of every route under /v1: policy, transaction and idempotency around an endpoint, in one place."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from backend.auth.callers import Caller
from backend.auth.errors import ForbiddenError
from backend.auth.policies import Policy, policy_of
from backend.auth.units import SAFE_METHODS, UnitOfWork, facts_of
from backend.context import AppContext
from backend.errors import InterpointsError, InvalidRequestError
from backend.parameters import parameters_of, wrong_parameters

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Fresh for every new request, the same when it is repeated: the stored answer is then replayed.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class ProtectedRoute(APIRoute):
    """Runs an endpoint for callers that its policy lets in, inside one transaction. No policy: nobody gets in."""

    takes_any_query: ClassVar[bool] = False
    """Whether query parameters that the endpoint does not know are passed over instead of refused."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        policy = policy_of(endpoint)
        methods = set(options.get("methods") or {"GET"})
        if policy is not None and policy.auditor and methods - SAFE_METHODS:
            raise ValueError(f"{path} writes, so no auditor may use it")
        options["openapi_extra"] = _describe(policy, methods, options.get("openapi_extra") or {})
        options["responses"] = {**_problem_responses(policy, methods), **(options.get("responses") or {})}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Wraps the endpoint's handler."""
        endpoint = super().get_route_handler()
        policy = policy_of(self.endpoint)
        taken = parameters_of(self.dependant)

        async def inner(request: Request) -> Response:
            # Nearly all requests have no query, the ones that must be fast among them.
            if request.scope["query_string"] and not self.takes_any_query:
                await _check_query(request, policy, taken)
            return await endpoint(request)

        async def handle(request: Request) -> Response:
            if policy is None:
                raise ForbiddenError("Nobody may use this endpoint yet.")
            if policy.own_transaction:
                return await inner(request)
            return await _in_transaction(request, policy, inner)

        return handle


class OpenRoute(ProtectedRoute):
    """A route of an address that people and monitors open, who may add parameters of their own."""

    takes_any_query = True


async def _check_query(request: Request, policy: Policy | None, taken: Mapping[str, bool]) -> None:
    wrong = wrong_parameters(request.query_params, taken)
    if not wrong:
        return
    if policy is not None and policy.own_transaction and not policy.public:
        # Such an endpoint finds out who asks by itself. Strangers are told that first, as everywhere.
        await admit(request, policy)
    raise RequestValidationError(wrong)


async def _in_transaction(request: Request, policy: Policy, inner: Handler) -> Response:
    context: AppContext = request.app.state.context
    body = b"" if request.method in SAFE_METHODS else await request.body()
    unit = UnitOfWork(context, policy, facts_of(request, hashlib.sha256(body).digest()))
    try:
        stored = await run_in_threadpool(unit.begin)
        if stored is not None:
            await run_in_threadpool(unit.abort, stored.status_code)
            return stored
        request.state.body = body
        request.state.session = unit.session
        request.state.caller = unit.caller
        response = await inner(request)
        if getattr(request.state, "nothing_written", False):
            await run_in_threadpool(unit.abort, response.status_code)
        else:
            await run_in_threadpool(unit.commit, response, None, getattr(request.state, "replay_body", None))
    except BaseException as error:
        await asyncio.shield(run_in_threadpool(unit.abort, _status_of(error)))
        raise
    after_commit: Callable[[Response], Coroutine[Any, Any, Response]] | None
    after_commit = getattr(request.state, "after_commit", None)
    return response if after_commit is None else await after_commit(response)


def _status_of(error: BaseException) -> int:
    """What the access log says of a request that ended in an error."""
    if isinstance(error, RequestValidationError):
        return InvalidRequestError.status
    return error.status if isinstance(error, InterpointsError) else 500


def _describe(policy: Policy | None, methods: set[str], extra: dict[str, Any]) -> dict[str, Any]:
    if policy is None:
        return extra
    described = dict(extra)
    if not policy.public:
        scopes = [scope.value for scope in (policy.scope, policy.other_scope) if scope]
        schemes: list[dict[str, list[str]]] = [{"apiKey": scopes}] if policy.scope or policy.operator else []
        described["security"] = schemes + ([{"memberSession": []}] if policy.member else [])
    if methods - SAFE_METHODS and not policy.keyless:
        described["parameters"] = [*described.get("parameters", []), _KEY_PARAMETER]
    return described


def _problem_responses(policy: Policy | None, methods: set[str]) -> dict[int | str, dict[str, Any]]:
    statuses = {404: "No such resource, or none that the caller may see", 422: "Invalid request"}
    is_write = bool(methods - SAFE_METHODS)
    if is_write or policy is None or not policy.public:
        statuses |= {401: "Not signed in", 403: "Not allowed", 429: "Too many requests"}
    if is_write:
        statuses |= {400: "Malformed request", 409: "Contradicts the present state", 413: "Body too large"}
    statuses |= {502: "The chain answered with an error", 503: "Temporarily unavailable"}
    return {code: {"description": text, "content": _PROBLEM_CONTENT} for code, text in sorted(statuses.items())}


def protected_router(prefix: str, tag: str, route_class: type[ProtectedRoute] = ProtectedRoute) -> APIRouter:
    """A router whose routes are all protected."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=route_class)


async def _session(request: Request) -> Session:
    session: Session = request.state.session
    return session


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _context(request: Request) -> AppContext:
    context: AppContext = request.app.state.context
    return context


async def _request_id(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


SessionDep = Annotated[Session, Depends(_session)]
"""The request's database session; the route commits it."""
CallerDep = Annotated[Caller, Depends(_caller)]
"""Who asks."""
ContextDep = Annotated[AppContext, Depends(_context)]
"""What the application holds."""
RequestIdDep = Annotated[str, Depends(_request_id)]
"""The id that goes with the request to the chain."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What an endpoint works with that has something written on the chain."""

    request: Request
    response: Response
    session: Session
    caller: Caller
    context: AppContext
    request_id: str


async def _writing(
    *,
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    request_id: RequestIdDep,
) -> Writing:
    return Writing(request, response, session, caller, context, request_id)


WritingDep = Annotated[Writing, Depends(_writing)]
"""All that endpoints of writes share, in one."""


async def admit(request: Request, policy: Policy) -> Caller:
    """Says who asks and whether they may, for endpoints that open no transaction of their own."""
    context: AppContext = request.app.state.context

    def check() -> Caller:
        unit = UnitOfWork(context, policy, facts_of(request, b""))
        try:
            unit.admit()
        finally:
            unit.session.close()
        return unit.caller

    return await run_in_threadpool(check)
