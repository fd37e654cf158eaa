"""What the swaps left between the brands, and how it is settled: collateral, a cycle's close, payment, withdrawal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from scripts.demo.api import DemoApi, Json
from scripts.demo.clock import ChainClock

COLLATERAL = "25.00"
"""What each brand posts before the first swap."""
CREDIT_LINE = "40.00"
"""What each brand lets each other one owe it without collateral."""


@dataclass(frozen=True)
class Position:
    """A brand's position in the settlement currency."""

    name: str
    open: Decimal
    due: Decimal
    collateral: Decimal


@dataclass
class Settlement:
    """The brands' treasurers. `programme_ids` by slug, `names` likewise."""

    api: DemoApi
    programme_ids: dict[str, str]
    names: dict[str, str]
    clock: ChainClock
    settle: Callable[[], None]
    """Waits until everything that was asked for is mined and indexed."""
    wait_for: Callable[[str, Callable[[], bool]], None]
    """Waits for what the keeper does by itself, or raises."""

    @property
    def currency(self) -> str:
        """ISO 4217 code of the settlement currency."""
        currency = self.api.get("/v1/clearing")["currency"]
        assert isinstance(currency, dict)
        return str(currency["code"])

    def join(self) -> None:
        """Every brand takes part, posts collateral, and says what it lets each other one owe."""
        money: Json = {"amount": COLLATERAL, "currency": self.currency}
        line: Json = {"amount": CREDIT_LINE, "currency": self.currency}
        for slug, programme_id in self.programme_ids.items():
            self.api.post("/v1/clearing/joins", {"programme_id": programme_id}, f"join-{slug}")
        self.settle()
        for slug, programme_id in self.programme_ids.items():
            deposit: dict[str, Json] = {"programme_id": programme_id, "amount": money}
            self.api.post("/v1/clearing/deposits", deposit, f"deposit-{slug}")
            for partner, partner_id in self.programme_ids.items():
                if partner != slug:
                    given: dict[str, Json] = {"programme_id": programme_id, "amount": line}
                    self.api.put(f"/v1/clearing/credit-lines/{partner_id}", given, f"line-{slug}-{partner}")
        self.settle()

    def positions(self) -> list[Position]:
        """All brands' positions as they are now."""
        found = []
        for slug, programme_id in self.programme_ids.items():
            position = self.api.get(f"/v1/clearing/positions/{programme_id}")
            amounts = [_decimal(position[key]) for key in ("open", "due", "collateral")]
            found.append(Position(self.names[slug], *amounts))
        return found

    def close(self) -> int:
        """The chain's clock moves to the end of the cycle, and the keeper closes it; its number."""
        house = self.api.get("/v1/clearing")
        cycle = house["open_cycle"]
        assert isinstance(cycle, int)
        self.clock.advance_to(datetime.fromisoformat(str(house["closes_at"])))
        self.clock.tick()
        self.wait_for(f"the close of cycle {cycle}", lambda: self.api.get("/v1/clearing")["open_cycle"] != cycle)
        return cycle

    def pay(self, cycle: int) -> int:
        """Debtors pay what was advised, and the keeper settles; the number of debtors."""
        debtors = 0
        for slug, programme_id in self.programme_ids.items():
            position = self.api.get(f"/v1/clearing/positions/{programme_id}")
            if _decimal(position["outstanding"]) > 0:
                debtors += 1
                self.api.post("/v1/clearing/payments", {"programme_id": programme_id}, f"pay-{cycle}-{slug}")
        self.settle()
        path = f"/v1/clearing/cycles/{cycle}"
        self.wait_for(f"the settlement of cycle {cycle}", lambda: self.api.get(path)["state"] == "settled")
        return debtors

    def withdraw(self, cycle: int) -> Decimal:
        """Creditors take out what covers nothing beyond what they had posted; the sum."""
        total = Decimal(0)
        for slug, programme_id in self.programme_ids.items():
            position = self.api.get(f"/v1/clearing/positions/{programme_id}")
            amount = _decimal(position["withdrawable"]) - Decimal(COLLATERAL)
            if amount > 0:
                total += amount
                money: Json = {"amount": str(amount), "currency": self.currency}
                self.api.post(
                    "/v1/clearing/withdrawals",
                    {"programme_id": programme_id, "amount": money},
                    f"withdraw-{cycle}-{slug}",
                )
        self.settle()
        return total


def _decimal(money: Json) -> Decimal:
    assert isinstance(money, dict)
    return Decimal(str(money["amount"]))


def show_positions(console: Console, stages: dict[str, list[Position]], currency: str) -> None:
    """Print the brands' positions at each stage; every stage's positions sum to zero."""
    table = Table(title=f"Positions between the brands, {currency}", title_justify="left")
    table.add_column("")
    table.add_column("")
    for position in next(iter(stages.values())):
        table.add_column(position.name, justify="right")
    table.add_column("sum", justify="right")
    for stage, positions in stages.items():
        nets = [position.open + position.due for position in positions]
        table.add_row(stage, "net", *(f"{net:,.2f}" for net in nets), f"{sum(nets):,.2f}")
        table.add_row("", "collateral", *(f"{position.collateral:,.2f}" for position in positions), "")
    console.print(table)
