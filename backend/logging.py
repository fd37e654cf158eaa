"""Structured logs: one JSON object a line, with the request id of whoever caused it."""

from __future__ import annotations

import logging
import sys

import orjson
import structlog


def _to_json(event: structlog.types.EventDict, **_: object) -> bytes:
    return orjson.dumps(event, default=str)


def configure_logging(level: str = "INFO") -> None:
    """Makes structlog write JSON lines of at least `level` on standard error. Call once, when a process starts."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
