#!/usr/bin/env python3
"""Compile the contracts into the artifacts that the package ships (backend/chain/artifacts/<Contract>.json).

Does nothing when sources, settings and compiler are those of the artifacts that are there, so it can run before
everything else. Settings come from foundry.toml: forge and this script must build the same bytecode.

    uv run scripts/compile_contracts.py             # what the package ships
    uv run scripts/compile_contracts.py --testing   # also contracts/testing/, into .build/contracts-testing/
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias, cast

from solcx import compile_standard
from solcx.exceptions import SolcError

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "contracts"
ARTIFACTS = ROOT / "backend" / "chain" / "artifacts"
TESTING_ARTIFACTS = ROOT / ".build" / "contracts-testing"
SOLC = ROOT / "scripts" / "solc"
SHIPPED = {
    "PointsToken": "tokens",
    "ProgrammeRegistry": "programmes",
    "PointsExchange": "exchange",
    "CrosschainExchange": "exchange",
    "ClearingHouse": "clearing",
    "AttestedGateway": "bridge",
    "TestDollar": "testing",  # the currency of a local stack, which has no real one
}
OUTPUTS: list[Json] = [
    "abi",
    "evm.bytecode.object",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.immutableReferences",
    "storageLayout",
]


def compiler_settings() -> dict[str, Json]:
    """Settings of solc's standard JSON, read from foundry.toml."""
    profile = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    return {
        "evmVersion": profile["evm_version"],
        "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
        "viaIR": profile["via_ir"],
        "metadata": {"bytecodeHash": profile["bytecode_hash"], "appendCBOR": profile["cbor_metadata"]},
        "remappings": profile["remappings"],
    }


def source_files(*, testing: bool) -> list[Path]:
    """Solidity files to compile; test doubles only on request, except what is shipped."""
    files = sorted(SOURCES.rglob("*.sol"))
    return [
        file
        for file in files
        if testing or file.relative_to(SOURCES).parts[0] != "testing" or SHIPPED.get(file.stem) == "testing"
    ]


def input_hash(files: Iterable[Path]) -> str:
    """SHA-256 over everything that the artifacts depend on."""
    digest = hashlib.sha256()
    others = [ROOT / "foundry.toml", ROOT / "package-lock.json", SOLC, Path(__file__).resolve()]
    for file in [*files, *others]:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(ROOT)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def is_current(artifact: Path, wanted_hash: str) -> bool:
    """Whether this artifact was compiled from inputs with this hash."""
    try:
        found = json.loads(artifact.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return isinstance(found, dict) and found.get("sourcesHash") == wanted_hash


def compile_sources(files: Iterable[Path]) -> dict[str, Json]:
    """solc's answer for these files: source name → contract name → output."""
    standard_input: dict[str, Json] = {
        "language": "Solidity",
        "sources": {str(file.relative_to(ROOT)): {"content": file.read_text()} for file in files},
        "settings": {**compiler_settings(), "outputSelection": {"*": {"*": OUTPUTS}}},
    }
    answer = compile_standard(standard_input, base_path=ROOT, solc_binary=SOLC)
    return cast(dict[str, Json], answer["contracts"])


def to_artifact(name: str, source: str, output: dict[str, Json], wanted_hash: str) -> dict[str, Json]:
    """The artifact of one contract, in the format that backend.chain reads."""
    evm = cast(dict[str, dict[str, Json]], output["evm"])
    return {
        "contractName": name,
        "sourceName": source,
        "abi": output["abi"],
        "bytecode": f"0x{evm['bytecode']['object']}",
        "deployedBytecode": f"0x{evm['deployedBytecode']['object']}",
        "immutableReferences": evm["deployedBytecode"].get("immutableReferences", {}),
        "storageLayout": output["storageLayout"],
        "compiler": {
            "version": json.loads((ROOT / "node_modules" / "solc" / "package.json").read_text())["version"],
            "settings": compiler_settings(),
        },
        "sourcesHash": wanted_hash,
    }


def write_artifact(path: Path, artifact: dict[str, Json]) -> None:
    """Write at once or not at all: others may read while we write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
        json.dump(artifact, file, indent=1, sort_keys=True)
        file.write("\n")
    written = Path(file.name)
    written.chmod(0o644)
    written.replace(path)


def build(wanted: dict[str, str], folder: Path, *, testing: bool) -> bool:
    """Bring the artifacts of `wanted` (contract name → folder below contracts/) up to date; whether it compiled."""
    files = source_files(testing=testing)
    wanted_hash = input_hash(files)
    if all(is_current(folder / f"{name}.json", wanted_hash) for name in wanted):
        return False
    answer = compile_sources(files)
    for name, below in wanted.items():
        source = f"contracts/{below}/{name}.sol"
        output = cast(dict[str, dict[str, Json]], answer[source])[name]
        write_artifact(folder / f"{name}.json", to_artifact(name, source, output, wanted_hash))
    return True


def missing_tool() -> str | None:
    """What has to be installed first, in one sentence."""
    if shutil.which("node") is None:
        return "Node.js 20 or newer is needed to compile the contracts: install it and run this again."
    if not (ROOT / "node_modules" / "solc").is_dir():
        return "The compiler is not installed: run `npm ci` in the project folder and run this again."
    return None


def main() -> int:
    """Entry point; 0 when the artifacts are up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--testing", action="store_true", help="also compile the test doubles")
    arguments = parser.parse_args()
    problem = missing_tool()
    if problem is not None:
        print(problem, file=sys.stderr)
        return 1
    try:
        compiled = build(SHIPPED, ARTIFACTS, testing=False)
        if arguments.testing:
            doubles = {file.stem: "testing" for file in sorted((SOURCES / "testing").glob("*.sol"))}
            compiled = build(doubles, TESTING_ARTIFACTS, testing=True) or compiled
    except SolcError as error:
        print(error.message, file=sys.stderr)
        return 1
    print("Contracts compiled." if compiled else "Contracts are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
