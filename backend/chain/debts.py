"""Projects the debts that swaps left between programmes, and the points that went over lanes; and takes both back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from backend.chain.clearing_events import DebtBooked
from backend.chain.copying import copy_lines, hex_text
from backend.chain.event_types import ChainEvent
from backend.chain.exchange_events import SwapBurnt, SwapMinted
from backend.chain.lane_pricing import bucket_of
from backend.chain.models import DebtTotal, LaneVolume

_DEBT_COLUMNS = (
    "chain_id",
    "cycle",
    "debtor",
    "creditor",
    "amount",
    "swap_hash",
    "block_number",
    "transaction_hash",
    "log_index",
)


def write_debts(session: Session, chain_id: int, events: Iterable[ChainEvent]) -> None:
    """Adds the debts that a clearing house booked, and moves their totals on."""
    lines: list[str] = []
    totals: dict[tuple[int, bytes, bytes], list[int]] = defaultdict(lambda: [0, 0])
    for event in events:
        if not isinstance(event, DebtBooked):
            continue
        fields = (
            str(chain_id),
            str(event.cycle),
            hex_text(event.debtor),
            hex_text(event.creditor),
            str(event.amount),
            hex_text(event.swap_id),
            str(event.block_number),
            hex_text(event.transaction_hash),
            str(event.log_index),
        )
        lines.append("\t".join(fields))
        total = totals[event.cycle, event.debtor, event.creditor]
        total[0] += event.amount
        total[1] += 1
    copy_lines(session, "debt_entries", _DEBT_COLUMNS, lines)
    if totals:
        rows = [
            {"chain_id": chain_id, "cycle": cycle, "debtor": debtor, "creditor": creditor, "amount": amount, "swaps": n}
            for (cycle, debtor, creditor), (amount, n) in sorted(totals.items())
        ]
        added = insert(DebtTotal).values(rows)
        keys = [DebtTotal.chain_id, DebtTotal.cycle, DebtTotal.debtor, DebtTotal.creditor]
        session.execute(
            added.on_conflict_do_update(
                index_elements=keys,
                set_={
                    "amount": DebtTotal.amount + added.excluded.amount,
                    "swaps": DebtTotal.swaps + added.excluded.swaps,
                },
            )
        )


def write_volumes(session: Session, chain_id: int, blocks: Sequence[tuple[int, Sequence[ChainEvent]]]) -> None:
    """Adds the points out of an exchange's swaps to their lanes' buckets; `blocks` are time and events of each."""
    volumes: dict[tuple[bytes, int], list[int]] = defaultdict(lambda: [0, 0])
    for timestamp, events in blocks:
        for lane_id, points_out in _counted(events):
            volume = volumes[lane_id, bucket_of(timestamp)]
            volume[0] += points_out
            volume[1] += 1
    if not volumes:
        return
    rows = [
        {"chain_id": chain_id, "lane_id": lane, "bucket": bucket, "points_out": points_out, "swaps": swaps}
        for (lane, bucket), (points_out, swaps) in sorted(volumes.items())
    ]
    added = insert(LaneVolume).values(rows)
    session.execute(
        added.on_conflict_do_update(
            index_elements=[LaneVolume.chain_id, LaneVolume.lane_id, LaneVolume.bucket],
            set_={
                "points_out": LaneVolume.points_out + added.excluded.points_out,
                "swaps": LaneVolume.swaps + added.excluded.swaps,
            },
        )
    )


def _counted(events: Iterable[ChainEvent]) -> Iterator[tuple[bytes, int]]:
    """Lane and points out of what counts against a lane's cap: burns, and mints whose burn was on another chain."""
    burnt: set[bytes] = set()
    for event in events:
        if isinstance(event, SwapBurnt):
            burnt.add(event.swap_id)
            yield event.lane_id, event.price.points_out
        elif isinstance(event, SwapMinted) and event.swap_id not in burnt:
            yield event.lane_id, event.points_out


def take_back(session: Session, chain_id: int, first: int) -> None:
    """Takes debts and volumes of blocks from `first` on out again. Call it while their events and blocks are there."""
    parameters = {"chain_id": chain_id, "first": first}
    for statement in (_TAKE_BACK_DEBTS, _TAKE_BACK_VOLUMES):
        session.execute(text(statement), parameters)
    for table in (DebtTotal, LaneVolume):
        session.execute(delete(table).where(table.chain_id == chain_id, table.swaps == 0))


_TAKE_BACK_DEBTS = """
WITH gone AS (
    DELETE FROM debt_entries WHERE chain_id = :chain_id AND block_number >= :first
    RETURNING cycle, debtor, creditor, amount
), sums AS (
    SELECT cycle, debtor, creditor, sum(amount) AS amount, count(*) AS swaps FROM gone GROUP BY cycle, debtor, creditor
)
UPDATE debt_totals SET amount = debt_totals.amount - sums.amount, swaps = debt_totals.swaps - sums.swaps
FROM sums
WHERE debt_totals.chain_id = :chain_id AND debt_totals.cycle = sums.cycle
    AND debt_totals.debtor = sums.debtor AND debt_totals.creditor = sums.creditor
"""
_TAKE_BACK_VOLUMES = """
WITH sums AS (
    SELECT decode(substr(payload->>'lane_id', 3), 'hex') AS lane_id, timestamp / 21600 AS bucket,
        sum((coalesce(payload->'price', payload)->>'points_out')::bigint) AS points_out, count(*) AS swaps
    FROM token_events counted JOIN blocks ON blocks.chain_id = counted.chain_id AND number = block_number
    WHERE counted.chain_id = :chain_id AND block_number >= :first AND (
        name = 'SwapBurnt' OR name = 'SwapMinted' AND NOT EXISTS (
            SELECT FROM token_events burnt
            WHERE burnt.token = counted.token AND burnt.ref = counted.ref AND burnt.name = 'SwapBurnt'
        )
    )
    GROUP BY 1, 2
)
UPDATE lane_volumes SET points_out = lane_volumes.points_out - sums.points_out, swaps = lane_volumes.swaps - sums.swaps
FROM sums
WHERE lane_volumes.chain_id = :chain_id AND lane_volumes.lane_id = sums.lane_id AND lane_volumes.bucket = sums.bucket
"""
