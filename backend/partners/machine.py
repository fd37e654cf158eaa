"""What to do next with a posting or a transfer, and what an answer means: pure, so that every combination is tried.

The one rule behind it: a call whose outcome nobody knows may have been carried out. Points are given back only when
the partner has said that they are not there, and issued only when it has said that they were taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Call(StrEnum):
    """The five calls that a brand's own system takes."""

    VALIDATE = "validate"
    POST = "post"
    TRANSFER = "transfer"
    RETRY = "retry"
    REVERSE = "reverse"


class Outcome(StrEnum):
    """What a call came to."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The partner said no: nothing was done, and nothing will be under this id."""
    SYSTEM_ERROR = "system_error"
    """Unknown: it may have been done."""
    PENDING = "pending"
    """The partner has taken it in and will know later."""


NOT_POSTED: Final = "not_posted"
"""Reason of a failed reversal that says: there is nothing under this id, and there never will be."""


class PostingState(StrEnum):
    """Where a posting is; `backend.partners.models.Posting` says how they follow one another."""

    WAITING = "waiting"
    POSTING = "posting"
    UNKNOWN = "unknown"
    POSTED = "posted"
    CONFIRMED = "confirmed"
    REVERSING = "reversing"
    REFUSED = "refused"
    REFUNDED = "refunded"


class TransferState(StrEnum):
    """Where a transfer is; `backend.partners.models.PartnerTransfer` says how they follow one another."""

    WAITING = "waiting"
    ASKING = "asking"
    UNKNOWN = "unknown"
    TAKEN = "taken"
    ISSUED = "issued"
    REVERSING = "reversing"
    REFUSED = "refused"


class SwapEnd(StrEnum):
    """What the final part of the chain says became of a burnt swap."""

    OPEN = "open"
    COMPLETED = "completed"
    REFUNDED = "refunded"


class ChainAct(StrEnum):
    """What is to be asked of the chain."""

    CONFIRM = "confirm"
    REFUND = "refund"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True)
class PostingStep:
    """The state a posting is in now, and what to do about it: a call, an act on chain, or neither: to wait."""

    state: PostingState
    call: Call | None = None
    act: ChainAct | None = None


@dataclass(frozen=True, slots=True)
class TransferStep:
    """The same for a transfer."""

    state: TransferState
    call: Call | None = None
    act: ChainAct | None = None


ENDED_POSTINGS: Final = frozenset({PostingState.CONFIRMED, PostingState.REFUNDED})
ENDED_TRANSFERS: Final = frozenset({TransferState.ISSUED, TransferState.REFUSED})
_NOTHING_THERE: Final = frozenset({PostingState.WAITING, PostingState.REFUSED})
"""States in which the partner has never been asked, or has said that it has not posted."""


def next_posting_step(
    state: PostingState, end: SwapEnd, *, closing: bool, reachable: bool, given_up: bool = False
) -> PostingStep:
    """What to do with a posting that is due.

    `closing`: so little of the posting window is left that no answer is waited for any more; `reachable`: the programme
    says where its system is; `given_up`: the window is over, and a person has decided that the member gets the points
    back although nobody knows whether they were posted.
    """
    if state in ENDED_POSTINGS:
        return PostingStep(state)
    if end is SwapEnd.COMPLETED:
        return PostingStep(PostingState.CONFIRMED)
    if end is SwapEnd.REFUNDED:
        if state in _NOTHING_THERE:
            return PostingStep(PostingState.REFUNDED)
        return PostingStep(PostingState.REVERSING, Call.REVERSE if reachable else None)
    step = _open_step(state, closing=closing, reachable=reachable)
    if given_up and step.state is PostingState.REVERSING:
        return PostingStep(step.state, step.call, ChainAct.REFUND)
    return step


def _open_step(state: PostingState, *, closing: bool, reachable: bool) -> PostingStep:
    """The same while the chain waits."""
    if state is PostingState.POSTED:
        return PostingStep(state, act=ChainAct.CONFIRM)
    if state is PostingState.REFUSED or (state is PostingState.WAITING and closing):
        return PostingStep(PostingState.REFUSED, act=ChainAct.REFUND)
    if state is not PostingState.WAITING and closing:
        state = PostingState.REVERSING
    if not reachable:
        return PostingStep(state)
    if state is PostingState.WAITING:
        return PostingStep(PostingState.POSTING, Call.POST)
    return PostingStep(state, Call.REVERSE if state is PostingState.REVERSING else Call.RETRY)


_AFTER_POSTING: Final = {
    Outcome.SUCCEEDED: PostingState.POSTED,
    Outcome.FAILED: PostingState.REFUSED,
    Outcome.SYSTEM_ERROR: PostingState.UNKNOWN,
    Outcome.PENDING: PostingState.POSTING,
}


def posting_after(call: Call, outcome: Outcome, reason: str | None, end: SwapEnd) -> PostingState:
    """The state of a posting once `call` was answered."""
    if call is not Call.REVERSE:
        return _AFTER_POSTING[outcome]
    if _is_undone(outcome, reason):
        return PostingState.REFUSED
    if outcome is Outcome.FAILED and end is not SwapEnd.REFUNDED:
        return PostingState.POSTED  # The partner keeps the posting: then the points are there.
    return PostingState.REVERSING


def _is_undone(outcome: Outcome, reason: str | None) -> bool:
    return outcome is Outcome.SUCCEEDED or (outcome is Outcome.FAILED and reason == NOT_POSTED)


def next_transfer_step(state: TransferState, *, issued: bool, reachable: bool) -> TransferStep:
    """What to do with a transfer that is due; `issued`: the chain has finally issued under its ref."""
    if state in ENDED_TRANSFERS:
        return TransferStep(state)
    if issued:
        return TransferStep(TransferState.ISSUED)
    if state is TransferState.TAKEN:
        return TransferStep(state, act=ChainAct.ISSUE)
    if not reachable:
        return TransferStep(state)
    if state is TransferState.WAITING:
        return TransferStep(TransferState.ASKING, Call.TRANSFER)
    return TransferStep(state, Call.REVERSE if state is TransferState.REVERSING else Call.RETRY)


_AFTER_TRANSFER: Final = {
    Outcome.SUCCEEDED: TransferState.TAKEN,
    Outcome.FAILED: TransferState.REFUSED,
    Outcome.SYSTEM_ERROR: TransferState.UNKNOWN,
    Outcome.PENDING: TransferState.ASKING,
}


def transfer_after(call: Call, outcome: Outcome, reason: str | None) -> TransferState:
    """The state of a transfer once `call` was answered."""
    if call is not Call.REVERSE:
        return _AFTER_TRANSFER[outcome]
    if _is_undone(outcome, reason):
        return TransferState.REFUSED
    # A partner that will not give the points back has taken them: then they are issued after all.
    return TransferState.TAKEN if outcome is Outcome.FAILED else TransferState.REVERSING


def pause_seconds(attempts: int, first_seconds: float, longest_seconds: float, jitter: float) -> float:
    """How long to wait after the `attempts`th call: doubled each time, bounded, and `jitter` (0 to 1) takes off up to
    half of it, so that postings that failed together do not come back together."""
    doubled = first_seconds * 2.0 ** min(max(attempts - 1, 0), 30)
    return float(min(doubled, longest_seconds) * (1 - jitter / 2))
