"""Orders to the clearing house: refusals that say what to do, orders sent together, the keeper, the commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from backend import cli
from backend.chain.clearing_house import encode_close_cycle
from backend.chain.models import Operation
from backend.clearing.keeper import Keeper
from backend.database import transaction
from tests.integration.api.clearing_world import DAY, DOLLAR, PURSE, ClearingWorld, dollars
from tests.integration.api.world import World, make_programme, problem


def test_house_that_is_not_there__is_told(world: World) -> None:
    for path in ("", "/positions", "/cycles", "/alerts"):
        problem(world.operator.get(f"/v1/clearing{path}"), 404, "clearing-not-deployed")
    assert Keeper(world.sessions, world.settings).run_once() == 0


def test_refusals__say_what_to_do_and_change_nothing(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, fuel = clearing.programmes
    stray = make_programme("stray", chain_id=market.chain_id)
    with transaction(clearing.world.sessions) as session:
        session.add(stray)
    stranger = clearing.world.key(stray)
    clearing.book(market, pharmacy, 300)

    def refuse(method: str, path: str, slug: str, status: int = 409, **body: Any) -> dict[str, Any]:
        return problem(clearing.ask(market, method, path, **body), status, slug)

    told = problem(stranger.post("/v1/clearing/deposits", {"amount": dollars(1)}), 409, "not-joined")
    assert "POST /v1/clearing/joins" in told["detail"]
    problem(stranger.get("/v1/clearing/positions/stray"), 409, "not-joined")
    assert stranger.get("/v1/clearing/positions").json()["data"] == []
    refuse("POST", "/joins", "already-joined")
    refuse("POST", "/deposits", "clearing-amount", 422, amount=dollars(0))
    refuse("POST", "/deposits", "invalid-request", 422, amount=dollars("0.0000001"))
    refuse("POST", "/deposits", "invalid-request", 422, amount={"amount": "1.00", "currency": "EUR"})
    short = refuse("POST", "/deposits", "funds-missing", amount=dollars(PURSE // DOLLAR + 1))
    assert short["available_amount"] == "10000.00"
    assert refuse("POST", "/withdrawals", "collateral-in-use", amount=dollars(1))["available_amount"] == "0.00"
    refuse("POST", "/payments", "nothing-to-pay")
    refuse("PUT", f"/credit-lines/{market.id}", "same-party", 422, amount=dollars(1))
    refuse("PUT", "/credit-lines/nobody", "not-found", 404, amount=dollars(1))
    refuse("PUT", f"/credit-lines/{stray.id}", "not-joined", amount=dollars(1))
    in_use = clearing.ask(pharmacy, "PUT", f"/credit-lines/{market.id}", amount=dollars("299.99"))
    assert problem(in_use, 409, "credit-line-in-use")["least_amount"] == "300.00"
    operator = clearing.world.operator
    problem(operator.post("/v1/clearing/enforcements", {"programme_id": market.id}), 409, "nothing-to-pay")
    problem(operator.post("/v1/clearing/distributions", {"programme_id": fuel.id}), 409, "nothing-to-distribute")
    problem(operator.post("/v1/clearing/deposits", {"amount": dollars(1)}), 422, "invalid-request")
    problem(operator.get("/v1/clearing/cycles/2"), 404, "not-found")
    clearing.do(pharmacy, "PUT", f"/credit-lines/{market.id}", amount=dollars(300))
    with clearing.world.sessions() as session:
        kinds = session.scalars(select(Operation.kind).where(Operation.kind != "test")).all()
    assert kinds == ["set_credit_line"]


def test_orders_sent_together__all_find_their_money(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    clearing.book(market, pharmacy, 400)
    clearing.jump(7 * DAY)
    till = clearing.till(market)
    answers = [till.post("/v1/clearing/deposits", {"amount": dollars(70)}, key="d") for _ in range(2)]
    assert answers[0].json() == answers[1].json(), "asked twice with one key: one deposit"
    answers += [
        till.post("/v1/clearing/payments", {"amount": dollars(400)}),
        till.post("/v1/clearing/deposits", {"amount": dollars(30)}),
    ]
    asked = answers[-1].json()
    assert (asked["approval"]["kind"], asked["operation"]["kind"]) == ("approve", "deposit")
    left = PURSE // DOLLAR - 500
    refused = till.post("/v1/clearing/deposits", {"amount": dollars(left + 1)})
    assert problem(refused, 409, "funds-missing")["available_amount"] == f"{left}.00"
    clearing.step()
    position = clearing.position(market)
    assert (position["collateral"], position["outstanding"]) == (dollars(100), dollars(0))
    assert clearing.money_of(market) == left


def test_keeper__asks_once_however_many_run(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    clearing.book(market, pharmacy, 5)
    world = clearing.world
    world.deployment.chain.jump(7 * DAY)
    world.step()
    keepers = [Keeper(world.sessions, world.settings) for _ in range(3)]
    assert [keeper.run_once() for keeper in keepers] == [1, 0, 0]
    clearing.bookkeeper.send(world.deployment.manifest.clearing.address, encode_close_cycle())  # type: ignore[union-attr]
    clearing.step()
    with world.sessions() as session:
        asked = session.scalars(select(Operation).where(Operation.kind == "close_cycle")).all()
    assert [(operation.subject, operation.state) for operation in asked] == [("cycle_1", "failed")]
    assert clearing.read("")["settling_cycle"] == 1, "somebody else was first, and that is well too"


def test_alerts__near_cap_at_cap_and_over(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, fuel = clearing.programmes
    clearing.do(pharmacy, "PUT", f"/credit-lines/{market.id}", amount=dollars(100))
    clearing.book(market, pharmacy, 79)
    clearing.step()
    assert clearing.alerts() == []
    clearing.book(market, pharmacy, 6)
    clearing.step()
    (alert,) = clearing.read("/alerts", clearing.till(market))["data"]
    assert (alert["kind"], alert["used"], alert["limit"]) == ("near_cap", dollars(85), dollars(100))
    assert clearing.read("/alerts", clearing.till(fuel))["data"] == []
    labels = {"programme": "market", "kind": "near_cap"}
    assert REGISTRY.get_sample_value("interpoints_clearing_alert", labels) == 1
    assert REGISTRY.get_sample_value("interpoints_clearing_cap_used_percent", {"programme": "market"}) == 85
    clearing.book(market, pharmacy, 15)
    clearing.step()
    assert clearing.alerts() == [("market", "over_cap")]
    clearing.do(market, "POST", "/deposits", amount=dollars(900))
    assert clearing.alerts() == []
    assert REGISTRY.get_sample_value("interpoints_clearing_alert", labels) == 0
    assert clearing.alerts(open="false") == [("market", "near_cap"), ("market", "over_cap")]


def test_commands__show_positions_and_statements(
    clearing_world: ClearingWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    clearing.book(market, pharmacy, 12, times=2)
    settings = clearing.world.settings
    values = {
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "MANIFEST_PATH": str(settings.manifest_path),
        "RPC_URLS": json.dumps(settings.rpc_urls),
    }
    env_file = tmp_path / "environment"
    env_file.write_text("".join(f"INTERPOINTS_{name}='{value}'\n" for name, value in values.items()))

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["interpoints", "clearing", *arguments, "--env-file", str(env_file)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    table = run("positions")
    assert [line.split()[:2] for line in table.splitlines()[1:]] == [
        ["market", "-24.00"],
        ["pharmacy", "24.00"],
        ["fuel", "0.00"],
    ]
    asked = ("statement", "--cycle", "1", "--programme", "market")
    assert "24.00" in run(*asked)
    path = f"/v1/clearing/cycles/1/statements/{market.id}?format=csv"
    assert run(*asked, "--csv").splitlines() == clearing.till(market).get(path).text.splitlines()
