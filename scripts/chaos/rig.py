"""The bridge under test: two chains, and processes of every role that scenarios start, kill and start again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from backend.stack.waiting import free_port
from scripts.chaos.crew import PORTS, Crew
from scripts.chaos.doctor import Doctor
from scripts.chaos.endpoints import Endpoint
from scripts.chaos.oracle import Verdict, judge
from scripts.chaos.processes import Process
from scripts.chaos.town import FINALITY_BLOCKS, Place, Town
from scripts.chaos.world import build_town

CONVERGE_SECONDS: Final = 240.0
"""Generous: a loaded machine is slow, and a bridge that does not converge never does."""
GWEI: Final = 10**9
_TICK_SECONDS: Final = 0.05

_LOOKS = 5
"""What is broken stays broken; a block that is replaced between two questions is only there in one of the looks."""


class NotSurvivedError(Exception):
    """The bridge did not do what it must."""


@dataclass
class Rig:
    """Two chains in the same state at the beginning of each scenario, and the processes of that scenario."""

    town: Town
    root: Path
    _stack: ExitStack
    _snapshots: list[str]
    crew: Crew = field(init=False)
    doctor: Doctor = field(init=False, default_factory=Doctor)
    _ports: list[int] = field(init=False)
    _endpoints: dict[str, Endpoint] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._ports = [free_port() for _ in range(PORTS)]

    @classmethod
    def build(cls, root: Path) -> Rig:
        """Starts two chains and deploys on them."""
        chains = root / "chains"
        shutil.rmtree(chains, ignore_errors=True)
        chains.mkdir(parents=True)
        stack = ExitStack()
        town = build_town(stack, chains)
        return cls(town, root, stack, [place.anvil.snapshot() for place in town.places])

    def close(self) -> None:
        """Ends everything."""
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._stack.close()

    def rewind(self) -> None:
        """Brings the chains back to what they were. Errors: `ChainError`; then they are of no use any more."""
        for at, place in enumerate(self.town.places):
            place.anvil.revert(self._snapshots[at])
            self._snapshots[at] = place.anvil.snapshot()
            place.anvil.automine(True)
            # Reorganisations must not reach it: anvil cannot go back to a block that one has dropped.
            place.anvil.mine(FINALITY_BLOCKS + 2)
        # Their clocks have not gone back.
        self.town.level()

    @contextmanager
    def fresh(self, name: str) -> Iterator[None]:
        """Empty folders and honest endpoints; afterwards nothing runs. Keeps the folder of a failure."""
        for endpoint in self._endpoints.values():
            endpoint.heal()
        folder = self.root / name.replace("/", "_")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.doctor = Doctor()
        self.crew = Crew(self.town, folder, self._ports, self._endpoints)
        try:
            yield
        finally:
            for process in self.crew.processes:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)

    # Processes

    @property
    def attesters(self) -> list[Process]:
        """Three, of which two must sign."""
        return self.crew.attesters

    @property
    def relayer(self) -> Process:
        """The relayer."""
        return self.crew.relayer

    @property
    def watcher(self) -> Process:
        """The watcher, with the guardian's key."""
        return self.crew.watcher

    def start(self, *, attesters: Sequence[int] = (0, 1), relayer: bool = True) -> None:
        """Starts the usual processes: as many attesters as must sign, and a relayer."""
        for at in attesters:
            self.attesters[at].start()
        if relayer:
            self.relayer.start()

    def ask_endpoints(self) -> None:
        """From the next start on the processes reach the chains through endpoints that can lie; see `Crew`."""
        self.crew = Crew(self.town, self.crew.folder, self._ports, self._endpoints, through_endpoints=True)

    def await_halt(self, process: Process) -> None:
        """Waits until a process stands still. Errors: `NotSurvivedError`."""
        self.until(process.halted, f"{process.name} did not halt")

    def resume(self, process: Process) -> None:
        """A person lets a process go on with the chain as it is now. Errors: `NotSurvivedError`."""
        command = self.crew.resuming(process)
        command.start()
        self.until(lambda: not command.alive(), "resume did not end")
        if command.exit_status != 0:
            raise NotSurvivedError(f"resume ended with {command.exit_status}: {command.log_tail()}")

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
                raise NotSurvivedError(f"{otherwise} within {seconds:.0f} s. {self._state()}")
            if mining:
                self.town.mine()
            self._moment()

    def blocks(self, count: int) -> None:
        """Lets the chains go on for some blocks, in which something must not happen."""
        for _ in range(count):
            self.tick()

    def make_dear(self, place: Place, blocks: int, times: int = 100) -> None:
        """The next blocks of a place cost `times` what they usually do."""
        for _ in range(blocks):
            place.anvil.set_base_fee(times * GWEI)
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
                open_ = "; ".join(verdict.open[:4])
                raise NotSurvivedError(f"not settled in {seconds:.0f} s: {open_}. {self._state()}")
            self.tick()

    def check(self) -> Verdict:
        """What the chains say now. Errors: `NotSurvivedError` when anything is as it must never be."""
        for _ in range(_LOOKS):
            verdict = judge(place.side() for place in self.town.places)
            if not verdict.broken:
                return verdict
        raise NotSurvivedError("; ".join(verdict.broken[:4]))

    def _state(self) -> str:
        return f"{self.crew.states()} (logs in {self.crew.folder})"

    # What attesters say of the way out

    def has_signed(self, attester: int, block_number: int) -> bool:
        """Whether an attester serves a signature for a block of home's, for messages to the other chain."""
        return self.attesters[attester].has_signed(self.town.home.chain_id, self.town.away.chain_id, block_number)

    def await_signed(self, block_number: int, attesters: Sequence[int] = (0, 1), *, mining: bool = False) -> None:
        """Waits until attesters have signed a block of home's. Errors: `NotSurvivedError`."""
        for at in attesters:
            self.until(partial(self.has_signed, at, block_number), f"attester {at} did not sign", mining=mining)

    def same_roots(self, attesters: Sequence[int] = (0, 1)) -> None:
        """Compares what attesters have signed, block by block. Errors: `NotSurvivedError`."""
        roots: dict[object, object] = {}
        for at in attesters:
            for each in self.attesters[at].signed(self.town.home.chain_id, self.town.away.chain_id):
                block, root = each["block_number"], each["root"]
                if roots.setdefault(block, root) != root:
                    raise NotSurvivedError(f"attesters signed different roots for block {block}")
