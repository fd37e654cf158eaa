"""The bridge's reference pages: its settings and its metrics. `scripts.write_reference` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import bridge.metrics
from bridge.settings import (
    AttesterEndpoint,
    AttestSettings,
    BridgeSettings,
    ChainSettings,
    KeySettings,
    RelaySettings,
    WatchSettings,
)

_SECTIONS: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("[[chain]]", ChainSettings, "A table for each chain. Every role needs at least two."),
    ("[attest]", AttestSettings, "For `interpoints bridge attest`."),
    ("[relay]", RelaySettings, "For `interpoints bridge relay`."),
    ("[[relay.attesters]]", AttesterEndpoint, "A table for each attester that the relayer collects from."),
    ("[watch]", WatchSettings, "For `interpoints bridge watch`."),
    (
        "[attest.key], [relay.key], [watch.key]",
        KeySettings,
        "Whose key a role signs with: one of a keystore, a remote signer, or on a local chain a well-known account.",
    ),
)
_HEAD = """# The bridge's settings

The roles of `interpoints bridge` read one TOML file, given with `--config` or `INTERPOINTS_BRIDGE_CONFIG`. Every
value can also be given as an environment variable, which wins over the file: `INTERPOINTS_BRIDGE_` and the key in
capitals, two underscores for each dot, tables of tables as JSON. So `INTERPOINTS_BRIDGE_ATTEST__PORT=9000` is `port` of
`[attest]`, and `INTERPOINTS_BRIDGE_CHAIN='[{"name": "first", ...}]'` replaces all chains. An unknown key is refused.
Paths are relative to the working directory. `interpoints bridge check-config` reads the file and asks every endpoint.
This page is written by `python -m scripts.write_reference`.

An attester of a deployment on two chains:

```toml
data_dir = "/var/lib/interpoints/attester"

[[chain]]
name = "first"
chain_id = 8453
manifest = "/etc/interpoints/first.json"
endpoints = ["http://10.0.0.5:8545"]
others = ["https://one.example/key", "https://two.example/key", "https://three.example/key"]

[[chain]]
name = "second"
chain_id = 42161
manifest = "/etc/interpoints/second.json"
endpoints = ["http://10.0.0.6:8545"]
others = ["https://one.example/key2", "https://two.example/key2", "https://three.example/key2"]

[attest]
host = "0.0.0.0"
port = 8201

[attest.key]
keystore = "/etc/interpoints/attester.json"
password_file = "/etc/interpoints/attester.password"
```
"""


def bridge_settings_page() -> str:
    """Every key of the bridge's settings."""
    lines = [_HEAD, "## Top level", "", *_table(BridgeSettings, skip=("chain", "attest", "relay", "watch"))]
    for name, model, text in _SECTIONS:
        lines += ["", f"## `{name}`", "", text, "", *_table(model, skip=("key", "attesters"))]
    return "\n".join(lines) + "\n"


def _table(model: type[BaseModel], skip: tuple[str, ...]) -> Iterator[str]:
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for key, field in model.model_fields.items():
        if key not in skip:
            yield f"| `{key}` | {_default(field)} | {(field.description or '').replace('|', '/')} |"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "required"
    return "none" if value is None or value == [] else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def bridge_metrics_page() -> str:
    """Every metric of the bridge's roles."""
    lines = [
        "# Metrics of the bridge",
        "",
        "What `/metrics` of the roles of `interpoints bridge` tells Prometheus. This page is written by",
        "`python -m scripts.write_reference`; [bridge.md](bridge.md) says what to watch.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for each in sorted(bridge.metrics.REGISTRY.collect(), key=lambda metric: metric.name):
        name = each.name + ("_total" if each.type == "counter" else "")
        lines.append(f"| `{name}` | {each.type} | {_labels(each.name)} | {each.documentation} |")
    return "\n".join(lines) + "\n"


def _labels(name: str) -> str:
    collectors: dict[str, Any] = bridge.metrics.REGISTRY._names_to_collectors
    return ", ".join(f"`{label}`" for label in collectors[name]._labelnames)
