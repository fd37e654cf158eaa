"""An import: read a part, turn its rows into events, upload them, note the outcome, go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.chain.crashpoints import crash_point
from backend.importing.api import ImportApi
from backend.importing.journal import Counts, Journal, Rejection
from backend.importing.mapping import Mapping
from backend.importing.reader import Part, fingerprint, read_parts
from backend.importing.rows import EventRecord, RowProblem, make_converter, text_of

PART_ROWS = 10_000
"""Rows in one upload: bounds memory, and what a killed import sends again."""
UPLOADS_IN_FLIGHT = 3
"""Uploads that wait for their outcome while the next part is read."""
OUTCOME_DEADLINE_SECONDS = 600.0
_MOST_REMEMBERED = 200_000

Progress = Callable[[float, Counts], None]
"""Told after each part how much of the file is done (0 to 1), and what came of it."""


@dataclass(frozen=True)
class _Sent:
    """A part whose outcome is awaited."""

    upload_id: str | None
    rows: list[int]
    """Row of the file for each line of the upload."""
    rejections: list[Rejection]
    total_rows: int
    done_fraction: float


def default_journal(folder: Path, source: Path, mapping: Mapping, programme: str) -> tuple[Path, Path]:
    """Where the journal and the rejected rows of this file go unless told otherwise: a changed file gets its own."""
    stem = f"{source.stem}-{programme}-{fingerprint(source, mapping)[:12]}"
    return folder / f"{stem}.journal", folder / f"{stem}.rejected.csv"


def import_events(
    source: Path,
    mapping: Mapping,
    api: ImportApi,
    *,
    journal_path: Path,
    rejected_path: Path,
    progress: Progress | None = None,
    part_rows: int = PART_ROWS,
    enrol: bool = False,
) -> Counts:
    """Import a file, or the rest of it, into the programme that `api` works for. The same file twice changes nothing.

    With `enrol`, customer numbers that are not known become members first. Raises ImportingError's family; what was
    done by then is in the journal, and the next call goes on from there.
    """
    print_of_file = fingerprint(source, mapping)
    journal = Journal(journal_path, rejected_path, source, print_of_file)
    try:
        if journal.finished:
            return journal.counts
        waiting: deque[_Sent] = deque()
        convert = make_converter(mapping)
        enrolled: set[str] = set()

        def settle() -> None:
            sent = waiting.popleft()
            counts, rejections = _settle(api, sent)
            crash_point("importer.before_record")
            journal.record(counts, rejections, finished=False)
            crash_point("importer.after_record")
            if progress:
                progress(sent.done_fraction, journal.counts)

        for part in read_parts(source, mapping, part_rows=part_rows, skip_rows=journal.counts.rows):
            events, rows, rejections = _convert_part(part, mapping, convert)
            if enrol:
                _enrol_unseen(api, events, enrolled)
            key = f"import-{print_of_file[:32]}-{part.first_row}-{len(part.rows)}"
            upload_id = api.upload(events, key) if events else None
            crash_point("importer.after_upload")
            waiting.append(_Sent(upload_id, rows, rejections, len(part.rows), part.done_fraction))
            if len(waiting) == UPLOADS_IN_FLIGHT:
                settle()
        while waiting:
            settle()
        journal.record(Counts(), (), finished=True)
        return journal.counts
    finally:
        journal.close()


def _enrol_unseen(api: ImportApi, events: list[EventRecord], enrolled: set[str]) -> None:
    """Enrol who has not come before in this run; forgetting who has costs a call, not memory."""
    unseen = list(dict.fromkeys(e["member_reference"] for e in events if e["member_reference"] not in enrolled))
    if len(enrolled) + len(unseen) > _MOST_REMEMBERED:
        enrolled.clear()
    if unseen:
        api.enrol(unseen)
    enrolled.update(unseen)


def _convert_part(
    part: Part, mapping: Mapping, convert: Callable[..., EventRecord | RowProblem]
) -> tuple[list[EventRecord], list[int], list[Rejection]]:
    events: list[EventRecord] = []
    rows: list[int] = []
    rejections: list[Rejection] = []
    for number, row in enumerate(part.rows, part.first_row):
        if row is None:
            rejections.append(Rejection(number, "", "malformed_row", "it has more or fewer fields than the header"))
            continue
        outcome = convert(row)
        if isinstance(outcome, RowProblem):
            reference = text_of(row[mapping.columns.reference])
            rejections.append(Rejection(number, reference, outcome.reason, outcome.detail))
        else:
            events.append(outcome)
            rows.append(number)
    return events, rows, rejections


def _settle(api: ImportApi, sent: _Sent) -> tuple[Counts, list[Rejection]]:
    rejections = list(sent.rejections)
    processed = duplicates = 0
    if sent.upload_id is not None:
        outcome = api.outcome(sent.upload_id, OUTCOME_DEADLINE_SECONDS)
        duplicates = outcome.duplicates
        processed = len(sent.rows) - duplicates - len(outcome.rejections)
        for line, reference, reason, detail in outcome.rejections:
            rejections.append(Rejection(sent.rows[line - 1], reference, reason, detail))
    rejections.sort(key=lambda rejection: rejection.row)
    return Counts(sent.total_rows, processed, duplicates, len(rejections)), rejections
