"""Whom an attester believes: its own node, and two independent endpoints that say the same.

An endpoint that does not answer in time, answers nonsense or is behind abstains; nobody's silence lowers the number
that must agree. A block's hash binds everything about it, so agreeing on the hash of the last of a chain of headers is
agreeing on all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from backend.chain.client import ChainClient, RpcBlock
from backend.chain.errors import ChainError
from bridge.chains import Chain
from bridge.endpoints import final_and_block, host_of, tagged_block
from bridge.errors import NoQuorumError
from bridge.metrics import ABSTENTIONS, DISAGREEMENTS, FINAL_BLOCK

log = structlog.get_logger(__name__)
OTHERS_NEEDED = 2
"""Independent endpoints that must say what one's own node says."""
T = TypeVar("T")


@dataclass
class Quorum:
    """Asks about one chain. `needed` others must agree with the own node; with 0 the own node alone is believed."""

    chain: Chain
    needed: int
    _voters: dict[str, threading.Thread] = field(init=False, default_factory=dict)

    def own_final_number(self) -> int:
        """Newest block that the own node calls final; -1 when there is none. Errors: `ChainError`."""
        finality = self.chain.finality
        return finality.final_number(tagged_block(self.chain.client, finality.tag))

    def final_number(self, own: int) -> int:
        """Newest block up to `own`, what the own node calls final, that enough others call final too.

        Errors: `NoQuorumError`.
        """
        finality = self.chain.finality
        if self.needed:
            votes = self._ask(lambda client: finality.final_number(tagged_block(client, finality.tag)))
            if len(votes.answers) < self.needed:
                raise self._none("what is final", len(votes.answers), votes.silent)
            own = min(own, sorted(votes.answers.values(), reverse=True)[self.needed - 1])
        FINAL_BLOCK.labels(self.chain.name).set(own)
        return own

    def confirm(self, number: int, block_hash: str) -> None:
        """Returns when enough others call block `number` final, with this hash. Errors: `NoQuorumError`."""
        if not self.needed:
            return
        finality = self.chain.finality
        votes = self._ask(lambda client: final_and_block(client, finality, number))
        why, agreeing = dict(votes.silent), 0
        for endpoint, (final_number, block) in votes.answers.items():
            verdict = _verdict(number, block_hash, final_number, block)
            agreeing += verdict is None
            if verdict is not None:
                why[endpoint] = verdict
                self._note(endpoint, number, verdict)
        if agreeing < self.needed:
            raise self._none(f"block {number} as {block_hash}", agreeing, why)

    def _note(self, endpoint: str, number: int, verdict: str) -> None:
        if verdict == _BEHIND:
            ABSTENTIONS.labels(self.chain.name, endpoint, "behind").inc()
        else:
            DISAGREEMENTS.labels(self.chain.name, endpoint).inc()
            log.warning("endpoint_disagrees", chain=self.chain.name, endpoint=endpoint, block=number, says=verdict)

    def _none(self, about: str, agreeing: int, why: Mapping[str, str]) -> NoQuorumError:
        return NoQuorumError(self.chain.name, about, agreeing, self.needed, dict(why))

    def _ask(self, question: Callable[[ChainClient], T]) -> _Votes[T]:
        """Puts a question to all others at once. One that still owes an earlier answer is not asked again."""
        votes: _Votes[T] = _Votes()
        asked: dict[str, _Voter[T]] = {}
        for client in self.chain.others:
            endpoint = host_of(client)
            earlier = self._voters.get(endpoint)
            if earlier is not None and earlier.is_alive():
                votes.silent[endpoint] = "still owes an earlier answer"
                continue
            asked[endpoint] = voter = _Voter(question, client, f"{self.chain.name}-{endpoint}")
            self._voters[endpoint] = voter
            voter.start()
        # Each connection and each read is bounded by the timeout; an answer that drips is bounded here.
        end = time.monotonic() + 2 * self.chain.settings.timeout_seconds
        for endpoint, voter in asked.items():
            voter.join(max(0.0, end - time.monotonic()))
            voter.tell(endpoint, votes)
        for endpoint, reason in votes.silent.items():
            ABSTENTIONS.labels(self.chain.name, endpoint, "silent").inc()
            log.warning("endpoint_abstains", chain=self.chain.name, endpoint=endpoint, reason=reason)
        return votes


@dataclass
class _Votes(Generic[T]):
    answers: dict[str, T] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)


class _Voter(threading.Thread, Generic[T]):
    """Asks one endpoint. A daemon: an answer that never ends must not keep the process from ending."""

    def __init__(self, question: Callable[[ChainClient], T], client: ChainClient, name: str) -> None:
        super().__init__(name=f"quorum-{name}", daemon=True)
        self._question = question
        self._client = client
        self._answer: list[T] = []
        self._error: Exception | None = None

    def run(self) -> None:
        """Asks."""
        try:
            self._answer.append(self._question(self._client))
        except Exception as error:  # noqa: BLE001
            self._error = error  # It is raised, or counted, where the question was put.

    def tell(self, endpoint: str, votes: _Votes[T]) -> None:
        """Adds the answer, or why there is none. Errors: what is not the endpoint's fault."""
        error = self._error
        if error is not None and not isinstance(error, ChainError):
            raise error
        if self._answer:
            votes.answers[endpoint] = self._answer[0]
        else:
            votes.silent[endpoint] = "no answer in time" if error is None else error.detail


_BEHIND = "does not call it final yet"


def _verdict(number: int, block_hash: str, final_number: int, block: RpcBlock | None) -> str | None:
    """Why an endpoint does not confirm a block; None when it does."""
    if final_number < number or block is None:
        return _BEHIND
    return None if block["hash"].lower() == block_hash else f"has {block['hash'].lower()}"


def attesting_quorum(chain: Chain) -> Quorum:
    """The rule for signing: two others, or on a local chain without independent ones as many as there are."""
    needed = OTHERS_NEEDED if chain.settings.require_independent else min(OTHERS_NEEDED, len(chain.others))
    return Quorum(chain, needed)


def reading_quorum(chain: Chain) -> Quorum:
    """The rule for roles that sign no batches: the own node is believed, what it says is checked against hashes."""
    return Quorum(chain, 0)
