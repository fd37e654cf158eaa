"""What to pay: a quote from the newest block, and the replacement rule of nodes."""

from __future__ import annotations

from dataclasses import dataclass

from backend.chain.client import RpcBlock


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees in wei per gas."""

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """Bounds on fees, in wei per gas."""

    cap: int
    minimum_tip: int = 1

    def quote(self, base_fee: int, suggested_tip: int) -> Fees | None:
        """Fees that outlast several full blocks; None while even the next block costs more than the cap."""
        tip = min(max(suggested_tip, self.minimum_tip), self.cap)
        if base_fee + tip > self.cap:
            tip = self.minimum_tip
        if base_fee + tip > self.cap:
            return None
        return Fees(min(2 * base_fee + tip, self.cap), tip)

    def replacement(self, paid: Fees, quote: Fees) -> Fees | None:
        """Fees that replace `paid`: both fields raised by an eighth, rounded up, or more; None when above the cap."""
        max_fee = max(_raised(paid.max_fee), quote.max_fee)
        tip = max(_raised(paid.tip), quote.tip)
        if max(max_fee, tip) > self.cap:
            max_fee, tip = max(_raised(paid.max_fee), min(max_fee, self.cap)), _raised(paid.tip)
        return Fees(max(max_fee, tip), tip) if max(max_fee, tip) <= self.cap else None


def _raised(fee: int) -> int:
    """A fee a node takes as a replacement (geth wants 10 %, others 12.5 %): never the same, not even when zero."""
    return max(-(-fee * 9 // 8), fee + 1)


def base_fee_of_next(block: RpcBlock) -> int:
    """Base fee of the block after `block` (EIP-1559), in wei; zero on chains without one."""
    if "baseFeePerGas" not in block:
        return 0
    base, used, limit = (int(block[key], 16) for key in ("baseFeePerGas", "gasUsed", "gasLimit"))
    target = max(limit // 2, 1)
    if used == target:
        return base
    change = base * abs(used - target) // target // 8
    return base + max(change, 1) if used > target else base - change
