"""The chain's clock in the demonstration: it follows the data's days."""

from __future__ import annotations

from datetime import datetime

from backend.chain.client import ChainClient

BLOCKS_TO_FINALITY = 10
"""Blocks after which everything before them is final on the local chain (8 there), and some to spare."""
_BLOCK_SECONDS = 1


class ChainClock:
    """Moves a local chain through time."""

    def __init__(self, chain_url: str) -> None:
        self._client = ChainClient([chain_url])

    def now(self) -> int:
        """Timestamp of the newest block, Unix seconds."""
        return int(self._client.block("latest")["timestamp"], 16)

    def advance_to(self, time: datetime) -> None:
        """Mine a block at `time`; the chain's clock runs on from there. Does nothing when it is later already."""
        self.advance_to_timestamp(int(time.timestamp()))

    def advance_to_timestamp(self, timestamp: int) -> None:
        """The same for Unix seconds."""
        if timestamp > self.now():
            self._client.call("evm_setNextBlockTimestamp", hex(timestamp))
            self._client.call("evm_mine")

    def tick(self, blocks: int = 1) -> None:
        """Mine blocks at the chain's own time, so that points mature and become final while nobody sends anything."""
        for _ in range(blocks):
            self._client.call("evm_mine")

    def finalise(self) -> int:
        """Mine until everything so far is final; the head."""
        self._client.call("anvil_mine", hex(BLOCKS_TO_FINALITY), hex(_BLOCK_SECONDS))
        return self._client.block_number()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
