"""The local chain: anvil, as a process of the stack."""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path

import httpx

from backend.chain.signers import LOCAL_CHAIN_IDS
from backend.stack.errors import AnvilMissingError

SLOTS_IN_AN_EPOCH = 4
"""Makes a block safe after 4 more blocks and final after 8, so that finality can be seen on a laptop."""
BLOCK_GAS_LIMIT = 60_000_000


def find_anvil(start: Path | None = None) -> Path:
    """The anvil binary: from node_modules of this folder or of the source tree, or from the PATH."""
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "amd64"
    package = f"anvil-{platform.system().lower()}-{machine}"
    for root in (start or Path.cwd(), Path(__file__).resolve().parents[2]):
        # The platform's package holds the program itself; the one in .bin is a script that only starts it.
        binary = root / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
        if os.access(binary, os.X_OK):
            return binary
    on_path = shutil.which("anvil")
    if on_path is None:
        raise AnvilMissingError
    return Path(on_path)


def anvil_command(
    binary: Path,
    port: int,
    state_file: Path | None,
    start_timestamp: int | None,
    block_seconds: int | None = None,
    *,
    chain_id: int = LOCAL_CHAIN_IDS[0],
) -> list[str]:
    """The command line of a local chain on 127.0.0.1.

    `start_timestamp` (Unix seconds) is the time of the first block; the chain's clock runs on from there.
    A block comes with every transaction and, with `block_seconds`, also that often without one.
    """
    command = [str(binary), "--host", "127.0.0.1", "--port", str(port), "--quiet"]
    command += ["--chain-id", str(chain_id)]
    command += ["--slots-in-an-epoch", str(SLOTS_IN_AN_EPOCH), "--gas-limit", str(BLOCK_GAS_LIMIT)]
    command += ["--enable-tx-gas-limit"]
    if state_file is not None:
        command += ["--state", str(state_file)]
    if start_timestamp is not None:
        command += ["--timestamp", str(start_timestamp)]
    if block_seconds is not None:
        command += ["--block-time", str(block_seconds), "--mixed-mining"]
    return command


def keep_first_genesis(state_file: Path) -> None:
    """Take out of a saved chain the genesis blocks that later starts have added to it.

    Each start of anvil makes a genesis of its own and saves it beside the one of the file; which of them is block 0
    after the next start is left to chance, and with another one the chain is not ours any more.
    """
    if not state_file.exists():
        return
    state = json.loads(state_file.read_bytes())
    blocks = state["blocks"]
    geneses = [block for block in blocks if int(block["header"]["number"], 16) == 0]
    if len(geneses) < 2:
        return
    first = min(geneses, key=lambda block: int(block["header"]["timestamp"], 16))
    state["blocks"] = [first, *(block for block in blocks if int(block["header"]["number"], 16) != 0)]
    fresh = state_file.with_suffix(".new")
    fresh.write_text(json.dumps(state))
    fresh.replace(state_file)


def chain_answers(url: str) -> bool:
    """Whether a chain answers at `url`."""
    try:
        answer = httpx.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}, timeout=5)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and "result" in answer.json()
