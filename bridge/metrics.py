"""Prometheus metrics of the bridge, in a registry of their own. docs/bridge-metrics.md is written from it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry()

FINAL_BLOCK = Gauge(
    "interpoints_bridge_final_block", "Newest block that enough endpoints call final", ["chain"], registry=REGISTRY
)
READ_BLOCK = Gauge("interpoints_bridge_read_block", "Last block that was read", ["chain"], registry=REGISTRY)
MESSAGES_SEEN = Counter(
    "interpoints_bridge_messages_seen_total",
    "Messages found in final blocks",
    ["source", "destination"],
    registry=REGISTRY,
)
UNKNOWN_DESTINATIONS = Counter(
    "interpoints_bridge_unknown_destination_total",
    "Messages left alone because their destination is not configured",
    ["source", "destination"],
    registry=REGISTRY,
)
ATTESTATIONS = Counter(
    "interpoints_bridge_attestations_total", "Batches signed", ["source", "destination"], registry=REGISTRY
)
ABSTENTIONS = Counter(
    "interpoints_bridge_endpoint_abstentions_total",
    "Questions that an independent endpoint did not answer, or not in time",
    ["chain", "endpoint", "reason"],
    registry=REGISTRY,
)
DISAGREEMENTS = Counter(
    "interpoints_bridge_endpoint_disagreements_total",
    "Answers of an independent endpoint that contradict one's own node",
    ["chain", "endpoint"],
    registry=REGISTRY,
)
HALTED = Gauge("interpoints_bridge_halted", "1 while the role waits for a person", ["role"], registry=REGISTRY)
STEP_FAILURES = Counter(
    "interpoints_bridge_step_failures_total",
    "Steps that failed and will be tried again",
    ["role", "chain", "error"],
    registry=REGISTRY,
)
LAST_STEP = Gauge(
    "interpoints_bridge_last_step_timestamp_seconds",
    "When the last step over a chain ended well",
    ["role", "chain"],
    registry=REGISTRY,
)

RELAY_OPEN = Gauge(
    "interpoints_bridge_relay_messages",
    "Messages that are not settled, by how far they are",
    ["source", "destination", "stage"],
    registry=REGISTRY,
)
RELAY_SETTLED = Counter(
    "interpoints_bridge_relay_settled_total",
    "Messages taken by their recipients in final blocks, whoever delivered them",
    ["source", "destination"],
    registry=REGISTRY,
)
RELAY_SENT = Counter(
    "interpoints_bridge_relay_sent_total",
    "Messages put into signed deliveries and retries",
    ["source", "destination", "kind"],
    registry=REGISTRY,
)
RELAY_IN_VAIN = Counter(
    "interpoints_bridge_relay_in_vain_total",
    "Deliveries and retries that would revert or did, by the gateway's or recipient's error",
    ["source", "destination", "error"],
    registry=REGISTRY,
)
RELAY_GAS_PER_MESSAGE = Gauge(
    "interpoints_bridge_relay_gas_per_message",
    "Gas estimated for the last delivery, for each of its messages; at most an eighth too much",
    ["source", "destination"],
    registry=REGISTRY,
)
RELAY_ESTIMATED_COST_WEI = Counter(
    "interpoints_bridge_relay_estimated_cost_wei_total",
    "What deliveries were estimated to cost when they were signed, at most an eighth too much",
    ["source", "destination"],
    registry=REGISTRY,
)
RELAY_BALANCE = Gauge(
    "interpoints_bridge_relay_balance_wei", "What the relayer can pay with", ["chain"], registry=REGISTRY
)
RELAY_FEE_CAPPED = Counter(
    "interpoints_bridge_relay_fee_capped_total", "Times a fee above the cap was not paid", ["chain"], registry=REGISTRY
)
RELAY_REPLACEMENTS = Counter(
    "interpoints_bridge_relay_replacements_total",
    "Transactions sent again with a higher fee",
    ["chain"],
    registry=REGISTRY,
)
RELAY_REFUSALS = Counter(
    "interpoints_bridge_relay_refusals_total",
    "Transactions that a node did not take",
    ["chain", "reason"],
    registry=REGISTRY,
)
RELAY_BAD_SIGNATURES = Counter(
    "interpoints_bridge_relay_bad_signatures_total",
    "Attestations that were ignored: of another content, by another account, or unreadable",
    ["attester", "reason"],
    registry=REGISTRY,
)
RELAY_ATTESTER_FAILURES = Counter(
    "interpoints_bridge_relay_attester_failures_total",
    "Questions that an attester did not answer",
    ["attester"],
    registry=REGISTRY,
)

WATCH_LANE_POINTS = Gauge(
    "interpoints_bridge_watch_lane_points",
    "Points of a lane in final blocks: burned and refunded at the source, promised and minted at the destination",
    ["source", "destination", "what"],
    registry=REGISTRY,
)
WATCH_IN_FLIGHT = Gauge(
    "interpoints_bridge_watch_in_flight",
    "Swaps in final blocks that are neither minted nor refunded",
    ["source", "destination"],
    registry=REGISTRY,
)
WATCH_OLDEST_SECONDS = Gauge(
    "interpoints_bridge_watch_oldest_age_seconds",
    "Age of the swap that has been in flight longest, by its chain's clock",
    registry=REGISTRY,
)
WATCH_WAITING = Gauge(
    "interpoints_bridge_watch_waiting_messages",
    "Messages in final blocks that no recipient has taken",
    ["source", "destination"],
    registry=REGISTRY,
)
WATCH_VIOLATIONS = Gauge(
    "interpoints_bridge_watch_violations", "Things that must never be, and are: ring the bell", registry=REGISTRY
)
WATCH_HALTS = Counter(
    "interpoints_bridge_watch_halts_total",
    "Lanes that the guardian's key was used to stop",
    ["chain"],
    registry=REGISTRY,
)
