"""The configuration files of the processes, as an operator would write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.chain.signers import DevSigners
from scripts.chaos.town import Place

ATTESTERS = 3
FIRST_ATTESTER = 5
"""Number of the first attester's account among a local chain's well-known ones; the others follow."""
RELAYERS = (3, 8)
"""Accounts of the relayers."""
GUARDIAN = 4
"""Account that may halt lanes."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Nodes:
    """How a process reaches one chain."""

    place: Place
    own: str
    others: tuple[str, ...]
    timeout_seconds: int = 2


def attester_toml(folder: Path, nodes: Sequence[Nodes], account: int, port: int) -> str:
    """Of an attester whose key is that of a well-known account."""
    section = f"[attest]\nkey = {{ dev_account = {account} }}\nport = {port}\n"
    return _common(folder, nodes) + section


def relayer_toml(
    folder: Path,
    nodes: Sequence[Nodes],
    *,
    number: int,
    port: int,
    attesters: Sequence[tuple[str, int]],
    extra: str = "",
) -> str:
    """Of one relayer; `attesters` are URLs and numbers of accounts, `extra` more lines of the section."""
    accounts = DevSigners(31337).addresses()
    listed = [f'  {{ url = "{url}", address = "0x{accounts[at].hex()}" }},' for url, at in attesters]
    section = f"[relay]\nkey = {{ dev_account = {RELAYERS[number]} }}\nport = {port}\ntimeout_seconds = 1\n"
    section += "retry_seconds = 0.2\nlongest_retry_seconds = 1\n" + extra
    return _common(folder, nodes) + section + "\n".join(["attesters = [", *listed, "]", ""])


def watcher_toml(folder: Path, nodes: Sequence[Nodes], port: int) -> str:
    """Of the watcher."""
    return _common(folder, nodes) + f"[watch]\nkey = {{ dev_account = {GUARDIAN} }}\nport = {port}\n"


def _common(folder: Path, nodes: Sequence[Nodes]) -> str:
    text = f'data_dir = "{folder}"\n'
    for node in nodes:
        text += "\n".join(
            [
                "",
                "[[chain]]",
                f'name = "{node.place.slug}"',
                f"chain_id = {node.place.chain_id}",
                f'manifest = "{node.place.ground.manifest_path}"',
                f"endpoints = {json.dumps([node.own])}",
                f"others = {json.dumps(node.others)}",
                f"require_independent = {json.dumps(bool(node.others))}",
                f"poll_seconds = {_POLL_SECONDS}",
                f"timeout_seconds = {node.timeout_seconds}",
                "",
            ]
        )
    return text + "\n"
