"""`interpoints audit` and `interpoints certificate`: for people at a terminal, and scripts that read exit statuses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from backend.audit.certificate import Certificate, CertificateError, create_certificate, verify_certificate
from backend.audit.chains_report import ChainsReport
from backend.audit.html import save_html
from backend.audit.report import Check, Report, Severity
from backend.audit.service import CannotAuditError, run_audit, run_audits
from backend.audit.service import Progress as OnProgress
from backend.chain.client import ChainClient
from backend.chain.errors import ChainError, ManifestError
from backend.chain.manifest import Manifest

PASSED, FAILED, CANNOT_RUN = 0, 1, 2
"""Exit statuses."""


def audit_command(
    rpc: list[str],
    manifests: list[Path],
    *,
    json_path: Path | None = None,
    html_path: Path | None = None,
    to_block: str = "finalized",
) -> int:
    """Audits the chains of `manifests`; prints the verdict and answers the exit status.

    `rpc` are endpoints of the one chain or, with several manifests, one for each in the same order. `to_block` is a
    number (of one chain) or one of `finalized`, `safe`, `latest`. Progress goes to standard error.
    """
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    clients: list[ChainClient] = []
    try:
        urls = [rpc] if len(manifests) == 1 else [[url] for url in rpc]
        if len(urls) != len(manifests):
            raise ValueError(f"{len(manifests)} manifests need as many --rpc, in the same order, not {len(urls)}.")
        clients += [ChainClient(each, timeout_seconds=60) for each in urls]
        chains = [(client, Manifest.load(path)) for client, path in zip(clients, manifests, strict=True)]
        block = _last_block(to_block, len(chains))
        with _shown(err) as progress:
            if len(chains) == 1:
                report: Report | ChainsReport = run_audit(*chains[0], to_block=block, progress=progress)
            else:
                report = ChainsReport(*run_audits(chains, to_block=block, progress=progress))
    except (CannotAuditError, ManifestError, ValueError) as error:
        err.print(f"The audit could not run: {error}", markup=False)
        return CANNOT_RUN
    finally:
        for client in clients:
            client.close()
    if json_path is not None:
        report.save_json(json_path)
    if html_path is not None:
        save_html(report, html_path)
    if isinstance(report, ChainsReport):
        print_chains(report, out)
    else:
        print_report(report, out)
    return PASSED if report.passed else FAILED


def _last_block(text: str, chains: int) -> int | str:
    """The last block that is asked for. Raises ValueError."""
    if not text[:1].isdigit():
        return text
    if chains > 1:
        raise ValueError("A block number is of one chain; with several give a tag, such as finalized.")
    return int(text, 0)


def create_certificate_command(rpc: list[str], manifest: Path, programme: str, account: str, out: Path) -> int:
    """Writes a certificate of the account's points in `programme` at the newest block; answers the exit status."""
    err = Console(stderr=True, highlight=False)
    client = ChainClient(rpc, timeout_seconds=60)
    try:
        address = bytes.fromhex(account.removeprefix("0x"))
        if len(address) != 20:
            raise ValueError(f"{account} is not an address")
        certificate = create_certificate(client, Manifest.load(manifest), programme, address)
    except (ChainError, CertificateError, ValueError) as error:
        err.print(f"The certificate could not be made: {error}", markup=False)
        return CANNOT_RUN
    finally:
        client.close()
    out.write_text(certificate.model_dump_json(indent=2) + "\n")
    print_certificate(certificate, Console(highlight=False))
    return PASSED


def verify_certificate_command(path: Path, *, block_hash: str | None = None) -> int:
    """Verifies a certificate offline; with `block_hash` also that it is of that block. Answers the exit status."""
    out = Console(highlight=False)
    try:
        certificate = Certificate.load(path)
    except CertificateError as error:
        Console(stderr=True, highlight=False).print(f"{error}", markup=False)
        return CANNOT_RUN
    try:
        verify_certificate(certificate)
        if block_hash is not None and block_hash.lower() != certificate.block_hash:
            raise CertificateError(f"It is of the block {certificate.block_hash}, not of {block_hash}.")
    except CertificateError as error:
        out.print("[bold red]✗ Not proven:[/] ", end="")
        out.print(f"{error}", markup=False)
        return FAILED
    print_certificate(certificate, out)
    if block_hash is None:
        out.print("[bold green]✓ Proven[/], if that block hash is the chain's: compare it with a source you trust.")
    else:
        out.print("[bold green]✓ Proven[/] for the block hash you gave.")
    return PASSED


def print_certificate(certificate: Certificate, out: Console) -> None:
    """What is certified."""
    moment = datetime.fromtimestamp(certificate.block_timestamp_seconds, UTC).strftime("%-d %B %Y, %H:%M UTC")
    out.print(
        f"{certificate.account} holds {certificate.points:,} points of {certificate.programme.name}", markup=False
    )
    for lot in certificate.lots:
        ends = datetime.fromtimestamp(lot.expires_at_seconds, UTC).strftime("%-d %B %Y")
        out.print(f"  {lot.points:,} until {ends}")
    out.print(
        f"in block {certificate.block_number:,} ({moment})\n{certificate.block_hash}", markup=False, soft_wrap=True
    )


def print_chains(report: ChainsReport, out: Console) -> None:
    """Each chain's checks, then what was compared between them, and the verdict."""
    for each in report.chains:
        out.print(f"[bold]chain {each.chain_id}[/]")
        print_report(each, out)
    out.print("[bold]between the chains[/]")
    _print_checks(report.crossings.checks, out)
    for lane in report.crossings.lanes:
        parts = [f"{lane.burnt:,} burnt", f"{lane.minted:,} minted", f"{lane.refunded:,} refunded"]
        parts += [f"{lane.under_way:,} under way"] if lane.under_way else []
        parts += [f"{lane.returning:,} on their way back"] if lane.returning else []
        out.print(f"  {lane.source} → {lane.destination}: {', '.join(parts)}", markup=False)
    out.print("[bold green]Passed[/]" if report.passed else "[bold red]Failed[/]")


def print_report(report: Report, out: Console) -> None:
    """A line a check, findings below it, and the verdict."""
    _print_checks(report.checks, out)
    blocks = f"blocks {report.from_block:,} to {report.to_block:,} ({report.to_block_hash})"
    verdict = "[bold green]Passed[/]" if report.passed else "[bold red]Failed[/]"
    out.print(f"{verdict}: {report.logs:,} logs in {blocks}, {report.seconds:.1f} s")


def _print_checks(checks: Sequence[Check], out: Console) -> None:
    for check in checks:
        mark = "[green]✓[/]" if check.passed else "[bold red]✗[/]"
        out.print(f"{mark} {check.title} [dim]({check.examined:,} examined)[/]")
        for finding in check.findings:
            colour = "red" if finding.severity is Severity.FAILURE else "yellow"
            place = "" if finding.block is None else f" (block {finding.block})"
            out.print(f"    [{colour}]{finding.severity}[/] ", end="")
            out.print(f"{finding.subject}: {finding.detail}{place}", markup=False)
        if check.failures > len(check.findings):
            out.print(f"    and {check.failures - len(check.findings):,} more")


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
