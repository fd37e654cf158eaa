"""Writes what blocks did to lots and debts: the replay that the audit uses, into rows, in one database transaction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import orjson
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from backend.chain.blocks import VerifiedBlock
from backend.chain.clearing_events import CLEARING_PARAMETERS, DebtBooked, DebtReserved
from backend.chain.copying import NULL, copy_lines, escaped, hex_text
from backend.chain.debts import write_debts, write_volumes
from backend.chain.event_types import ZERO_ADDRESS, ChainEvent, LotTransferred, Transfer
from backend.chain.events import PayloadValue, RawLog, decode_log, payload_of
from backend.chain.exchange_events import EXCHANGE_PARAMETERS, SwapMinted, SwapPending, SwapSent
from backend.chain.ledger import LotBook
from backend.chain.manifest import Manifest
from backend.chain.models import LotBalance
from backend.chain.movements import Movement, MovementKind
from backend.chain.swap_movements import SwapLogs

_ENTRY_COLUMNS = (
    "chain_id",
    "token",
    "account",
    "epoch",
    "points",
    "kind",
    "counterparty",
    "block_number",
    "transaction_hash",
    "log_index",
    "ref",
)
_EVENT_COLUMNS = (
    "chain_id",
    "token",
    "block_number",
    "transaction_hash",
    "log_index",
    "name",
    "ref",
    "account",
    "payload",
)
_ZERO_TEXT = hex_text(ZERO_ADDRESS)


@dataclass(slots=True)
class ContractEvents:
    """Decoded logs of one contract, block by block with the block's time (Unix seconds)."""

    blocks: list[tuple[int, list[ChainEvent]]] = field(default_factory=list)

    def all(self) -> Iterator[ChainEvent]:
        """The events in order."""
        return chain.from_iterable(events for _, events in self.blocks)

    def senders(self) -> set[bytes]:
        """Accounts whose present lots a replay needs: those that give points away."""
        found = {event.sender for _, events in self.blocks for event in events if type(event) is Transfer}
        found.discard(ZERO_ADDRESS)
        return found


def decode_blocks(blocks: Iterable[VerifiedBlock], contracts: Iterable[bytes]) -> dict[bytes, ContractEvents]:
    """The logs of our contracts, decoded, by contract."""
    wanted = {"0x" + contract.hex(): contract for contract in contracts}
    found = {contract: ContractEvents() for contract in wanted.values()}
    for block in blocks:
        events: dict[bytes, list[ChainEvent]] = defaultdict(list)
        for receipt in block.receipts:
            for raw in receipt["logs"]:
                contract = wanted.get(raw["address"].lower())
                event = decode_log(_as_raw(raw)) if contract is not None else None
                if contract is not None and event is not None:
                    events[contract].append(event)
        for contract, decoded in events.items():
            found[contract].blocks.append((block.timestamp, decoded))
    return found


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines of COPY: entries of lots, and differences to the present lots."""

    entries: list[str]
    deltas: list[str]


_REFS = ("ref", "batch_id")
_EXCHANGE_REFS = ("swap_id", "lane_id", "programme_id")
_CLEARING_REFS = ("debtor", "programme_id", "swap_id")
_EVENT_REFS = {
    **dict.fromkeys(EXCHANGE_PARAMETERS, _EXCHANGE_REFS),
    **dict.fromkeys(CLEARING_PARAMETERS, _CLEARING_REFS),
    DebtReserved: ("swap_id",),  # Meets the end of the reservation, which knows the swap alone.
}
_ELSEWHERE = frozenset({Transfer, LotTransferred, DebtBooked})
"""Their content is in lot_entries and debt_entries."""


def subject_of(event: ChainEvent) -> tuple[bytes | None, bytes | None]:
    """What an event is about, and the member's account in it: `ref` and `account` of `TokenEvent`."""
    refs = (getattr(event, name, None) for name in _EVENT_REFS.get(type(event), _REFS))
    account = event.to if isinstance(event, SwapMinted) else getattr(event, "account", None)
    if isinstance(event, SwapPending):
        account = event.pending.account
    elif isinstance(event, SwapSent):
        account = event.swap.account
    return next((ref for ref in refs if ref), None), account


def _json(payload: dict[str, PayloadValue]) -> str:
    try:
        return orjson.dumps(payload).decode()
    except orjson.JSONEncodeError:
        return json.dumps(payload)  # An amount beyond 64 bits, which a currency with 18 decimals has soon.


def _as_raw(raw: object) -> RawLog:
    return raw  # type: ignore[return-value]  # Same JSON under two names.


class Projection:
    """Writer of one chain's projection."""

    def __init__(self, manifest: Manifest) -> None:
        self._chain_id = manifest.chain_id
        self._programmes = {entry.token_bytes: entry for entry in manifest.programmes}
        exchanges = (manifest.exchange, manifest.crosschain)
        self._exchanges = {entry.address_bytes for entry in exchanges if entry is not None}
        self._clearing = manifest.clearing.address_bytes if manifest.clearing else None

    def write(self, session: Session, blocks: Sequence[VerifiedBlock], events: dict[bytes, ContractEvents]) -> int:
        """Writes blocks, lot entries, lots and events; answers the number of events. Errors: `LedgerError`."""
        self._write_blocks(session, blocks)
        count = 0
        entries: list[str] = []
        deltas: list[str] = []
        others: list[str] = []
        swaps = [SwapLogs(exchange, events[exchange].all()) for exchange in self._exchanges & events.keys()]
        for contract, seen in events.items():
            if not seen.blocks:
                continue
            count += sum(len(group) for _, group in seen.blocks)
            if contract in self._programmes:
                self._replay(session, contract, seen, swaps, _Lines(entries, deltas))
            elif contract == self._clearing:
                write_debts(session, self._chain_id, seen.all())
            elif contract in self._exchanges:
                write_volumes(session, self._chain_id, seen.blocks)
            others += self._event_lines(contract, seen)
        copy_lines(session, "lot_entries", _ENTRY_COLUMNS, entries)
        copy_lines(session, "token_events", _EVENT_COLUMNS, others)
        self._apply(session, deltas)
        return count

    def _write_blocks(self, session: Session, blocks: Sequence[VerifiedBlock]) -> None:
        lines = [
            f"{self._chain_id}\t{block.number}\t{hex_text(block.hash)}\t{hex_text(block.parent_hash)}\t{block.timestamp}"
            for block in blocks
        ]
        copy_lines(session, "blocks", ("chain_id", "number", "hash", "parent_hash", "timestamp"), lines)

    def _replay(
        self, session: Session, token: bytes, seen: ContractEvents, swaps: Sequence[SwapLogs], lines: _Lines
    ) -> None:
        terms = self._programmes[token].terms
        book = LotBook(terms.epoch_length_seconds, terms.validity_epochs)
        # Accounts that only receive need no lots: what is added to them is written as a difference.
        for account, lots in self._load(session, token, seen.senders()).items():
            book.load(account, lots)
        changes: dict[tuple[bytes, int], int] = {}
        head = f"{self._chain_id}\t{hex_text(token)}\t"
        for timestamp, group in seen.blocks:
            for movement in book.apply_block(group, timestamp):
                if movement.kind is MovementKind.CROSSCHAIN:
                    for logs in swaps:
                        logs.explain(movement)
                _write_movement(head, movement, lines.entries, changes)
        lines.deltas.extend(
            f"{head}{hex_text(account)}\t{epoch}\t{points}" for (account, epoch), points in changes.items() if points
        )

    def _load(self, session: Session, token: bytes, accounts: set[bytes]) -> dict[bytes, dict[int, int]]:
        lots: dict[bytes, dict[int, int]] = defaultdict(dict)
        wanted = select(LotBalance.account, LotBalance.epoch, LotBalance.points)
        rows = session.execute(wanted.where(LotBalance.token == token, LotBalance.account.in_(accounts)))
        for account, epoch, points in rows:
            lots[account][epoch] = points
        return lots

    def _event_lines(self, contract: bytes, seen: ContractEvents) -> list[str]:
        lines = []
        head = f"{self._chain_id}\t{hex_text(contract)}\t"
        for event in seen.all():
            if type(event) in _ELSEWHERE:
                continue
            ref, account = subject_of(event)
            fields = (
                str(event.block_number),
                hex_text(event.transaction_hash),
                str(event.log_index),
                type(event).__name__,
                NULL if ref is None else hex_text(ref),
                NULL if account is None else hex_text(account),
                escaped(_json(payload_of(event))),
            )
            lines.append(head + "\t".join(fields))
        return lines

    @staticmethod
    def _apply(session: Session, deltas: list[str]) -> None:
        """Adds differences to the present lots, all in two statements."""
        if not deltas:
            return
        session.execute(text(_DELTAS_TABLE))
        copy_lines(session, "lot_deltas", ("chain_id", "token", "account", "epoch", "points"), deltas)
        session.execute(text(_ADD_DELTAS))
        session.execute(text(_DROP_EMPTY))


_DELTAS_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS lot_deltas
    (chain_id bigint, token bytea, account bytea, epoch integer, points bigint) ON COMMIT DELETE ROWS
"""
_ADD_DELTAS = """
INSERT INTO lots (chain_id, token, account, epoch, points)
SELECT chain_id, token, account, epoch, points FROM lot_deltas
ON CONFLICT (token, account, epoch) DO UPDATE SET points = lots.points + excluded.points
"""
_DROP_EMPTY = """
DELETE FROM lots USING lot_deltas
WHERE lots.token = lot_deltas.token AND lots.account = lot_deltas.account AND lots.epoch = lot_deltas.epoch
    AND lot_deltas.points < 0 AND lots.points = 0
"""


def _write_movement(head: str, movement: Movement, entries: list[str], changes: dict[tuple[bytes, int], int]) -> None:
    transfer = movement.transfer
    sender, recipient = transfer.sender, transfer.recipient
    ref = NULL if movement.ref is None else "\\\\x" + movement.ref.hex()
    tail = f"\t{transfer.block_number}\t\\\\x{transfer.transaction_hash.hex()}\t{transfer.log_index}\t{ref}"
    kind = movement.kind.value
    sender_text = _ZERO_TEXT if sender == ZERO_ADDRESS else "\\\\x" + sender.hex()
    recipient_text = _ZERO_TEXT if recipient == ZERO_ADDRESS else "\\\\x" + recipient.hex()
    for epoch, amount in movement.lots:
        if sender != ZERO_ADDRESS:
            entries.append(f"{head}{sender_text}\t{epoch}\t{-amount}\t{kind}\t{recipient_text}{tail}")
            changes[sender, epoch] = changes.get((sender, epoch), 0) - amount
        if recipient != ZERO_ADDRESS:
            entries.append(f"{head}{recipient_text}\t{epoch}\t{amount}\t{kind}\t{sender_text}{tail}")
            changes[recipient, epoch] = changes.get((recipient, epoch), 0) + amount
