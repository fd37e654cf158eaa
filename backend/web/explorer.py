"""A transaction for people, straight from the chain: a local chain has no block explorer of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from eth_utils.address import to_checksum_address

from backend.chain.client import ChainClient
from backend.chain.event_types import ChainEvent, LotTransferred, PointsExpired, Transfer
from backend.chain.events import MalformedLogError, PayloadValue, RawLog, decode_log, payload_of

_ZERO = "0x" + "00" * 20
_LOGS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class LogView:
    """One log: the event's name, the contract's, and its values."""

    name: str
    contract: str
    values: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TransactionView:
    """A transaction and what it logged."""

    hash: str
    state: str
    """`pending`, `succeeded` or `failed`."""
    block: int | None
    timestamp: int | None
    sender: str
    recipient: str | None
    gas_used: int | None
    logs: list[LogView]
    more_logs: int


def transaction_view(client: ChainClient, transaction_hash: str, names: Mapping[str, str]) -> TransactionView | None:
    """The transaction, or None when the chain does not know it. `names`: of contracts, by lower-case address.

    Errors: those of the client.
    """
    transaction = client.call("eth_getTransactionByHash", transaction_hash)
    if not isinstance(transaction, dict):
        return None
    receipt = client.receipts([transaction_hash])[0]
    recipient = transaction.get("to")
    sender = to_checksum_address(str(transaction["from"]))
    target = None if recipient is None else _named(str(recipient), names)
    if receipt is None:
        return TransactionView(transaction_hash, "pending", None, None, sender, target, None, [], 0)
    number = int(receipt["blockNumber"], 16)
    logs = [_log_view(cast("RawLog", log), names) for log in receipt["logs"][:_LOGS_SHOWN]]
    return TransactionView(
        hash=transaction_hash,
        state="succeeded" if receipt["status"] == "0x1" else "failed",
        block=number,
        timestamp=int(client.block(number)["timestamp"], 16),
        sender=sender,
        recipient=target,
        gas_used=int(receipt["gasUsed"], 16),
        logs=logs,
        more_logs=len(receipt["logs"]) - len(logs),
    )


def _named(address: str, names: Mapping[str, str]) -> str:
    return names.get(address.lower()) or to_checksum_address(address)


def _log_view(log: RawLog, names: Mapping[str, str]) -> LogView:
    contract = _named(log["address"], names)
    try:
        event = decode_log(log)
    except MalformedLogError:
        event = None
    if event is None:
        return LogView("Other log", contract, [("topic", log["topics"][0] if log["topics"] else "")])
    values = [(label.replace("_", " "), _text(value)) for label, value in payload_of(event).items()]
    return LogView(_title(event), contract, values)


def _title(event: ChainEvent) -> str:
    if isinstance(event, Transfer):
        if not any(event.sender):
            return "Points issued"
        return "Points spent or removed" if not any(event.recipient) else "Points moved"
    titles = {LotTransferred: "Lot named", PointsExpired: "Lot expired"}
    return titles.get(type(event), _words(type(event).__name__))


def _words(name: str) -> str:
    """`PointsRedeemed` as `Points redeemed`."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return spaced.capitalize()


def _text(value: PayloadValue) -> str:
    if isinstance(value, list):
        return ", ".join(f"{amount:,} of epoch {epoch}" for epoch, amount in cast("list[list[int]]", value)) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')} {_text(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if value == _ZERO:
        return "none"
    return to_checksum_address(value) if len(value) == len(_ZERO) else value
