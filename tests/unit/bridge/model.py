"""A small world of two chains, three attesters and two relayers, in which bridge/messages.py decides.

What the contracts do is modelled here (each has its own invariants elsewhere); what attesters and relayers do is asked
of the functions that they run. A world is a product of slots, one per nonce of the source's gateway, and of what all
share (`Around`); a slot's own steps are worked out once for each of its states and surroundings.

Kept small on purpose: what became of a message in a final block is not looked at again (its seen bit is on chain, and
late signatures change nothing), transactions mined and undone by a reorganisation come back as a stranger's, and all
swaps have one deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import NamedTuple

from bridge.messages import (
    Action,
    Arrival,
    Burnt,
    MessageState,
    Minted,
    Refunded,
    Refused,
    Signing,
    SwapState,
    decide,
    judge_signing,
    observe_swap,
    violations,
)

NO_CONTENT = -1
FAULTY = 2
"""The third attester: its endpoints lie to it, or its key is stolen."""


class Paused(IntEnum):
    NEITHER = 0
    SOURCE = 1
    DESTINATION = 2


class Around(NamedTuple):
    """What all messages share."""

    late: bool = False
    """The swaps' deadline has passed."""
    paused: Paused = Paused.NEITHER
    stopped: bool = False
    """The lane; for good."""
    obstructed: bool = False
    """Mints and refunds fail for now: cap, debt limit, a paused token. A refusal needs none of them."""
    halted: bool = False
    """The attester that was lied to waits for a person."""


class Transaction(IntEnum):
    """A relayer's transaction about a message."""

    NONE = 0
    DELIVER_STORED = 1
    DELIVER_POOLED = 2
    RETRY_STORED = 3
    RETRY_POOLED = 4


class Relayer(NamedTuple):
    """One relayer's dealings with one message."""

    knows: bool = False
    """Has enough signatures; in memory only."""
    stored: Transaction = Transaction.NONE
    """In its store."""
    pooled: Transaction = Transaction.NONE
    """In a node's pool."""
    gone: bool = False
    """Has forgotten the message. Right only when nothing is left to do, and then the slot is settled."""


class Attester(NamedTuple):
    """One attester's dealings with one nonce."""

    journal: int = NO_CONTENT
    signed: frozenset[int] = frozenset()


class Leg(NamedTuple):
    """One message, from the block that sends it to the one that takes it."""

    content: int
    final: bool = False
    attesters: tuple[Attester, ...] = ()
    relayers: tuple[Relayer, ...] = ()
    arrival: Arrival = Arrival.UNSEEN
    taken: int = NO_CONTENT
    """Content that was executed."""
    executions: int = 0
    refuses: bool = False
    """The execution refused the swap and sent a refund."""


class Slot(NamedTuple):
    """A nonce of the source's gateway, and the swap it carries."""

    mint: Leg | None = None
    refund: Leg | None = None
    end: str = ""
    """`minted` or `refunded`, in final blocks."""


Step = tuple[bool, Around, Slot]
"""Whether the step is progress (not a fault, not a stranger's kindness), and what it leads to."""


@dataclass(frozen=True)
class Rules:
    """What runs and what is assumed; tests break one at a time."""

    decide: Callable[[MessageState, float], Action] = decide
    judge: Callable[[bytes | None, bytes], Signing] = judge_signing
    threshold: int = 2
    gateway_looks_at_seen: bool = True
    attesters_wait_for_finality: bool = True
    journal_on_disk: bool = True
    store_before_broadcast: bool = True
    source_refunds_by_itself: bool = False


@dataclass(frozen=True)
class World:
    """How much is told apart. `stolen`: the faulty attester signs anything; otherwise it is lied to."""

    nonces: int = 1
    contents: int = 1
    """Swaps that may stand under the same nonce when a reorganisation changes their order."""
    attesters: int = 3
    relayers: int = 2
    stolen: bool = False
    coarse: bool = False
    """Attesters write and sign, relayers collect, store and broadcast, in one step."""
    rules: Rules = field(default_factory=Rules)

    def start(self) -> tuple[Around, tuple[Slot, ...]]:
        return Around(), (Slot(),) * self.nonces

    def new_leg(self, content: int) -> Leg:
        honest = (Attester(),) * min(self.attesters, FAULTY)
        faulty = (Attester(signed=frozenset(range(self.contents)) if self.stolen else frozenset()),)
        attesters = honest + faulty * (self.attesters > FAULTY)
        return Leg(content, attesters=attesters, relayers=(Relayer(),) * self.relayers)

    # What is checked in every state

    def wrong(self, slots: Sequence[Slot]) -> str:
        """What is wrong in a state; empty when nothing is."""
        minted = burnt = 0
        for slot in slots:
            swap = swap_state(slot)
            broken = violations(swap)
            if broken:
                return broken[0].value
            minted += swap.mints
            burnt += slot.end != "" or (slot.mint is not None and slot.mint.final)
            for leg in (slot.mint, slot.refund):
                fault = "" if leg is None else self._wrong_leg(leg)
                if fault:
                    return fault
        return "more minted than burnt" if minted > burnt else ""

    def _wrong_leg(self, leg: Leg) -> str:
        honest = leg.attesters if not self.stolen else leg.attesters[:FAULTY]
        if any(len(attester.signed) > 1 for attester in honest):
            return "two contents signed under one nonce"
        if leg.executions > 1:
            return "executed twice"
        if any(relayer.pooled and not relayer.stored for relayer in leg.relayers):
            return "broadcast, but not in the store"
        return ""

    # Steps of one slot

    def slot_steps(self, around: Around, slot: Slot) -> Iterator[Step]:
        """Everything that can happen to one message, by anybody, except sending and its finality."""
        leg = slot.refund or slot.mint
        if leg is None:
            return
        back = slot.refund is not None
        if leg.final or not self.rules.attesters_wait_for_finality:
            for progress, around_, leg_ in self._attest(around, leg):
                yield progress, around_, _put(slot, leg_, back)
        if leg.final and leg.arrival is not Arrival.TAKEN:
            for stranger in self._stranger(around, leg, back):
                yield False, around, _put(slot, stranger, back)
        if leg.final:
            for at in range(len(leg.relayers)):
                for progress, leg_ in self._relay(around, leg, at, back):
                    yield progress, around, _put(slot, leg_, back)
        if leg.arrival is Arrival.TAKEN:
            yield True, around, self._settled(slot, leg)
        if leg.arrival is not Arrival.UNSEEN:  # The block of its arrival vanishes.
            undone = leg._replace(arrival=Arrival.UNSEEN, taken=NO_CONTENT, executions=0, refuses=False)
            yield False, around, _put(slot, undone, back)
        if self.rules.source_refunds_by_itself and around.late and leg.final and not back:
            refund = self.new_leg(leg.content)._replace(final=True, arrival=Arrival.TAKEN, executions=1)
            yield True, around, slot._replace(refund=refund)

    def _settled(self, slot: Slot, leg: Leg) -> Slot:
        """The block of the leg's arrival is final; a refusal's refund is then a message to be attested."""
        if slot.refund is not None:
            return Slot(end="refunded")
        if not leg.refuses:
            return Slot(end="minted")
        remembered = leg._replace(attesters=(), relayers=())
        return Slot(mint=remembered, refund=self.new_leg(leg.content)._replace(final=True))

    def _attest(self, around: Around, leg: Leg) -> Iterator[tuple[bool, Around, Leg]]:
        for at, attester in enumerate(leg.attesters):
            faulty = at == FAULTY
            if faulty and (self.stolen or around.halted):
                continue
            for seen in range(self.contents) if faulty else (leg.content,):
                yield from self._sign(around, leg, at, attester, seen)

    def _sign(
        self, around: Around, leg: Leg, at: int, attester: Attester, seen: int
    ) -> Iterator[tuple[bool, Around, Leg]]:
        """One step of an attester that takes `seen` for what is final."""
        recorded = None if attester.journal == NO_CONTENT else bytes((attester.journal,))
        verdict = self.rules.judge(recorded, bytes((seen,)))
        signed = attester._replace(journal=seen, signed=attester.signed | {seen})
        if verdict is Signing.HALT:
            yield False, around._replace(halted=True), leg
        elif verdict is Signing.RECORD and not self.coarse:
            yield at != FAULTY, around, _with_attester(leg, at, attester._replace(journal=seen))
        elif seen not in attester.signed:
            yield at != FAULTY, around, _with_attester(leg, at, signed)
        if not self.rules.journal_on_disk and attester.journal != NO_CONTENT:
            yield False, around, _with_attester(leg, at, attester._replace(journal=NO_CONTENT))

    def attested(self, leg: Leg, content: int) -> bool:
        """Whether the gateway takes `content` under this nonce."""
        return sum(content in attester.signed for attester in leg.attesters) >= self.rules.threshold

    def _stranger(self, around: Around, leg: Leg, back: bool) -> Iterator[Leg]:
        """Somebody else delivers or retries whatever the gateway takes."""
        for content in range(self.contents):
            if self.attested(leg, content):
                yield from self._execute(around, leg, Transaction.DELIVER_POOLED, back, content)
        yield from self._execute(around, leg, Transaction.RETRY_POOLED, back, leg.content)

    def _relay(self, around: Around, leg: Leg, at: int, back: bool) -> Iterator[tuple[bool, Leg]]:
        relayer = leg.relayers[at]
        put = partial(_with_relayer, leg, at)
        if relayer.stored and relayer.pooled is Transaction.NONE:
            yield True, put(relayer._replace(pooled=Transaction(relayer.stored + 1)))
        if relayer.pooled:
            yield False, put(relayer._replace(pooled=Transaction.NONE))  # Dropped by the pool.
            mined = next(self._execute(around, leg, relayer.pooled, back, leg.content), leg)
            done = relayer._replace(stored=Transaction.NONE, pooled=Transaction.NONE)
            yield True, _with_relayer(mined, at, done)
        if relayer.gone:
            return
        state = MessageState(
            final=leg.final,
            signatures=self.rules.threshold if relayer.knows else 0,
            threshold=self.rules.threshold,
            arrival=leg.arrival,
            under_way=relayer.stored is not Transaction.NONE,
        )
        action = self.rules.decide(state, 0)
        if action is Action.COLLECT and self.attested(leg, leg.content):
            yield True, put(relayer._replace(knows=True))
        elif action is Action.FORGET:
            yield True, put(Relayer(gone=True, stored=relayer.stored, pooled=relayer.pooled))
        elif action in (Action.DELIVER, Action.RETRY):
            yield from self._send(around, leg, at, action, back)

    def _send(self, around: Around, leg: Leg, at: int, action: Action, back: bool) -> Iterator[tuple[bool, Leg]]:
        """Signs and stores what would work now: a relayer asks the node before it signs."""
        stored = Transaction.DELIVER_STORED if action is Action.DELIVER else Transaction.RETRY_STORED
        pooled = Transaction(stored + 1)
        if next(self._execute(around, leg, pooled, back, leg.content), None) is None:
            return
        relayer = leg.relayers[at]
        if not self.rules.store_before_broadcast:
            yield True, _with_relayer(leg, at, relayer._replace(pooled=pooled))
        elif self.coarse:
            yield True, _with_relayer(leg, at, relayer._replace(stored=stored, pooled=pooled))
        else:
            yield True, _with_relayer(leg, at, relayer._replace(stored=stored))

    # What the contracts do

    def _execute(self, around: Around, leg: Leg, transaction: Transaction, back: bool, content: int) -> Iterator[Leg]:
        """The transaction's effect; nothing when it reverts."""
        retries = transaction is Transaction.RETRY_POOLED
        if around.paused == (Paused.SOURCE if back else Paused.DESTINATION):
            return
        if retries and leg.arrival is not Arrival.FAILED:
            return
        if not retries and leg.arrival is not Arrival.UNSEEN and self.rules.gateway_looks_at_seen:
            return
        taken = leg._replace(arrival=Arrival.TAKEN, taken=content, executions=leg.executions + 1)
        refused = not back and (around.late or around.stopped)
        if refused or not around.obstructed:
            yield taken._replace(refuses=refused)
        elif not retries:
            yield leg._replace(arrival=Arrival.FAILED)


def swap_state(slot: Slot) -> SwapState:
    """What both chains say of the slot's swap, told to the machine log by log."""
    state = SwapState()
    if slot.end:
        content = b"\0"
        state = observe_swap(state, Burnt(content))
        if slot.end == "minted":
            return observe_swap(state, Minted(content))
        return observe_swap(observe_swap(state, Refused()), Refunded())
    if slot.mint is not None:
        state = observe_swap(state, Burnt(bytes((slot.mint.content,))))
        for _ in range(slot.mint.executions):
            state = observe_swap(state, Refused() if slot.mint.refuses else Minted(bytes((slot.mint.taken,))))
    if slot.refund is not None:
        for _ in range(slot.refund.executions):
            state = observe_swap(state, Refunded())
    return state


def crashed(slot: Slot, at: int) -> Slot:
    """What a crash of relayer `at` leaves: its store, and what is in the pools."""

    def forgets(leg: Leg | None) -> Leg | None:
        if leg is None or not leg.relayers:
            return leg
        return _with_relayer(leg, at, leg.relayers[at]._replace(knows=False))

    return Slot(forgets(slot.mint), forgets(slot.refund), slot.end)


def around_steps(around: Around) -> Iterator[tuple[bool, Around]]:
    """What happens to everybody: time, pauses, the lane, obstructions, a person's word."""
    if not around.late:
        yield True, around._replace(late=True)
    if not around.stopped:
        yield False, around._replace(stopped=True)
    if around.paused:
        yield True, around._replace(paused=Paused.NEITHER)
    else:
        yield False, around._replace(paused=Paused.SOURCE)
        yield False, around._replace(paused=Paused.DESTINATION)
    yield around.obstructed, around._replace(obstructed=not around.obstructed)
    if around.halted:
        yield False, around._replace(halted=False)


def _put(slot: Slot, leg: Leg, back: bool) -> Slot:
    return slot._replace(refund=leg) if back else slot._replace(mint=leg)


def _with_attester(leg: Leg, at: int, attester: Attester) -> Leg:
    """The two honest attesters are alike: which of them did what makes no difference."""
    attesters = [*leg.attesters[:at], attester, *leg.attesters[at + 1 :]]
    honest = sorted(attesters[:FAULTY], key=lambda one: (one.journal, sorted(one.signed)))
    return leg._replace(attesters=(*honest, *attesters[FAULTY:]))


def _with_relayer(leg: Leg, at: int, relayer: Relayer) -> Leg:
    return leg._replace(relayers=(*leg.relayers[:at], relayer, *leg.relayers[at + 1 :]))


def alike(slot: Slot) -> Slot:
    """One of the slots that differ only in which of two relayers did what."""

    def ordered(leg: Leg | None) -> Leg | None:
        return leg and leg._replace(relayers=tuple(sorted(leg.relayers)))

    return Slot(ordered(slot.mint), ordered(slot.refund), slot.end)
