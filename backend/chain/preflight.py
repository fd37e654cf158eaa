"""Asks the chain, before a nonce is taken, whether a transaction would work and what gas it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from eth_utils.address import to_checksum_address

from backend.chain.client import ChainClient, Json, Request
from backend.chain.errors import ContractRevertedError, ExecutionRevertedError, NodeError
from backend.chain.models import OutboxTransaction
from backend.chain.reverts import revert_from_text

TRANSACTION_GAS_CAP: Final = 16_777_216
"""EIP-7825: no transaction may ask for more."""
WAITING_FOR_A_PERSON: Final = frozenset({"EnforcedPause", "SupplyCapExceeded", "AccessControlUnauthorizedAccount"})
"""Reverts that end when somebody unpauses, raises the cap or grants the role: the transaction waits for that."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a preflight found: gas to ask for, or why not."""

    row: OutboxTransaction
    gas: int | None = None
    revert: ContractRevertedError | None = None
    refusal: NodeError | None = None

    @property
    def code(self) -> str:
        """Name of what is in the way."""
        return self.revert.name if self.revert else type(self.refusal).__name__

    @property
    def detail(self) -> str:
        """What is in the way, for people."""
        return (self.revert or self.refusal or NodeError("nothing")).detail


def preflight(client: ChainClient, rows: Sequence[OutboxTransaction]) -> list[Verdict]:
    """Estimates each row against the newest block. Errors: `ChainUnavailableError`."""
    requests = [
        Request(
            "eth_estimateGas",
            (
                {
                    "from": to_checksum_address(row.signer),
                    "to": to_checksum_address(row.target),
                    "data": "0x" + row.data.hex(),
                },
            ),
        )
        for row in rows
    ]
    return [_verdict(row, answer) for row, answer in zip(rows, client.try_batch(requests), strict=True)]


def _verdict(row: OutboxTransaction, answer: Json | NodeError) -> Verdict:
    if isinstance(answer, ExecutionRevertedError):
        return Verdict(row, revert=revert_from_text(answer.data))
    if isinstance(answer, NodeError):
        return Verdict(row, refusal=answer)
    return Verdict(row, gas=_gas_limit(int(cast("str", answer), 16), row.gas_limit))


def _gas_limit(estimate: int, wanted: int | None) -> int:
    """The caller's limit if it is enough; otherwise the estimate and room for what is still in flight before it."""
    if wanted is not None and wanted >= estimate:
        return min(wanted, TRANSACTION_GAS_CAP)
    return min(estimate + estimate // 5 + 10_000, TRANSACTION_GAS_CAP)
