"""The machine's rules, one by one; `test_exploration` tries them in every order."""

from __future__ import annotations

import pytest

from bridge.errors import ImpossibleObservationError
from bridge.messages import (
    Action,
    Arrival,
    Arrived,
    Burnt,
    Ended,
    Expired,
    Found,
    InVain,
    MessageState,
    Minted,
    Refunded,
    Refused,
    Signed,
    Signing,
    Stage,
    Stored,
    SwapObservation,
    SwapStage,
    SwapState,
    Violation,
    decide,
    judge_signing,
    observe,
    observe_swap,
    violations,
)

SIGNED = MessageState(final=True, signatures=2, threshold=2)


def test_a_message_goes_through_its_stages() -> None:
    state = MessageState()
    stages, actions = [], []
    for seen in (
        Found(final=False),
        Found(final=True),
        Signed(1, 2),
        Signed(2, 2),
        Stored(),
        Arrived(Arrival.FAILED),
        Ended(),
        Arrived(Arrival.TAKEN),
        Arrived(Arrival.TAKEN, final=True),
    ):
        state = observe(state, seen)
        stages.append(state.stage)
        actions.append(decide(state, 0))
    assert stages == [
        Stage.SENT,
        Stage.FINAL,
        Stage.FINAL,
        Stage.ATTESTED,
        Stage.ATTESTED,
        Stage.FAILED,
        Stage.FAILED,
        Stage.DELIVERED,
        Stage.SETTLED,
    ]
    assert actions == [
        Action.WAIT,
        Action.COLLECT,
        Action.COLLECT,
        Action.DELIVER,
        Action.WAIT,
        Action.WAIT,
        Action.RETRY,
        Action.WAIT,
        Action.FORGET,
    ]


def test_a_threshold_that_is_not_known_or_zero_is_never_reached() -> None:
    assert decide(MessageState(final=True, signatures=9, threshold=0), 0) is Action.COLLECT


def test_a_threshold_raised_in_flight_asks_for_more_signatures() -> None:
    assert decide(observe(SIGNED, Signed(2, 3)), 0) is Action.COLLECT


def test_a_reorganised_delivery_is_delivered_again() -> None:
    taken = observe(SIGNED, Arrived(Arrival.TAKEN))
    assert decide(observe(taken, Arrived(Arrival.UNSEEN)), 0) is Action.DELIVER


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        (MessageState(final=True), Found(final=False)),
        (MessageState(final=True, arrival=Arrival.TAKEN, arrival_final=True), Arrived(Arrival.UNSEEN)),
    ],
)
def test_what_was_final_and_is_not_stops_the_machine(state: MessageState, seen: Found | Arrived) -> None:
    with pytest.raises(ImpossibleObservationError):
        observe(state, seen)


def test_pauses_double_within_bounds_for_ever() -> None:
    state, now, pauses = SIGNED, 1_000.0, []
    for _ in range(40):
        state = observe(state, InVain(now, first_pause_seconds=5, longest_pause_seconds=60))
        pauses.append(state.retry_at - now)
        assert decide(state, state.retry_at - 1) is Action.WAIT
        assert decide(state, state.retry_at) is Action.DELIVER
        now = state.retry_at
    assert pauses[:6] == [5, 10, 20, 40, 60, 60]
    assert pauses[-1] == 60


def test_no_pause_outlasts_the_deadline() -> None:
    state = observe(MessageState(final=True, attempts=9), InVain(1_000))
    assert state.retry_at == 1_600
    expired = observe(state, Expired())
    assert decide(expired, 1_001) is Action.COLLECT
    assert observe(observe(expired, InVain(1_001)), Expired()).retry_at == 1_006


def test_judge_signing() -> None:
    assert judge_signing(None, b"a") is Signing.RECORD
    assert judge_signing(b"a", b"a") is Signing.AGAIN
    assert judge_signing(b"a", b"b") is Signing.HALT


@pytest.mark.parametrize(
    ("logs", "stage", "broken"),
    [
        ([Burnt(b"s")], SwapStage.UNDER_WAY, ()),
        ([Burnt(b"s"), Minted(b"s")], SwapStage.MINTED, ()),
        ([Burnt(b"s"), Refused()], SwapStage.REFUSED, ()),
        ([Burnt(b"s"), Refused(), Refunded()], SwapStage.REFUNDED, ()),
        ([Minted(b"s")], SwapStage.MINTED, (Violation.MINTED_WITHOUT_BURN,)),
        ([Burnt(b"s"), Minted(b"t")], SwapStage.MINTED, (Violation.MINTED_OTHERWISE,)),
        ([Burnt(b"s"), Minted(b"s"), Minted(b"s")], SwapStage.MINTED, (Violation.MINTED_TWICE,)),
        ([Burnt(b"s"), Refused(), Minted(b"s")], SwapStage.MINTED, (Violation.MINTED_AND_REFUSED,)),
        ([Burnt(b"s"), Refunded()], SwapStage.REFUNDED, (Violation.REFUNDED_WITHOUT_REFUSAL,)),
        (
            [Burnt(b"s"), Refused(), Refunded(), Refunded()],
            SwapStage.REFUNDED,
            (Violation.REFUNDED_WITHOUT_REFUSAL, Violation.REFUNDED_TWICE),
        ),
    ],
)
def test_swaps(logs: list[SwapObservation], stage: SwapStage, broken: tuple[Violation, ...]) -> None:
    for order in (logs, logs[::-1]):
        state = SwapState()
        for log in order:
            state = observe_swap(state, log)
        assert state.stage is stage
        if Minted(b"t") not in logs:
            assert violations(state) == broken
    assert set(violations(state)) == set(broken)
