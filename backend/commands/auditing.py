"""`interpoints audit`: everything recomputed from the chain, without the operator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.audit.command import audit_command


def audit(
    rpc: Annotated[
        list[str],
        typer.Option(
            help="JSON-RPC endpoint of the chain, best one of your own; repeat it for others. With several manifests: "
            "one for each, in the same order."
        ),
    ],
    manifest: Annotated[
        list[Path],
        typer.Option(help="Deployment manifest; repeat it to audit several chains together.", dir_okay=False),
    ],
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the report for machines here.")] = None,
    html_out: Annotated[Path | None, typer.Option("--html", help="Write the report for people here.")] = None,
    to_block: Annotated[str, typer.Option(help="Last block: a number, or a tag such as finalized.")] = "finalized",
) -> None:
    """Recompute every balance, total, ref and role from the chain. Needs an endpoint and the manifest, nothing else.

    With the manifests of several chains, every burn for another chain is held against its mint or refund there.

    Exit status 0: all checks passed; 1: a check failed; 2: the audit could not be carried out.
    """
    raise typer.Exit(audit_command(rpc, manifest, json_path=json_out, html_path=html_out, to_block=to_block))
