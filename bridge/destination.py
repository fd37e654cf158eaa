"""All messages to one chain: what is known of each, and the transactions that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import structlog
from eth_utils.address import to_checksum_address

from backend.chain.attested_gateway import AttestedGateway, AttesterSet, Route, message_id
from backend.chain.client import Request
from backend.chain.crashpoints import crash_point
from backend.chain.fees import Fees
from backend.chain.merkle import MessageTree
from backend.chain.words import hash_word, number_word, selector
from bridge.attestations import Collector, Wanted
from bridge.batches import Estimate, Estimator, Packer, Parcel, gas_limit
from bridge.chains import Chain
from bridge.delivery import Sender, View
from bridge.logging import message_fields
from bridge.messages import (
    Action,
    Arrival,
    Arrived,
    Ended,
    Expired,
    Found,
    InVain,
    MessageState,
    Observation,
    Signed,
    Stage,
    Stored,
    decide,
    observe,
)
from bridge.metrics import (
    RELAY_ESTIMATED_COST_WEI,
    RELAY_GAS_PER_MESSAGE,
    RELAY_IN_VAIN,
    RELAY_OPEN,
    RELAY_SENT,
    RELAY_SETTLED,
)
from bridge.relay_store import BatchKey, KeptMessage, Key, Purpose, RelayStore, deadline_of
from bridge.settings import RelaySettings

log = structlog.get_logger(__name__)
_CHECKED_AT_ONCE = 2_000
"""Most messages that one round asks the destination about."""
_RETRIES_AT_ONCE = 32
"""Most failed messages that one round asks about: however many there are, new ones are not held up."""
_SPLITS = 12
"""Most times that parcels are halved in one round."""


@dataclass
class Tracked:
    """A message of a final block that is not settled."""

    kept: KeptMessage
    message_id: bytes
    deadline: int | None
    """Unix seconds at the destination; None for what never expires."""
    state: MessageState
    looked_up: bool
    """Whether its arrival, if any, happens under our eyes: false until what was read late has been asked for once."""
    arrived_at: int = 0
    """Head of the destination when its arrival was first seen; 0 when that may be long ago."""


@dataclass
class Destination:
    """The messages to `chain`. One round: `look`, then signatures are collected, then `send`."""

    chain: Chain
    routes: Mapping[int, Route]
    """Ways to this chain, by source chain."""
    sender: Sender
    store: RelayStore
    settings: RelaySettings
    clock: Callable[[], float]
    tracked: dict[Key, Tracked] = field(init=False, default_factory=dict)
    batches: dict[BatchKey, tuple[bytes, ...]] = field(init=False, default_factory=dict)
    _roots: dict[BatchKey, bytes] = field(init=False, default_factory=dict)
    _unsure: dict[Key, None] = field(init=False, default_factory=dict)
    """Messages whose arrival must be asked for, in order."""
    _ended: set[Key] = field(init=False, default_factory=set)
    """Messages whose transaction was mined, or replaced, since their arrival was last asked for."""
    _under_way: frozenset[Key] = field(init=False, default=frozenset())
    _view: View | None = field(init=False, default=None)
    _sets: tuple[AttesterSet, AttesterSet | None] | None = field(init=False, default=None)
    _packers: dict[int, Packer] = field(init=False)

    def __post_init__(self) -> None:
        self._packers = {source: Packer(route, self.settings.gas_cap) for source, route in self.routes.items()}
        self._gateway = AttestedGateway(self.chain.client, self.chain.gateway)
        self._gateway_text = to_checksum_address(self.chain.gateway)
        cap = self.settings.gas_cap
        self._estimator = Estimator(self.chain.client, self.sender.address, self._gateway_text, cap)

    def add(self, messages: Iterable[KeptMessage], batches: Mapping[BatchKey, tuple[bytes, ...]], *, new: bool) -> None:
        """Takes messages from the store; those that are not `new` may have been delivered long ago."""
        self.batches.update(batches)
        for kept in messages:
            route = self.routes.get(kept.key.source_chain)
            if route is None or kept.key in self.tracked:
                continue
            state = observe(MessageState(), Found(final=True))
            id_ = message_id(route, kept.message)
            self.tracked[kept.key] = Tracked(kept, id_, deadline_of(kept.message.payload), state, looked_up=new)
            if not new:
                self._unsure[kept.key] = None
            log.info("message_found", **message_fields(route, kept.message, id_), block=kept.batch.block_number)

    def drop_after(self, source_chain: int, block_number: int) -> list[BatchKey]:
        """Forgets messages of blocks that a person has let go of; answers their batches."""
        self.tracked = {
            key: each
            for key, each in self.tracked.items()
            if key.source_chain != source_chain or each.kept.batch.block_number <= block_number
        }
        gone = [key for key in self.batches if key.source_chain == source_chain and key.block_number > block_number]
        for key in gone:
            del self.batches[key]
            self._roots.pop(key, None)
        return gone

    # First half of a round

    def look(self) -> None:
        """Sees what has become of messages and transactions. Errors: `ChainError`; nothing is sent in this round."""
        self._view = None
        view = self.sender.look()
        if view.reorganised:
            log.warning("destination_reorganised", chain=self.chain.name, head=view.number)
            self._unsure.update(
                {key: None for key, each in self.tracked.items() if each.state.arrival is not Arrival.UNSEEN}
            )
        self._note_transactions(view)
        self._check_arrivals(view)
        self._settle(view)
        for each in self.tracked.values():
            if each.deadline is not None and int(view.head["timestamp"], 16) > each.deadline:
                self._observe(each, Expired())
        self.sender.maintain(view)
        self._sets = (self._gateway.attester_set(), self._gateway.pending_attester_set())
        self._view = view

    def _observe(self, each: Tracked, seen: Observation) -> None:
        each.state = observe(each.state, seen)

    def _note_transactions(self, view: View) -> None:
        """Which messages our own transactions may still deliver; the others' arrival is to be looked up."""
        now = frozenset(
            Key(slot.purpose.source_chain, self.chain.chain_id, nonce)
            for slot in self.sender.in_flight(view)
            for nonce in slot.purpose.message_nonces
        )
        for key in self._under_way ^ now:
            each = self.tracked.get(key)
            if each is None:
                continue
            self._observe(each, Stored() if key in now else Ended())
            self._unsure[key] = None
            if key not in now:
                self._ended.add(key)
        self._under_way = now

    def _check_arrivals(self, view: View) -> None:
        """Asks about those of which nothing certain is known."""
        keys = list(islice(self._unsure, _CHECKED_AT_ONCE))
        keys = [key for key in keys if key in self.tracked or self._unsure.pop(key)]
        for key, arrival in zip(keys, self._arrivals(keys, "latest"), strict=True):
            each = self.tracked[key]
            if arrival is not each.state.arrival:
                each.arrived_at = view.number if each.looked_up else 0
                self._tell(each, f"message_{arrival.value}")
            each.looked_up = True
            self._observe(each, Arrived(arrival))
            if key in self._ended and arrival is not Arrival.TAKEN:
                self._in_vain(each, "NotTaken")
        for key in keys:
            del self._unsure[key]
        self._ended.difference_update(keys)

    def _settle(self, view: View) -> None:
        """What was taken is looked up once more when its block is final."""
        keys = [
            key
            for key, each in self.tracked.items()
            if each.state.arrival is Arrival.TAKEN and each.arrived_at <= view.final_number
        ][:_CHECKED_AT_ONCE]
        settled = []
        for key, arrival in zip(keys, self._arrivals(keys, hex(view.final_number)), strict=True):
            if arrival is Arrival.TAKEN:
                self._observe(self.tracked[key], Arrived(arrival, final=True))
            else:
                self._unsure[key] = None
                self.tracked[key].arrived_at = view.number
            if decide(self.tracked[key].state, self.clock()) is Action.FORGET:
                settled.append(key)
        if settled:
            crash_point("relayer.before_settle")
            self.store.settle(settled)
            crash_point("relayer.after_settle")
        for key in settled:
            self._tell(self.tracked.pop(key), "message_settled")
            RELAY_SETTLED.labels(*self._labels(key.source_chain)).inc()

    def _arrivals(self, keys: Sequence[Key], block: str) -> Iterator[Arrival]:
        requests = []
        for key in keys:
            seen = selector("isSeen(uint256,uint256)") + number_word(key.source_chain) + number_word(key.nonce)
            failed = selector("isFailed(bytes32)") + hash_word(self.tracked[key].message_id)
            for data in (seen, failed):
                requests.append(Request("eth_call", ({"to": self._gateway_text, "data": "0x" + data.hex()}, block)))
        answers = [int(str(answer), 16) for answer in self.chain.client.batch(requests)]
        for seen_answer, failed_answer in zip(answers[::2], answers[1::2], strict=True):
            if failed_answer:
                yield Arrival.FAILED
            else:
                yield Arrival.TAKEN if seen_answer else Arrival.UNSEEN

    # Signatures

    def wanted(self, collector: Collector) -> Iterator[Wanted]:
        """Batches that lack signatures of the set in force."""
        if self._sets is None or self._view is None:
            return
        now, later = self._sets
        enough: dict[BatchKey, int] = {}
        for each in self.tracked.values():
            key = each.kept.batch
            if each.state.arrival is not Arrival.UNSEEN or key in enough:
                continue
            enough[key], _ = collector.choose(key, now, later)
            if enough[key] < now.threshold:
                yield Wanted(key, self.routes[key.source_chain], self._root(key))

    def _root(self, key: BatchKey) -> bytes:
        """Worked out once: attesters may be away for long, and batches many."""
        found = self._roots.get(key)
        if found is None:
            found = self._roots[key] = MessageTree(self.batches[key]).root
        return found

    # Second half of a round

    def send(self, collector: Collector) -> bool:
        """Signs and broadcasts what is to be done; says whether anything was. Errors: `ChainError`, `JournalError`."""
        view, sets = self._view, self._sets
        self._measure(collector)
        if view is None or sets is None:
            return False
        room = self.sender.room(view)
        parcels = self._parcels(collector, sets, room) if room else []
        fees = self.sender.quote(view) if parcels else None
        if fees is None:
            return False
        return self._send(self._estimates(parcels, collector, sets)[:room], view, fees)

    def _parcels(
        self, collector: Collector, sets: tuple[AttesterSet, AttesterSet | None], room: int
    ) -> Sequence[Parcel]:
        """What is to be asked about: a quarter of the room is for retries, of which most are still in vain."""
        now, most = self.clock(), self._estimator.most_messages
        chosen: dict[BatchKey, tuple[int, list[bytes]]] = {}
        deliver: dict[BatchKey, list[KeptMessage]] = {}
        retries: list[KeptMessage] = []
        for key, each in self.tracked.items():
            if key in self._unsure:
                continue
            batch = each.kept.batch
            if each.state.arrival is Arrival.UNSEEN:
                if batch not in chosen:
                    chosen[batch] = collector.choose(batch, *sets)
                self._observe(each, Signed(chosen[batch][0], sets[0].threshold))
            action = decide(each.state, now)
            if action is Action.RETRY:
                retries.append(each.kept)
            elif action is Action.DELIVER:
                deliver.setdefault(batch, []).append(each.kept)
        packed = (
            parcel
            for batch, messages in sorted(deliver.items(), key=lambda item: item[0].block_number)
            for parcel in self._packers[batch.source_chain].pack(
                batch, self.batches[batch], messages, chosen[batch][1], most
            )
        )
        deliveries = self._estimator.first_of(packed, room - (room // 4 if retries else 0))
        again = [self._packers[kept.key.source_chain].retry(kept) for kept in retries[: min(_RETRIES_AT_ONCE, most)]]
        return [*deliveries, *again]

    def _estimates(
        self, parcels: Sequence[Parcel], collector: Collector, sets: tuple[AttesterSet, AttesterSet | None]
    ) -> list[Estimate]:
        """What is worth sending; too large ones are halved until they fit."""
        fitting: list[Estimate] = []
        for _ in range(_SPLITS):
            smaller: list[Parcel] = []
            for each in self._estimator.ask(parcels):
                if each.too_large and len(each.parcel.messages) > 1:
                    key = each.parcel.key
                    packer, signatures = self._packers[key.source_chain], collector.choose(key, *sets)[1]
                    packer.gas_per_message *= 2 if each.gas_known else 1
                    smaller += packer.halves(each.parcel, self.batches[key], signatures)
                elif each.revert is not None:
                    self._note_revert(each)
                else:
                    fitting.append(each)
            if not smaller:
                break
            parcels = smaller
        return fitting

    def _note_revert(self, found: Estimate) -> None:
        """It would be in vain: perhaps somebody else was first, otherwise it is tried again later."""
        assert found.revert is not None
        for kept in found.parcel.messages:
            each = self.tracked[kept.key]
            if found.revert.name in {"NothingToDeliver", "NotFailed"}:
                self._unsure[kept.key] = None
            else:
                self._in_vain(each, found.revert.name)

    def _in_vain(self, each: Tracked, error: str) -> None:
        pauses = (self.settings.retry_seconds, self.settings.longest_retry_seconds)
        self._observe(each, InVain(self.clock(), *pauses))
        RELAY_IN_VAIN.labels(*self._labels(each.kept.key.source_chain), error).inc()
        self._tell(each, "delivery_in_vain", error=error, attempts=each.state.attempts)

    def _send(self, found: Sequence[Estimate], view: View, fees: Fees) -> bool:
        purposes = []
        funds = self.sender.funds_wei(view)
        for each in found:
            parcel = each.parcel
            self._packers[parcel.key.source_chain].learn(each)
            attempts = max(self.tracked[kept.key].state.attempts for kept in parcel.messages)
            gas = gas_limit(each, attempts, self.settings.gas_cap)
            funds -= gas * fees.max_fee
            if funds < 0:
                log.warning("too_little_funds", chain=self.chain.name, account=self.sender.address)
                break
            self._tell_cost(each, gas, (view.next_base_fee + fees.tip) * each.likely_use)
            nonces = tuple(kept.key.nonce for kept in parcel.messages)
            purposes.append(Purpose(parcel.kind, parcel.key.source_chain, nonces, gas, parcel.data))
        if not purposes:
            return False
        self.sender.send(purposes, view, fees)
        return True

    def _tell_cost(self, found: Estimate, gas: int, cost_wei: int) -> None:
        parcel = found.parcel
        labels = self._labels(parcel.key.source_chain)
        RELAY_SENT.labels(*labels, parcel.kind).inc(len(parcel.messages))
        RELAY_ESTIMATED_COST_WEI.labels(*labels).inc(cost_wei)
        if parcel.kind == "deliver":
            RELAY_GAS_PER_MESSAGE.labels(*labels).set(found.likely_use // len(parcel.messages))
        log.info(
            "delivery_signed",
            kind=parcel.kind,
            source_chain=parcel.key.source_chain,
            destination_chain=self.chain.chain_id,
            block=parcel.key.block_number,
            messages=len(parcel.messages),
            message_ids=["0x" + self.tracked[kept.key].message_id.hex() for kept in parcel.messages],
            gas=gas,
            estimated_cost_wei=cost_wei,
        )

    # Telling

    def _labels(self, source_chain: int) -> tuple[str, str]:
        return str(source_chain), str(self.chain.chain_id)

    def _tell(self, each: Tracked, event: str, **more: object) -> None:
        route = self.routes[each.kept.key.source_chain]
        log.info(event, **message_fields(route, each.kept.message, each.message_id), **more)

    def _measure(self, collector: Collector) -> None:
        counts = {(source, stage): 0 for source in self.routes for stage in Stage}
        batches = set()
        for key, each in self.tracked.items():
            counts[key.source_chain, each.state.stage] += 1
            batches.add(each.kept.batch)
        for (source, stage), count in counts.items():
            RELAY_OPEN.labels(*self._labels(source), stage.value).set(count)
        gone = [batch for batch in self.batches if batch not in batches]
        collector.forget(gone)
        for batch in gone:
            del self.batches[batch]
            self._roots.pop(batch, None)
