"""Receipts of a busy programme, made up as they are needed; also, as a program, the peak memory of replaying many.

python -m tests.bench.synthetic 1000000     # prints the peak memory in MiB
"""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Iterator

from backend.audit.report import ProgrammeFigures, Report
from backend.audit.rules import TokenRules
from backend.audit.spool import Spool, open_spool
from backend.chain.encoding import Receipt
from backend.chain.event_types import BatchIssued, PointsRedeemed, Transfer
from backend.chain.events import RawLog, decode_logs, topic0_of

EPOCH_SECONDS = 30 * 86_400
NOW = 572 * EPOCH_SECONDS + 1
TOKEN = "0x" + "10" * 20
ACCOUNTS = 5_000
CREDITS, REDEMPTIONS = 900, 45
_ZERO = "0x" + "00" * 32
_BLOOM = "0x" + "00" * 256
_TRANSFER, _BATCH, _REDEEMED = topic0_of(Transfer), topic0_of(BatchIssued), topic0_of(PointsRedeemed)


def word(value: int) -> str:
    """32 bytes of hex."""
    return f"{value:064x}"


class Generator:
    """Blocks with a batch of credits and some redemptions each, whose references never come twice."""

    def __init__(self) -> None:
        self._random = random.Random(2017)
        self._accounts = ["0x" + "00" * 12 + self._random.randbytes(20).hex() for _ in range(ACCOUNTS)]
        self._refs = 0

    def _log(self, block: int, transaction: str, topics: list[str], data: str) -> RawLog:
        return {
            "address": TOKEN,
            "topics": topics,
            "data": "0x" + data,
            "blockNumber": hex(block),
            "blockHash": _ZERO,
            "transactionHash": transaction,
            "logIndex": "0x1",
        }

    def receipts(self, block: int) -> list[Receipt]:
        """The receipts of one block."""
        return [self._batch(block), *(self._redemption(block) for _ in range(REDEMPTIONS))]

    def _ref(self) -> str:
        self._refs += 1
        return word(self._refs)

    def _receipt(self, logs: list[RawLog]) -> Receipt:
        return {
            "type": "0x2",
            "status": "0x1",
            "cumulativeGasUsed": "0xffffff",
            "logsBloom": _BLOOM,
            "logs": logs,
            "transactionHash": logs[0]["transactionHash"],
        }

    def _batch(self, block: int) -> Receipt:
        ref = self._ref()
        accounts = self._random.choices(self._accounts, k=CREDITS)
        logs = [self._log(block, "0x" + ref, [_TRANSFER, _ZERO, account], word(20)) for account in accounts]
        logs.append(self._log(block, "0x" + ref, [_BATCH, "0x" + ref], word(CREDITS) + word(20 * CREDITS)))
        self._credited = accounts
        return self._receipt(logs)

    def _redemption(self, block: int) -> Receipt:
        ref = self._ref()
        account = self._credited.pop()
        lots = word(5) + word(64) + word(1) + word(572) + word(5)
        return self._receipt(
            [
                self._log(block, "0x" + ref, [_TRANSFER, account, _ZERO], word(5)),
                self._log(block, "0x" + ref, [_REDEEMED, "0x" + ref, account], lots),
            ]
        )


def rules(spool: Spool) -> TokenRules:
    """Rules of the synthetic token."""
    figures = ProgrammeFigures("busy", "Busy", "BSY", TOKEN, 0)
    return TokenRules(
        Report(1, _ZERO, 0, 0),
        figures,
        token=bytes.fromhex(TOKEN[2:]),
        epoch_length_seconds=EPOCH_SECONDS,
        validity_epochs=4,
        clawback_epochs=1,
        spool=spool,
    )


def replay(judge: TokenRules, receipts: list[Receipt]) -> int:
    """Replays and judges the receipts of a block; answers the number of events."""
    count = 0
    for receipt in receipts:
        judge.apply(list(decode_logs(receipt["logs"])), NOW)
        count += len(receipt["logs"])
    return count


def blocks(events: int) -> Iterator[list[Receipt]]:
    """Receipts of as many blocks as hold `events` logs."""
    generator = Generator()
    per_block = CREDITS + 1 + 2 * REDEMPTIONS
    for block in range(1 + (events - 1) // per_block):
        yield generator.receipts(block)


def main() -> None:
    """Replays as many events as the argument says and prints the peak memory."""
    with open_spool() as spool:
        judge = rules(spool)
        for receipts in blocks(int(sys.argv[1])):
            replay(judge, receipts)
        failures = [finding.detail for finding in judge.report.failures()]
        assert not failures, failures[:3]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
