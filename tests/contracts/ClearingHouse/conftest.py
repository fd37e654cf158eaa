"""Three programmes that owe each other, and the hand that books it."""

from itertools import count

import pytest

from tests.contracts.support.points import ref
from tests.contracts.support.world import owed, standing_of


@pytest.fixture
def book(house, exchange):
    """An exchange books a debt under a fresh swap id: `book(debtor, creditor, amount)`."""
    numbers = count(1)

    def book_debt(debtor, creditor, amount):
        return house.book(debtor.id, creditor.id, amount, ref(f"swap {next(numbers)}"), {"from": exchange})

    return book_debt


@pytest.fixture
def grant(house):
    """A programme lets another owe it: `grant(creditor, debtor, amount)`."""

    def grant_line(creditor, debtor, amount):
        return house.setCreditLine(creditor.id, debtor.id, amount, {"from": creditor.treasurer})

    return grant_line


@pytest.fixture
def close(house, clock, relayer):
    """Anyone closes the cycle as soon as that is possible."""

    def close_cycle():
        if clock.now_seconds < house.closesAt():
            clock.go_to(house.closesAt())
        return house.closeCycle({"from": relayer})

    return close_cycle


@pytest.fixture
def pay(world, house):
    """A programme's treasurer pays with money from outside."""

    def pay_amount(programme, amount, payer=None):
        sender = payer or programme.treasurer
        world.fund(sender, amount)
        return house.pay(programme.id, amount, {"from": sender})

    return pay_amount


@pytest.fixture
def enforce(house, clock, relayer):
    """Anyone enforces a payment one second after the deadline, or later."""

    def enforce_payment(programme):
        clock.go_to(max(clock.now_seconds, house.paymentDeadline()) + 1)
        return house.enforce(programme.id, {"from": relayer})

    return enforce_payment


@pytest.fixture
def sums_to_zero(world, house):
    """Checks what must hold at every moment."""

    def check():
        standings = [standing_of(house, programme) for programme in world.programmes]
        assert sum(standing.open for standing in standings) == 0
        assert sum(standing.due for standing in standings) == 0
        for programme, standing in zip(world.programmes, standings, strict=True):
            others = [owed(house, programme, other) for other in world.programmes if other is not programme]
            assert standing.open == -sum(in_open for in_open, _ in others)
            assert standing.due == -sum(in_closed for _, in_closed in others)
            assert standing.uncovered <= standing.collateral + standing.paid - standing.reserved
            assert standing.uncovered_open <= standing.collateral - standing.reserved
        money = sum(standing.collateral + standing.paid for standing in standings)
        assert world.currency.balanceOf(house) == money

    return check
