"""Lanes, quotes and swaps: exchanging points between programmes."""
