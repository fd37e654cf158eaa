"""Positions between programmes, their cycles, and how they are settled."""
