"""API keys and sessions as the API speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from backend.auth.models import ApiKey
from backend.auth.scopes import Scope
from backend.bodies import Body, UtcTime

Role = Literal["programme", "operator", "auditor"]
"""Whose key it is. An auditor's reads everything and writes nothing."""


class KeyCreate(Body):
    """A key to be made. Only the operator may make keys without a programme: an operator's or an auditor's."""

    programme_id: str | None = Field(default=None, max_length=40)
    role: Role | None = Field(
        default=None, description="Default: `programme` with a programme, otherwise `operator`; or `auditor`"
    )
    name: str = Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")
    scopes: frozenset[Scope] = Field(default=frozenset(), description="What a programme's key may do")
    expires_at: UtcTime | None = None


class KeyRotate(Body):
    """How to rotate a key."""

    overlap_seconds: int = Field(default=86_400, ge=0, le=2_592_000, description="How long the old key works on")


class KeyRead(BaseModel):
    """A key, without its text."""

    id: str
    programme_id: str | None
    role: Role
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> KeyRead:
        """From its row."""
        return cls.model_validate(key, from_attributes=True)


class KeyCreated(KeyRead):
    """A fresh key with its text."""

    secret: str | None = Field(description="The key's text, shown this once; null when the answer is replayed")


class SessionCreate(Body):
    """Opens a member's session with the signed part of a member link."""

    link_token: str = Field(max_length=512)


class SessionRead(BaseModel):
    """A member's session."""

    member_id: str
    token: str = Field(description="Send it as `Authorization: Bearer ...`; also set as a cookie")
    expires_at: datetime
