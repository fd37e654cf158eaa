"""What is known of a message and of a swap, and what follows from it. Pure: no clock, no network, no store.

The relayer, the watcher of both chains and the status command ask these functions; the exhaustive exploration in
`tests/unit/bridge` runs the same ones. State changes by observations only and may be forgotten at any time: everything
in it can be observed again from the chains, the attesters and the store of signed transactions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from bridge.errors import ImpossibleObservationError


class Stage(StrEnum):
    """How far a message is."""

    SENT = "sent"
    """In a block of the source chain that may still vanish."""
    FINAL = "final"
    """In a final block; fewer attesters than the threshold have signed."""
    ATTESTED = "attested"
    """Enough attesters have signed; not seen by the destination's gateway."""
    FAILED = "failed"
    """Delivered, but the recipient would not take it now. Anyone may retry."""
    DELIVERED = "delivered"
    """Taken by the recipient, in a block that may still vanish."""
    SETTLED = "settled"
    """Taken by the recipient, in a final block. Nothing is left to do."""


class Action(StrEnum):
    """What a relayer has to do about a message."""

    WAIT = "wait"
    COLLECT = "collect"
    """Ask attesters for signatures."""
    DELIVER = "deliver"
    RETRY = "retry"
    """Offer a failed message to its recipient again."""
    FORGET = "forget"


class Arrival(StrEnum):
    """What the destination's gateway says of a message."""

    UNSEEN = "unseen"
    FAILED = "failed"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class MessageState:
    """What is known of one message. Times are seconds of any clock that does not go back."""

    final: bool = False
    signatures: int = 0
    """Valid signatures by members of the attester set in force at the destination."""
    threshold: int = 0
    """Signatures that set needs; 0 while it is not known, and then nothing is ever enough."""
    arrival: Arrival = Arrival.UNSEEN
    arrival_final: bool = False
    under_way: bool = False
    """A transaction of this relayer that delivers or retries it may still be mined."""
    attempts: int = 0
    """How often a retry or a delivery has been in vain."""
    retry_at: float = 0
    expired: bool = False
    """The deadline of the swap in it has passed at the destination, which refuses it from then on."""

    @property
    def attested(self) -> bool:
        """Whether enough attesters have signed."""
        return 0 < self.threshold <= self.signatures

    @property
    def stage(self) -> Stage:
        """How far it is, by the furthest thing known."""
        if self.arrival is Arrival.TAKEN:
            return Stage.SETTLED if self.arrival_final else Stage.DELIVERED
        if self.arrival is Arrival.FAILED:
            return Stage.FAILED
        if not self.final:
            return Stage.SENT
        return Stage.ATTESTED if self.attested else Stage.FINAL


@dataclass(frozen=True, slots=True)
class Found:
    """The source chain holds the message; `final` once its block is."""

    final: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """How many attesters of the set in force have signed, and how many must."""

    signatures: int
    threshold: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """What the destination says; `final` when a final block says so."""

    arrival: Arrival
    final: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A signed transaction for it is in the store, and may be broadcast from now on."""


@dataclass(frozen=True, slots=True)
class Ended:
    """That transaction's nonce is used up, by itself or by another: it can do nothing any more."""


@dataclass(frozen=True, slots=True)
class InVain:
    """An attempt would fail or has failed at `now`. Pauses double from the first to the longest."""

    now: float
    first_pause_seconds: float = 5
    longest_pause_seconds: float = 600


@dataclass(frozen=True, slots=True)
class Expired:
    """The destination's clock has passed the swap's deadline: what failed before will now be refused, and refunded."""


Observation = Found | Signed | Arrived | Stored | Ended | InVain | Expired


def observe(state: MessageState, seen: Observation) -> MessageState:  # noqa: PLR0911 - one for each observation
    """The state after an observation.

    Errors: `ImpossibleObservationError` when it contradicts what was final. A person must look at that.
    """
    match seen:
        case Found(final):
            if state.final and not final:
                raise ImpossibleObservationError("A message of a final block is not final any more.")
            return replace(state, final=final)
        case Signed(signatures, threshold):
            return replace(state, signatures=signatures, threshold=threshold)
        case Arrived(arrival, final):
            if state.arrival_final and (arrival is not state.arrival) and state.arrival is Arrival.TAKEN:
                raise ImpossibleObservationError("A message that was taken in a final block is not taken any more.")
            return replace(state, arrival=arrival, arrival_final=final)
        case Stored():
            return replace(state, under_way=True)
        case Ended():
            return replace(state, under_way=False)
        case InVain(now, first, longest):
            pause = min(first * 2.0 ** min(state.attempts, 30), longest)
            return replace(state, attempts=state.attempts + 1, retry_at=now + pause)
        case Expired():
            return state if state.expired else replace(state, expired=True, attempts=0, retry_at=0)


def decide(state: MessageState, now: float) -> Action:
    """What a relayer has to do at `now`. It never gives a message up that has not been taken for good."""
    if state.arrival is Arrival.TAKEN:
        return Action.FORGET if state.arrival_final else Action.WAIT
    if not state.final or state.under_way or now < state.retry_at:
        return Action.WAIT
    if state.arrival is Arrival.FAILED:
        return Action.RETRY
    return Action.DELIVER if state.attested else Action.COLLECT


class Signing(StrEnum):
    """What an attester has to do about a content it is to sign."""

    RECORD = "record"
    """Write it to the journal, commit, then sign."""
    AGAIN = "again"
    """It is in the journal already: sign the same once more."""
    HALT = "halt"
    """The journal holds another content under this key: sign nothing until a person has looked."""


def judge_signing(recorded: bytes | None, wanted: bytes) -> Signing:
    """Compares what the journal holds under a key, (route, nonce) or (route, block), with what is to be signed."""
    if recorded is None:
        return Signing.RECORD
    return Signing.AGAIN if recorded == wanted else Signing.HALT


class SwapStage(StrEnum):
    """Where the points of a crosschain swap are."""

    UNDER_WAY = "under_way"
    """Burnt at the source; the mint leg is still to come."""
    REFUSED = "refused"
    """The destination has refused; the refund is on its way back."""
    MINTED = "minted"
    REFUNDED = "refunded"


class Violation(StrEnum):
    """A thing that must never be."""

    MINTED_WITHOUT_BURN = "minted_without_burn"
    MINTED_TWICE = "minted_twice"
    MINTED_OTHERWISE = "minted_otherwise"
    """Not the swap that was sent: other points, account or lane."""
    MINTED_AND_REFUSED = "minted_and_refused"
    REFUNDED_WITHOUT_REFUSAL = "refunded_without_refusal"
    REFUNDED_TWICE = "refunded_twice"


@dataclass(frozen=True, slots=True)
class SwapState:
    """What both chains say of one crosschain swap. `burnt` and `minted` are what must agree, in any spelling."""

    burnt: bytes | None = None
    minted: bytes | None = None
    mints: int = 0
    refusals: int = 0
    refunds: int = 0

    @property
    def stage(self) -> SwapStage:
        """Where the points are; every swap ends in one of minted and refunded."""
        if self.mints:
            return SwapStage.MINTED
        if self.refunds:
            return SwapStage.REFUNDED
        return SwapStage.REFUSED if self.refusals else SwapStage.UNDER_WAY


@dataclass(frozen=True, slots=True)
class Burnt:
    """The source burnt points and sent the swap `content`."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Minted:
    """The destination minted for the swap `content`."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The destination refused the swap and sent a refund."""


@dataclass(frozen=True, slots=True)
class Refunded:
    """The source restored the lots."""


SwapObservation = Burnt | Minted | Refused | Refunded


def observe_swap(state: SwapState, seen: SwapObservation) -> SwapState:
    """The state after one more log of either chain, in whatever order the two are read."""
    match seen:
        case Burnt(content):
            return replace(state, burnt=content)
        case Minted(content):
            return replace(state, minted=content, mints=state.mints + 1)
        case Refused():
            return replace(state, refusals=state.refusals + 1)
        case Refunded():
            return replace(state, refunds=state.refunds + 1)


def violations(state: SwapState) -> tuple[Violation, ...]:
    """What must never be, judged when the source has been read at least as far as the destination, and both final.

    A destination that is read further than the source shows mints before their burns, and a source that is read further
    shows refunds before their refusals: judge those again when the other chain has been read.
    """
    found = []
    if state.mints and state.burnt is None:
        found.append(Violation.MINTED_WITHOUT_BURN)
    if state.mints > 1:
        found.append(Violation.MINTED_TWICE)
    if state.mints and state.burnt is not None and state.minted != state.burnt:
        found.append(Violation.MINTED_OTHERWISE)
    if state.mints and (state.refusals or state.refunds):
        found.append(Violation.MINTED_AND_REFUSED)
    if state.refunds > state.refusals:
        found.append(Violation.REFUNDED_WITHOUT_REFUSAL)
    if state.refunds > 1:
        found.append(Violation.REFUNDED_TWICE)
    return tuple(found)
