"""Writes what blocks did to lots: the replay that the audit uses, into rows, in one database transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from backend.chain.blocks import VerifiedBlock
from backend.chain.copying import NULL, copy_lines, escaped, hex_text
from backend.chain.event_types import ZERO_ADDRESS, ChainEvent, LotTransferred, Transfer
from backend.chain.events import RawLog, decode_log, payload_of
from backend.chain.ledger import LotBook
from backend.chain.manifest import ProgrammeEntry
from backend.chain.models import LotBalance
from backend.chain.movements import Movement

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
class TokenEvents:
    """Decoded logs of one token, block by block with the block's time (Unix seconds)."""

    blocks: list[tuple[int, list[ChainEvent]]] = field(default_factory=list)

    def senders(self) -> set[bytes]:
        """Accounts whose present lots a replay needs: those that give points away."""
        found = {event.sender for _, events in self.blocks for event in events if type(event) is Transfer}
        found.discard(ZERO_ADDRESS)
        return found


def decode_blocks(blocks: Iterable[VerifiedBlock], tokens: Iterable[bytes]) -> dict[bytes, TokenEvents]:
    """The logs of our tokens, decoded, by token."""
    wanted = {"0x" + token.hex(): token for token in tokens}
    found = {token: TokenEvents() for token in wanted.values()}
    for block in blocks:
        events: dict[bytes, list[ChainEvent]] = defaultdict(list)
        for receipt in block.receipts:
            for raw in receipt["logs"]:
                token = wanted.get(raw["address"].lower())
                event = decode_log(_as_raw(raw)) if token is not None else None
                if token is not None and event is not None:
                    events[token].append(event)
        for token, decoded in events.items():
            found[token].blocks.append((block.timestamp, decoded))
    return found


def _as_raw(raw: object) -> RawLog:
    return raw  # type: ignore[return-value]  # Same JSON under two names.


class Projection:
    """Writer of one chain's projection."""

    def __init__(self, chain_id: int, programmes: Sequence[ProgrammeEntry]) -> None:
        self._chain_id = chain_id
        self._programmes = {entry.token_bytes: entry for entry in programmes}

    def write(self, session: Session, blocks: Sequence[VerifiedBlock], events: dict[bytes, TokenEvents]) -> int:
        """Writes blocks, lot entries, lots and events; answers the number of events. Errors: `LedgerError`."""
        self._write_blocks(session, blocks)
        count = 0
        entries: list[str] = []
        deltas: list[str] = []
        others: list[str] = []
        for token, seen in events.items():
            if not seen.blocks:
                continue
            count += sum(len(group) for _, group in seen.blocks)
            self._replay(session, token, seen, entries, deltas)
            others += self._event_lines(token, seen)
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

    def _replay(self, session: Session, token: bytes, seen: TokenEvents, entries: list[str], deltas: list[str]) -> None:
        terms = self._programmes[token].terms
        book = LotBook(terms.epoch_length_seconds, terms.validity_epochs)
        # Accounts that only receive need no lots: what is added to them is written as a difference.
        for account, lots in self._load(session, token, seen.senders()).items():
            book.load(account, lots)
        changes: dict[tuple[bytes, int], int] = {}
        head = f"{self._chain_id}\t{hex_text(token)}\t"
        for timestamp, group in seen.blocks:
            for movement in book.apply_block(group, timestamp):
                _write_movement(head, movement, entries, changes)
        deltas += [
            f"{head}{hex_text(account)}\t{epoch}\t{points}" for (account, epoch), points in changes.items() if points
        ]

    def _load(self, session: Session, token: bytes, accounts: set[bytes]) -> dict[bytes, dict[int, int]]:
        lots: dict[bytes, dict[int, int]] = defaultdict(dict)
        wanted = select(LotBalance.account, LotBalance.epoch, LotBalance.points)
        rows = session.execute(wanted.where(LotBalance.token == token, LotBalance.account.in_(accounts)))
        for account, epoch, points in rows:
            lots[account][epoch] = points
        return lots

    def _event_lines(self, token: bytes, seen: TokenEvents) -> list[str]:
        lines = []
        head = f"{self._chain_id}\t{hex_text(token)}\t"
        for _, events in seen.blocks:
            for event in events:
                if type(event) is Transfer or type(event) is LotTransferred:
                    continue  # Their content is in lot_entries.
                ref = getattr(event, "ref", None) or getattr(event, "batch_id", None)
                account = getattr(event, "account", None)
                fields = (
                    str(event.block_number),
                    hex_text(event.transaction_hash),
                    str(event.log_index),
                    type(event).__name__,
                    NULL if ref is None else hex_text(ref),
                    NULL if account is None else hex_text(account),
                    escaped(orjson.dumps(payload_of(event)).decode()),
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
