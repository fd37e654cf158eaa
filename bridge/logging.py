"""Structured logs: one JSON object a line. Lines about a message have its id, route and nonce."""

from __future__ import annotations

import logging
import sys

import orjson
import structlog
from eth_utils.address import to_checksum_address

from backend.chain.attested_gateway import Message, Route
from backend.chain.crosschain_exchange import decode_payload


def _to_json(event: structlog.types.EventDict, **_: object) -> bytes:
    return orjson.dumps(event, default=str)


def configure_logging(level: str) -> None:
    """Makes structlog write JSON lines of at least `level` on standard error. Call once, when a process starts."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def message_fields(route: Route, message: Message, message_id: bytes) -> dict[str, str | int]:
    """What every line about a message says; `swap_id` too when it carries a swap."""
    fields: dict[str, str | int] = {
        "message_id": "0x" + message_id.hex(),
        "source_chain": route.source_chain,
        "destination_chain": route.destination_chain,
        "nonce": message.nonce,
        "sender": to_checksum_address(message.sender),
    }
    swap_id = swap_id_of(message.payload)
    return fields if swap_id is None else {**fields, "swap_id": "0x" + swap_id.hex()}


def swap_id_of(payload: bytes) -> bytes | None:
    """The id of the swap that a payload carries; None for a payload of another application."""
    try:
        _, swap = decode_payload(payload)
    except ValueError:
        return None
    return swap.swap_id
