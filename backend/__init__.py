"""Interpoints backend: programmes, members, points, and the projection of the chain."""
