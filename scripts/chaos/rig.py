"""The bridge under test: two chains, and processes of every role that scenarios start, kill and start again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import httpx

from backend.chain.exchange_events import SwapMinted
from backend.chain.gateway_events import MessageDelivered, MessageFailed
from backend.stack.waiting import free_port
from scripts.chaos.configuration import ATTESTERS, FIRST_ATTESTER, Nodes, attester_toml, relayer_toml, watcher_toml
from scripts.chaos.doctor import Doctor
from scripts.chaos.endpoints import Endpoint
from scripts.chaos.oracle import Side, Verdict, judge
from scripts.chaos.processes import Process
from scripts.chaos.town import Place, Town
from scripts.chaos.world import build_town

CONVERGE_SECONDS = 90.0
"""Generous: a loaded machine is slow, and a bridge that does not converge never does."""
_TICK_SECONDS = 0.05
GWEI: Final = 10**9
_RELAYERS: Final = ("relayer", "other-relayer")
OTHERS = 3
"""Endpoints of others that each attester asks when it has to."""


class NotSurvivedError(Exception):
    """The bridge did not do what it must."""


@dataclass
class Rig:
    """Two chains in the same state at the beginning of each scenario, and the processes of that scenario."""

    town: Town
    root: Path
    _stack: ExitStack
    folder: Path = field(init=False)
    attesters: list[Process] = field(init=False)
    relayer: Process = field(init=False)
    other_relayer: Process = field(init=False)
    watcher: Process = field(init=False)
    doctor: Doctor = field(init=False, default_factory=Doctor)
    _endpoints: dict[str, Endpoint] = field(init=False, default_factory=dict)
    _through_endpoints: bool = field(init=False, default=False)
    _snapshots: list[str] = field(init=False)
    _keys: list[int] = field(init=False)
    _ports: list[int] = field(init=False)

    @classmethod
    def build(cls, root: Path) -> Rig:
        """Starts two chains and deploys on them."""
        chains = root / "chains"
        shutil.rmtree(chains, ignore_errors=True)
        chains.mkdir(parents=True)
        stack = ExitStack()
        town = build_town(stack, chains)
        rig = cls(town, root, stack)
        rig._ports = [free_port() for _ in range(ATTESTERS + 3)]
        rig._snapshots = [place.anvil.snapshot() for place in town.places]
        return rig

    def close(self) -> None:
        """Ends everything."""
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._stack.close()

    @contextmanager
    def fresh(self, name: str) -> Iterator[None]:
        """Chains as at the beginning, empty folders; afterwards nothing runs. Keeps the folder of a failure."""
        for at, place in enumerate(self.town.places):
            place.anvil.revert(self._snapshots[at])
            self._snapshots[at] = place.anvil.snapshot()
            place.anvil.automine(True)
        for endpoint in self._endpoints.values():
            endpoint.heal()
        self.folder = self.root / name.replace("/", "_")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._through_endpoints = False
        self.doctor = Doctor()
        self._make_processes()
        try:
            yield
        finally:
            for process in self.processes:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Processes

    @property
    def processes(self) -> Sequence[Process]:
        """All that a scenario may start."""
        return (*self.attesters, self.relayer, self.other_relayer, self.watcher)

    def ask_endpoints(self) -> None:
        """From the next start on the processes reach the chains through endpoints that can lie; see `own`, `other`."""
        self._through_endpoints = True
        self._make_processes()

    def configure(self, name: str, text: str) -> None:
        """Gives a process another configuration, for its next start."""
        (self.folder / f"{name}.toml").write_text(text)

    def _make_processes(self) -> None:
        self._keys = [FIRST_ATTESTER + at for at in range(ATTESTERS)]
        self.attesters = []
        for at in range(ATTESTERS):
            name = f"attester-{at}"
            self.configure(name, attester_toml(self.folder / name, self._nodes(name), self._keys[at], self._ports[at]))
            self.attesters.append(self._process(name, "attest"))
        for at, name in enumerate(_RELAYERS):
            self.configure(name, self._relayer_toml(name, at))
        self.relayer = self._process("relayer", "relay")
        self.other_relayer = self._process("other-relayer", "relay")
        self.configure("watcher", watcher_toml(self.folder / "watcher", self._nodes("watcher"), self._ports[-1]))
        self.watcher = self._process("watcher", "watch")

    def _relayer_toml(self, name: str, account: int, extra: str = "") -> str:
        return relayer_toml(
            self.folder / name,
            self._nodes(name),
            number=account,
            port=self._ports[ATTESTERS + _RELAYERS.index(name)],
            attesters=[(f"http://127.0.0.1:{self._ports[at]}", self._keys[at]) for at in range(ATTESTERS)],
            extra=extra,
        )

    def _process(self, name: str, role: str) -> Process:
        arguments = ("bridge", role, "--config", str(self.folder / f"{name}.toml"))
        return Process(name, arguments, self.folder / f"{name}.log")

    def relayer_with(self, extra: str) -> None:
        """Lines for the relayer's configuration, from its next start on."""
        self.configure("relayer", self._relayer_toml("relayer", 0, extra))

    def replace_attester(self, attester: int, account: int) -> None:
        """From its next start on an attester has another key and an empty journal; the relayer knows."""
        name = f"attester-{attester}"
        nodes = self._nodes(name)
        self._keys[attester] = account
        self.configure(name, attester_toml(self.folder / f"{name}-new", nodes, account, self._ports[attester]))
        self.relayer_with("")

    def other_relayer_with_the_same_key(self) -> None:
        """From its next start on the other relayer sends from the first one's account."""
        self.configure("other-relayer", self._relayer_toml("other-relayer", 0))

    def quiet(self, process: Process) -> None:
        """What a process says from its next start on goes nowhere."""
        process.log_path = Path("/dev/null")

    def attester_port(self, attester: int) -> int:
        """Where an attester serves its signatures."""
        return self._ports[attester]

    def run_command(self, name: str, *arguments: str) -> Process:
        """A command of a person about the process `name`, such as `resume`; ended when this returns."""
        command = ("bridge", *arguments, "--config", str(self.folder / f"{name}.toml"))
        process = Process(f"{name}-command", command, self.folder / f"{name}-command.log")
        process.start()
        self.until(lambda: not process.alive(), "the command did not end")
        return process

    def start(self, *, attesters: Sequence[int] = (0, 1), relayer: bool = True) -> None:
        """Starts the usual processes: as many attesters as must sign, and a relayer."""
        for at in attesters:
            self.attesters[at].start()
        if relayer:
            self.relayer.start()

    def resume(self, attester: int) -> None:
        """A person lets an attester go on with the chain as it is now. Errors: `NotSurvivedError`."""
        arguments = ("resume", "--role", "attest", "--reason", "looked at it with the others", "--accept-chain")
        command = self.run_command(f"attester-{attester}", *arguments)
        if command.exit_status != 0:
            raise NotSurvivedError(f"resume ended with {command.exit_status}: {command.log_tail()}")

    # Endpoints

    def _nodes(self, name: str) -> list[Nodes]:
        found = []
        for place in self.town.places:
            if not self._through_endpoints:
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
        if name not in self._endpoints:
            self._endpoints[name] = Endpoint(name, place.anvil.url)
        return self._endpoints[name]

    # Time passes

    def tick(self) -> None:
        """A block on both chains, and a moment for the processes."""
        self.town.mine()
        self._moment()

    def _moment(self) -> None:
        time.sleep(_TICK_SECONDS)
        self.doctor.visit()

    def until(
        self,
        condition: Callable[[], bool],
        otherwise: str,
        seconds: float = CONVERGE_SECONDS,
        *,
        mining: bool = True,
    ) -> None:
        """Lets time pass, and blocks be mined, until a condition holds. Errors: `NotSurvivedError`."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise NotSurvivedError(f"{otherwise} within {seconds:.0f} s. {self._logs()}")
            if mining:
                self.town.mine()
            self._moment()

    def blocks(self, count: int) -> None:
        """Lets the chains go on for some blocks, in which something must not happen."""
        for _ in range(count):
            self.tick()

    def converge(self, seconds: float = CONVERGE_SECONDS) -> Verdict:
        """Lets the chains go on until every burn is minted or refunded, and everything that must hold does.

        Errors: `NotSurvivedError`.
        """
        end = time.monotonic() + seconds
        while True:
            verdict = self.check()
            if not verdict.open:
                return verdict
            if time.monotonic() > end:
                raise NotSurvivedError(f"not settled in {seconds:.0f} s: {'; '.join(verdict.open[:4])}. {self._logs()}")
            self.tick()

    def check(self) -> Verdict:
        """What the chains say now. Errors: `NotSurvivedError` when anything is as it must never be."""
        verdict = judge(place.side() for place in self.town.places)
        if verdict.broken:
            raise NotSurvivedError("; ".join(verdict.broken[:4]))
        return verdict

    def _logs(self) -> str:
        states = ", ".join(f"{p.name} {'runs' if p.alive() else p.exit_status}" for p in self.processes if p.started)
        last = " | ".join(f"{p.name}: {p.log_tail(2)[-400:]}" for p in self.processes if p.started)
        return f"[{states}] {last} (logs in {self.folder})"

    # What the chains say

    def failures(self, place: Place) -> int:
        """Messages that have been delivered to a place and that their recipient has not taken yet."""
        read = place.side().read()
        taken = {event.message_id for event in read.all(MessageDelivered)}
        return len({event.message_id for event in read.all(MessageFailed)} - taken)

    def minted(self, read: Side) -> int:
        """Swaps minted on a chain as it was read."""
        return sum(1 for _ in read.all(SwapMinted))

    def pooled(self, place: Place) -> int:
        """Transactions that wait in the pool of a place's chain."""
        status = cast("dict[str, str]", place.anvil.rpc("txpool_status"))
        return int(status["pending"], 16) + int(status["queued"], 16)

    def make_dear(self, place: Place, blocks: int, times: int = 100) -> None:
        """The next blocks of a place cost `times` what they usually do."""
        for _ in range(blocks):
            place.anvil.set_base_fee(times * GWEI)
            self.tick()

    # What the processes say

    def attestations(self, attester: int, source: Place, destination: Place) -> list[dict[str, object]]:
        """What an attester has signed for a route. Errors: `httpx.HTTPError` when it does not answer."""
        query = {"source_chain": source.chain_id, "destination_chain": destination.chain_id, "from_block": 0}
        url = f"http://127.0.0.1:{self._ports[attester]}/v1/attestations"
        answer = httpx.get(url, params=query, timeout=5)
        answer.raise_for_status()
        found: list[dict[str, object]] = answer.json()["attestations"]
        return found

    def has_signed(self, attester: int, source: Place, destination: Place, block_number: int) -> bool:
        """Whether an attester serves a signature for a block."""
        try:
            found = self.attestations(attester, source, destination)
        except httpx.HTTPError:
            return False
        return any(each["block_number"] == block_number for each in found)

    def halted(self, attester: int) -> bool:
        """Whether an attester stands still until a person resumes it."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self._ports[attester]}/ready", timeout=5).json()
        except httpx.HTTPError:
            return False
        return str(answer["checks"]["journal"]["detail"]).startswith("halted")

    def same_roots(self, source: Place, destination: Place, attesters: Sequence[int]) -> None:
        """Compares what attesters have signed, block by block. Errors: `NotSurvivedError`."""
        signed: dict[object, object] = {}
        for at in attesters:
            for each in self.attestations(at, source, destination):
                block, root = each["block_number"], each["root"]
                if signed.setdefault(block, root) != root:
                    raise NotSurvivedError(f"attesters signed different roots for block {block}")

    def watched(self, minted: int, refunded: int = 0) -> None:
        """Waits until the watcher says so of both chains. Errors: `NotSurvivedError`."""

        def says() -> bool:
            try:
                answer = httpx.get(f"http://127.0.0.1:{self._ports[-1]}/v1/status", timeout=5).json()
            except httpx.HTTPError:
                return False
            lanes = answer["lanes"]
            said = tuple(sum(each[what] for each in lanes) for what in ("minted", "refunded"))
            return said == (minted, refunded)

        self.until(says, f"the watcher does not say {minted} minted and {refunded} refunded")
