"""What must hold after every fault, judged from the two chains alone: nothing of the bridge is asked.

Logs are read from the first block each time, so that a reorganisation leaves nothing behind in our memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar, cast

from eth_utils.address import to_checksum_address

from backend.chain.attested_gateway import AttestedGateway
from backend.chain.clearing_house import ClearingHouse
from backend.chain.client import ChainClient
from backend.chain.event_types import ChainEvent, Transfer
from backend.chain.events import RawLog, decode_logs
from backend.chain.exchange_events import (
    LaneAgreed,
    SwapBurnt,
    SwapMinted,
    SwapRefunded,
    SwapRefused,
    SwapSent,
)
from backend.chain.exchange_types import LaneTerms
from backend.chain.gateway_events import MessageDelivered, MessageFailed, MessageQueued
from backend.chain.lane_pricing import points_out_rounding_down
from backend.chain.manifest import Manifest
from backend.chain.points_token import PointsToken
from backend.chain.words import number_word, selector

_Event = TypeVar("_Event", bound=ChainEvent)
_Ending = TypeVar("_Ending", SwapMinted, SwapRefused, SwapRefunded)


@dataclass
class Side:
    """One of the two chains, with everything that its contracts have logged."""

    client: ChainClient
    manifest: Manifest
    head: int = 0
    """Block at which it was read: a block mined meanwhile must not make it contradict itself."""
    events: list[ChainEvent] = field(default_factory=list)

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self.manifest.chain_id

    @property
    def gateway(self) -> AttestedGateway:
        """The chain's gateway."""
        assert self.manifest.gateway is not None
        return AttestedGateway(self.client, self.manifest.gateway.address_bytes)

    def read(self) -> Side:
        """The same chain with the logs it has now."""
        assert self.manifest.gateway is not None
        assert self.manifest.crosschain is not None
        houses = (self.manifest.gateway, self.manifest.crosschain)
        addresses = [to_checksum_address(entry.address) for entry in (*houses, self.manifest.clearing) if entry]
        addresses += [to_checksum_address(token) for token in self.manifest.tokens]
        head = self.client.block_number()
        logs = self.client.get_logs(addresses, fromBlock="0x0", toBlock=hex(head))
        return Side(self.client, self.manifest, head, list(decode_logs(cast("list[RawLog]", logs))))

    def all(self, kind: type[_Event]) -> Iterator[_Event]:
        """Its events of a kind, in order."""
        return (event for event in self.events if type(event) is kind)

    def final_block(self) -> int:
        """Number of its last final block."""
        return int(self.client.block("finalized")["number"], 16)


@dataclass
class Verdict:
    """What is wrong, and what is merely not done yet."""

    broken: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    minted: int = 0
    refunded: int = 0


def judge(sides: Iterable[Side]) -> Verdict:
    """Everything that FAULTS.md says of the chains after every fault."""
    read = [side.read() for side in sides]
    verdict = Verdict()
    for source in read:
        for destination in read:
            if source is not destination:
                _judge_swaps(source, destination, verdict)
                _judge_nonces(source, destination, verdict)
    for side in read:
        _judge_lots(side, verdict)
        _judge_positions(side, verdict)
    return verdict


def _judge_swaps(source: Side, destination: Side, verdict: Verdict) -> None:
    """Every burn has one ending, every ending its burn, and nobody got more than was agreed."""
    sent = {event.swap_id: event for event in source.all(SwapSent)}
    burnt = {event.swap_id: event for event in source.all(SwapBurnt)}
    lanes = {event.lane_id for event in sent.values()}
    minted = _once(verdict, "minted", (event for event in destination.all(SwapMinted) if event.swap_id in sent))
    refused = _once(verdict, "refused", (event for event in destination.all(SwapRefused) if event.swap_id in sent))
    refunded = _once(verdict, "refunded", source.all(SwapRefunded))
    known = sent.keys() | {event.swap_id for event in destination.all(SwapSent)}
    strays: list[SwapMinted | SwapRefused] = [*destination.all(SwapMinted), *destination.all(SwapRefused)]
    for stray in strays:
        if stray.swap_id not in known:
            verdict.broken.append(f"{_name(stray)} without a burn")
    terms = {(event.lane_id, event.version): event.terms for event in source.all(LaneAgreed)}
    for swap_id, event in sent.items():
        agreed = terms.get((event.lane_id, burnt[swap_id].version)) if swap_id in burnt else None
        verdict.broken += _faults_of(event, agreed, minted.get(swap_id), refused.get(swap_id), refunded.get(swap_id))
        if swap_id in minted or swap_id in refunded:
            continue
        verdict.open.append(f"swap {swap_id.hex()[:8]} of lane {event.lane_id.hex()[:8]} is neither")
    verdict.minted += len(minted)
    verdict.refunded += len(refunded)
    _judge_sums(source, lanes, sent, minted, verdict)


def _judge_sums(
    source: Side, lanes: set[bytes], sent: dict[bytes, SwapSent], minted: dict[bytes, SwapMinted], verdict: Verdict
) -> None:
    """Σ minted ≤ Σ burnt in final blocks, for each lane, at the agreed rate."""
    final = source.final_block()
    for lane in lanes:
        numbers = [event.swap.number for event in sent.values() if event.lane_id == lane]
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            verdict.broken.append(f"lane {lane.hex()[:8]} has the numbers {sorted(numbers)}")
        allowed = sum(e.swap.points_out for e in sent.values() if e.lane_id == lane and e.block_number <= final)
        given = sum(event.points_out for event in minted.values() if event.lane_id == lane)
        if given > allowed:
            verdict.broken.append(f"lane {lane.hex()[:8]} minted {given} of {allowed} points that were finally burnt")


def _faults_of(
    event: SwapSent,
    terms: LaneTerms | None,
    minted: SwapMinted | None,
    refused: SwapRefused | None,
    refunded: SwapRefunded | None,
) -> Iterator[str]:
    swap, name = event.swap, _name(event)
    if terms is None:
        yield f"{name} was not burnt under terms that were agreed"
    elif points_out_rounding_down(terms, swap.points_in, swap.bonus_bps) != swap.points_out:
        yield f"{name} is priced otherwise than agreed"
    if minted is not None and refunded is not None:
        yield f"{name} was minted and refunded"
    if minted is not None and refused is not None:
        yield f"{name} was minted and refused"
    if refunded is not None and refused is None:
        yield f"{name} was refunded without being refused"
    if minted is not None and (minted.points_out, minted.to) != (swap.points_out, swap.to):
        yield f"{name} was minted with other numbers"
    if minted is not None and sum(lot.amount for lot in minted.lots) != swap.points_out:
        yield f"the lots of {name} are not its points"
    if refunded is not None:
        restored = sum(lot.amount for lot in refunded.restored) + refunded.expired_amount
        if restored != swap.points_in or not set(refunded.restored) <= set(swap.lots):
            yield f"{name} was given back other lots than were burnt"


def _once(verdict: Verdict, what: str, events: Iterable[_Ending]) -> dict[bytes, _Ending]:
    """Events by swap; two for one swap are a fault."""
    found: dict[bytes, _Ending] = {}
    for event in events:
        if event.swap_id in found:
            verdict.broken.append(f"swap {event.swap_id.hex()[:8]} was {what} twice")
        found[event.swap_id] = event
    return found


def _judge_nonces(source: Side, destination: Side, verdict: Verdict) -> None:
    """Nonces without gaps, each message delivered once, none that was not sent."""
    queued = [event for event in source.all(MessageQueued) if event.destination_chain == destination.chain_id]
    nonces = [event.nonce for event in queued]
    if nonces != list(range(1, len(nonces) + 1)):
        verdict.broken.append(f"messages {source.chain_id} to {destination.chain_id} have the nonces {nonces}")
    here = {event.message_id for event in queued}
    delivered = Counter(e.message_id for e in destination.all(MessageDelivered) if e.source_chain == source.chain_id)
    failed = {e.message_id for e in destination.all(MessageFailed) if e.source_chain == source.chain_id}
    for message_id, times in delivered.items():
        if times > 1:
            verdict.broken.append(f"message {message_id.hex()[:8]} was delivered {times} times")
    for message_id in delivered.keys() | failed:
        if message_id not in here:
            verdict.broken.append(f"message {message_id.hex()[:8]} was delivered but not sent")
    for event in queued:
        if event.message_id not in delivered:
            how = "failed" if event.message_id in failed else "not delivered"
            verdict.open.append(f"message {source.chain_id}:{event.nonce} is {how}")


def _judge_lots(side: Side, verdict: Verdict) -> None:
    """Σ lots = total supply, in every epoch of every token."""
    for entry in side.manifest.programmes:
        token = PointsToken(side.client, entry.token_bytes)
        moved = [event for event in side.all(Transfer) if event.contract == entry.token_bytes]
        sums: dict[int, int] = defaultdict(int)
        for account in {event.recipient for event in moved} - {bytes(20)}:
            for lot in token.lots_of(account, side.head):
                sums[lot.epoch] += lot.amount
        now, total = token.current_epoch(side.head), 0
        for epoch in range(max(0, now - entry.terms.validity_epochs), now + 1):
            supply = _supply_at(side, entry.token, epoch)
            if sums.pop(epoch, 0) != supply:
                verdict.broken.append(f"lots of {entry.slug} on {side.chain_id} do not sum to {supply} in {epoch}")
            total += supply
        if token.total_supply(side.head) != total:
            verdict.broken.append(f"supply of {entry.slug} on {side.chain_id} is not the sum of its epochs")


def _supply_at(side: Side, token: str, epoch: int) -> int:
    data = selector("totalSupplyAtEpoch(uint256)") + number_word(epoch)
    return int.from_bytes(side.client.eth_call(token, data, block=side.head), "big")


def _judge_positions(side: Side, verdict: Verdict) -> None:
    """Σ clearing positions = 0, open and due."""
    assert side.manifest.clearing is not None
    house = ClearingHouse(side.client, side.manifest.clearing.address_bytes)
    standings = [house.standing_of(programme, side.head) for programme in house.programmes()]
    if sum(each.open for each in standings) or sum(each.due for each in standings):
        verdict.broken.append(f"positions on {side.chain_id} do not sum to zero")


def _name(event: SwapSent | SwapMinted | SwapRefused) -> str:
    return f"swap {event.swap_id.hex()[:8]}"
