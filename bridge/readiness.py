"""Whether a role does its work, for `/ready`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from bridge.errors import JournalError
from bridge.journal import Journal


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


def journal_check(journal: Journal) -> Check:
    """Whether a role's journal can be written, and the role has not halted."""
    try:
        journal.check_writable()
        halt = journal.halted()
    except JournalError as error:
        return Check(ok=False, detail=error.detail)
    if halt is not None:
        return Check(ok=False, detail=f"halted at {halt.at}: {halt.reason}")
    return Check(ok=True, detail="can be written")
