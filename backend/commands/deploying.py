"""`interpoints deploy`: contracts on a chain, and the manifest that everything else reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from eth_utils.address import is_address, to_checksum_address

from backend.chain.client import ChainClient
from backend.chain.deploy import Deployer
from backend.chain.manifest import Manifest
from backend.chain.signers import DevSigners
from backend.commands.common import CommandError, EnvFile, load_chain_settings, notes, output, signer_source
from backend.stack.programmes_file import ProgrammesFile, plans


def deploy(
    programmes: Annotated[
        Path, typer.Option(help="TOML file of the programmes; the operator's guide describes it.", dir_okay=False)
    ],
    admin: Annotated[
        str | None, typer.Option(help="Account that deploys and becomes admin; default: the first signer there is.")
    ] = None,
    admin_delay_seconds: Annotated[
        int, typer.Option(min=0, help="Time that must pass before the admin role can be handed over.")
    ] = 86_400,
    peer: Annotated[
        list[Path] | None,
        typer.Option(
            help="Manifest of a deployment on another chain to connect with, for good; may be given several times.",
            dir_okay=False,
        ),
    ] = None,
    env_file: EnvFile = None,
) -> None:
    """Deploy registry, tokens, exchanges and clearing house, and write the manifest. Going on after a stop is safe."""
    settings = load_chain_settings(env_file)
    wanted = ProgrammesFile.load(programmes)
    peers = [Manifest.load(path) for path in peer or ()]
    client = ChainClient(settings.rpc_urls)
    source = signer_source(settings, client.chain_id())
    accounts = list(source.addresses())
    if admin is not None and not is_address(admin):
        raise CommandError(f"{admin!r} is not an address.")
    if admin is None and not accounts:
        raise CommandError("Say which account deploys, with --admin: the remote signer does not list its accounts.")
    admin_account = bytes.fromhex(admin[2:]) if admin else accounts[0]
    others = [account for account in accounts if account != admin_account]
    deployer = Deployer(client, source.signer(admin_account), admin_delay_seconds=admin_delay_seconds)
    manifest = deployer.deploy(
        plans(wanted.programme, others),
        settings.manifest_path,
        wanted.clearing.plan(others[-1] if isinstance(source, DevSigners) else None) if wanted.clearing else None,
        wanted.crosschain.plan() if wanted.crosschain else None,
    )
    if peers:
        manifest = deployer.connect(settings.manifest_path, peers)
    show_deployment(manifest)
    notes.print(f"Admin is {to_checksum_address(admin_account)}; the manifest is {settings.manifest_path}.")


def show_deployment(manifest: Manifest) -> None:
    """Print what is deployed where, and who acts for whom."""
    for entry in manifest.programmes:
        output.print(
            f"{entry.slug}: token {entry.token}, issuer {entry.issuer}, custodian {entry.custodian},"
            f" treasurer {entry.treasurer}, quoter {entry.quoter}"
            + (f", branch of chain {entry.home_chain_id}" if entry.is_branch else "")
        )
    if manifest.exchange is not None:
        output.print(f"exchange: {manifest.exchange.address}")
    if manifest.clearing is not None:
        currency = manifest.clearing.currency
        output.print(
            f"clearing house: {manifest.clearing.address}, keeper {manifest.clearing.keeper},"
            f" currency {currency.symbol} ({currency.code}) {currency.address}"
        )
    _show_crosschain(manifest)


def _show_crosschain(manifest: Manifest) -> None:
    if manifest.gateway is None or manifest.crosschain is None:
        return
    gateway, crosschain = manifest.gateway, manifest.crosschain
    output.print(f"gateway: {gateway.address}, {gateway.threshold} of {len(gateway.attesters)} attesters must sign")
    output.print(f"crosschain exchange: {crosschain.address}, guardian {crosschain.guardian}")
    for link in crosschain.links:
        output.print(f"connected with chain {link.chain_id}: crosschain exchange {link.counterpart}")
