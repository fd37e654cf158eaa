"""Whom an attester believes: its own node, and two independent endpoints that say the same.

An endpoint that does not answer in time, answers nonsense or is behind abstains; nobody's silence lowers the number
that must agree. A block's hash binds everything about it, so agreeing on the hash of the last of a chain of headers is
agreeing on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
    _pool: ThreadPoolExecutor | None = field(init=False, default=None)
    _busy: dict[int, Callable[[], bool]] = field(init=False, default_factory=dict)

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

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
        if self._pool is None:
            self._pool = ThreadPoolExecutor(len(self.chain.others), f"quorum-{self.chain.name}")
        votes: _Votes[T] = _Votes()
        asked: dict[Future[T], str] = {}
        for at, client in enumerate(self.chain.others):
            earlier = self._busy.get(at)
            if earlier is not None and not earlier():
                votes.silent[host_of(client)] = "still owes an earlier answer"
                continue
            future = self._pool.submit(question, client)
            self._busy[at] = future.done
            asked[future] = host_of(client)
        # Each connection and each read is bounded by the timeout; an answer that drips is bounded here.
        done, late = wait(asked, timeout=2 * self.chain.settings.timeout_seconds)
        for future in late:
            votes.silent[asked[future]] = "no answer in time"
        for future in done:
            error = future.exception()
            if error is None:
                votes.answers[asked[future]] = future.result()
            elif isinstance(error, ChainError):
                votes.silent[asked[future]] = error.detail
            else:
                raise error
        for endpoint, reason in votes.silent.items():
            ABSTENTIONS.labels(self.chain.name, endpoint, "silent").inc()
            log.warning("endpoint_abstains", chain=self.chain.name, endpoint=endpoint, reason=reason)
        return votes


@dataclass
class _Votes(Generic[T]):
    answers: dict[str, T] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)


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
