"""Breadth-first exploration of a `World`: every state that any order of steps can reach, and where progress leads."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from tests.unit.bridge.model import Around, Slot, World, alike, around_steps, crashed

State = tuple[int, ...]
"""Numbers of the surroundings and of each slot."""


@dataclass(frozen=True)
class Outcome:
    """What an exploration found."""

    states: int
    steps: int
    terminal: int
    """States in which every swap sent is minted or refunded for good."""
    wrong: str = ""
    """What a state violates; the exploration ends there."""
    path: tuple[str, ...] = ()
    """A shortest way to what is wrong, as states."""


class Exploration:
    """Explores once. Surroundings and slots are numbered; a slot's steps are worked out once for each pair of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._arounds: list[Around] = []
        self._slots: list[Slot] = []
        self._around_numbers: dict[Around, int] = {}
        self._slot_numbers: dict[Slot, int] = {}
        self._slot_steps: dict[tuple[int, int], tuple[tuple[bool, bool, int], ...]] = {}
        self._views: dict[int, int] = {}
        self._under_way: dict[int, bool] = {}
        self._around_steps: dict[int, tuple[tuple[bool, int], ...]] = {}
        self._crashes: dict[tuple[int, int], int] = {}
        self._wrong: dict[tuple[int, ...], str] = {}

    def run(self) -> Outcome:
        """Explores all states, then looks whether progress alone always ends well."""
        around, slots = self.world.start()
        start: State = (self._around(around), *map(self._slot, slots))
        index: dict[State, int] = {start: 0}
        states = [start]
        parents = array("L", [0])
        progress: list[tuple[int, ...]] = []
        steps = 0
        for at, state in enumerate(states):
            fault = self._fault(state)
            if fault:
                return Outcome(len(states), steps, 0, fault, self._path(states, parents, at))
            helpful = []
            for good, following in self._following(state):
                if following == state:
                    continue
                steps += 1
                number = index.setdefault(following, len(states))
                if number == len(states):
                    states.append(following)
                    parents.append(at)
                if good:
                    helpful.append(number)
            progress.append(tuple(helpful))
        return self._judge(states, parents, progress, steps)

    def _judge(self, states: list[State], parents: array[int], progress: list[tuple[int, ...]], steps: int) -> Outcome:
        """Progress must never go round in a circle, and must stop nowhere but at an end.

        Then a terminal state can be reached from every state, and is reached once faults stop and whatever can go on
        does so in the end.
        """
        stuck = next((at for at, ways in enumerate(progress) if not ways and not self._ended(states[at])), None)
        if stuck is not None:
            return Outcome(len(states), steps, 0, "stuck", self._path(states, parents, stuck))
        entering = array("L", bytes(array("L").itemsize * len(states)))
        for ways in progress:
            for to in ways:
                entering[to] += 1
        free = [at for at, count in enumerate(entering) if count == 0]
        for at in free:
            for to in progress[at]:
                entering[to] -= 1
                if entering[to] == 0:
                    free.append(to)
        wrong = "" if len(free) == len(states) else "goes round in a circle"
        return Outcome(len(states), steps, sum(map(self._ended, states)), wrong)

    # Parts

    def _following(self, state: State) -> Iterator[tuple[bool, State]]:
        around, slots = state[0], state[1:]
        for good, around_ in self._steps_around(around):
            yield good, (around_, *slots)
        for at, slot in enumerate(slots):
            before, after = slots[:at], slots[at + 1 :]
            for good, halts, slot_ in self._steps_of(around, slot):
                yield good, (self._halting(around) if halts else around, *before, slot_, *after)
        for relayer in range(self.world.relayers):
            yield False, (around, *(self._crash(slot, relayer) for slot in slots))
        if not all(map(self._is_under_way, slots)):
            yield from self._source_steps(state)

    def _source_steps(self, state: State) -> Iterator[tuple[bool, State]]:
        """Sends in order of nonces, finality in order of blocks, and blocks that vanish with all that came after."""
        around = self._arounds[state[0]]
        for at, number in enumerate(state[1:], start=1):
            leg = self._slots[number].mint
            if leg is None and not self._slots[number].end:
                if not around.late and not around.stopped and around.paused != 1:
                    for content in range(self.world.contents):
                        sent = self._slot(Slot(mint=self.world.new_leg(content)))
                        yield False, (*state[:at], sent, *state[at + 1 :])
                return
            if leg is not None and not leg.final:
                final = self._slot(self._slots[number]._replace(mint=leg._replace(final=True)))
                yield True, (*state[:at], final, *state[at + 1 :])
                for first in range(at, len(state)):
                    vanished = (self._unsent(slot) for slot in state[first:])
                    yield False, (*state[:first], *vanished)
                return

    def _unsent(self, number: int) -> int:
        """The slot after its burn has vanished; attesters remember what they wrote and signed."""
        slot = self._slots[number]
        if slot.mint is None or not any(attester.signed for attester in slot.mint.attesters[:2]):
            return self._slot(Slot())
        return self._slot(slot._replace(mint=slot.mint._replace(content=self.world.contents - 1 - slot.mint.content)))

    def _ended(self, state: State) -> bool:
        return all(slot.end or slot == Slot() for slot in map(self._slots.__getitem__, state[1:]))

    def _path(self, states: list[State], parents: array[int], at: int) -> tuple[str, ...]:
        path = [at]
        while at:
            at = parents[at]
            path.append(at)
        return tuple(self.describe(states[step]) for step in reversed(path))

    def describe(self, state: State) -> str:
        """A state in words."""
        return " | ".join([str(self._arounds[state[0]]), *(str(self._slots[number]) for number in state[1:])])

    # Numbers and what is remembered

    def _around(self, around: Around) -> int:
        number = self._around_numbers.setdefault(around, len(self._arounds))
        if number == len(self._arounds):
            self._arounds.append(around)
        return number

    def _slot(self, slot: Slot) -> int:
        if self.world.nonces == 1:  # With more, a relayer's crash must forget the same one's knowledge of each.
            slot = alike(slot)
        number = self._slot_numbers.setdefault(slot, len(self._slots))
        if number == len(self._slots):
            self._slots.append(slot)
        return number

    def _steps_of(self, around: int, slot: int) -> tuple[tuple[bool, bool, int], ...]:
        """Whether each is progress, whether it halts an attester, and the slot after it.

        Past its deadline and over a stopped lane a swap fares alike, so the steps are worked out once for both.
        """
        seen = self._views.setdefault(around, self._around(_view(self._arounds[around])))
        found = self._slot_steps.get((seen, slot))
        if found is None:
            steps = self.world.slot_steps(self._arounds[seen], self._slots[slot])
            halted = self._arounds[seen].halted
            found = tuple({(good, a.halted and not halted, self._slot(s)): None for good, a, s in steps})
            self._slot_steps[seen, slot] = found
        return found

    def _halting(self, around: int) -> int:
        return self._around(self._arounds[around]._replace(halted=True))

    def _is_under_way(self, slot: int) -> bool:
        """Whether its burn is final: the source has nothing more to decide about it."""
        found = self._under_way.get(slot)
        if found is None:
            mint = self._slots[slot].mint
            found = self._under_way[slot] = bool(self._slots[slot].end) or (mint is not None and mint.final)
        return found

    def _steps_around(self, around: int) -> tuple[tuple[bool, int], ...]:
        found = self._around_steps.get(around)
        if found is None:
            found = tuple((good, self._around(a)) for good, a in around_steps(self._arounds[around]))
            self._around_steps[around] = found
        return found

    def _crash(self, slot: int, relayer: int) -> int:
        found = self._crashes.get((slot, relayer))
        if found is None:
            found = self._crashes[slot, relayer] = self._slot(crashed(self._slots[slot], relayer))
        return found

    def _fault(self, state: State) -> str:
        found = self._wrong.get(state[1:])
        if found is None:
            found = self._wrong[state[1:]] = self.world.wrong([self._slots[number] for number in state[1:]])
        return found


def _view(around: Around) -> Around:
    """The surroundings as a swap sees them."""
    return around._replace(late=around.late or around.stopped, stopped=False)
