"""An RPC endpoint that shows a whole forged chain."""

from __future__ import annotations

import copy
from typing import Final, cast

from eth_abi.abi import decode, encode

from backend.chain.attested_gateway import Message, Route, message_id, parse_interoperable_address
from backend.chain.encoding import Header, Receipt, header_hash, receipts_root
from backend.chain.events import topic0_of
from backend.chain.gateway_events import MessageQueued, MessageSent
from scripts.chaos.behaviours import RECEIPT_METHODS, Log, receipts_in
from scripts.chaos.endpoints import Ask, Behaviour

_BLOCK_METHODS: Final = ("eth_getBlockByNumber", "eth_getBlockByHash")
_QUEUED: Final = topic0_of(MessageQueued)
_SENT: Final = topic0_of(MessageSent)
_SENT_TYPES: Final = ("bytes", "bytes", "bytes", "uint256", "bytes[]")
_POINTS_AT: Final = 64 + 6 * 32 + 31
"""Lowest byte of the points out in a payload."""


class Forger(Behaviour):
    """Shows another chain: every message of a gateway promises other points, and everything else fits.

    Message id, receipts root, block hash and the parent hash of every later block are recomputed, so that nothing in
    its answers contradicts itself: only other endpoints can show that it lies. With `consistent=False` only the logs
    are changed.
    """

    def __init__(self, route: Route, *, consistent: bool = True) -> None:
        self._route = route
        self._address = "0x" + route.source_gateway.hex()
        self._consistent = consistent
        self._forged: dict[str, Header] = {}
        """Forged headers by true hash."""
        self._true: dict[str, str] = {}
        """True hashes by forged hash."""

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """The forged chain's answer."""
        asked = [self._true.get(str(each), each) for each in params]
        if method == "eth_getLogs":
            where = cast("dict[str, object]", copy.deepcopy(params[0]))
            if "blockHash" in where:
                where["blockHash"] = self._true.get(str(where["blockHash"]), where["blockHash"])
            logs = cast("list[Log]", ask(method, where))
            self._alter(logs)
            for log in logs:
                log["blockHash"] = self._hash_for(log, ask)
            return logs
        result = ask(method, *asked)
        if result is None:
            return None
        if method in _BLOCK_METHODS:
            return self._block(cast("dict[str, object]", result), ask)
        if method in RECEIPT_METHODS:
            for receipt in receipts_in(result):
                self._alter_receipt(receipt, ask)
        return result

    def _block(self, true: dict[str, object], ask: Ask) -> dict[str, object]:
        if not self._consistent:
            return true
        forged = self._header(cast("Header", true), ask)
        return {**true, **{name: forged[name] for name in ("hash", "parentHash", "receiptsRoot")}}

    def _header(self, true: Header, ask: Ask) -> Header:
        known = self._forged.get(true["hash"])
        if known is not None:
            return known
        forged = cast("Header", dict(true))
        if int(true["number"], 16) > 0:
            # Not a recursion: a chain can be longer than Python's stack.
            missing = [true]
            while int(missing[-1]["number"], 16) > 1 and missing[-1]["parentHash"] not in self._forged:
                missing.append(cast("Header", ask("eth_getBlockByHash", missing[-1]["parentHash"], False)))
            for header in reversed(missing):
                forged = self._forge(header, ask)
        return forged

    def _forge(self, true: Header, ask: Ask) -> Header:
        forged = cast("Header", dict(true))
        parent = self._forged.get(true["parentHash"])
        if parent is not None:
            forged["parentHash"] = parent["hash"]
        receipts = cast("list[Log]", ask("eth_getBlockReceipts", true["hash"]) or [])
        altered = [self._alter(cast("list[Log]", receipt["logs"])) for receipt in receipts]
        if any(altered):
            forged["receiptsRoot"] = receipts_root(cast("list[Receipt]", receipts))
        forged["hash"] = header_hash(forged)
        self._forged[true["hash"]] = forged
        self._true[forged["hash"]] = true["hash"]
        return forged

    def _alter_receipt(self, receipt: dict[str, object], ask: Ask) -> None:
        forged = self._hash_for(receipt, ask)
        receipt["blockHash"] = forged
        logs = cast("list[Log]", receipt["logs"])
        self._alter(logs)
        for log in logs:
            log["blockHash"] = forged

    def _hash_for(self, placed: dict[str, object], ask: Ask) -> object:
        if not self._consistent:
            return placed["blockHash"]
        header = cast("Header", ask("eth_getBlockByHash", placed["blockHash"], False))
        return self._header(header, ask)["hash"]

    def _alter(self, logs: list[Log]) -> bool:
        """Changes the messages in logs of one transaction; whether there were any."""
        queued: Log | None = None
        changed = False
        for log in logs:
            topics = cast("list[str]", log["topics"])
            if str(log["address"]).lower() != self._address:
                continue
            if topics[0] == _QUEUED:
                queued = log
            elif topics[0] == _SENT and queued is not None:
                self._alter_message(cast("list[str]", queued["topics"]), topics, log)
                changed = True
        return changed

    def _alter_message(self, queued: list[str], topics: list[str], sent: Log) -> None:
        sender, recipient, payload, *rest = decode(_SENT_TYPES, bytes.fromhex(str(sent["data"])[2:]))
        payload = payload[:_POINTS_AT] + bytes([payload[_POINTS_AT] ^ 1]) + payload[_POINTS_AT + 1 :]
        sent["data"] = "0x" + encode(_SENT_TYPES, [sender, recipient, payload, *rest]).hex()
        if self._consistent:
            one, other = (parse_interoperable_address(each)[1] for each in (sender, recipient))
            message = Message(int(queued[3], 16), one, other, payload)
            topics[1] = queued[1] = "0x" + message_id(self._route, message).hex()
