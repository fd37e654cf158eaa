"""How much gas a batch of credits may use, from measured figures (docs: gas table of the contracts).

A transaction may use at most 2^24 gas (EIP-7825) and blocks are packed by limits, not by use, so the limit is tight:
every credit is counted as what it costs at most, by what the projection says about its account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MAX_TRANSACTION_GAS = 1 << 24
BASE_GAS = 110_000
"""The transaction itself, the batch id, the supply's word and the log."""
EXISTING_WORD_GAS = 7_750
"""A credit to an account whose storage word for the current epoch is in use."""
NEW_WORD_GAS = 25_100
"""A credit that opens a storage word."""
EXPIRED_LOT_GAS = 5_500
"""For each dead lot that the credit pushes out of the word, with its two logs."""
LANES = 5
"""Lots in a storage word."""


@dataclass(frozen=True, slots=True)
class CreditCost:
    """What one credit can cost: whether its word is in use, and how many dead lots are in it."""

    word_in_use: bool
    dead_lots: int = 0

    @property
    def gas(self) -> int:
        """An upper bound of its gas."""
        return (EXISTING_WORD_GAS if self.word_in_use else NEW_WORD_GAS) + self.dead_lots * EXPIRED_LOT_GAS


def word_of(epoch: int, validity_epochs: int) -> int:
    """Which of an account's storage words holds an epoch."""
    return epoch // LANES % (validity_epochs // LANES + 1)


def cost_of_credit(epochs_held: Iterable[int], epoch: int, validity_epochs: int) -> CreditCost:
    """The cost of a credit in `epoch` to an account with lots of `epochs_held` in storage, dead ones included."""
    word = word_of(epoch, validity_epochs)
    same_word = [held for held in epochs_held if word_of(held, validity_epochs) == word]
    dead = sum(1 for held in same_word if held < epoch - validity_epochs)
    return CreditCost(word_in_use=bool(same_word), dead_lots=dead)


def batch_gas_limit(costs: Iterable[CreditCost]) -> int:
    """A gas limit that a batch cannot exceed."""
    return BASE_GAS + sum(cost.gas for cost in costs)
