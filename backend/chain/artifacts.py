"""Compiled contracts, as shipped in the package."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from backend.chain.errors import ManifestError


class AbiParameter(BaseModel):
    """An input or output in an ABI."""

    model_config = ConfigDict(extra="allow")

    name: str = ""
    type: str
    indexed: bool = False
    components: list[AbiParameter] = []

    def canonical_type(self) -> str:
        """The type as selectors spell it, tuples expanded."""
        if not self.type.startswith("tuple"):
            return self.type
        return "(" + ",".join(part.canonical_type() for part in self.components) + ")" + self.type[len("tuple") :]


class AbiItem(BaseModel):
    """A function, event, error or constructor in an ABI."""

    model_config = ConfigDict(extra="allow")

    type: str
    name: str = ""
    inputs: list[AbiParameter] = []
    outputs: list[AbiParameter] = []

    def signature(self) -> str:
        """Canonical signature, such as `transfer(address,uint256)`."""
        return self.name + "(" + ",".join(part.canonical_type() for part in self.inputs) + ")"


class ImmutableReference(BaseModel):
    """Where the deployed code holds an immutable value."""

    start: int
    length: int


class Artifact(BaseModel):
    """What the compiler made of a contract."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    name: str = Field(alias="contractName")
    abi: list[AbiItem]
    bytecode: str
    deployed_bytecode: str = Field(alias="deployedBytecode")
    immutable_references: dict[str, list[ImmutableReference]] = Field(default={}, alias="immutableReferences")
    sources_hash: str = Field(default="", alias="sourcesHash")

    def raw_abi(self) -> list[dict[str, object]]:
        """The ABI as plain JSON, for libraries."""
        return [item.model_dump(exclude_unset=True) for item in self.abi]


@cache
def load_artifact(name: str) -> Artifact:
    """The artifact of contract `name`.

    Errors: `ManifestError` when the contracts have not been compiled.
    """
    file = resources.files("backend.chain") / "artifacts" / f"{name}.json"
    if not file.is_file():
        raise ManifestError(f"The contract {name} has not been compiled: run scripts/compile_contracts.py.")
    return Artifact.model_validate(json.loads(file.read_text()))


@cache
def all_artifacts() -> tuple[Artifact, ...]:
    """Artifacts of all contracts that have been compiled."""
    folder = resources.files("backend.chain") / "artifacts"
    names = sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))
    return tuple(load_artifact(name) for name in names)
