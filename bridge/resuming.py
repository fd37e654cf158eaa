"""A person lets a halted role go on."""

from __future__ import annotations

from bridge.errors import BridgeError
from bridge.journal import Journal
from bridge.settings import BridgeSettings

_SHORTEST_REASON = 8


class ResumeError(BridgeError):
    """There is nothing to resume, or no reason was given."""

    slug = "resume-error"
    title = "The role cannot be resumed"
    recoverable = False


def resume_role(settings: BridgeSettings, role: str, reason: str, *, accept_chain: bool) -> str:
    """Resumes the role whose journal is in the settings' folder; answers what was done. Errors: `ResumeError`."""
    if len(reason.strip()) < _SHORTEST_REASON:
        raise ResumeError("Say in a few words why it may go on: they are all that is left when somebody asks later.")
    if not (settings.data_dir / f"{role}.sqlite3").exists():
        raise ResumeError(f"There is no journal of the role {role} in {settings.data_dir}.")
    journal = Journal(settings.data_dir, role, exclusive=False)
    try:
        halt = journal.resume(reason.strip(), accept_chain=accept_chain)
    finally:
        journal.close()
    if halt is None:
        raise ResumeError(f"The role {role} is not halted.")
    return f"Resumed {role}, which halted at {halt.at}: {halt.reason}"
