"""Every path that a posting can take: all answers, lost ones, crashes, late arrivals, refunds by others.

A small model of an honest partner and of the chain is explored to its last state; the rules hold in each of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from backend.partners.machine import (
    ENDED_POSTINGS,
    ENDED_TRANSFERS,
    NOT_POSTED,
    Call,
    ChainAct,
    Outcome,
    PostingState,
    SwapEnd,
    TransferState,
    next_posting_step,
    next_transfer_step,
    pause_seconds,
    posting_after,
    transfer_after,
)


@dataclass(frozen=True)
class World:
    """A posting, its partner and the chain."""

    state: PostingState = PostingState.WAITING
    partner: str = "unasked"
    """unasked (would do it), done, or never (has refused it, or has undone it and remembers)."""
    on_the_way: bool = False
    """The first request is still travelling."""
    end: SwapEnd = SwapEnd.OPEN
    closing: bool = False
    over: bool = False
    in_hand: ChainAct | None = None
    given_up: bool = False
    reachable: bool = True

    @property
    def may_be_posted(self) -> bool:
        return self.partner == "done" or (self.partner == "unasked" and self.on_the_way)


Said = tuple[Outcome, str | None]
LOST: Said = (Outcome.SYSTEM_ERROR, None)


def partner_answers(world: World, call: Call) -> Iterator[tuple[World, Said]]:
    """What the partner may do, and may say: the truth, or nothing."""
    if call is Call.REVERSE:
        yield world, LOST
        yield world, (Outcome.PENDING, None)
        if world.partner == "done":
            yield world, (Outcome.FAILED, "points_spent")
        undone = replace(world, partner="never")
        yield undone, LOST
        yield undone, (Outcome.SUCCEEDED, None)
        if world.partner != "done":
            yield undone, (Outcome.FAILED, NOT_POSTED)
        return
    yield world, LOST
    if call is Call.POST:
        yield replace(world, on_the_way=True), LOST
    truth = {"done": ["done"], "never": ["never"], "unasked": ["done", "never"]}[world.partner]
    for partner in truth:
        decided = replace(world, partner=partner)
        yield decided, LOST
        yield decided, (Outcome.SUCCEEDED if partner == "done" else Outcome.FAILED, None)
    if world.partner == "unasked":
        yield world, (Outcome.PENDING, None)


def worker_moves(world: World) -> Iterator[World]:
    """A step of the worker, and every way its call can go - the process's death in the middle included."""
    step = next_posting_step(
        world.state,
        world.end,
        closing=world.closing,
        reachable=world.reachable,
        given_up=world.given_up and world.over,
    )
    after = replace(world, state=step.state)
    if step.act is not None and after.in_hand is None:
        after = replace(after, in_hand=step.act)
    yield after
    if step.call is None:
        return
    for answered, (outcome, reason) in partner_answers(after, step.call):
        yield answered  # It died before it could write the answer down.
        yield replace(answered, state=posting_after(step.call, outcome, reason, world.end))


def other_moves(world: World) -> Iterator[World]:
    """What happens without the worker: time, the chain, the network, people."""
    if world.end is SwapEnd.OPEN:
        if not world.closing:
            yield replace(world, closing=True)
        elif not world.over:
            yield replace(world, over=True)
        else:
            yield replace(world, end=SwapEnd.REFUNDED)
    if world.in_hand is not None:
        end = SwapEnd.COMPLETED if world.in_hand is ChainAct.CONFIRM else SwapEnd.REFUNDED
        yield replace(world, in_hand=None, end=end if world.end is SwapEnd.OPEN else world.end)
        yield replace(world, in_hand=None)  # The chain refused, for a reason that passes.
    if world.on_the_way:
        arrived = replace(world, on_the_way=False)
        yield replace(arrived, partner="done") if world.partner == "unasked" else arrived
    if world.state in (PostingState.POSTING, PostingState.UNKNOWN):
        yield replace(world, state=PostingState.REVERSING)
    if world.state is PostingState.WAITING:
        yield replace(world, state=PostingState.REFUSED)
    if world.state is PostingState.REVERSING and world.over and not world.given_up:
        yield replace(world, given_up=True)
    yield replace(world, reachable=not world.reachable)


def explore() -> dict[World, set[World]]:
    """All worlds that can come about, with those that can follow each."""
    graph: dict[World, set[World]] = {}
    waiting = deque([World()])
    while waiting:
        world = waiting.popleft()
        if world not in graph:
            graph[world] = {*worker_moves(world), *other_moves(world)} - {world}
            waiting.extend(graph[world])
    return graph


@pytest.fixture(scope="module")
def graph() -> dict[World, set[World]]:
    return explore()


class TestPosting:
    def test_every_end__leaves_partner_and_chain_of_one_mind(self, graph: dict[World, set[World]]) -> None:
        ended = [world for world in graph if world.state in ENDED_POSTINGS]
        assert len(ended) > 10
        for world in ended:
            if world.state is PostingState.CONFIRMED:
                assert (world.partner, world.end) == ("done", SwapEnd.COMPLETED), world
            else:
                assert world.end is SwapEnd.REFUNDED, world
                assert not world.may_be_posted, world

    def test_refund_of_ours__never_while_it_may_be_posted(self, graph: dict[World, set[World]]) -> None:
        for world in graph:
            if world.in_hand is ChainAct.REFUND and not world.given_up:
                assert not world.may_be_posted, world

    def test_confirmation__only_of_what_is_posted(self, graph: dict[World, set[World]]) -> None:
        for world in graph:
            if world.in_hand is ChainAct.CONFIRM and world.end is SwapEnd.OPEN and not world.given_up:
                assert world.partner == "done", world
            if world.end is SwapEnd.COMPLETED:
                assert world.partner == "done", world

    def test_every_state__leads_to_an_end(self, graph: dict[World, set[World]]) -> None:
        back: dict[World, set[World]] = {world: set() for world in graph}
        for world, following in graph.items():
            for each in following:
                back[each].add(world)
        reached = {world for world in graph if world.state in ENDED_POSTINGS}
        waiting = deque(reached)
        while waiting:
            for world in back[waiting.popleft()] - reached:
                reached.add(world)
                waiting.append(world)
        assert set(graph) - reached == set()

    def test_all_states_and_calls__come_about(self, graph: dict[World, set[World]]) -> None:
        assert {world.state for world in graph} == set(PostingState)

    @pytest.mark.parametrize("call", [Call.POST, Call.RETRY])
    @pytest.mark.parametrize(
        ("outcome", "state"),
        [
            (Outcome.SUCCEEDED, PostingState.POSTED),
            (Outcome.FAILED, PostingState.REFUSED),
            (Outcome.SYSTEM_ERROR, PostingState.UNKNOWN),
            (Outcome.PENDING, PostingState.POSTING),
        ],
    )
    def test_answer__decides(self, call: Call, outcome: Outcome, state: PostingState) -> None:
        assert posting_after(call, outcome, None, SwapEnd.OPEN) is state

    @pytest.mark.parametrize("state", sorted(ENDED_POSTINGS))
    @pytest.mark.parametrize("end", list(SwapEnd))
    def test_ended__stays(self, state: PostingState, end: SwapEnd) -> None:
        step = next_posting_step(state, end, closing=True, reachable=True, given_up=True)
        assert (step.state, step.call, step.act) == (state, None, None)

    def test_first_call__is_a_posting_and_every_later_one_a_retry(self) -> None:
        step = next_posting_step(PostingState.WAITING, SwapEnd.OPEN, closing=False, reachable=True)
        assert (step.state, step.call) == (PostingState.POSTING, Call.POST)
        for state in (PostingState.POSTING, PostingState.UNKNOWN):
            assert next_posting_step(state, SwapEnd.OPEN, closing=False, reachable=True).call is Call.RETRY

    def test_reversal_refused_after_a_refund_by_others__stays_owed(self) -> None:
        after = posting_after(Call.REVERSE, Outcome.FAILED, "points_spent", SwapEnd.REFUNDED)
        assert after is PostingState.REVERSING

    def test_without_a_system__the_points_come_back_near_the_end(self) -> None:
        early = next_posting_step(PostingState.WAITING, SwapEnd.OPEN, closing=False, reachable=False)
        late = next_posting_step(PostingState.WAITING, SwapEnd.OPEN, closing=True, reachable=False)
        assert (early.call, early.act) == (None, None)
        assert (late.state, late.act) == (PostingState.REFUSED, ChainAct.REFUND)


class TestTransfer:
    @pytest.mark.parametrize("call", [Call.TRANSFER, Call.RETRY])
    @pytest.mark.parametrize(
        ("outcome", "state"),
        [
            (Outcome.SUCCEEDED, TransferState.TAKEN),
            (Outcome.FAILED, TransferState.REFUSED),
            (Outcome.SYSTEM_ERROR, TransferState.UNKNOWN),
            (Outcome.PENDING, TransferState.ASKING),
        ],
    )
    def test_answer__decides(self, call: Call, outcome: Outcome, state: TransferState) -> None:
        assert transfer_after(call, outcome, None) is state

    @pytest.mark.parametrize(
        ("outcome", "reason", "state"),
        [
            (Outcome.SUCCEEDED, None, TransferState.REFUSED),
            (Outcome.FAILED, NOT_POSTED, TransferState.REFUSED),
            (Outcome.FAILED, "closed", TransferState.TAKEN),
            (Outcome.SYSTEM_ERROR, None, TransferState.REVERSING),
            (Outcome.PENDING, None, TransferState.REVERSING),
        ],
    )
    def test_reversal__gives_up_only_what_is_surely_back(
        self, outcome: Outcome, reason: str | None, state: TransferState
    ) -> None:
        assert transfer_after(Call.REVERSE, outcome, reason) is state

    @pytest.mark.parametrize("state", list(TransferState))
    def test_issue__is_asked_for_only_what_was_taken(self, state: TransferState) -> None:
        step = next_transfer_step(state, issued=False, reachable=True)
        assert (step.act is ChainAct.ISSUE) == (state is TransferState.TAKEN)

    @pytest.mark.parametrize("state", sorted(set(TransferState) - ENDED_TRANSFERS))
    def test_issued_on_chain__is_the_end(self, state: TransferState) -> None:
        assert next_transfer_step(state, issued=True, reachable=True).state is TransferState.ISSUED

    def test_first_call__is_a_transfer_and_every_later_one_a_retry(self) -> None:
        calls = [
            next_transfer_step(state, issued=False, reachable=True).call
            for state in (TransferState.WAITING, TransferState.ASKING, TransferState.UNKNOWN, TransferState.REVERSING)
        ]
        assert calls == [Call.TRANSFER, Call.RETRY, Call.RETRY, Call.REVERSE]


class TestPause:
    def test_pauses__double_up_to_the_longest(self) -> None:
        pauses = [pause_seconds(attempts, 2.0, 900.0, 0.0) for attempts in (1, 2, 3, 10, 10**6)]
        assert pauses == [2.0, 4.0, 8.0, 900.0, 900.0]

    def test_jitter__takes_off_up_to_a_half(self) -> None:
        assert pause_seconds(3, 2.0, 900.0, 1.0) == 4.0
