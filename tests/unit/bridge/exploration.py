"""Breadth-first exploration of a `World`: every state that any order of steps can reach, and where progress leads."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from tests.unit.bridge.model import Around, Paused, Slot, World, alike, around_steps, crashed

State = int
"""Numbers of the surroundings and of each slot, side by side in one: a step is then a difference."""
_AROUND_BITS, _SLOT_BITS = 8, 20


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
        self._slot_steps: dict[tuple[int, int, int], list[tuple[bool, int, int]]] = {}
        self._halting: dict[int, int] = {}
        self._views: dict[int, int] = {}
        self._under_way: dict[int, bool] = {}
        self._around_steps: dict[int, list[tuple[bool, int]]] = {}
        self._crashes: dict[tuple[int, int], int] = {}
        self._wrong: dict[int, str] = {}

    def run(self) -> Outcome:
        """Explores all states, then looks whether progress alone always ends well."""
        around, slots = self.world.start()
        start = self._joined(self._around(around), list(map(self._slot, slots)))
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
            for good, difference in self._differences(state):
                if difference == 0:
                    continue
                steps += 1
                number = index.setdefault(state + difference, len(states))
                if number == len(states):
                    states.append(state + difference)
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

    def _differences(self, state: State) -> list[tuple[bool, int]]:
        """What each step adds to the state, and whether it is progress."""
        around, slots = self._parts(state)
        found = list(self._steps_around(around))
        for at, slot in enumerate(slots):
            found += self._steps_of(around, slot, at)
        for relayer in range(self.world.relayers):
            found.append((False, sum(self._crash(slot, relayer, at) for at, slot in enumerate(slots))))
        if not all(map(self._is_under_way, slots)):
            found += [(good, self._joined(around, after) - state) for good, after in self._source_steps(around, slots)]
        return found

    def _source_steps(self, around: int, slots: list[int]) -> Iterator[tuple[bool, list[int]]]:
        """Sends in order of nonces, finality in order of blocks, and blocks that vanish with all that came after."""
        here, earlier_are_final = self._arounds[around], True
        for at, number in enumerate(slots):
            slot = self._slots[number]
            if slot.mint is None and not slot.end:
                if not here.late and not here.stopped and here.paused is not Paused.SOURCE:
                    for content in range(self.world.contents):
                        sent = self._slot(Slot(mint=self.world.new_leg(content)))
                        yield False, [*slots[:at], sent, *slots[at + 1 :]]
                return
            if slot.mint is not None and not slot.mint.final:
                if earlier_are_final:
                    final = self._slot(slot._replace(mint=slot.mint._replace(final=True)))
                    yield True, [*slots[:at], final, *slots[at + 1 :]]
                yield False, [*slots[:at], *map(self._unsent, slots[at:])]
                earlier_are_final = False

    def _unsent(self, number: int) -> int:
        """The slot after its burn has vanished; attesters remember what they wrote and signed."""
        slot = self._slots[number]
        if slot.mint is None or not any(attester.signed for attester in slot.mint.attesters[:2]):
            return self._slot(Slot())
        return self._slot(slot._replace(mint=slot.mint._replace(content=self.world.contents - 1 - slot.mint.content)))

    def _ended(self, state: State) -> bool:
        return all(self._slots[slot].end or self._slots[slot] == Slot() for slot in self._parts(state)[1])

    def _path(self, states: list[State], parents: array[int], at: int) -> tuple[str, ...]:
        path = [at]
        while at:
            at = parents[at]
            path.append(at)
        return tuple(self.describe(states[step]) for step in reversed(path))

    def describe(self, state: State) -> str:
        """A state in words."""
        around, slots = self._parts(state)
        return " | ".join([str(self._arounds[around]), *(str(self._slots[number]) for number in slots)])

    # Numbers and what is remembered

    def _parts(self, state: State) -> tuple[int, list[int]]:
        slots = state >> _AROUND_BITS
        return state & 0xFF, [slots >> _SLOT_BITS * at & 0xFFFFF for at in range(self.world.nonces)]

    def _joined(self, around: int, slots: list[int]) -> State:
        return around + sum(slot << _shift(at) for at, slot in enumerate(slots))

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

    def _steps_of(self, around: int, slot: int, at: int) -> list[tuple[bool, int]]:
        """Past its deadline and over a stopped lane a swap fares alike: the steps are worked out once for both."""
        seen = self._views.setdefault(around, self._around(_view(self._arounds[around])))
        found = self._slot_steps.get((seen, slot, at))
        if found is None:
            unique = dict.fromkeys(
                (good, self._around(after) - seen, self._slot(slot_) - slot << _shift(at))
                for good, after, slot_ in self.world.slot_steps(self._arounds[seen], self._slots[slot])
            )
            assert all(not changed or self._arounds[seen + changed].halted for _, changed, _ in unique)
            found = self._slot_steps[seen, slot, at] = list(unique)
        halting = self._halting.get(around)
        if halting is None:
            halting = self._around(self._arounds[around]._replace(halted=True)) - around
            self._halting[around] = halting
        return [(good, difference + (halting if changed else 0)) for good, changed, difference in found]

    def _is_under_way(self, slot: int) -> bool:
        """Whether its burn is final: the source has nothing more to decide about it."""
        found = self._under_way.get(slot)
        if found is None:
            mint = self._slots[slot].mint
            found = self._under_way[slot] = bool(self._slots[slot].end) or (mint is not None and mint.final)
        return found

    def _steps_around(self, around: int) -> list[tuple[bool, int]]:
        found = self._around_steps.get(around)
        if found is None:
            found = [(good, self._around(a) - around) for good, a in around_steps(self._arounds[around])]
            self._around_steps[around] = found
        return found

    def _crash(self, slot: int, relayer: int, at: int) -> int:
        found = self._crashes.get((slot, relayer))
        if found is None:
            found = self._crashes[slot, relayer] = self._slot(crashed(self._slots[slot], relayer)) - slot
        return found << _shift(at)

    def _fault(self, state: State) -> str:
        found = self._wrong.get(state >> _AROUND_BITS)
        if found is None:
            found = self.world.wrong([self._slots[number] for number in self._parts(state)[1]])
            self._wrong[state >> _AROUND_BITS] = found
        return found


def _shift(at: int) -> int:
    return _AROUND_BITS + _SLOT_BITS * at


def _view(around: Around) -> Around:
    """The surroundings as a swap sees them."""
    return around._replace(late=around.late or around.stopped, stopped=False)
