"""How much the fuzzing tests draw: bounded by default, far more with LARGE=1."""

import os

LARGE_FACTOR = 25


def examples(default: int) -> int:
    """Number of examples: `default`, or many times that when LARGE=1 is set."""
    return default * LARGE_FACTOR if os.environ.get("LARGE") == "1" else default
