"""What is wrong with a value, in words that say what to send instead of Pydantic's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a field here; leave it out or correct its name",
    "json_invalid": "is not JSON: {error}",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "string_type": "must be a text in quotes",
    "int_type": "must be a whole number, without quotes",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "timezone_aware": "must say the time zone: end it with Z, or an offset such as +01:00",
}
_TIME = "must be a time as in RFC 3339, for example 2026-01-05T18:04:00Z"
_PATTERNS = {
    r"^[^\x00-\x1f\x7f]+$": "must have one or more characters, and no line breaks or other control characters",
    r"^[^\x00]*$": "must not have a NUL character",
    r"^[0-9a-zA-Z_-]+$": "must have only the characters a-z, A-Z, 0-9, _ and -",
    r"^[a-z][a-z0-9_]{0,23}$": "must be a lower-case letter followed by up to 23 characters of a-z, 0-9 and _",
    r"^[A-Z]{3}$": "must be a currency's code of three capital letters, for example USD",
    r"^[0-9]{1,13}(\.[0-9]{1,3})?$": "must be a decimal number with up to 13 digits and 3 decimals, for example 12.90",
    r"^[0-9]{1,30}(\.[0-9]{1,18})?$": "must be a decimal number with up to 30 digits and 18 decimals,"
    " for example 4500.00",
    r"^#[0-9a-f]{6}$": "must be # and 6 lower-case hex digits, for example #2f5d50",
    r"^lan_[0-9a-f]{64}$": "must be lan_ and 64 lower-case hex digits",
    r"^0x[0-9a-fA-F]{40}$": "must be an address: 0x and 40 hex digits",
    r"^0x[0-9a-f]{64}$": "must be 0x and 64 lower-case hex digits",
    r"^0x([0-9a-fA-F]{2})+$": "must be 0x and an even number of hex digits, at least two",
    r"^0x([0-9a-fA-F]{2})*$": "must be 0x and an even number of hex digits",
}
"""By the field's pattern; `tests/integration/api/test_requests.py` looks for patterns of the API that are not here."""


def in_plain_words(error: Mapping[str, Any]) -> str:
    """What is wrong, of one of a validation's errors; to be read after the field's name."""
    kind, context = error["type"], error.get("ctx", {})
    if isinstance(error.get("input"), bytes) and kind != "json_invalid":
        return "must be JSON; send it with `Content-Type: application/json`"
    if kind == "string_pattern_mismatch" and context["pattern"] in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    if kind.startswith("datetime_"):
        return _TIME
    return str(error["msg"]).removeprefix("Value error, ")


def field_of(error: Mapping[str, Any]) -> str:
    """Where it is, with dots: `body.value.amount`."""
    return ".".join(str(part) for part in error["loc"])


def pointed(error: Mapping[str, Any]) -> str:
    """The field and what is wrong with it."""
    return ": ".join(filter(None, (field_of(error), in_plain_words(error))))
