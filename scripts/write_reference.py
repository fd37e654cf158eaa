"""Writes the reference pages that follow from the code: docs/commands.md and docs/api.md.

    .venv/bin/python -m scripts.write_reference

A test fails when the pages are not what this would write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import prometheus_client
import typer

import backend.worker_roles  # noqa: F401 - registers the metrics of every role
from backend.app import create_app
from backend.cli import application
from backend.partners.wire import openapi
from backend.settings import Settings
from scripts.bridge_reference import bridge_metrics_page, bridge_settings_page

DOCS = Path(__file__).resolve().parents[1] / "docs"


def commands_page() -> str:
    """Every command with its arguments and options."""
    root = typer.main.get_command(application())
    lines = [
        "# Commands",
        "",
        "What `interpoints` can do; `interpoints COMMAND --help` says the same. This page is written by",
        "`python -m scripts.write_reference`.",
        "",
        "A command that cannot do its work says why in one sentence and ends with status 1. A command line that cannot",
        "be understood ends with status 2.",
    ]
    for path, command in _commands("interpoints", cast("Any", root)):
        lines += ["", f"## `{path}`", "", _prose(command.help)]
        rows = [_parameter(each) for each in command.params if each.name != "help"]
        if rows:
            lines += ["", "| option | default | meaning |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def command_paths() -> list[str]:
    """Every command as it is typed."""
    return [path for path, _ in _commands("interpoints", typer.main.get_command(application()))]


def undocumented_parameters() -> list[str]:
    """Options and arguments that do not say what they are for."""
    return [
        f"{path} {parameter.name}"
        for path, command in _commands("interpoints", typer.main.get_command(application()))
        for parameter in command.params
        if not getattr(parameter, "help", "") and parameter.name != "help"
    ]


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, each in getattr(command, "commands", {}).items():
        if getattr(each, "commands", None):
            yield from _commands(f"{path} {name}", each)
        else:
            yield f"{path} {name}", each


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        name = ", ".join(f"`{each}`" for each in parameter.opts)
    variable = f" (`{parameter.envvar}`)" if isinstance(parameter.envvar, str) else ""
    default = parameter.default
    shown = "required" if parameter.required else "" if default in {None, False} else f"`{default}`"
    meaning = _prose(getattr(parameter, "help", "") or "").replace("|", "\\|")
    return f"| {name}{variable} | {shown} | {meaning} |"


def _prose(text: str) -> str:
    return re.sub(r"\s*\n\s*\n\s*", "\n\n", text.strip()).replace("\n    ", "\n") if text else ""


def api_page() -> str:
    """Every endpoint with its summary."""
    settings = Settings(
        database_url="postgresql+psycopg:///none",
        secret_key=cast("Any", "-" * 32),
        manifest_path=Path("manifest.json"),
        rpc_urls=["http://127.0.0.1:1"],
    )
    schema = create_app(settings).openapi()
    lines = [
        "# Endpoints",
        "",
        "What the API answers to; `/v1/openapi.json` says it in full. This page is written by",
        "`python -m scripts.write_reference`.",
    ]
    groups: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["pages"])[0]
            text = _prose(operation.get("description") or operation.get("summary", "")).split("\n\n")[0]
            text = text.replace("\n", " ")
            row = f"| `{method.upper()} {path}` | {text} |"
            groups.setdefault(tag, []).append(row)
    for tag, rows in groups.items():
        lines += ["", f"## {tag.capitalize()}", "", "| endpoint | what it does |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Every metric of the API and the workers."""
    lines = [
        "# Metrics",
        "",
        "What the API's and the workers' `/metrics` tell Prometheus. This page is written by",
        "`python -m scripts.write_reference`; the operator's guide says which are worth an alert.",
        "",
        "| metric | kind | meaning |",
        "|---|---|---|",
    ]
    ours = (each for each in prometheus_client.REGISTRY.collect() if each.name.startswith("interpoints_"))
    for each in sorted(ours, key=lambda metric: metric.name):
        name = each.name + ("_total" if each.type == "counter" else "")
        lines.append(f"| `{name}` | {each.type} | {each.documentation} |")
    return "\n".join(lines) + "\n"


_EVENT = re.compile(r"((?:^    /// .*\n)+)(?:^    // .*\n)?^    event (\w+)\(([^;]*)\);", re.M)
_STANDARD = """
Beside them the tokens log what the standards ask for: `Transfer` and `Approval` (ERC-20), `CrosschainMint` and
`CrosschainBurn` (ERC-7802), `Paused` and `Unpaused`, and who holds which role: `RoleGranted`, `RoleRevoked`,
`RoleAdminChanged`, `DefaultAdminTransferScheduled`, `DefaultAdminTransferCanceled`,
`DefaultAdminDelayChangeScheduled` and `DefaultAdminDelayChangeCanceled`. How movements follow from them:
[epoch-ledger.md](epoch-ledger.md).
"""


def events_page() -> str:
    """Every event that the contracts declare."""
    lines = [
        "# Events",
        "",
        "What the contracts log, for whoever follows the chain by themselves. This page is written by",
        "`python -m scripts.write_reference`.",
    ]
    for path in sorted((DOCS.parent / "contracts" / "interfaces").glob("I*.sol")):
        found = _EVENT.findall(path.read_text())
        if found:
            lines += ["", f"## {path.stem.removeprefix('I')}", "", "| event | when |", "|---|---|"]
        for comment, name, arguments in found:
            text = " ".join(re.sub(r"///\s*(@\w+)?\s*", "", line.strip()) for line in comment.splitlines())
            lines.append(f"| `{name}({' '.join(arguments.split())})` | {text} |")
    return "\n".join(lines) + "\n" + _STANDARD


def partner_contract() -> str:
    """The partner adapter's contract for generators of code."""
    return json.dumps(openapi(), indent=2) + "\n"


PAGES = {
    "events.md": events_page,
    "commands.md": commands_page,
    "api.md": api_page,
    "metrics.md": metrics_page,
    "bridge-settings.md": bridge_settings_page,
    "bridge-metrics.md": bridge_metrics_page,
    "partner-adapter.openapi.json": partner_contract,
}
"""What this writes."""


def main() -> None:
    """Write the pages."""
    for name, write in PAGES.items():
        (DOCS / name).write_text(write())


if __name__ == "__main__":
    main()
