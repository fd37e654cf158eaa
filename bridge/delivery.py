"""One account that sends to one contract: nonces, fees, signed bytes stored before they leave, replacements.

The rules are the submitter's: a nonce that was broadcast is never free, a replacement pays an eighth more in both
fields, and what became of a nonce is judged by what was mined. What is sent is idempotent on chain, so that nothing
needs a person: a nonce that the store does not know, after an old backup, is used up and passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import structlog
from eth_utils.address import to_checksum_address

from backend.chain.client import Request, RpcBlock
from backend.chain.crashpoints import crash_point
from backend.chain.errors import (
    AlreadyKnownError,
    NodeError,
    NonceTooLowError,
    ReplacementUnderpricedError,
    TransactionInvalidError,
)
from backend.chain.fees import FeePolicy, Fees, base_fee_of_next
from backend.chain.signers import Signer, transaction_hash
from bridge.chains import Chain
from bridge.metrics import RELAY_BALANCE, RELAY_FEE_CAPPED, RELAY_REFUSALS, RELAY_REPLACEMENTS
from bridge.relay_store import Attempt, Purpose, RelayStore, Slot, filler

log = structlog.get_logger(__name__)
WINDOW = 16
"""Most transactions in flight: nodes keep only so many for one sender."""
_AS_GOOD_AS_TAKEN = (AlreadyKnownError, NonceTooLowError, ReplacementUnderpricedError)


@dataclass(frozen=True, slots=True)
class View:
    """What the node says at the start of a round."""

    head: RpcBlock
    latest_nonce: int
    """Nonces used in the newest block."""
    pending_nonce: int
    """The same, with what is in the node's pool."""
    final_nonce: int
    """Nonces used in the newest final block."""
    final_number: int
    balance_wei: int
    suggested_tip: int
    reorganised: bool
    """A block seen in an earlier round is not there any more."""

    @property
    def number(self) -> int:
        """Number of the head."""
        return int(self.head["number"], 16)

    @property
    def next_base_fee(self) -> int:
        """Base fee of the next block, in wei."""
        return base_fee_of_next(self.head)


@dataclass
class Sender:
    """`signer` on `chain`. One process a key: a second one is survived, but each wastes the other's nonces."""

    chain: Chain
    signer: Signer
    store: RelayStore
    fees: FeePolicy
    replace_after_blocks: int
    target: bytes
    """The contract that everything is sent to, 20 bytes."""
    slots: dict[int, Slot] = field(init=False)
    _next_nonce: int | None = field(init=False)
    _seen_head: tuple[int, str] | None = field(init=False, default=None)
    _missing_since: dict[int, int] = field(init=False, default_factory=dict)
    """Nonces that the pool has and the store has not, with the head's number when that was first seen."""

    def __post_init__(self) -> None:
        self.slots = {slot.nonce: slot for slot in self.store.slots(self.chain.chain_id)}
        self._next_nonce = self.store.next_nonce(self.chain.chain_id)

    @property
    def address(self) -> str:
        """The account, with checksum."""
        return to_checksum_address(self.signer.address)

    # Looking

    def look(self) -> View:
        """One batch of questions, and one about what is final. Errors: `NodeError`, `ChainUnavailableError`."""
        earlier = hex(self._seen_head[0]) if self._seen_head else "latest"
        answers = self.chain.client.try_batch(
            [
                Request("eth_getBlockByNumber", ("latest", False)),
                Request("eth_getBlockByNumber", (earlier, False)),
                Request("eth_getBlockByNumber", (self.chain.finality.tag, False)),
                Request("eth_getTransactionCount", (self.address, "latest")),
                Request("eth_getTransactionCount", (self.address, "pending")),
                Request("eth_getBalance", (self.address, "latest")),
                Request("eth_maxPriorityFeePerGas"),
            ]
        )
        for answer in answers[:6]:
            if isinstance(answer, NodeError):
                raise answer
        head, seen, final = (cast("RpcBlock | None", answer) for answer in answers[:3])
        if head is None:
            raise NodeError("The endpoint has no newest block.")
        latest, pending, balance = (int(cast("str", answer), 16) for answer in answers[3:6])
        final_number = self.chain.finality.final_number(final)
        tip = answers[6]  # Not every node has this method.
        view = View(
            head=head,
            latest_nonce=latest,
            pending_nonce=max(latest, pending),
            final_nonce=self._final_nonce(final_number),
            final_number=final_number,
            balance_wei=balance,
            suggested_tip=int(tip, 16) if isinstance(tip, str) else self.fees.minimum_tip,
            reorganised=self._seen_head is not None and (seen is None or seen["hash"] != self._seen_head[1]),
        )
        self._seen_head = (view.number, head["hash"])
        RELAY_BALANCE.labels(self.chain.name).set(balance)
        return view

    def _final_nonce(self, final_number: int) -> int:
        if final_number < 0 or not self.slots:
            return 0
        try:
            return self.chain.client.transaction_count(self.address, hex(final_number))
        except NodeError:
            return 0  # No state for that block here: nothing is known to be final.

    def in_flight(self, view: View) -> list[Slot]:
        """What may still be mined, by nonce."""
        return [slot for nonce, slot in sorted(self.slots.items()) if nonce >= view.latest_nonce]

    def room(self, view: View) -> int:
        """How many more transactions may be sent now."""
        return max(0, WINDOW - len(self.in_flight(view)))

    def funds_wei(self, view: View) -> int:
        """What is left when all in flight have cost the most they can."""
        return view.balance_wei - sum(slot.last.fees.max_fee * slot.purpose.gas for slot in self.in_flight(view))

    # Sending

    def quote(self, view: View) -> Fees | None:
        """Fees for a new transaction; None while the chain costs more than the cap."""
        found = self.fees.quote(view.next_base_fee, view.suggested_tip)
        if found is None:
            RELAY_FEE_CAPPED.labels(self.chain.name).inc()
            log.warning("fee_above_cap", chain=self.chain.name, next_base_fee=view.next_base_fee)
        return found

    def send(self, purposes: Sequence[Purpose], view: View, fees: Fees) -> None:
        """Gives each a nonce, signs and stores them together, then broadcasts. Errors: `JournalError`, `ChainError`."""
        first = max(self._next_nonce or 0, view.pending_nonce)
        slots = []
        with self.store.journal.transaction() as transaction:
            for nonce, purpose in enumerate(purposes, start=first):
                crash_point("relayer.before_sign")
                slot = Slot(nonce, purpose, [self._sign(nonce, purpose, fees)])
                crash_point("relayer.after_sign")
                self.store.put(transaction, self.chain.chain_id, slot)
                slots.append(slot)
            crash_point("relayer.before_store")
        crash_point("relayer.after_store")
        self.slots.update({slot.nonce: slot for slot in slots})
        self._next_nonce = first + len(slots)
        self._offer(slots, view)

    def _sign(self, nonce: int, purpose: Purpose, fees: Fees) -> Attempt:
        fills = purpose.kind == "fill"
        raw = self.signer.sign_transaction(
            {
                "type": 2,
                "chainId": self.chain.chain_id,
                "nonce": nonce,
                "to": self.address if fills else to_checksum_address(self.target),
                "value": 0,
                "data": "0x" + purpose.data.hex(),
                "gas": purpose.gas,
                "maxFeePerGas": fees.max_fee,
                "maxPriorityFeePerGas": fees.tip,
            }
        )
        return Attempt(fees, raw)

    def _offer(self, slots: Sequence[Slot], view: View) -> None:
        """Broadcasts what is stored, in order of nonces. What no endpoint answers to may be out even so."""
        if not slots:
            return
        crash_point("relayer.before_broadcast")
        for slot in slots:
            slot.offered_under = view.head["hash"]
            slot.offered_at = view.number if slot.offered_at is None else slot.offered_at
        refusals = self.chain.client.send_raw_many([slot.last.raw for slot in slots])
        crash_point("relayer.after_broadcast")
        for slot, refusal in zip(slots, refusals, strict=True):
            slot.taken = slot.taken or refusal is None or isinstance(refusal, _AS_GOOD_AS_TAKEN)
            if refusal is not None and not isinstance(refusal, AlreadyKnownError | NonceTooLowError):
                self._note_refusal(slot, refusal)
            if isinstance(refusal, TransactionInvalidError) and slot.purpose.kind != "fill":
                self._replace(slot, filler(slot.purpose), view)

    def _note_refusal(self, slot: Slot, refusal: NodeError) -> None:
        RELAY_REFUSALS.labels(self.chain.name, type(refusal).__name__).inc()
        log.warning(
            "broadcast_refused",
            chain=self.chain.name,
            transaction="0x" + transaction_hash(slot.last.raw).hex(),
            nonce=slot.nonce,
            reason=type(refusal).__name__,
            detail=refusal.detail,
        )

    # Keeping up

    def maintain(self, view: View) -> None:
        """Forgets what is final, offers again what no node has, replaces what is stuck, uses lost nonces up."""
        if any(nonce < view.final_nonce for nonce in self.slots):
            self.store.close(self.chain.chain_id, view.final_nonce)
            self.slots = {nonce: slot for nonce, slot in self.slots.items() if nonce >= view.final_nonce}
        waiting = self.in_flight(view)
        self._fill(view, waiting)
        self._offer([slot for slot in waiting if self._is_lost(slot, view)], view)
        for slot in waiting:
            if self._is_stuck(slot, view):
                self._replace(slot, slot.purpose, view)

    def _is_lost(self, slot: Slot, view: View) -> bool:
        """No node has it, as far as is known; asked once a head."""
        missing = not slot.taken or slot.nonce >= view.pending_nonce
        return missing and slot.offered_under != view.head["hash"]

    def _is_stuck(self, slot: Slot, view: View) -> bool:
        if slot.offered_at is None or slot.offered_at > view.number - self.replace_after_blocks:
            return False
        return slot.nonce == view.latest_nonce or slot.last.fees.max_fee <= view.next_base_fee

    def _replace(self, slot: Slot, purpose: Purpose, view: View) -> None:
        """Signs the nonce again with higher fees, stores that beside the others, and offers it."""
        quote = self.fees.quote(view.next_base_fee, view.suggested_tip)
        fees = self.fees.replacement(slot.last.fees, quote or Fees(self.fees.cap, self.fees.minimum_tip))
        if fees is None:
            RELAY_FEE_CAPPED.labels(self.chain.name).inc()
            return
        replacement = Slot(slot.nonce, purpose, [*slot.attempts, self._sign(slot.nonce, purpose, fees)])
        with self.store.journal.transaction() as transaction:
            self.store.put(transaction, self.chain.chain_id, replacement)
        crash_point("relayer.after_store_replacement")
        self.slots[slot.nonce] = replacement
        RELAY_REPLACEMENTS.labels(self.chain.name).inc()
        self._offer([replacement], view)

    def _fill(self, view: View, waiting: Sequence[Slot]) -> None:
        """Uses up nonces under which the store knows nothing, so that later ones can be mined.

        One that the pool has is given time: it is our own, signed before an old backup was made.
        """
        known = {slot.nonce for slot in waiting}
        end = max(known, default=view.latest_nonce - 1) + 1
        missing = [
            nonce for nonce in range(view.latest_nonce, min(end, view.latest_nonce + WINDOW)) if nonce not in known
        ]
        since = {nonce: self._missing_since.get(nonce, view.number) for nonce in missing}
        self._missing_since = since
        overdue = view.number - 2 * self.replace_after_blocks
        lost = [nonce for nonce in missing if nonce >= view.pending_nonce or since[nonce] <= overdue]
        fees = self.quote(view) if lost else None
        if fees is None:
            return
        slots = []
        with self.store.journal.transaction() as transaction:
            for nonce in lost:
                purpose = Purpose("fill")
                slots.append(Slot(nonce, purpose, [self._sign(nonce, purpose, fees)]))
                self.store.put(transaction, self.chain.chain_id, slots[-1])
        self.slots.update({slot.nonce: slot for slot in slots})
        log.warning("lost_nonces_filled", chain=self.chain.name, nonces=lost)
        self._offer(slots, view)
