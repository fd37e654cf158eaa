"""Who may use an endpoint. Without a declared policy nobody may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from backend.auth.callers import Caller, CallerKind
from backend.auth.errors import ForbiddenError, UnauthenticatedError
from backend.auth.scopes import Scope

P = ParamSpec("P")
R = TypeVar("R")
_ATTRIBUTE = "__interpoints_policy__"


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may use an endpoint: programme keys with `scope`, the operator, members for their own things, or anyone."""

    scope: Scope | None = None
    other_scope: Scope | None = None
    """Another scope that lets a programme's key in; the endpoint itself says what for."""
    operator: bool = True
    auditor: bool = False
    """Auditors may, for endpoints that only read."""
    member: bool = False
    public: bool = False
    own_transaction: bool = False
    """The endpoint commits by itself (group commit, streams), so the route opens no transaction around it."""
    keyless: bool = False
    """A write that needs no `Idempotency-Key` and whose answer is not stored, because it carries a secret; a nonce or
    a signature makes a repetition harmless."""

    def check(self, caller: Caller) -> None:
        """Raises UnauthenticatedError or ForbiddenError unless `caller` may."""
        if self.public:
            return
        if caller.kind is CallerKind.ANONYMOUS:
            raise UnauthenticatedError("Send an API key or a member token as `Authorization: Bearer ...`.")
        if caller.kind is CallerKind.OPERATOR and self.operator:
            return
        if caller.kind is CallerKind.MEMBER and self.member:
            return
        if caller.kind is CallerKind.AUDITOR and self.auditor:
            return
        if caller.kind is CallerKind.PROGRAMME and self.scope is not None:
            if {self.scope, self.other_scope} & caller.scopes:
                return
            raise ForbiddenError(f"This key lacks the scope {self.scope.value}.", scope=self.scope.value)
        raise ForbiddenError(f"This is not for a caller of the kind {caller.kind.value}.")


def allow(policy: Policy) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declares who may use the endpoint below."""

    def mark(endpoint: Callable[P, R]) -> Callable[P, R]:
        setattr(endpoint, _ATTRIBUTE, policy)
        return endpoint

    return mark


def policy_of(endpoint: Callable[..., object]) -> Policy | None:
    """The declared policy, if there is one."""
    policy = getattr(endpoint, _ATTRIBUTE, None)
    return policy if isinstance(policy, Policy) else None
