"""Whether a role does its work, for `/ready`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel


class Check(BaseModel):
    """One thing that the role depends on."""

    ok: bool
    detail: str


class Readiness(BaseModel):
    """Whether the role does its work, and what stands in the way."""

    ready: bool
    role: str
    checks: dict[str, Check]

    @classmethod
    def of(cls, role: str, checks: Mapping[str, Check]) -> Readiness:
        """Ready when every check is well."""
        return cls(ready=all(check.ok for check in checks.values()), role=role, checks=dict(checks))
