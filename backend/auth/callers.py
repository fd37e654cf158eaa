"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backend.auth.scopes import Scope
from backend.errors import InvalidRequestError, NotFoundError


class CallerKind(StrEnum):
    """The kinds of callers."""

    ANONYMOUS = "anonymous"
    MEMBER = "member"
    PROGRAMME = "programme"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    """Reads everything, writes nothing."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, and what they may do."""

    kind: CallerKind
    key_id: str | None = None
    programme_id: str | None = None
    programme_slug: str | None = None
    member_id: str | None = None
    wallets_in: str = ""
    """Of a member: the programme whose points the session may move (link a wallet, swap), or "*" for all."""
    scopes: frozenset[Scope] = frozenset()

    @property
    def name(self) -> str:
        """Stands for the caller in the access log."""
        return self.key_id or self.member_id or self.kind.value

    @property
    def idempotency_owner(self) -> str:
        """Callers with the same owner share idempotency keys, so that rotating an API key changes nothing."""
        return self.programme_id or self.member_id or self.kind.value

    @property
    def is_operator(self) -> bool:
        """Whether this is the operator."""
        return self.kind is CallerKind.OPERATOR

    @property
    def sees_everything(self) -> bool:
        """Whether things of every programme and member may be shown."""
        return self.kind in (CallerKind.OPERATOR, CallerKind.AUDITOR)

    def programme(self, asked: str | None) -> str:
        """The programme that a request concerns: the id of the key's own, or what the operator names: id or slug."""
        if self.programme_id is not None:
            if asked not in (None, self.programme_id, self.programme_slug):
                raise NotFoundError(
                    f"There is no programme {asked} that this key may see. Leave it out: then it is the key's own."
                )
            return self.programme_id
        if asked is None:
            raise InvalidRequestError("Say which programme this concerns: `programme_id` is required here.")
        return asked

    def sees_programme(self, programme_id: str) -> bool:
        """Whether things of this programme may be shown."""
        return self.sees_everything or self.programme_id == programme_id

    def sees_member(self, member_id: str) -> bool:
        """Whether things of this member may be shown, as far as members' own sessions go."""
        return self.kind is not CallerKind.MEMBER or self.member_id == member_id


ANONYMOUS = Caller(CallerKind.ANONYMOUS)
"""Somebody who showed nothing."""
