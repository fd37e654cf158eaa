"""The processes of one scenario, and the endpoints through which they reach the chains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scripts.chaos.configuration import ATTESTERS, FIRST_ATTESTER, Nodes, attester_toml, relayer_toml, watcher_toml
from scripts.chaos.endpoints import Endpoint
from scripts.chaos.processes import Process
from scripts.chaos.town import Place, Town

OTHERS: Final = 3
"""Endpoints of others that each attester asks when it has to."""
PORTS: Final = ATTESTERS + 3
"""Ports that a crew needs."""
_RELAYERS: Final = ("relayer", "other-relayer")


@dataclass
class Crew:
    """Processes with folders below `folder`, none of them running at first."""

    town: Town
    folder: Path
    ports: Sequence[int]
    endpoints: dict[str, Endpoint]
    """Kept from one crew to the next."""
    through_endpoints: bool = False
    attesters: list[Process] = field(init=False, default_factory=list)
    relayer: Process = field(init=False)
    other_relayer: Process = field(init=False)
    watcher: Process = field(init=False)

    def __post_init__(self) -> None:
        self._keys = [FIRST_ATTESTER + at for at in range(ATTESTERS)]
        for at in range(ATTESTERS):
            self._configure_attester(at, f"attester-{at}")
            self.attesters.append(self._process(f"attester-{at}", "attest", self.ports[at]))
        for at, name in enumerate(_RELAYERS):
            self._configure(name, self._relayer_toml(name, at))
        self.relayer = self._process("relayer", "relay", self.ports[ATTESTERS])
        self.other_relayer = self._process("other-relayer", "relay", self.ports[ATTESTERS + 1])
        self._configure("watcher", watcher_toml(self.folder / "watcher", self._nodes("watcher"), self.ports[-1]))
        self.watcher = self._process("watcher", "watch", self.ports[-1])

    @property
    def processes(self) -> Sequence[Process]:
        """All that a scenario may start."""
        return (*self.attesters, self.relayer, self.other_relayer, self.watcher)

    def states(self) -> str:
        """What runs and what was said last, for people."""
        started = [process for process in self.processes if process.started]
        states = ", ".join(f"{each.name} {'runs' if each.alive() else each.exit_status}" for each in started)
        return f"[{states}] " + " | ".join(f"{each.name}: {each.log_tail(2)[-400:]}" for each in started)

    # Configuration

    def relayer_with(self, extra: str) -> None:
        """Lines for the relayer's configuration, from its next start on."""
        self._configure("relayer", self._relayer_toml("relayer", 0, extra))

    def other_relayer_with_the_same_key(self) -> None:
        """From its next start on the other relayer sends from the first one's account."""
        self._configure("other-relayer", self._relayer_toml("other-relayer", 0))

    def replace_attester(self, attester: int, account: int) -> None:
        """From its next start on an attester has another key and an empty journal; the relayer knows."""
        self._keys[attester] = account
        self._configure_attester(attester, f"attester-{attester}-new")
        self.relayer_with("")

    def resuming(self, process: Process) -> Process:
        """The command by which a person lets a process go on with the chain as it is now."""
        role = "attest" if process in self.attesters else "relay"
        reason = "looked at it with the others"
        options = ("--role", role, "--reason", reason, "--accept-chain", "--config", self._path(process.name))
        return Process(f"{process.name}-resume", ("bridge", "resume", *options), self.folder / "resume.log")

    def _configure(self, name: str, text: str) -> None:
        Path(self._path(name)).write_text(text)

    def _path(self, name: str) -> str:
        return str(self.folder / f"{name}.toml")

    def _configure_attester(self, at: int, folder: str) -> None:
        name = f"attester-{at}"
        self._configure(name, attester_toml(self.folder / folder, self._nodes(name), self._keys[at], self.ports[at]))

    def _relayer_toml(self, name: str, account: int, extra: str = "") -> str:
        return relayer_toml(
            self.folder / name,
            self._nodes(name),
            number=account,
            port=self.ports[ATTESTERS + _RELAYERS.index(name)],
            attesters=[(f"http://127.0.0.1:{self.ports[at]}", self._keys[at]) for at in range(ATTESTERS)],
            extra=extra,
        )

    def _process(self, name: str, command: str, port: int) -> Process:
        arguments = ("bridge", command, "--config", self._path(name))
        return Process(name, arguments, self.folder / f"{name}.log", port)

    # Endpoints

    def _nodes(self, name: str) -> list[Nodes]:
        found = []
        for place in self.town.places:
            if not self.through_endpoints:
                found.append(Nodes(place, place.anvil.url, ()))
                continue
            others = [self.other(place, at).url for at in range(OTHERS)] if name.startswith("attester") else []
            found.append(Nodes(place, self.own(name, place).url, tuple(others)))
        return found

    def own(self, name: str, place: Place) -> Endpoint:
        """The node of its own that the process `name` asks about a chain."""
        return self._endpoint(f"{name}@{place.chain_id}", place)

    def other(self, place: Place, number: int) -> Endpoint:
        """One of the others that attesters ask about a chain."""
        return self._endpoint(f"other-{number}@{place.chain_id}", place)

    def _endpoint(self, name: str, place: Place) -> Endpoint:
        if name not in self.endpoints:
            self.endpoints[name] = Endpoint(name, place.anvil.url)
        return self.endpoints[name]
