"""What a transaction did: exact custom errors and exact logs."""

from collections.abc import Iterator
from contextlib import contextmanager

from brownie.exceptions import VirtualMachineError

Log = tuple[object, ...]
"""A log as `(event name, argument, ...)`; addresses checksummed, bytes as `0x` strings, lots as pairs."""


def _shown(value: object) -> str:
    """The way Brownie prints a decoded argument of a custom error."""
    address = getattr(value, "address", None)
    if address is not None:
        return str(address).lower()
    if isinstance(value, bytes):
        return str(bytes(value))
    if isinstance(value, str) and value.startswith("0x") and len(value) == 66:
        return str(bytes.fromhex(value[2:]))
    if isinstance(value, str) and value.startswith("0x"):
        return value.lower()
    return str(value)


@contextmanager
def reverts(error: str, *values: object) -> Iterator[None]:
    """Requires that the block reverts with this custom error and these values."""
    expected = f"{error}: {', '.join(_shown(value) for value in values)}"
    try:
        yield
    except VirtualMachineError as failure:
        actual = failure.revert_msg
    else:
        raise AssertionError(f"expected a revert with {expected}, but it succeeded")
    assert actual == expected


def plain(value: object) -> object:
    """A decoded value without Brownie's types: tuples, `0x` strings, integers."""
    if isinstance(value, list | tuple):
        return tuple(plain(part) for part in value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    return str(value)


def logs(transaction: object, *names: str) -> list[Log]:
    """The transaction's logs in order; with names, only those events."""
    decoded = [(event.name, *(plain(value) for value in event[0].values())) for event in transaction.events]
    return [log for log in decoded if not names or log[0] in names]
