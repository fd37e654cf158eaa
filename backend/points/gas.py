"""How much gas a batch of credits may use, from measured figures (docs/gas.md).

A transaction may use at most 2^24 gas (EIP-7825) and blocks are packed by limits, not by use, so the limit is tight:
every credit is counted as what it costs at most, by what the projection says about its account.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_TRANSACTION_GAS = 1 << 24
BASE_GAS = 75_000
"""The transaction itself, the batch id, the supply's word (perhaps a new one) and the log."""
REPEAT_GAS = 7_700
"""A credit to an account that has a lot of the current epoch."""
FIRST_OF_EPOCH_GAS = 8_250
"""A credit that starts a lot in a storage word that is in use."""
NEW_WORD_GAS = 24_900
"""A credit that opens a storage word."""
DEAD_LOT_GAS = 4_500
"""For each dead lot that the credit pushes out of the word, with its two logs."""
LANES = 5
"""Lots in a storage word."""


def word_of(epoch: int, validity_epochs: int) -> int:
    """Which of an account's storage words holds an epoch."""
    return epoch // LANES % (validity_epochs // LANES + 1)


def credit_gas(epochs_held: Iterable[int], epoch: int, validity_epochs: int) -> int:
    """The most that a credit in `epoch` costs an account with lots of `epochs_held` in storage, dead ones included."""
    word, turn = word_of(epoch, validity_epochs), LANES * (validity_epochs // LANES + 1)
    same_word = [held for held in epochs_held if word_of(held, validity_epochs) == word]
    if not same_word:
        return NEW_WORD_GAS
    # A dead lot stays in its lane until the ring has gone round once.
    dead = sum(1 for held in same_word if epoch - held >= turn)
    return (REPEAT_GAS if epoch in same_word else FIRST_OF_EPOCH_GAS) + dead * DEAD_LOT_GAS
