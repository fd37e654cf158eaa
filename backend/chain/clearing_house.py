"""ClearingHouse: calldata and readers. Programmes are ids of the registry, amounts the currency's smallest unit."""

from __future__ import annotations

from typing import cast

from eth_utils.crypto import keccak

from backend.chain.abi_reading import read_struct, read_values
from backend.chain.contract_reader import ContractReader
from backend.chain.exchange_types import Standing
from backend.chain.words import address_word, hash_word, number_word, selector

TREASURER_ROLE = keccak(text="TREASURER_ROLE")
"""Role, of a programme's token, that handles its money at the house."""

_JOIN = selector("join(bytes32)")
_DEPOSIT = selector("deposit(bytes32,uint256)")
_WITHDRAW = selector("withdraw(bytes32,address,uint256)")
_SET_CREDIT_LINE = selector("setCreditLine(bytes32,bytes32,uint256)")
_CLOSE_CYCLE = selector("closeCycle()")
_PAY = selector("pay(bytes32,uint256)")
_PAY_FROM_COLLATERAL = selector("payFromCollateral(bytes32,uint256)")
_SETTLE_CYCLE = selector("settleCycle()")
_ENFORCE = selector("enforce(bytes32)")
_DISTRIBUTE = selector("distribute(bytes32)")
_DISPUTE = selector("dispute(uint256,bytes32,bytes32)")


def encode_join(programme_id: bytes) -> bytes:
    """join(programmeId)."""
    return _JOIN + hash_word(programme_id)


def encode_deposit(programme_id: bytes, amount: int) -> bytes:
    """deposit(programmeId, amount): the sender's money, which it must have approved."""
    return _DEPOSIT + hash_word(programme_id) + number_word(amount)


def encode_withdraw(programme_id: bytes, to: bytes, amount: int) -> bytes:
    """withdraw(programmeId, to, amount)."""
    return _WITHDRAW + hash_word(programme_id) + address_word(to) + number_word(amount)


def encode_set_credit_line(creditor: bytes, debtor: bytes, amount: int) -> bytes:
    """setCreditLine(creditor, debtor, amount)."""
    return _SET_CREDIT_LINE + hash_word(creditor) + hash_word(debtor) + number_word(amount)


def encode_close_cycle() -> bytes:
    """closeCycle()."""
    return _CLOSE_CYCLE


def encode_pay(programme_id: bytes, amount: int) -> bytes:
    """pay(programmeId, amount): the sender's money, which it must have approved."""
    return _PAY + hash_word(programme_id) + number_word(amount)


def encode_pay_from_collateral(programme_id: bytes, amount: int) -> bytes:
    """payFromCollateral(programmeId, amount)."""
    return _PAY_FROM_COLLATERAL + hash_word(programme_id) + number_word(amount)


def encode_settle_cycle() -> bytes:
    """settleCycle()."""
    return _SETTLE_CYCLE


def encode_enforce(programme_id: bytes) -> bytes:
    """enforce(programmeId)."""
    return _ENFORCE + hash_word(programme_id)


def encode_distribute(programme_id: bytes) -> bytes:
    """distribute(programmeId)."""
    return _DISTRIBUTE + hash_word(programme_id)


def encode_dispute(cycle: int, programme_id: bytes, note_hash: bytes) -> bytes:
    """dispute(closedCycle, programmeId, noteHash)."""
    return _DISPUTE + number_word(cycle) + hash_word(programme_id) + hash_word(note_hash)


class ClearingHouse(ContractReader):
    """Reads the clearing house. `block` is a number or a tag.

    Errors of every reader: `NodeError` and `ChainUnavailableError`.
    """

    # Cycles

    def open_cycle(self, block: int | str = "latest") -> int:
        """Number of the open cycle, from 1."""
        return self._number("openCycle()", block=block)

    def closes_at(self, block: int | str = "latest") -> int:
        """When the open cycle may be closed, Unix seconds."""
        return self._number("closesAt()", block=block)

    def is_settling(self, block: int | str = "latest") -> bool:
        """Whether the cycle before the open one is being settled."""
        return bool(self._number("isSettling()", block=block))

    def payment_deadline(self, block: int | str = "latest") -> int:
        """Payment deadline of the cycle being settled, Unix seconds; 0 when none is."""
        return self._number("paymentDeadline()", block=block)

    # Programmes

    def programmes(self, block: int | str = "latest") -> list[bytes]:
        """Programmes that take part, in order of joining."""
        (ids,) = read_values(["bytes32[]"], self._call("programmes()", block=block))
        return list(cast("tuple[bytes, ...]", ids))

    def standing_of(self, programme_id: bytes, block: int | str = "latest") -> Standing:
        """Where a programme stands."""
        return read_struct(Standing, self._call("standingOf(bytes32)", hash_word(programme_id), block=block))

    def owed_of(self, debtor: bytes, creditor: bytes, block: int | str = "latest") -> tuple[int, int]:
        """What `debtor` owes `creditor` (negative: is owed): in the open cycle, and in the one being settled."""
        answer = self._call("owedOf(bytes32,bytes32)", hash_word(debtor), hash_word(creditor), block=block)
        return cast("tuple[int, int]", read_values(["int256", "int256"], answer))

    def credit_line_of(self, creditor: bytes, debtor: bytes, block: int | str = "latest") -> int:
        """What `creditor` lets `debtor` owe it without collateral."""
        return self._pair("creditLineOf(bytes32,bytes32)", creditor, debtor, block)

    def available_to(self, debtor: bytes, creditor: bytes, block: int | str = "latest") -> int:
        """How much more `debtor` may owe `creditor` now."""
        return self._pair("availableTo(bytes32,bytes32)", debtor, creditor, block)

    def claim_of(self, creditor: bytes, debtor: bytes, block: int | str = "latest") -> int:
        """What is left of the claim of `creditor` on `debtor` after its default."""
        return self._pair("claimOf(bytes32,bytes32)", creditor, debtor, block)

    def withdrawable(self, programme_id: bytes, block: int | str = "latest") -> int:
        """Collateral that may be withdrawn now."""
        return self._number("withdrawable(bytes32)", hash_word(programme_id), block=block)

    def _pair(self, signature: str, one: bytes, other: bytes, block: int | str) -> int:
        return self._number(signature, hash_word(one), hash_word(other), block=block)
