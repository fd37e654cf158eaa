"""Asks the chain, before a nonce is taken, whether a transaction would work and what gas it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from eth_utils.address import to_checksum_address

from backend.chain.client import ChainClient, Json, Request
from backend.chain.errors import ContractRevertedError, ExecutionRevertedError, NodeError, OutOfGasError
from backend.chain.models import OutboxTransaction
from backend.chain.reverts import revert_from_text

TRANSACTION_GAS_CAP: Final = 16_777_216
"""EIP-7825: no transaction may ask for more."""
_MOST_SPARE_GAS: Final = 200_000
"""Blocks are packed by limit, not by use: large transactions get little to spare."""
WAITING_FOR_A_PERSON: Final = frozenset({"EnforcedPause", "SupplyCapExceeded", "AccessControlUnauthorizedAccount"})
"""Reverts that end when somebody unpauses, raises the cap or grants the role: the transaction waits for that."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a preflight found: gas to ask for, or why not."""

    row: OutboxTransaction
    gas: int | None = None
    revert: ContractRevertedError | None = None
    refusal: NodeError | None = None
    indexed_at: bytes | None = None
    """Hash of an indexed block on whose state it reverts too."""

    @property
    def code(self) -> str:
        """Name of what is in the way."""
        return self.revert.name if self.revert else type(self.refusal).__name__

    @property
    def detail(self) -> str:
        """What is in the way, for people."""
        return (self.revert or self.refusal or NodeError("nothing")).detail


def preflight(client: ChainClient, rows: Sequence[OutboxTransaction]) -> list[Verdict]:
    """Tries each row against the newest block. Errors: `ChainUnavailableError`.

    A row that names its gas is run once with that much; only the others are estimated, which runs a call many times.
    """
    answers = client.try_batch([_request(row, row.gas_limit) for row in rows])
    short = [
        index for index, answer in enumerate(answers) if isinstance(answer, OutOfGasError) and rows[index].gas_limit
    ]
    if short:
        again = client.try_batch([_request(rows[index], None) for index in short])
        answers = list(answers)
        for index, answer in zip(short, again, strict=True):
            answers[index] = answer
    estimated = {index for index, row in enumerate(rows) if row.gas_limit is None} | set(short)
    return [_verdict(row, answers[index], index in estimated) for index, row in enumerate(rows)]


def confirm(client: ChainClient, verdicts: Sequence[Verdict], indexed: bytes) -> list[Verdict]:
    """Runs what reverts again on the state of the block that the projection has come to.

    A revert on the newest block alone proves nothing: the database may not know yet that a reorganisation has taken
    away what the transaction builds on. Errors: `ChainUnavailableError`.
    """
    reverting = [index for index, verdict in enumerate(verdicts) if verdict.revert is not None]
    place: Json = {"blockHash": "0x" + indexed.hex()}
    answers = client.try_batch([_request(verdicts[index].row, None, place) for index in reverting])
    confirmed = list(verdicts)
    for index, answer in zip(reverting, answers, strict=True):
        if isinstance(answer, ExecutionRevertedError):
            confirmed[index] = replace(verdicts[index], indexed_at=indexed)
    return confirmed


def _request(row: OutboxTransaction, gas_limit: int | None, place: Json = None) -> Request:
    call: dict[str, Json] = {
        "from": to_checksum_address(row.signer),
        "to": to_checksum_address(row.target),
        "data": "0x" + row.data.hex(),
    }
    if place is not None:
        return Request("eth_call", (call, place))
    if gas_limit is None:
        # Nodes differ in what they take when no block is named; the pool's order is nothing to build on.
        return Request("eth_estimateGas", (call, "latest"))
    return Request("eth_call", ({**call, "gas": hex(gas_limit)}, "latest"))


def _verdict(row: OutboxTransaction, answer: Json | NodeError, estimated: bool) -> Verdict:
    if isinstance(answer, ExecutionRevertedError):
        return Verdict(row, revert=revert_from_text(answer.data))
    if isinstance(answer, NodeError):
        return Verdict(row, refusal=answer)
    if not estimated:
        return Verdict(row, gas=row.gas_limit)
    estimate = int(cast("str", answer), 16)
    if estimate > TRANSACTION_GAS_CAP:
        return Verdict(row, refusal=OutOfGasError(f"It needs {estimate} gas; no transaction may ask for that much."))
    return Verdict(row, gas=_with_room(estimate))


def _with_room(estimate: int) -> int:
    """The estimate and something for what is still in flight before it."""
    return min(estimate + min(estimate // 5, _MOST_SPARE_GAS) + 10_000, TRANSACTION_GAS_CAP)
