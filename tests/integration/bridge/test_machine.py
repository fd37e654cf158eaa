"""Random lives of two chains and the bridge between them, compared with a model that knows only the agreed rate.

Attesters and a relayer are stepped one at a time, restarted, and have blocks taken away from under them; the model
says what each member must own once everything has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_utils.crypto import keccak
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backend.chain import points_token
from backend.chain.exchange_types import SwapStatus
from backend.chain.lane_pricing import price
from backend.chain.words import selector
from scripts.chaos.oracle import Side as Seen
from scripts.chaos.oracle import Verdict, judge
from tests.integration.bridge.relaying import Bridge
from tests.support.market import TERMS
from tests.support.two_chains import ADMIN, ATTESTERS, Setting, Side, TwoChains, two_chains

LANES = (("grocer", "fuel"), ("fuel", "grocer"))
MEMBERS = tuple(keccak(text=f"member {number} of the machine") for number in range(3))
ISSUED = 100_000
FINALITY_BLOCKS = 4
PAUSE, UNPAUSE = selector("pause()"), selector("unpause()")
_ROUNDS = 40
POINTS = st.integers(TERMS.minimum_in, 3_000)


@dataclass
class Burn:
    """One swap of the model, as long as its block is there."""

    lane: tuple[str, str]
    member: int
    points: int
    deadline: int
    block: int


class Lives(RuleBasedStateMachine):
    """`world` is the same for all lives; each begins where it began."""

    world: TwoChains
    folder: Path
    lives = 0

    @initialize()
    def begin(self) -> None:
        type(self).lives += 1
        self.stack = ExitStack()
        self.marks = [(side, side.chain.snapshot()) for side in self.world.sides]
        # anvil cannot go back to a block that a reorganisation has dropped.
        for side in self.world.sides:
            side.chain.mine(FINALITY_BLOCKS)
        self.bridge = Bridge(self.world, self.folder / str(self.lives), self.stack)
        for account in ATTESTERS[:2]:
            self.bridge.add_attester(account)
        self.relayer = self.bridge.relayer()
        self.burns: list[Burn] = []

    # What people do

    @rule(
        lane=st.sampled_from(LANES), member=st.integers(0, 2), points=st.integers(100, 3_000), hours=st.integers(1, 48)
    )
    def swap(self, lane: tuple[str, str], member: int, points: int, hours: int) -> None:
        source, destination = (self.world.home(slug) for slug in lane)
        if source.gateway.paused():
            return
        deadline = source.now() + 3_600 * hours
        to = _account(destination, lane[1], member)
        self.world.swap_managed(*lane, MEMBERS[member], points, to, deadline=deadline)
        self.burns.append(Burn(lane, member, points, deadline, source.chain.client.block_number()))

    @rule(first=st.booleans(), which=st.sampled_from(["gateway", "exchange"]))
    def pause_or_unpause(self, first: bool, which: str) -> None:
        side = self.world.first if first else self.world.second
        contract = side.gateway if which == "gateway" else side.exchange
        side.send(ADMIN, contract.address, UNPAUSE if contract.paused() else PAUSE)

    # What the chains do

    @rule(first=st.booleans(), blocks=st.integers(1, FINALITY_BLOCKS + 2))
    def mine(self, first: bool, blocks: int) -> None:
        (self.world.first if first else self.world.second).chain.mine(blocks)

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        for side in self.world.sides:
            side.chain.jump(3_600 * hours)

    @rule(first=st.booleans(), depth=st.integers(1, FINALITY_BLOCKS - 1))
    def reorganise(self, first: bool, depth: int) -> None:
        """Everything in the last blocks is gone: burns, deliveries, refunds, pauses."""
        side = self.world.first if first else self.world.second
        kept = side.chain.client.block_number() - depth
        side.chain.reorganise(depth)
        self.burns = [burn for burn in self.burns if self.world.home(burn.lane[0]) is not side or burn.block <= kept]

    # What the bridge does

    @rule(number=st.integers(0, 1))
    def attest(self, number: int) -> None:
        self.bridge.hosts[number].attester.step()

    @rule(rounds=st.integers(1, 3))
    def relay(self, rounds: int) -> None:
        for _ in range(rounds):
            self.relayer.step()
        self.bridge.seconds += 600

    @rule(number=st.integers(0, 1))
    def restart_attester(self, number: int) -> None:
        hosts = self.bridge.hosts
        hosts.pop(number).attester.close()
        self.bridge.add_attester(ATTESTERS[number])
        hosts.insert(number, hosts.pop())
        # It serves at another port now, which the relayer must be told.
        self.restart_relayer()

    @rule()
    def restart_relayer(self) -> None:
        self.relayer.close()
        self.relayer = self.bridge.relayer()

    @precondition(lambda self: self.burns)
    @rule(first=st.booleans())
    def somebody_else_delivers(self, first: bool) -> None:
        source = self.world.first if first else self.world.second
        target = self.world.other(source)
        if not target.gateway.paused():
            source.finalise()
            self.world.deliver(source, relayer=8)

    # What must hold

    @invariant()
    def nothing_is_broken(self) -> None:
        if hasattr(self, "burns"):
            assert not self.judged().broken

    def teardown(self) -> None:
        """The faults are over: everything must end, and everybody must own what the model says."""
        if not hasattr(self, "burns"):
            return
        try:
            self.end_well()
        finally:
            self.stack.close()
            for side, mark in self.marks:
                side.chain.revert(mark)

    def end_well(self) -> None:
        for side in self.world.sides:
            for contract in (side.gateway, side.exchange):
                if contract.paused():
                    side.send(ADMIN, contract.address, UNPAUSE)
        for _ in range(_ROUNDS):
            self.bridge.attest()
            self.bridge.relay(self.relayer)
            verdict = self.judged()
            if not verdict.open:
                break
        assert (verdict.open, verdict.broken) == ([], [])
        owned = {(slug, member): ISSUED for slug in ("grocer", "fuel") for member in range(len(MEMBERS))}
        for lane in LANES:
            self.move(owned, lane)
        assert {key: self.balance(*key) for key in owned} == owned

    def move(self, owned: dict[tuple[str, int], int], lane: tuple[str, str]) -> None:
        """Moves what a lane's swaps must have moved, after checking that each ended as it could."""
        source, destination = (self.world.home(slug) for slug in lane)
        burns = [burn for burn in self.burns if burn.lane == lane]
        assert source.exchange.sent_count(self.world.lane(*lane)) == len(burns)
        for number, burn in enumerate(burns, start=1):
            outcome = self.bridge.outcome(*lane, number)
            if outcome is SwapStatus.REFUNDED:
                assert burn.deadline < destination.now(), "refused before its deadline"
            else:
                assert outcome is SwapStatus.COMPLETED
                agreed = price(TERMS, burn.points)
                owned[lane[0], burn.member] -= agreed.points_in
                owned[lane[1], burn.member] += agreed.points_out

    def balance(self, slug: str, member: int) -> int:
        side = self.world.home(slug)
        return side.token(slug).balance_of(_account(side, slug, member))

    def judged(self) -> Verdict:
        return judge(Seen(side.chain.client, side.manifest) for side in self.world.sides)


def _account(side: Side, slug: str, member: int) -> bytes:
    return points_token.managed_account(side.programme(slug).token_bytes, MEMBERS[member])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoChains]:
    """Two chains on which each member holds points at home of either programme."""
    with two_chains(tmp_path / "chains", Setting(slots_in_an_epoch=FINALITY_BLOCKS // 2)) as made:
        for slug in ("grocer", "fuel"):
            for member in range(len(MEMBERS)):
                made.issue(slug, _account(made.home(slug), slug, member), ISSUED)
        for side in made.sides:
            side.finalise()
        yield made


@pytest.mark.timeout(1_800)
def test_random_lives__end_well_and_as_the_model_says(world: TwoChains, tmp_path: Path) -> None:
    made = world

    class OfThisWorld(Lives):
        world = made
        folder = tmp_path

    run_state_machine_as_test(
        OfThisWorld,
        settings=settings(
            max_examples=8, stateful_step_count=25, deadline=None, phases=[Phase.explicit, Phase.generate]
        ),
    )
