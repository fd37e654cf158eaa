"""Orders to the clearing house while others of the same programme are under way: together they take what there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from backend.chain.administering import Administrator
from backend.chain.clearing_house import TREASURER_ROLE
from backend.database import transaction
from backend.programmes.models import Programme
from tests.integration.api.clearing_world import DAY, DOLLAR, PURSE, ClearingWorld, dollars
from tests.integration.api.world import problem


def _at_once(clearing: ClearingWorld, asking: Sequence[Programme], path: str, **body: Any) -> list[dict[str, Any]]:
    """Asks in all these names at once; the refusals, all of which are 409. Nothing is sent meanwhile."""
    with ThreadPoolExecutor(len(asking)) as pool:
        answers = list(pool.map(lambda programme: clearing.ask(programme, "POST", path, **body), asking))
    assert {answer.status_code for answer in answers} <= {202, 409}, [answer.text for answer in answers]
    return [answer.json() for answer in answers if answer.status_code == 409]


def _states(clearing: ClearingWorld, programme: Programme, kind: str) -> Counter[str]:
    """How many operations of a kind are in which state."""
    read = clearing.till(programme).get("/v1/operations", params={"limit": 100}).json()["data"]
    return Counter(operation["state"] for operation in read if operation["kind"] == kind)


def _share_treasurer(clearing: ClearingWorld, giving: Programme, taking: Programme) -> None:
    """Gives `taking` the treasurer that `giving` has."""
    deployment = clearing.world.deployment
    admin = Administrator(deployment.chain.client, deployment.signers.signer(deployment.signers.addresses()[0]))
    admin.grant(taking.token, TREASURER_ROLE, giving.treasurer)
    with transaction(clearing.world.sessions) as session:
        session.get_one(Programme, taking.id).treasurer = giving.treasurer
    taking.treasurer = giving.treasurer
    clearing.step()


def test_withdrawals_at_once__only_those_that_fit_together(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    for programme in (market, pharmacy):
        clearing.do(programme, "POST", "/deposits", amount=dollars(100))
    refused = _at_once(clearing, [market] * 8, "/withdrawals", amount=dollars(30))
    assert len(refused) == 5
    told = {(each["type"], each["available_amount"], each["leaving_amount"]) for each in refused}
    assert told == {("/problems/collateral-in-use", "10.00", "90.00")}
    assert "10.00 USD of the collateral is free, besides 90.00 USD that orders under way take" in refused[0]["detail"]
    assert clearing.ask(pharmacy, "POST", "/withdrawals", amount=dollars(100)).status_code == 202, "its own money"
    clearing.step()
    assert clearing.position(market)["collateral"] == dollars(10)
    assert clearing.money_of(market) == PURSE // DOLLAR - 10
    assert clearing.money_of(pharmacy) == PURSE // DOLLAR
    assert "failed" not in _states(clearing, market, "withdraw")

    over = problem(clearing.ask(market, "POST", "/withdrawals", amount=dollars(11)), 409, "collateral-in-use")
    assert (over["available_amount"], over["leaving_amount"]) == ("10.00", "0.00"), (
        "what has happened is not counted twice"
    )
    clearing.do(market, "POST", "/withdrawals", amount=dollars(10))


def test_withdrawal_that_failed__frees_its_part(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    clearing.do(market, "POST", "/deposits", amount=dollars(100))
    clearing.do(pharmacy, "PUT", f"/credit-lines/{market.id}", amount=dollars(0))
    assert clearing.ask(market, "POST", "/withdrawals", amount=dollars(70)).status_code == 202
    over = problem(clearing.ask(market, "POST", "/withdrawals", amount=dollars(40)), 409, "collateral-in-use")
    assert (over["available_amount"], over["leaving_amount"]) == ("30.00", "70.00")
    clearing.book(market, pharmacy, 60)  # It is mined before the withdrawal, for which too little is free then.
    clearing.step()
    assert _states(clearing, market, "withdraw") == {"failed": 1}
    clearing.do(market, "POST", "/withdrawals", amount=dollars(40))
    assert clearing.position(market)["collateral"] == dollars(60)


def test_payments_at_once__pay_what_is_due_once(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    clearing.do(market, "POST", "/deposits", amount=dollars(500))
    clearing.book(market, pharmacy, 300)
    clearing.jump(7 * DAY)
    refused = _at_once(clearing, [market] * 4, "/payments", source="collateral", amount=dollars(200))
    assert [each["type"] for each in refused] == ["/problems/overpaid"] * 3
    assert {each["outstanding_amount"] for each in refused} == {"100.00"}
    assert "besides 200.00 USD of payments under way" in refused[0]["detail"]
    assert len(_at_once(clearing, [market] * 4, "/payments")) == 3, "one of them pays the rest"
    told = problem(clearing.ask(market, "POST", "/payments"), 409, "nothing-to-pay")
    assert "Payments under way pay all of the 300.00 USD" in told["detail"]
    told = problem(clearing.ask(market, "POST", "/withdrawals", amount=dollars(1)), 409, "payment-outstanding")
    assert "wait for the payments under way" in told["detail"]
    clearing.step()
    assert clearing.read("")["settling_cycle"] is None
    assert clearing.position(market)["collateral"] == dollars(300)
    assert clearing.money_of(market) == PURSE // DOLLAR - 600
    assert set(_states(clearing, market, "pay") + _states(clearing, market, "pay_from_collateral")) <= {
        "mined",
        "final",
    }


def test_order_that_is_sent__counts_until_it_is_mined(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, chain = clearing.programmes[0], clearing.world.deployment.chain
    clearing.do(market, "POST", "/deposits", amount=dollars(100))
    chain.automine(False)
    assert clearing.ask(market, "POST", "/withdrawals", amount=dollars(70)).status_code == 202
    clearing.step()
    assert _states(clearing, market, "withdraw") == {"sent": 1}
    over = problem(clearing.ask(market, "POST", "/withdrawals", amount=dollars(40)), 409, "collateral-in-use")
    assert (over["available_amount"], over["leaving_amount"]) == ("30.00", "70.00")
    chain.automine(True)
    chain.mine()
    clearing.do(market, "POST", "/withdrawals", amount=dollars(30))


def test_shared_treasurer__deposits_at_once__share_its_money(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    _share_treasurer(clearing, market, pharmacy)
    refused = _at_once(clearing, [market, pharmacy] * 4, "/deposits", amount=dollars(3000))
    told = [(each["type"], each["available_amount"]) for each in refused]
    assert told == [("/problems/funds-missing", "1000.00")] * 5
    clearing.step()
    assert clearing.money_of(market) == 1000
    states = _states(clearing, market, "deposit") + _states(clearing, pharmacy, "deposit")
    assert set(states) <= {"mined", "final"}


def test_shared_treasurer__collateral_stays_each_its_own(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    _share_treasurer(clearing, market, pharmacy)
    for programme in (market, pharmacy):
        clearing.do(programme, "POST", "/deposits", amount=dollars(100))
    assert clearing.ask(market, "POST", "/withdrawals", amount=dollars(100)).status_code == 202
    clearing.do(pharmacy, "POST", "/withdrawals", amount=dollars(100))
    assert clearing.position(market)["collateral"] == clearing.position(pharmacy)["collateral"] == dollars(0)
