"""Asks the chain for thousands of accounts in one call, and compares each answer byte for byte with the replay's.

The call runs a few instructions of our own at an address where nothing is (a state override of eth_call). For each
account they ask the token for `balanceOf` and `lotsOf`, and hand both back with the time that the answer holds for.
Endpoints without state overrides are asked one account at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from backend.chain.client import ChainClient, Json, Request
from backend.chain.errors import NodeError
from backend.chain.event_types import Lot
from backend.chain.points_token import selector

_AT_A_TIME: Final = 1_500
_BALANCE_OF: Final = selector("balanceOf(address)")
_LOTS_OF: Final = selector("lotsOf(address)")
_READER_ADDRESS: Final = "0x" + "1e" * 20
_READER_GAS: Final = "0x1c9c380"
"""30 million: below the gas that public endpoints allow a call; an account takes about 15,000."""


_READER_PROGRAM: Final = """
            timestamp 0x40 mstore
            0x60 0x20                                   ; out, at: where to write and to read next
    next:   calldatasize dup2 lt iszero @done jumpi
            BALANCE_OF 0x00 mstore
            dup1 calldataload 0x60 shr 0x04 mstore      ; the account
            0x20 dup3 0x24 0x00 0x00 calldataload gas staticcall
            iszero @failed jumpi                        ; the balance is in memory[out]
            LOTS_OF 0x00 mstore
            dup1 calldataload 0x60 shr 0x04 mstore
            0x00 0x00 0x24 0x00 0x00 calldataload gas staticcall
            iszero @failed jumpi
            returndatasize dup3 0x20 add mstore
            returndatasize 0x00 dup4 0x40 add returndatacopy
            swap1 returndatasize add 0x40 add swap1     ; out += 64 + size of the lots
            0x14 add                                    ; at += 20
            @next jump
    done:   pop 0x40 dup1 swap2 sub swap1 return
    failed: 0x00 0x00 revert
"""
"""Calldata: the token as a word, then 20 bytes an account. Answer: the block's time, then for each account its balance,
the size of the token's answer to lotsOf, and that answer."""

_OPCODES: Final = {
    "lt": 0x10,
    "iszero": 0x15,
    "add": 0x01,
    "sub": 0x03,
    "shr": 0x1C,
    "calldataload": 0x35,
    "calldatasize": 0x36,
    "returndatasize": 0x3D,
    "returndatacopy": 0x3E,
    "timestamp": 0x42,
    "pop": 0x50,
    "mstore": 0x52,
    "jump": 0x56,
    "jumpi": 0x57,
    "gas": 0x5A,
    "dup1": 0x80,
    "dup2": 0x81,
    "dup3": 0x82,
    "dup4": 0x83,
    "swap1": 0x90,
    "swap2": 0x91,
    "return": 0xF3,
    "staticcall": 0xFA,
    "revert": 0xFD,
}
_JUMPDEST: Final = 0x5B
_PUSH: Final = 0x5F
"""PUSHn is this plus n."""


def assemble(program: str, words: dict[str, bytes]) -> bytes:
    """Machine code of a program: opcodes, 0x literals and named `words` to push, `label:` and `@label`."""
    code = bytearray()
    labels: dict[str, int] = {}
    uses: dict[int, str] = {}
    for token in (token for line in program.splitlines() for token in line.split(";")[0].split()):
        if token.endswith(":"):
            labels[token[:-1]] = len(code)
            code.append(_JUMPDEST)
        elif token.startswith("@"):
            uses[len(code) + 1] = token[1:]
            code += bytes((_PUSH + 2, 0, 0))
        elif token in _OPCODES:
            code.append(_OPCODES[token])
        else:
            value = words[token] if token in words else bytes.fromhex(token[2:])
            code += bytes((_PUSH + len(value),)) + value
    for at, label in uses.items():
        code[at : at + 2] = labels[label].to_bytes(2)
    return bytes(code)


READER_CODE: Final = assemble(_READER_PROGRAM, {"BALANCE_OF": _BALANCE_OF + bytes(28), "LOTS_OF": _LOTS_OF + bytes(28)})


@dataclass(frozen=True, slots=True)
class Difference:
    """An account for which the chain and the replay do not say the same."""

    account: bytes
    expected: list[Lot]
    answered: list[Lot]
    balance: int


Lots = Callable[[bytes, int], list[Lot]]
"""Live lots of an account at a time, by the replay."""
Progress = Callable[[int], None]


@dataclass
class BalanceReader:
    """Compares accounts of one token at one block."""

    client: ChainClient
    token: bytes
    block: int
    timestamp_seconds: int

    def differences(self, accounts: Iterable[bytes], lots: Lots, on_compared: Progress) -> Iterator[Difference]:
        """Every account for which chain and replay differ. `on_compared` hears how many more accounts are done.

        Errors: those of the client; `NodeError` when the token does not answer.
        """
        with ThreadPoolExecutor(max_workers=1) as executor:
            waiting: tuple[list[bytes], Future[bytes | None]] | None = None
            for part in _parts(accounts):
                future = executor.submit(self._ask, part)
                if waiting is not None:
                    yield from self._compare(*waiting, lots)
                    on_compared(len(waiting[0]))
                waiting = (part, future)
            if waiting is not None:
                yield from self._compare(*waiting, lots)
                on_compared(len(waiting[0]))

    def _ask(self, accounts: Sequence[bytes]) -> bytes | None:
        """The reader's answer; None where the endpoint has no state overrides."""
        call: dict[str, Json] = {
            "to": _READER_ADDRESS,
            "data": "0x" + (bytes(12) + self.token + b"".join(accounts)).hex(),
            "gas": _READER_GAS,
        }
        override: dict[str, Json] = {_READER_ADDRESS: {"code": "0x" + READER_CODE.hex()}}
        try:
            answer = self.client.call("eth_call", call, hex(self.block), override)
        except NodeError:
            return None
        return bytes.fromhex(answer[2:]) if isinstance(answer, str) and len(answer) > 66 else None

    def _compare(self, accounts: Sequence[bytes], future: Future[bytes | None], lots: Lots) -> Iterator[Difference]:
        answer = future.result()
        if answer is None:
            answer = self._ask_one_by_one(accounts)
        now = int.from_bytes(answer[:32])
        at = 32
        for account in accounts:
            expected = lots(account, now)
            wanted = _encode(expected)
            if answer.startswith(wanted, at):
                at += len(wanted)
                continue
            size = int.from_bytes(answer[at + 32 : at + 64])
            yield Difference(
                account,
                expected,
                _decode(answer[at + 64 : at + 64 + size]),
                int.from_bytes(answer[at : at + 32]),
            )
            at += 64 + size

    def _ask_one_by_one(self, accounts: Sequence[bytes]) -> bytes:
        token, block = "0x" + self.token.hex(), hex(self.block)
        requests = [
            Request("eth_call", ({"to": token, "data": "0x" + (chosen + bytes(12) + account).hex()}, block))
            for account in accounts
            for chosen in (_BALANCE_OF, _LOTS_OF)
        ]
        answers = [bytes.fromhex(str(answer)[2:]) for answer in self.client.batch(requests)]
        parts = [self.timestamp_seconds.to_bytes(32)]
        for balance, lots in zip(answers[::2], answers[1::2], strict=True):
            parts += [balance, len(lots).to_bytes(32), lots]
        return b"".join(parts)


def _parts(accounts: Iterable[bytes]) -> Iterator[list[bytes]]:
    remaining = iter(accounts)
    while part := list(islice(remaining, _AT_A_TIME)):
        yield part


def _encode(lots: Sequence[Lot]) -> bytes:
    """What the reader answers for an account with these lots."""
    words = [sum(lot.amount for lot in lots), 64 + 64 * len(lots), 32, len(lots)]
    for lot in lots:
        words += lot
    return b"".join([word.to_bytes(32) for word in words])


def _decode(answer: bytes) -> list[Lot]:
    numbers = [int.from_bytes(answer[at : at + 32]) for at in range(64, len(answer), 32)]
    return [Lot(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=False)]
