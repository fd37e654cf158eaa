"""`interpoints audit`: runs the audit for people at a terminal and for scripts that look at the exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from backend.audit.html import save_html
from backend.audit.report import Report, Severity
from backend.audit.service import CannotAuditError, run_audit
from backend.audit.service import Progress as OnProgress
from backend.chain.client import ChainClient
from backend.chain.errors import ManifestError
from backend.chain.manifest import Manifest

PASSED, FAILED, CANNOT_RUN = 0, 1, 2
"""Exit statuses."""


def audit_command(
    rpc: list[str],
    manifest: Path,
    *,
    json_path: Path | None = None,
    html_path: Path | None = None,
    to_block: str = "finalized",
) -> int:
    """Audits `manifest` on the endpoints `rpc`; prints the verdict and answers the exit status.

    `to_block` is a number or one of `finalized`, `safe`, `latest`. Progress goes to standard error.
    """
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    client = ChainClient(rpc, timeout_seconds=60)
    try:
        block = int(to_block, 0) if to_block[:1].isdigit() else to_block
        with _shown(err) as progress:
            report = run_audit(client, Manifest.load(manifest), to_block=block, progress=progress)
    except (CannotAuditError, ManifestError, ValueError) as error:
        err.print(f"The audit could not run: {error}", markup=False)
        return CANNOT_RUN
    finally:
        client.close()
    if json_path is not None:
        report.save_json(json_path)
    if html_path is not None:
        save_html(report, html_path)
    print_report(report, out)
    return PASSED if report.passed else FAILED


def print_report(report: Report, out: Console) -> None:
    """A line a check, findings below it, and the verdict."""
    for check in report.checks:
        mark = "[green]✓[/]" if check.passed else "[bold red]✗[/]"
        out.print(f"{mark} {check.title} [dim]({check.examined:,} examined)[/]")
        for finding in check.findings:
            colour = "red" if finding.severity is Severity.FAILURE else "yellow"
            place = "" if finding.block is None else f" (block {finding.block})"
            out.print(f"    [{colour}]{finding.severity}[/] ", end="")
            out.print(f"{finding.subject}: {finding.detail}{place}", markup=False)
        if check.failures > len(check.findings):
            out.print(f"    and {check.failures - len(check.findings):,} more")
    blocks = f"blocks {report.from_block:,} to {report.to_block:,} ({report.to_block_hash})"
    verdict = "[bold green]Passed[/]" if report.passed else "[bold red]Failed[/]"
    out.print(f"{verdict}: {report.logs:,} logs in {blocks}, {report.seconds:.1f} s")


@contextmanager
def _shown(console: Console) -> Iterator[OnProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield show
