"""Packs messages into deliveries: as many of a block as fit under the gas cap, proved with a multiproof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from backend.chain.attested_gateway import MESSAGE_GAS, Route, batch_of, encode_deliver, encode_retry
from backend.chain.client import ChainClient, Json, Request
from backend.chain.errors import (
    ChainUnavailableError,
    ContractRevertedError,
    ExecutionRevertedError,
    NodeError,
    OutOfGasError,
    RateLimitedError,
)
from backend.chain.merkle import MessageTree
from backend.chain.reverts import revert_from_text
from bridge.relay_store import BatchKey, KeptMessage

TRANSACTION_GAS_CAP = 16_777_216
"""EIP-7825: no transaction may ask for more."""
_HEADROOM = MESSAGE_GAS + MESSAGE_GAS // 63 + 100_000
"""Gas that must be left before the last message, and what checking signatures costs."""
_FIRST_GUESS = 90_000
"""Gas of a message before any was estimated: more than a mint to a new holder needs."""
_TOO_LITTLE = "InsufficientGas"
_NOT_SAID = "NotEstimated"
"""The node estimated other parcels and not this one."""
_MOST_MESSAGES = 2_000
"""Most messages whose deliveries are estimated at once."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Messages of one block, in order of their nonces, and the transaction that delivers (or retries) them."""

    kind: str
    key: BatchKey
    messages: tuple[KeptMessage, ...]
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a node says a parcel needs; `revert` when it would be in vain."""

    parcel: Parcel
    gas: int = 0
    revert: ContractRevertedError | None = None
    measured: bool = True
    """Whether it was this parcel that the node measured; otherwise another one, and this one can do with as much."""

    @property
    def likely_use(self) -> int:
        """Gas that will be paid for: what must be left before the last message is mostly given back."""
        return self.gas if self.parcel.kind == "retry" else max(self.gas - MESSAGE_GAS, 21_000)

    @property
    def gas_per_message(self) -> int:
        """Of a delivery, for others of the same route: a little more than measured, since recipients differ."""
        return max(6_000, max(1, self.gas - _HEADROOM) * 9 // 8 // len(self.parcel.messages))

    @property
    def gas_known(self) -> bool:
        """Whether the node has worked it out, if only that it is too much."""
        return self.revert is None or self.revert.name != _NOT_SAID

    @property
    def too_large(self) -> bool:
        """More than a transaction may have, or than the node works out; fewer messages may do."""
        return self.revert is not None and self.revert.name in {_TOO_LITTLE, _NOT_SAID}


@dataclass
class Packer:
    """Sizes the parcels of one route by what the last ones were estimated at."""

    route: Route
    gas_cap: int
    gas_per_message: int = _FIRST_GUESS

    def pack(
        self,
        key: BatchKey,
        ids: Sequence[bytes],
        messages: Sequence[KeptMessage],
        signatures: Sequence[bytes],
        most: int = _MOST_MESSAGES,
    ) -> list[Parcel]:
        """Deliveries of `messages`, all of one block whose messages have `ids`, with at most `most` in each."""
        tree = MessageTree(ids)
        size = max(1, min((self.gas_cap - _HEADROOM) // self.gas_per_message, most))
        return [self._deliver(key, tree, messages[at : at + size], signatures) for at in range(0, len(messages), size)]

    def halves(self, parcel: Parcel, ids: Sequence[bytes], signatures: Sequence[bytes]) -> list[Parcel]:
        """Two parcels in place of one that is too large."""
        tree, middle = MessageTree(ids), len(parcel.messages) // 2
        parts = (parcel.messages[:middle], parcel.messages[middle:])
        return [self._deliver(parcel.key, tree, part, signatures) for part in parts]

    def retry(self, message: KeptMessage) -> Parcel:
        """A retry of a failed message."""
        data = encode_retry(self.route.source_chain, message.message)
        return Parcel("retry", message.batch, (message,), data)

    def learn(self, estimate: Estimate) -> None:
        """Takes a successful estimate of a delivery into account, if it is one of its own."""
        if estimate.parcel.kind == "deliver" and estimate.measured:
            self.gas_per_message = estimate.gas_per_message

    def _deliver(
        self, key: BatchKey, tree: MessageTree, messages: Sequence[KeptMessage], signatures: Sequence[bytes]
    ) -> Parcel:
        proof, flags = tree.multiproof([message.at for message in messages])
        batch = batch_of(self.route, key.block_number, tree.root)
        data = encode_deliver(batch, [message.message for message in messages], proof, flags, signatures)
        return Parcel("deliver", key, tuple(messages), data)


@dataclass
class Estimator:
    """Asks `client` what parcels from `sender` to `gateway` need, no more at once than it can work out in time."""

    client: ChainClient
    sender: str
    gateway: str
    gas_cap: int
    most_messages: int = _MOST_MESSAGES
    """A quarter after a question without an answer, twice as many after one with: a busy node gets less to do."""

    def first_of(self, parcels: Iterable[Parcel], most: int) -> list[Parcel]:
        """At most `most` parcels, and of those as many as may be asked about at once, but at least one."""
        taken: list[Parcel] = []
        messages = 0
        for parcel in islice(parcels, most):
            messages += len(parcel.messages)
            if taken and messages > self.most_messages:
                break
            taken.append(parcel)
        return taken

    def ask(self, parcels: Sequence[Parcel]) -> list[Estimate]:
        """What each parcel needs now. Errors: `ChainUnavailableError`; `NodeError` when no parcel is to blame."""
        try:
            found = self._ask(parcels)
        except ChainUnavailableError:
            asked = sum(len(parcel.messages) for parcel in parcels)
            self.most_messages = max(1, min(asked, self.most_messages) // 4)
            raise
        self.most_messages = min(2 * self.most_messages, _MOST_MESSAGES)
        return found

    def _ask(self, parcels: Sequence[Parcel]) -> list[Estimate]:
        """A node finds out what a call needs by running it many times: of each route only one delivery is estimated.

        The others are run once, with as much gas as that one says they need, and estimated if that does not do.
        """
        samples: dict[int, Parcel] = {}
        # The largest first: of a small one's gas most is what must be left before its last message.
        for parcel in sorted(parcels, key=lambda each: -len(each.messages)):
            if parcel.kind == "deliver":
                samples.setdefault(parcel.key.source_chain, parcel)
        first = [each for each in parcels if each.kind == "retry" or each is samples[each.key.source_chain]]
        estimated = self._estimated(first)
        found = {id(each.parcel): each for each, _ in estimated}
        others = [each for each in parcels if id(each) not in found]
        tried = list(self._tried(others, {source: found[id(sample)] for source, sample in samples.items()}))
        found |= {id(each.parcel): each for each in tried}
        estimated += self._estimated([each for each in others if id(each) not in found])
        if not tried:
            _check_answering(estimated)
        found |= {id(each.parcel): each for each, _ in estimated}
        return [found[id(parcel)] for parcel in parcels]

    def _estimated(self, parcels: Sequence[Parcel]) -> list[tuple[Estimate, Json | NodeError]]:
        """What the node said to each, and what follows from it."""
        answers = self._answers("eth_estimateGas", [(parcel, self.gas_cap) for parcel in parcels])
        for answer in answers:
            if isinstance(answer, RateLimitedError):
                raise answer
        return [
            (_estimate(parcel, answer, self.gas_cap), answer) for parcel, answer in zip(parcels, answers, strict=True)
        ]

    def _tried(self, parcels: Sequence[Parcel], samples: Mapping[int, Estimate]) -> Iterator[Estimate]:
        """Those for which the gas that the sample of their route says they need will do."""
        tries = []
        for parcel in parcels:
            sample = samples[parcel.key.source_chain]
            if sample.revert is None:
                gas = _HEADROOM + sample.gas_per_message * len(parcel.messages)
                tries.append((parcel, min(gas, self.gas_cap)))
        for (parcel, gas), answer in zip(tries, self._answers("eth_call", tries), strict=True):
            if not isinstance(answer, NodeError):
                yield Estimate(parcel, gas, measured=False)

    def _answers(self, method: str, calls: Sequence[tuple[Parcel, int]]) -> list[Json | NodeError]:
        """Of running each parcel with so much gas, on the newest block: few nodes can do it on top of their pool."""
        questions = []
        for parcel, gas in calls:
            call: dict[str, Json] = {"from": self.sender, "to": self.gateway, "data": "0x" + parcel.data.hex()}
            questions.append(Request(method, (call | {"gas": hex(gas)}, "latest")))
        return self.client.try_batch(questions)


def _check_answering(estimated: Sequence[tuple[Estimate, Json | NodeError]]) -> None:
    """A message that a node cannot estimate must not hold up others; a node that estimates none is at fault."""
    strange = [answer for _, answer in estimated if isinstance(answer, NodeError) and not _is_verdict(answer)]
    if strange and len(strange) == len(estimated) and all(len(each.parcel.messages) == 1 for each, _ in estimated):
        raise strange[0]


def _is_verdict(error: NodeError) -> bool:
    return isinstance(error, OutOfGasError | ExecutionRevertedError)


def _estimate(parcel: Parcel, answer: Json | NodeError, gas_cap: int) -> Estimate:
    if isinstance(answer, OutOfGasError):
        return Estimate(parcel, revert=ContractRevertedError(_TOO_LITTLE, {}, answer.detail))
    if isinstance(answer, ExecutionRevertedError):
        return Estimate(parcel, revert=revert_from_text(answer.data))
    if isinstance(answer, NodeError):
        return Estimate(parcel, revert=ContractRevertedError(_NOT_SAID, {}, answer.detail))
    gas = int(str(answer), 16)
    if gas > gas_cap:
        return Estimate(parcel, revert=ContractRevertedError(_TOO_LITTLE, {}, f"{gas} gas is more than {gas_cap}."))
    return Estimate(parcel, gas)


def gas_limit(found: Estimate, attempts: int, gas_cap: int) -> int:
    """A tight limit: blocks are packed by it. Wider after each transaction that ran out of gas.

    Of a parcel that was not measured itself it is up to an eighth too wide.
    """
    return min(found.gas + found.gas // 50 * (1 + 4 * min(attempts, 10)) + 20_000, gas_cap)
