"""Ink on brand colours can be read, and a colour cannot smuggle in other rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.web.brands import ink_on, stylesheet

channels = st.integers(0, 255)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@given(channels, channels, channels)
def test_ink_on__any_colour__contrast_of_wcag_aa(red: int, green: int, blue: int) -> None:
    colour = f"#{red:02x}{green:02x}{blue:02x}"
    darker, lighter = sorted([luminance(colour), luminance(ink_on(colour))])
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_stylesheet__brands__a_rule_each() -> None:
    text = stylesheet([("fuel", "#d9822b"), ("shop", "#1D6B4F")])
    assert text == (
        ".brand-fuel { --brand: #d9822b; --on-brand: #000000; }\n"
        ".brand-shop { --brand: #1D6B4F; --on-brand: #ffffff; }\n"
    )


@pytest.mark.parametrize("colour", ["red; } body { display: none", "#12", "", "#zzzzzz"])
def test_stylesheet__not_a_colour__falls_back(colour: str) -> None:
    assert "--brand: #2f5d50;" in stylesheet([("fuel", colour)])
