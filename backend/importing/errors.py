"""What can keep an import from running."""

from __future__ import annotations

from pathlib import Path


class ImportingError(Exception):
    """An import cannot run or go on; the message says what to do."""


class MappingError(ImportingError):
    """The column mapping does not fit its description, or the file."""

    def __init__(self, path: Path | None, problem: str) -> None:
        super().__init__(f"The mapping {path or 'given'} cannot be used: {problem}")
        self.path = path
        self.problem = problem


class SourceError(ImportingError):
    """The file of events cannot be read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} cannot be imported: {problem}")
        self.path = path
        self.problem = problem


class SourceChangedError(ImportingError):
    """The file or mapping is not the one that the journal began with."""

    def __init__(self, path: Path, journal: Path) -> None:
        super().__init__(
            f"{path} or its mapping has changed since this import began: import the new file under a new journal "
            f"(--journal), or remove {journal} to begin again; what is known already is not counted twice."
        )
        self.path = path
        self.journal = journal


class UploadError(ImportingError):
    """The API refused a part of the file as a whole, or does not answer."""

    def __init__(self, problem: str, status: int | None = None) -> None:
        super().__init__(problem)
        self.status = status
