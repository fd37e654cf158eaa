"""What counts as final on a chain: its own `finalized` tag, or a number of blocks below the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backend.chain.client import RpcBlock


@dataclass(frozen=True, slots=True)
class Finality:
    """The rule of one chain; `blocks` is None for the tag."""

    blocks: int | None

    @classmethod
    def of(cls, setting: Literal["finalized"] | int | str) -> Finality:
        """The rule that a setting names."""
        return cls(None if isinstance(setting, str) else setting)

    @property
    def tag(self) -> str:
        """The block to ask an endpoint for."""
        return "finalized" if self.blocks is None else "latest"

    def final_number(self, block: RpcBlock | None) -> int:
        """Number of the newest final block, given the endpoint's block at `tag`; -1 when nothing is final yet."""
        if block is None:
            return -1
        number = int(block["number"], 16)
        return number if self.blocks is None else max(-1, number - self.blocks)
