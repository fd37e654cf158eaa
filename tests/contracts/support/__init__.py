"""Helpers that the tests of all contracts share."""
