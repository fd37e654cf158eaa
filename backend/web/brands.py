"""Brand colours as a style sheet, because a strict policy lets no page carry styles of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FALLBACK = "#2f5d50"


def stylesheet(brands: Iterable[tuple[str, str]]) -> str:
    """Rules for (slug, colour): the colour, and the ink that can be read on it."""
    return "\n".join(_rule(slug, colour) for slug, colour in brands) + "\n"


def _rule(slug: str, colour: str) -> str:
    safe = colour if _COLOUR.fullmatch(colour) else _FALLBACK
    return f".brand-{slug} {{ --brand: {safe}; --on-brand: {ink_on(safe)}; }}"


def ink_on(colour: str) -> str:
    """Black or white, whichever contrasts more with `colour` (WCAG 2 relative luminance)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#ffffff"
