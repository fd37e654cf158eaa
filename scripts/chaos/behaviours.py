"""How an RPC endpoint can fail or lie."""

from __future__ import annotations

import itertools
import time
from typing import cast

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from scripts.chaos.endpoints import Ask, Behaviour, HangUpError, HttpError, RpcError

Log = dict[str, object]
RECEIPT_METHODS = ("eth_getBlockReceipts", "eth_getTransactionReceipt")


def receipts_in(result: object) -> list[dict[str, object]]:
    """The receipts in an answer to one of `RECEIPT_METHODS`."""
    found = result if isinstance(result, list) else [result]
    return cast("list[dict[str, object]]", found)


class Fails(Behaviour):
    """Fails in the same way at every request."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def answer(self, method: str, params: list[object], ask: Ask) -> object:  # noqa: ARG002
        """Nothing."""
        raise self._error


DOWN = Fails(HangUpError())
"""Hangs up on every request."""
GARBAGE = Fails(HttpError(200, b"<html>maintenance</html>"))
"""Answers with something that is no JSON."""
OVERLOADED = Fails(HttpError(503))
"""Has no time for anybody."""


class TooManyRequests(Behaviour):
    """Answers `times` requests with 429, then honestly."""

    def __init__(self, times: int) -> None:
        self._left = itertools.chain([True] * times, itertools.repeat(False))

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """429, or the truth."""
        if next(self._left):
            raise HttpError(429, b"slow down")
        return ask(method, *params)


class Slow(Behaviour):
    """Takes its time for every answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """The truth, late."""
        time.sleep(self._seconds)
        return ask(method, *params)


class WrongChain(Behaviour):
    """Is an endpoint of another chain by its id."""

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """Another chain id."""
        return "0x2a" if method in {"eth_chainId", "net_version"} else ask(method, *params)


class StaleHead(Behaviour):
    """Knows nothing of the last `blocks` blocks."""

    def __init__(self, blocks: int) -> None:
        self._blocks = blocks

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """As the chain was some blocks ago."""
        newest = int(cast("str", ask("eth_blockNumber")), 16) - self._blocks
        if method == "eth_blockNumber":
            return hex(newest)
        if method == "eth_getBlockByNumber":
            if params[0] in {"latest", "pending"}:
                return ask(method, hex(newest), *params[1:])
            if params[0] in {"finalized", "safe"}:
                block = cast("dict[str, str]", ask(method, *params))
                return ask(method, hex(max(0, int(block["number"], 16) - self._blocks)), *params[1:])
            if params[0] != "earliest" and int(cast("str", params[0]), 16) > newest:
                return None
        return ask(method, *params)


class HeadGoingBack(Behaviour):
    """Is ahead and behind in turns, as a pool of nodes is that differ in what they know."""

    def __init__(self, blocks: int) -> None:
        self._turns = itertools.cycle([Behaviour(), StaleHead(blocks), StaleHead(2 * blocks)])

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """As another node says."""
        return next(self._turns).answer(method, params, ask)


class FalseFinality(Behaviour):
    """Calls the newest block final."""

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """The head for every tag."""
        if method == "eth_getBlockByNumber" and params[0] in {"finalized", "safe"}:
            return ask(method, "latest", *params[1:])
        return ask(method, *params)


class NullReceipts(Behaviour):
    """Knows blocks but no receipts and no logs."""

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """null for receipts, no logs."""
        if method == "eth_getLogs":
            return []
        return None if method in RECEIPT_METHODS else ask(method, *params)


class WithheldLogs(Behaviour):
    """Leaves out the logs of one contract."""

    def __init__(self, address: bytes) -> None:
        self._address = "0x" + address.hex()

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """The truth without these logs."""
        result = ask(method, *params)
        if method == "eth_getLogs":
            return self._others(cast("list[Log]", result))
        if method in RECEIPT_METHODS and result is not None:
            for receipt in receipts_in(result):
                receipt["logs"] = self._others(cast("list[Log]", receipt["logs"]))
        return result

    def _others(self, logs: list[Log]) -> list[Log]:
        return [log for log in logs if str(log["address"]).lower() != self._address]


class TruncatedLogs(Behaviour):
    """Ends every list of logs after the first, as providers that bound the size of an answer do."""

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """At most one log in each list."""
        result = ask(method, *params)
        if method == "eth_getLogs":
            return cast("list[Log]", result)[:1]
        if method in RECEIPT_METHODS and result is not None:
            for receipt in receipts_in(result):
                receipt["logs"] = cast("list[Log]", receipt["logs"])[:1]
        return result


class DropsTransactions(Behaviour):
    """Takes transactions, answers with their hash, and forgets them."""

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """A hash of nothing that will be mined."""
        if method == "eth_sendRawTransaction":
            return "0x" + keccak(bytes.fromhex(cast("str", params[0])[2:])).hex()
        return ask(method, *params)


class HangsUpAfterSending(Behaviour):
    """Passes transactions on, and hangs up before it answers."""

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """No answer to what was sent all the same."""
        result = ask(method, *params)
        if method == "eth_sendRawTransaction":
            raise HangUpError
        return result


class HalvesGas(Behaviour):
    """Estimates half the gas that is needed, `times` times."""

    def __init__(self, times: int = 2) -> None:
        self._left = times

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """The truth, but for estimates."""
        result = ask(method, *params)
        if method == "eth_estimateGas" and self._left > 0:
            self._left -= 1
            return hex(int(cast("str", result), 16) // 2)
        return result


class StrictReplacements(Behaviour):
    """Refuses a transaction that replaces another and does not offer a tenth more, as geth does and anvil does not."""

    def __init__(self) -> None:
        self._offers: dict[tuple[str, int], tuple[str, int, int]] = {}

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """The truth, or a refusal."""
        if method == "eth_sendRawTransaction":
            self._check(cast("str", params[0]))
        return ask(method, *params)

    def _check(self, raw: str) -> None:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        key = (Account.recover_transaction(raw), int(fields["nonce"]))
        fees = (int(fields["maxFeePerGas"]), int(fields["maxPriorityFeePerGas"]))
        known = self._offers.get(key)
        if known is None or known[0] == raw:
            self._offers[key] = (raw, *fees)
            return
        if any(offered * 10 < 11 * before for offered, before in zip(fees, known[1:], strict=True)):
            raise RpcError({"code": -32000, "message": "replacement transaction underpriced"})
        self._offers[key] = (raw, *fees)
