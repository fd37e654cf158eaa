"""Prometheus metrics of submitter and indexer."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

OUTBOX_AGE_SECONDS = Gauge(
    "interpoints_outbox_oldest_age_seconds", "Age of the oldest transaction not yet sent", ["signer"]
)
OUTBOX_OPEN = Gauge(
    "interpoints_outbox_open", "Transactions by state, final and failed ones excepted", ["signer", "state"]
)
SIGNED = Counter("interpoints_transactions_signed_total", "Transactions signed, replacements included", ["signer"])
REPLACEMENTS = Counter("interpoints_replacements_total", "Transactions sent again with a higher fee", ["signer"])
FEE_CAPPED = Counter("interpoints_fee_capped_total", "Times a fee above the cap was not paid", ["signer"])
REFUSALS = Counter("interpoints_broadcast_refusals_total", "Refusals by nodes", ["signer", "reason"])
SUBMITTER_HALTED = Gauge("interpoints_submitter_halted", "1 while the chain knows nonces that we do not", ["signer"])
SIGNER_BALANCE_WEI = Gauge("interpoints_signer_balance_wei", "What the signer can pay with", ["signer"])
TRANSACTION_GAS = Histogram(
    "interpoints_transaction_gas",
    "Gas used by mined transactions",
    ["kind"],
    buckets=(50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 16_777_216),
)

HEAD_BLOCK = Gauge("interpoints_head_block", "Head of the chain as last seen")
INDEXED_BLOCK = Gauge("interpoints_indexed_block", "Last block in the projection")
FINAL_BLOCK = Gauge("interpoints_final_block", "Last final block in the projection")
INDEX_LAG_BLOCKS = Gauge("interpoints_index_lag_blocks", "Blocks that the projection is behind the head")
EVENTS_INDEXED = Counter("interpoints_events_indexed_total", "Logs of points tokens taken into the projection")
REORGS = Counter("interpoints_reorgs_total", "Reorganisations undone")
REORG_DEPTH_BLOCKS = Histogram(
    "interpoints_reorg_depth_blocks", "Blocks undone in a reorganisation", buckets=(1, 2, 3, 5, 8, 16, 32, 64)
)
INDEXER_HALTED = Gauge("interpoints_indexer_halted", "1 after a reorganisation past finality")
