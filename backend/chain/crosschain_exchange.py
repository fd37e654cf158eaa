"""CrosschainExchange: what it has its gateway carry, calldata of its own, readers.

Lanes and swaps are encoded as for its sibling, in `backend.chain.points_exchange`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from eth_utils.crypto import keccak

from backend.chain.abi_reading import read_values
from backend.chain.client import Request
from backend.chain.exchange_types import CrosschainSwap, MessageKind, SwapStatus
from backend.chain.points_exchange import Exchange, crosschain_lane_id
from backend.chain.words import address_word, hash_word, lots_tail, number_word, selector

GUARDIAN_ROLE: Final = keccak(text="GUARDIAN_ROLE")
"""Role that halts lanes."""
MAX_TRANSIT_SECONDS: Final = 7 * 86_400
"""How far off the deadline of a swap may be."""

lane_id = crosschain_lane_id


# What goes from chain to chain


def encode_payload(kind: MessageKind, swap: CrosschainSwap) -> bytes:
    """The payload of a message."""
    numbers = (swap.points_in, swap.points_out, swap.bonus_bps, swap.deadline, swap.epoch_length, swap.validity)
    head = hash_word(swap.swap_id) + hash_word(swap.lane_id) + number_word(swap.number)
    head += address_word(swap.account) + address_word(swap.to)
    head += b"".join(number_word(number) for number in numbers) + number_word(12 * 32)
    return number_word(kind) + number_word(64) + head + lots_tail(swap.lots)


def decode_payload(payload: bytes) -> tuple[MessageKind, CrosschainSwap]:
    """What `encode_payload` was given. Errors: `ValueError` for anything that it does not answer."""
    kind, swap = cast(
        "tuple[MessageKind, CrosschainSwap]", read_values([MessageKind.__name__, CrosschainSwap.__name__], payload)
    )
    if encode_payload(kind, swap) != payload:
        raise ValueError("the payload is encoded in another way")
    return kind, swap


# Calldata


def encode_declare_home(programme_id: bytes, chain_id: int) -> bytes:
    """declareHome(programmeId, chainId)."""
    return selector("declareHome(bytes32,uint256)") + hash_word(programme_id) + number_word(chain_id)


def encode_link(chain_id: int, gateway: bytes, counterpart: bytes) -> bytes:
    """link(chainId, gateway, counterpart)."""
    return (
        selector("link(uint256,address,address)")
        + number_word(chain_id)
        + address_word(gateway)
        + address_word(counterpart)
    )


def encode_halt(lane: bytes) -> bytes:
    """halt(laneId)."""
    return selector("halt(bytes32)") + hash_word(lane)


# Readers


class CrosschainExchange(Exchange):
    """Reads a crosschain exchange. `block` is a number or a tag.

    Errors of every reader: `NodeError` and `ChainUnavailableError`.
    """

    def home_of(self, programme_id: bytes, block: int | str = "latest") -> int:
        """The chain where a programme's points live."""
        return self._number("homeOf(bytes32)", hash_word(programme_id), block=block)

    def link_of(self, chain_id: int, block: int | str = "latest") -> tuple[bytes, bytes] | None:
        """The gateway here that leads to a chain and the exchange there, if it is linked."""
        answer = self._call("linkOf(uint256)", number_word(chain_id), block=block)
        gateway, counterpart = answer[12:32], answer[44:64]
        return (gateway, counterpart) if any(gateway) else None

    def sent_count(self, lane: bytes, block: int | str = "latest") -> int:
        """Swaps sent over a lane, counted at its source: the last number."""
        return self._number("sentCount(bytes32)", hash_word(lane), block=block)

    def outcome_of(self, lane: bytes, number: int, block: int | str = "latest") -> SwapStatus:
        """What the destination made of a swap: NONE before it arrived, COMPLETED when minted, REFUNDED when refused."""
        words = (hash_word(lane), number_word(number))
        return SwapStatus(self._number("outcomeOf(bytes32,uint256)", *words, block=block))

    def outcomes_of(self, swaps: Sequence[tuple[bytes, int]], block: int | str = "latest") -> list[SwapStatus]:
        """`outcome_of` for several (lane, number), asked at once."""
        tag = hex(block) if isinstance(block, int) else block
        head = selector("outcomeOf(bytes32,uint256)")
        calls = [head + hash_word(lane) + number_word(number) for lane, number in swaps]
        answers = self.client.batch(
            [Request("eth_call", ({"to": self._text, "data": "0x" + call.hex()}, tag)) for call in calls]
        )
        return [SwapStatus(int(str(answer), 16)) for answer in answers]

    def paused(self, block: int | str = "latest") -> bool:
        """Whether no swap begins or is minted."""
        return bool(self._number("paused()", block=block))
