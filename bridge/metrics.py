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
