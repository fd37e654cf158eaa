"""Interpoints bridge: carries attested messages between chains."""
