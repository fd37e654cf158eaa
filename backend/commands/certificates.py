"""`interpoints certificate`: a member's points, provable to anybody who knows a block hash."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backend.audit.command import create_certificate_command, verify_certificate_command

app = typer.Typer(no_args_is_help=True, help="Prove one account's points, and verify such a proof offline.")


@app.command("create")
def create(
    account: Annotated[str, typer.Argument(help="The account, 0x and 40 hex digits.")],
    rpc: Annotated[list[str], typer.Option(help="JSON-RPC endpoint that answers eth_getProof; repeat it for others.")],
    manifest: Annotated[Path, typer.Option(help="Deployment manifest.", dir_okay=False)],
    programme: Annotated[str, typer.Option(help="Slug of the programme.")],
    out: Annotated[Path, typer.Option(help="Write the certificate here.", dir_okay=False)],
) -> None:
    """Write a certificate of the account's points at the newest block."""
    raise typer.Exit(create_certificate_command(rpc, manifest, programme, account, out))


@app.command("verify")
def verify(
    certificate: Annotated[Path, typer.Argument(help="The certificate.", dir_okay=False)],
    block_hash: Annotated[str | None, typer.Option(help="Hash that you know to be the chain's.")] = None,
) -> None:
    """Verify a certificate without any network.

    Exit status 0: proven; 1: not proven; 2: not a certificate.
    """
    raise typer.Exit(verify_certificate_command(certificate, block_hash=block_hash))
