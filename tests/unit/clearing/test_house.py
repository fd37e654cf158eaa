"""The replay of the house's logs, held to a model with full matrices."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.chain import clearing_events as logs
from backend.chain.event_types import ChainEvent
from backend.chain.house import HouseReplay
from backend.chain.house_faults import HouseFaultError, ignore_fault
from backend.clearing.cycles import CycleRecorder, DebtSum, Snapshot
from tests.unit.clearing.matrix_house import CYCLE_SECONDS, PAYMENT_SECONDS, START, MatrixHouse, Refused

PROGRAMMES = 4
Timed = list[tuple[ChainEvent, int]]


def assert_same(replay: HouseReplay, house: MatrixHouse) -> None:
    """Every number that can be read is what the model computes."""
    names = house.names
    assert replay.programmes == names[: house.count]
    assert (replay.open_cycle, replay.is_settling, replay.payment_deadline, replay.closes_at) == (
        house.cycle,
        bool(house.deadline),
        house.deadline,
        house.closes_at,
    )
    for one in range(house.count):
        standing = replay.standing_of(names[one])
        assert (standing.open, standing.due) == (house.net(one, house.open), house.net(one, house.closed))
        assert (standing.collateral, standing.paid) == (house.collateral[one], house.paid[one])
        assert standing.reserved == house.reserved[one]
        assert (standing.uncovered, standing.uncovered_open) == (house.uncovered(one), house.uncovered_open(one))
        assert (standing.claims, standing.in_default) == (house.claims(one), house.default[one])
        assert replay.outstanding(names[one]) == house.outstanding(one)
        assert replay.free(names[one]) == house.free(one) >= 0
        for other in range(house.count):
            pair = (names[one], names[other])
            owed = (house.owed(one, other, house.open), house.owed(one, other, house.closed))
            assert replay.owed(*pair) == owed
            assert replay.credit_line(*pair) == house.line[one][other]
            assert replay.claim(names[other], names[one]) == house.claim[one][other]
    assert sum(replay.standing_of(name).open for name in names) == 0
    assert sum(replay.standing_of(name).due for name in names) == 0


def attempt(house: MatrixHouse, random: Random) -> list[ChainEvent]:
    """One random operation; most amounts are small against the lines, some are not. Raises Refused."""
    one, other = random.sample(range(house.count), 2)
    amount = random.choice((1, 7, 30, 100, 333))
    swap = random.randbytes(32)
    waiting = next(iter(house.reservations), b"")
    due = house.outstanding(one)
    house.now += random.choice((0, 0, 0, 1, 40, PAYMENT_SECONDS + 1))
    choices: list[Callable[[], list[ChainEvent]]] = [
        lambda: house.book(one, other, amount, swap),
        lambda: house.book(other, one, amount, swap),
        lambda: house.book(one, (one + 1) % house.count, amount, swap),
        lambda: house.reserve(one, other, amount, swap),
        lambda: house.book_reserved(waiting),
        lambda: house.release(waiting),
        lambda: house.set_line(one, other, random.choice((0, 50, 200, 600))),
        lambda: house.deposit(one, amount),
        lambda: house.withdraw(one, amount),
        house.close,
        lambda: house.pay(one, due),
        lambda: house.pay(one, due // 2),
        lambda: house.pay_from_collateral(one, due),
        house.settle,
        lambda: house.enforce(one),
        lambda: house.distribute(one),
        lambda: house.dispute(one, random.randint(0, house.cycle)),
    ]
    return random.choice(choices)()


def life(seed: int, operations: int) -> tuple[MatrixHouse, Timed]:
    """A house with a history, and its logs with their times."""
    random = Random(seed)
    house = MatrixHouse(PROGRAMMES)
    history: Timed = [(event, house.now) for _ in range(PROGRAMMES) for event in house.join()]
    for _ in range(operations):
        try:
            events = attempt(house, random)
        except Refused:
            continue
        history += [(event, house.now) for event in events]
    return house, history


def fresh(on_fault: Callable[[ChainEvent, str], None] | None = None) -> HouseReplay:
    """A replay of the house from its beginning."""
    if on_fault is None:
        return HouseReplay(CYCLE_SECONDS, PAYMENT_SECONDS, START)
    return HouseReplay(CYCLE_SECONDS, PAYMENT_SECONDS, START, on_fault)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_replay__of_any_history__is_the_model(seed: int) -> None:
    house, history = life(seed, 400)
    replay = fresh()
    replay.replay(history)
    assert_same(replay, house)


def test_histories__reach_defaults_claims_and_their_end() -> None:
    seen: set[str] = set()
    for seed in range(40):
        _, history = life(seed, 400)
        seen |= {type(event).__name__ for event, _ in history}
    assert seen == {kind.__name__ for kind in logs.CLEARING_PARAMETERS}


def sums_of(house: MatrixHouse) -> dict[int, dict[tuple[bytes, bytes], DebtSum]]:
    """What the indexer keeps."""
    return {
        cycle: {pair: DebtSum(amount, swaps) for pair, (amount, swaps) in pairs.items()}
        for cycle, pairs in house.sums.items()
    }


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_recorder__from_any_snapshot__comes_to_the_same(seed: int) -> None:
    house, history = life(seed, 400)
    rare = [(event, time) for event, time in history if not isinstance(event, logs.DebtBooked)]
    whole = CycleRecorder(fresh(ignore_fault), sums_of(house))
    for event, time in rare:
        whole.apply(event, time)
    whole.finish()
    closes = [at for at, (event, _) in enumerate(rare) if isinstance(event, logs.CycleClosed)]
    snapshot: Snapshot | None = None
    for close in closes:
        place = (rare[close][0].block_number, rare[close][0].log_index)
        first = 0 if snapshot is None else next(at for at, (e, _) in enumerate(rare) if at_place(e) == snapshot.place)
        recorder = (
            CycleRecorder(fresh(ignore_fault), sums_of(house), place)
            if snapshot is None
            else CycleRecorder.resume(snapshot, sums_of(house), place)
        )
        for event, time in rare[first + (snapshot is not None) :]:
            recorder.apply(event, time)
        recorder.finish()
        assert_same(recorder.state, house)
        assert recorder.cycles == whole.cycles
        snapshot = recorder.snapshot
        assert snapshot is not None
        assert snapshot.place == place


def at_place(event: ChainEvent) -> tuple[int, int] | None:
    """Where a close stands."""
    return (event.block_number, event.log_index) if isinstance(event, logs.CycleClosed) else None


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_recorder__from_sums__comes_to_the_same(seed: int) -> None:
    house, history = life(seed, 400)
    sums = sums_of(house)
    recorder = CycleRecorder(fresh(ignore_fault), sums)
    for event, timestamp in history:
        if not isinstance(event, logs.DebtBooked):
            recorder.apply(event, timestamp)
    recorder.finish()
    assert_same(recorder.state, house)
    for cycle in recorder.cycles.values():
        for programme in house.names:
            net = sum(cycle.net(programme, partner) for partner in cycle.partners(programme))
            share = cycle.shares[programme]
            if cycle.state == "open":
                assert net == recorder.state.standing_of(programme).open
            else:
                assert net == (share.due or 0)
            if cycle.state == "settled" and net < 0:
                assert share.paid_with_money + share.paid_from_collateral - share.returned == -net
            if cycle.state == "settled":
                assert share.received == max(0, net)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_replay__of_an_altered_log__finds_a_fault(seed: int, choice: int) -> None:
    _, history = life(seed, 300)
    altered = [at for at, (event, _) in enumerate(history) if isinstance(event, ALTERABLE)]
    if not altered:
        return
    at = altered[choice % len(altered)]
    event, timestamp = history[at]
    history[at] = (alter(event), timestamp)
    with pytest.raises(HouseFaultError):
        fresh().replay(history)


ALTERABLE = (
    logs.PositionAdvised,
    logs.CycleSettled,
    logs.CycleReadvised,
    logs.CycleClosed,
    logs.LossAllocated,
    logs.ClaimPaid,
    logs.CollateralEnforced,
    logs.ReservationEnded,
)


def alter(event: ChainEvent) -> ChainEvent:
    """The event with one number off by one."""
    match event:
        case logs.PositionAdvised():
            return replace(event, due=event.due + 1)
        case logs.CycleSettled():
            return replace(event, total=event.total + 1)
        case logs.CycleReadvised() | logs.CycleClosed():
            return replace(event, payment_deadline=event.payment_deadline + 1)
        case logs.LossAllocated():
            return replace(event, recovered=event.recovered + 1)
        case logs.ClaimPaid() | logs.CollateralEnforced() | logs.ReservationEnded():
            return replace(event, amount=event.amount + 1)
    raise AssertionError(event)


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_available__is_the_most_that_can_be_booked(seed: int) -> None:
    house, history = life(seed, 200)
    replay = fresh()
    replay.replay(history)
    for one in range(house.count):
        for other in range(house.count):
            available = replay.available_to(house.names[one], house.names[other])
            with pytest.raises(Refused):
                deepcopy(house).book(one, other, available + 1, bytes(32))
            if available:
                assert deepcopy(house).book(one, other, available, bytes(32))


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_withdrawable__is_the_most_that_can_be_withdrawn(seed: int) -> None:
    house, history = life(seed, 200)
    replay = fresh()
    replay.replay(history)
    for programme in range(house.count):
        amount = replay.withdrawable(house.names[programme])
        with pytest.raises(Refused):
            deepcopy(house).withdraw(programme, amount + 1)
        if amount:
            assert deepcopy(house).withdraw(programme, amount)
