"""The clearing house: its logs replayed by its rules, and compared with what it answers itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import permutations
from typing import Final

from backend.audit.lanes import name
from backend.audit.report import Currency, PositionFigures, Report
from backend.chain.clearing_events import CLEARING_PARAMETERS
from backend.chain.client import ChainClient, Json, Request
from backend.chain.errors import NodeError
from backend.chain.event_types import ChainEvent
from backend.chain.house import HouseReplay
from backend.chain.manifest import ClearingEntry
from backend.chain.settlement_currency import SettlementCurrency
from backend.chain.words import numbers_of, selector, signed

_STANDING_OF: Final = selector("standingOf(bytes32)")


@dataclass(frozen=True, slots=True)
class _Question:
    """A call, and the words that the replay has for its answer."""

    subject: str
    contract: bytes
    data: bytes
    replayed: tuple[int, ...]

    def request(self, block: int) -> Request:
        call: dict[str, Json] = {"to": "0x" + self.contract.hex(), "data": "0x" + self.data.hex()}
        return Request("eth_call", (call, hex(block)))


class Positions:
    """Replays one clearing house and judges it."""

    def __init__(self, report: Report, entry: ClearingEntry) -> None:
        currency = entry.currency
        report.currency = Currency(currency.address, currency.symbol, currency.decimals)
        self._report = report
        self._entry = entry
        self._house = HouseReplay(entry.cycle_seconds, entry.payment_seconds, on_fault=self._on_fault)

    def start(self, timestamp_seconds: int) -> None:
        """The house was deployed in a block of this time (Unix seconds)."""
        self._house.closes_at = timestamp_seconds + self._entry.cycle_seconds

    def apply(self, events: Sequence[ChainEvent], timestamp_seconds: int) -> None:
        """The house's events of one transaction, in order."""
        check = self._report.check("clearing")
        for event in events:
            check.examined += type(event) in CLEARING_PARAMETERS
            self._house.apply(event, timestamp_seconds)
        self._house.finish_transaction()

    def judge(self, client: ChainClient, block: int, pending_swaps: Iterable[bytes]) -> None:
        """Compares the replay with the house's answers at `block`, and with the swaps that still wait."""
        self._list()
        check = self._report.check("positions")
        waiting = set(pending_swaps)
        reserved = set(self._house.reservations)
        for swap_id in reserved - waiting:
            check.fail(f"swap 0x{swap_id.hex()}", "something is reserved for it, and it does not wait")
        self._compare(client, block)
        self._judge_money(client, block)

    def _list(self) -> None:
        house = self._house
        for programme in house.programmes:
            standing = house.standing_of(programme)
            given = sum(house.credit_line(programme, other) for other in house.programmes)
            figures = PositionFigures(
                programme=name(programme),
                net=standing.open + standing.due,
                open=standing.open,
                due=standing.due,
                paid=standing.paid,
                collateral=standing.collateral,
                reserved=standing.reserved,
                uncovered=standing.uncovered,
                cap=standing.collateral + standing.paid - standing.reserved,
                credit_given=given,
                claims=standing.claims,
                in_default=standing.in_default,
            )
            self._report.positions.append(figures)

    # ---- the chain's own answers

    def _questions(self) -> Iterator[_Question]:
        house, programmes = self._house, self._house.programmes
        ids = [int.from_bytes(programme) for programme in programmes]
        yield self._question("programmes", "programmes()", (), (32, len(ids), *ids))
        yield self._question("open cycle", "openCycle()", (), (house.open_cycle,))
        yield self._question("closing time", "closesAt()", (), (house.closes_at or 0,))
        yield self._question("being settled", "isSettling()", (), (house.is_settling,))
        yield self._question("payment deadline", "paymentDeadline()", (), (house.payment_deadline,))
        for programme in programmes:
            standing = astuple(house.standing_of(programme))
            yield self._question(name(programme), "standingOf(bytes32)", (programme,), standing)
        for pair in permutations(programmes, 2):
            between = f"{name(pair[0])} to {name(pair[1])}"
            yield self._question(f"owed by {between}", "owedOf(bytes32,bytes32)", pair, house.owed(*pair))
            line = (house.credit_line(*pair),)
            yield self._question(f"credit line of {between}", "creditLineOf(bytes32,bytes32)", pair, line)
            claim = (house.claim(*pair),)
            yield self._question(f"claim of {between}", "claimOf(bytes32,bytes32)", pair, claim)
        decimals = (self._entry.currency.decimals,)
        yield _Question("digits of the currency", self._entry.currency.address_bytes, selector("decimals()"), decimals)

    def _question(self, subject: str, function: str, arguments: Sequence[bytes], replayed: Sequence[int]) -> _Question:
        return _Question(subject, self._entry.address_bytes, selector(function) + b"".join(arguments), tuple(replayed))

    def _compare(self, client: ChainClient, block: int) -> None:
        check = self._report.check("positions")
        questions = list(self._questions())
        answers = client.try_batch([question.request(block) for question in questions])
        total = 0
        for question, answer in zip(questions, answers, strict=True):
            check.examined += 1
            words = bytes.fromhex(answer[2:]) if isinstance(answer, str) else b""
            numbers = tuple(signed(number) for number in numbers_of(words))
            if question.data.startswith(_STANDING_OF):
                total += sum(numbers[:2])
            if numbers != question.replayed and tuple(numbers_of(words)) != question.replayed:
                says = ", ".join(str(number) for number in numbers) or "nothing"
                replayed = ", ".join(str(int(number)) for number in question.replayed)
                check.fail(question.subject, f"replayed {replayed}, the chain answers {says}")
        check.examined += 1
        if total:
            check.fail("all positions", f"they add up to {total} on the chain")

    def _judge_money(self, client: ChainClient, block: int) -> None:
        check, house = self._report.check("positions"), self._house
        check.examined += 1
        currency = SettlementCurrency(client, self._entry.currency.address_bytes)
        try:
            money = currency.balance_of(self._entry.address_bytes, block)
        except NodeError as error:
            check.fail("currency", f"it does not answer: {error}")
            return
        standings = [house.standing_of(programme) for programme in house.programmes]
        owed = sum(standing.collateral + standing.paid for standing in standings)
        if money < owed:
            check.fail("currency", f"the house holds {money}, collateral and payments come to {owed}")
        elif money > owed:
            check.note("currency", f"the house holds {money - owed} more than collateral and payments")

    def _on_fault(self, event: ChainEvent, reason: str) -> None:
        subject = f"{type(event).__name__}, log {event.log_index}"
        self._report.check("clearing").fail(
            subject, reason, block=event.block_number, transaction=event.transaction_hash
        )
