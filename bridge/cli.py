"""`interpoints bridge`: the bridge's roles, and what a person does about them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Carry swaps between chains: attest, relay, watch, and see how they are.")

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="INTERPOINTS_BRIDGE_CONFIG",
        help="TOML file of the bridge's settings; INTERPOINTS_BRIDGE_* variables win over it.",
        dir_okay=False,
    ),
]


class ResumableRole(StrEnum):
    """Roles that can halt."""

    ATTEST = "attest"
    RELAY = "relay"
    WATCH = "watch"


# Each command loads what it runs only then: the other commands of `interpoints` start without the bridge.


@app.command("attest")
def attest(config: Config = None) -> None:
    """Run an attester until stopped: check final blocks, sign, serve signatures over HTTP."""
    from bridge import attester_api  # noqa: PLC0415
    from bridge.process import stop_on_signals  # noqa: PLC0415
    from bridge.settings import load_settings  # noqa: PLC0415

    attester_api.run(load_settings(config), stop_on_signals())


@app.command("relay")
def relay(config: Config = None) -> None:
    """Run a relayer until stopped: collect signatures, deliver, retry for ever."""
    from bridge import relayer  # noqa: PLC0415
    from bridge.process import stop_on_signals  # noqa: PLC0415
    from bridge.settings import load_settings  # noqa: PLC0415

    relayer.run(load_settings(config), stop_on_signals())


@app.command("watch")
def watch(config: Config = None) -> None:
    """Watch both ends until stopped: serve status and metrics, and stop a lane that mints more than was burnt."""
    from bridge import watchdog  # noqa: PLC0415
    from bridge.process import stop_on_signals  # noqa: PLC0415
    from bridge.settings import load_settings  # noqa: PLC0415

    watchdog.run(load_settings(config), stop_on_signals())


@app.command("status")
def status(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
) -> None:
    """Say once where every swap between the chains is, from the chains themselves."""
    from bridge import status as reporting  # noqa: PLC0415
    from bridge.settings import load_settings  # noqa: PLC0415

    report = reporting.report(load_settings(config))
    typer.echo(report.json() if as_json else report.text())


@app.command("check-config")
def check_config(config: Config = None) -> None:
    """Read the configuration and ask every endpoint, without doing anything."""
    from bridge.checking import check  # noqa: PLC0415
    from bridge.settings import load_settings  # noqa: PLC0415

    lines, well = check(load_settings(config))
    typer.echo("\n".join(lines))
    if not well:
        raise typer.Exit(1)


@app.command("resume")
def resume(
    role: Annotated[ResumableRole, typer.Option(help="The role that halted.")],
    reason: Annotated[str, typer.Option(help="Why it may go on; kept in the journal.")],
    accept_chain: Annotated[
        bool,
        typer.Option(
            "--accept-chain",
            help="Let go of what was journaled for blocks that the chain has replaced, and follow it as it is now.",
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Let a halted role go on, after a person has looked. The process may keep running meanwhile."""
    from bridge.resuming import resume_role  # noqa: PLC0415
    from bridge.settings import load_settings  # noqa: PLC0415

    typer.echo(resume_role(load_settings(config), role.value, reason, accept_chain=accept_chain))
