"""The life of a settlement on a real chain, as the API tells it; every number against the chain's own."""

from __future__ import annotations

import csv
import io
from typing import Any, cast

from eth_utils.address import to_checksum_address

from backend.chain.clearing_events import DebtBooked, DebtPaid, PositionAdvised
from backend.chain.client import Json
from backend.chain.events import RawLog, decode_logs
from backend.chain.house import HouseReplay
from backend.chain.programme_registry import programme_id as on_chain_id
from backend.programmes.models import Programme
from tests.integration.api.clearing_world import DAY, DOLLAR, PURSE, ClearingWorld, dollars
from tests.integration.api.world import problem


def units(money: dict[str, str]) -> int:
    """The smallest unit of an amount that the API answered."""
    whole, _, fraction = money["amount"].lstrip("-").partition(".")
    return (-1 if money["amount"].startswith("-") else 1) * int(whole + fraction.ljust(6, "0"))


def logs_of_the_chain(clearing: ClearingWorld) -> list[RawLog]:
    """The house's logs as the node has them."""
    asked: dict[str, Json] = {"address": to_checksum_address(clearing.world.house), "fromBlock": "0x0"}
    raws = clearing.world.deployment.chain.client.call("eth_getLogs", {**asked, "toBlock": "latest"})
    return cast("list[RawLog]", raws)


def replay_of_the_chain(clearing: ClearingWorld) -> HouseReplay:
    """The house from the node's logs alone."""
    entry = clearing.world.deployment.manifest.clearing
    assert entry is not None
    node = clearing.world.deployment.chain.client
    raws = logs_of_the_chain(clearing)
    times: dict[int, int] = {}
    for number in {entry.block} | {int(raw["blockNumber"], 16) for raw in raws}:
        times[number] = int(node.block(number)["timestamp"], 16)
    replay = HouseReplay(entry.cycle_seconds, entry.payment_seconds, times[entry.block])
    replay.replay((event, times[event.block_number]) for event in decode_logs(raws))
    return replay


def assert_all_agree(clearing: ClearingWorld) -> None:
    """API (from the database), replay (from the node's logs) and the contract's own answers say the same."""
    replay = replay_of_the_chain(clearing)
    house = clearing.read("")
    chain = clearing.chain
    assert (house["open_cycle"], house["settling_cycle"] is not None) == (chain.open_cycle(), chain.is_settling())
    assert (replay.open_cycle, replay.closes_at) == (chain.open_cycle(), chain.closes_at())
    for programme in clearing.programmes:
        own = on_chain_id(programme.slug)
        standing = chain.standing_of(own)
        assert replay.standing_of(own) == standing
        position = clearing.position(programme)
        for name in ("open", "due", "paid", "collateral", "reserved", "claims"):
            assert units(position[name]) == getattr(standing, name), name
        assert units(position["exposure"]["uncovered"]) == standing.uncovered
        assert units(position["exposure"]["uncovered_open"]) == standing.uncovered_open
        assert position["in_default"] == standing.in_default
        assert units(position["withdrawable"]) == chain.withdrawable(own)
        for partner in position["partners"]:
            other = on_chain_id(partner["slug"])
            assert (units(partner["open"]), units(partner["due"])) == chain.owed_of(other, own)
            assert units(partner["available"]) == chain.available_to(own, other) == replay.available_to(own, other)
            assert units(partner["credit_line_received"]) == chain.credit_line_of(other, own)
            assert units(partner["credit_line_given"]) == chain.credit_line_of(own, other)
            assert units(partner["claim"]) == chain.claim_of(own, other)
            assert units(partner["claimed"]) == chain.claim_of(other, own)


def assert_statement_adds_up(clearing: ClearingWorld, cycle: int, programme: Programme) -> dict[str, Any]:
    """The lines sum to the net, the entries to the lines, and the CSV says the same; answers the statement."""
    statement = clearing.statement(cycle, programme)
    till, path = clearing.till(programme), f"/v1/clearing/cycles/{cycle}/statements/{programme.id}"
    for name in ("owed", "owing", "taken_out", "net"):
        assert sum(units(line[name]) for line in statement["lines"]) == units(statement[name])
    if statement["due"] is not None:
        assert statement["due"] == statement["net"]
    entries: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = till.get(f"{path}/entries", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        entries += page["data"]
        cursor = page["next_cursor"]
    for line in statement["lines"]:
        ours = [entry for entry in entries if entry["partner_slug"] == line["slug"]]
        assert sum(units(entry["amount"]) for entry in ours) == units(line["owing"]) - units(line["owed"])
        assert len(ours) == line["swaps_in"] + line["swaps_out"]
    assert_from_the_chain(clearing, cycle, statement, entries)
    table = csv.DictReader(io.StringIO(till.get(path, headers={"Accept": "text/csv"}).text))
    rows = {(row["line"], row["partner"]): row for row in table}
    assert rows["total", ""]["net"] == statement["net"]["amount"]
    assert {key[1] for key in rows if key[0] == "partner"} == {line["slug"] for line in statement["lines"]}
    listed = list(csv.DictReader(io.StringIO(till.get(f"{path}/entries", params={"format": "csv"}).text)))
    assert [row["swap"] for row in listed] == [entry["swap_hash"] for entry in entries]
    assert [row["amount"] for row in listed] == [entry["amount"]["amount"] for entry in entries]
    return statement


def assert_from_the_chain(
    clearing: ClearingWorld, cycle: int, statement: dict[str, Any], entries: list[dict[str, Any]]
) -> None:
    """Lines, entries, payments and what was advised are what the node's logs say, each summed here."""
    own = on_chain_id(statement["slug"])
    events = list(decode_logs(logs_of_the_chain(clearing)))
    booked = [e for e in events if isinstance(e, DebtBooked) and e.cycle == cycle and own in {e.debtor, e.creditor}]
    assert ["0x" + event.swap_id.hex() for event in booked] == [entry["swap_hash"] for entry in entries]
    for line in statement["lines"]:
        other = on_chain_id(line["slug"])
        for name, number, pair in (("owed", "swaps_out", (own, other)), ("owing", "swaps_in", (other, own))):
            amounts = [event.amount for event in booked if (event.debtor, event.creditor) == pair]
            assert (units(line[name]), line[number]) == (sum(amounts), len(amounts))
    advised = [e.due for e in events if isinstance(e, PositionAdvised) and (e.cycle, e.programme_id) == (cycle, own)]
    assert units(statement["net"]) == (advised[-1] if advised else 0) or statement["due"] is None
    paid = [e for e in events if isinstance(e, DebtPaid) and (e.cycle, e.programme_id) == (cycle, own)]
    assert units(statement["paid"]["with_money"]) == sum(e.amount for e in paid if any(e.payer))
    assert units(statement["paid"]["from_collateral"]) == sum(e.amount for e in paid if not any(e.payer))


def test_cycle__swaps_close_pay_settle_withdraw(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, fuel = clearing.programmes
    clearing.book(market, pharmacy, 300, times=3)
    clearing.book(pharmacy, fuel, 500)
    clearing.book(fuel, market, 150)
    assert_all_agree(clearing)
    assert [clearing.position(p)["open"]["amount"] for p in clearing.programmes] == ["-750.00", "400.00", "350.00"]
    problem(clearing.ask(market, "POST", "/payments"), 409, "nothing-to-pay")

    clearing.jump(7 * DAY)  # The keeper closes.
    house = clearing.read("")
    assert (house["open_cycle"], house["settling_cycle"]) == (2, 1)
    assert clearing.alerts() == [("market", "payment_due")]
    assert_all_agree(clearing)
    assert clearing.read("/cycles/1")["state"] == "settling"
    clearing.do(market, "POST", "/payments", amount=dollars(250))
    problem(clearing.ask(market, "POST", "/payments", amount=dollars("500.01")), 409, "overpaid")
    problem(clearing.ask(market, "POST", "/payments", source="collateral"), 409, "collateral-in-use")
    refused = problem(clearing.ask(market, "POST", "/withdrawals", amount=dollars(1)), 409, "payment-outstanding")
    assert refused["outstanding_amount"] == "500.00"
    assert_all_agree(clearing)

    clearing.do(market, "POST", "/payments")  # The rest; then the keeper settles.
    assert clearing.read("")["settling_cycle"] is None
    assert clearing.alerts() == []
    assert_all_agree(clearing)
    assert clearing.money_of(market) == PURSE // DOLLAR - 750
    for programme, amount in ((pharmacy, 400), (fuel, 350)):
        statement = assert_statement_adds_up(clearing, 1, programme)
        assert (statement["received"], statement["cycle"]["state"]) == (dollars(amount), "settled")
        clearing.do(programme, "POST", "/withdrawals", amount=dollars(amount))
        assert clearing.money_of(programme) == PURSE // DOLLAR + amount
    statement = assert_statement_adds_up(clearing, 1, market)
    assert statement["paid"]["with_money"] == dollars(750)
    assert [(line["slug"], line["swaps_out"], line["swaps_in"]) for line in statement["lines"]] == [
        ("fuel", 0, 1),
        ("pharmacy", 3, 0),
    ]
    assert_all_agree(clearing)


def test_default__collateral_claims_distribution_and_end(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, fuel = clearing.programmes
    clearing.do(pharmacy, "PUT", f"/credit-lines/{market.id}", amount=dollars(100))
    clearing.do(fuel, "PUT", f"/credit-lines/{market.slug}", amount=dollars(200))
    clearing.do(market, "POST", "/deposits", amount=dollars(240))
    clearing.book(market, pharmacy, 300)
    waiting = clearing.reserve(market, fuel, 40)
    clearing.book(fuel, market, 30)
    clearing.jump(7 * DAY)
    clearing.book(pharmacy, market, 60)  # Of the next cycle.
    assert_all_agree(clearing)
    late = problem(
        clearing.world.operator.post("/v1/clearing/enforcements", {"programme_id": market.id}), 409, "deadline-not-past"
    )
    assert late["payment_deadline"].endswith("Z")
    clearing.jump(2 * DAY + 1)
    assert ("market", "payment_overdue") in clearing.alerts()
    answer = clearing.world.operator.post("/v1/clearing/enforcements", {"programme_id": market.id})
    assert (answer.status_code, answer.json()["outcome"]) == (202, "default")
    clearing.step()
    assert_all_agree(clearing)
    assert ("market", "in_default") in clearing.alerts()
    position = clearing.position(market)
    assert position["in_default"]
    problem(clearing.ask(market, "POST", "/withdrawals", amount=dollars(1)), 409, "in-default")
    assert problem(clearing.ask(market, "POST", "/payments"), 409, "in-default")["claims_amount"] == "40.00"
    short = {partner["slug"]: partner["claimed"] for partner in position["partners"]}
    assert position["claims"] == short["pharmacy"] == dollars(40), "240 owed; 200 of 240 collateral was not set aside"
    losses = {programme.slug: clearing.position(programme)["partners"][0]["claim"] for programme in (pharmacy, fuel)}
    assert losses == short, "each partner sees by how much the market is short towards it"

    clearing.arrive(market, fuel, 40, waiting)  # Paid from what was set aside.
    assert_all_agree(clearing)
    clearing.do(fuel, "POST", "/payments")  # What it owes the market stayed in the netting.
    assert clearing.read("/cycles/1")["state"] == "settled"
    for programme in clearing.programmes:
        assert_statement_adds_up(clearing, 1, programme)
        assert_statement_adds_up(clearing, 2, programme)
    assert clearing.statement(1, market)["defaulted"]
    problem(clearing.ask(fuel, "POST", "/distributions", programme_id=market.id), 403, "forbidden")
    problem(clearing.ask(market, "POST", "/distributions", programme_id=pharmacy.id), 409, "nothing-to-distribute")
    clearing.do(pharmacy, "POST", "/distributions", programme_id=market.id)
    assert clearing.position(market)["claims"] == dollars(10)
    assert_all_agree(clearing)
    clearing.do(market, "POST", "/deposits", amount=dollars(10))
    clearing.do(market, "POST", "/distributions", programme_id=market.id)
    position = clearing.position(market)
    assert (position["claims"], position["in_default"]) == (dollars(0), False)
    assert ("market", "in_default") not in clearing.alerts()
    assert_all_agree(clearing)


def test_enforcement__pays_from_collateral_that_is_free(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, _ = clearing.programmes
    clearing.do(market, "POST", "/deposits", amount=dollars(500))
    clearing.book(market, pharmacy, 120)
    clearing.jump(7 * DAY)
    clearing.do(market, "POST", "/payments", amount=dollars(20), source="collateral")
    clearing.jump(2 * DAY + 1)
    answer = clearing.world.operator.post("/v1/clearing/enforcements", {"programme_id": market.slug})
    assert answer.json()["outcome"] == "collateral"
    clearing.step()
    assert_all_agree(clearing)
    paid = assert_statement_adds_up(clearing, 1, market)["paid"]
    assert (paid["from_collateral"], paid["enforced"]) == (dollars(120), dollars(100))
    assert clearing.position(market)["withdrawable"] == dollars(380)


def test_dispute__note_here_hash_on_chain(clearing_world: ClearingWorld) -> None:
    clearing = clearing_world
    market, pharmacy, fuel = clearing.programmes
    clearing.book(market, pharmacy, 10)
    body = {"reference": "d-1", "note": "Swap 7 was refunded by hand; see the letter of 3 March."}
    problem(clearing.ask(market, "POST", "/cycles/1/disputes", **body), 409, "cycle-still-open")
    problem(clearing.ask(market, "POST", "/cycles/9/disputes", **body), 404, "not-found")
    clearing.jump(7 * DAY)
    first = clearing.ask(market, "POST", "/cycles/1/disputes", **body)
    again = clearing.ask(market, "POST", "/cycles/1/disputes", **body)
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 200, first.json()["id"])
    problem(clearing.ask(market, "POST", "/cycles/1/disputes", **body | {"note": "x"}), 409, "reference-reused")
    clearing.step()
    replayed = replay_of_the_chain(clearing)
    assert replayed.open_cycle == 2
    path = "/cycles/1/disputes"
    for caller in (clearing.world.auditor, clearing.world.operator, clearing.till(pharmacy), clearing.till(market)):
        (shown,) = clearing.read(path, caller)["data"]
        assert (shown["note"], shown["state"], shown["slug"]) == (body["note"], "mined", "market")
    assert clearing.read(path, clearing.till(fuel))["data"] == [], "fuel had no part in the cycle"
    (dispute,) = assert_statement_adds_up(clearing, 1, market)["disputes"]
    assert dispute["note_hash"] == shown["note_hash"]
    assert assert_statement_adds_up(clearing, 1, fuel)["disputes"] == []
