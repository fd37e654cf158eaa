"""Quotes: what a swap would come to, and transfer bonuses that the destination signs."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from backend.app import create_app
from backend.auth.scopes import Scope
from backend.chain.administering import Administrator
from backend.chain.errors import NodeError
from backend.chain.models import Operation
from backend.chain.points_exchange import QUOTER_ROLE
from backend.chain.words import address_word, hash_word, selector
from backend.hexes import address_text
from tests.integration.api.exchange_world import ExchangeWorld
from tests.integration.api.world import Caller, problem
from tests.support.strict_proxy import Alter, StrictProxy


def ask(caller: Caller, lane: str, points: int, **changes: Any) -> dict[str, Any]:
    """What a swap would come to."""
    response = caller.post("/v1/quotes", {"lane_id": lane, "max_points_in": points, **changes})
    assert response.status_code == 200, response.text
    quote: dict[str, Any] = response.json()
    return quote


def answering_calls(said: NodeError | str | None) -> Alter:
    """A node that says this to every call of a contract."""

    def alter(method: str, _params: list[object], result: object) -> object:
        if method != "eth_call":
            return result
        if isinstance(said, NodeError):
            raise said
        return said

    return alter


def codes(answer: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


def sign(world: ExchangeWorld, lane: str, member: dict[str, Any], **changes: Any) -> Any:
    """A bonus by the pharmacy."""
    body = {"mode": "signed", "lane_id": lane, "member_id": member["id"], "bonus_bps": 1_000, "max_points_in": 60}
    return world.other_till.post("/v1/quotes", body | changes)


class TestDryRun:
    def test_quote__says_what_the_swap_then_comes_to(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        with world.sessions() as session:
            before = session.scalar(select(func.count()).select_from(Operation))
        quote = ask(world.member_session(member), lane, 41)
        with world.sessions() as session:
            assert session.scalar(select(func.count()).select_from(Operation)) == before
        assert (quote["possible"], quote["points_in"], quote["points_out"], quote["bonus_points"]) == (True, 40, 20, 0)
        assert (quote["available_points"], quote["available_points_out"]) == (100, 1_000)
        assert quote["settlement"] == {"amount": "0.10", "currency": "USD"}
        swap = world.swap(lane, member, 41).json()
        world.finalise()
        done = world.till.get(f"/v1/swaps/{swap['id']}").json()
        assert (done["lots_in"], done["lots_out"]) == (quote["lots_in"], quote["lots_out"])
        assert quote["lots_out"][0]["expires_at"] == quote["lots_in"][0]["expires_at"]

    def test_quote__names_every_reason_against_it(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till, daily_cap_points_out=50)
        member = world.swapper()
        till = world.till
        assert codes(ask(till, lane, 300, member_id=member["id"])) == ["daily-cap-reached", "insufficient-points"]
        assert codes(ask(till, lane, 5, member_id=member["id"])) == ["below-minimum"]
        assert codes(ask(till, lane, 1, member_id=member["id"])) == ["swap-amount"]
        world.till.post(f"/v1/lanes/{lane}/stop", {})
        world.step()
        stopped = ask(till, lane, 40, member_id=member["id"])
        assert (codes(stopped), stopped["points_out"]) == (["lane-stopped"], None)

    def test_chain_that_does_not_answer__nothing_is_called_possible(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        settings = world.settings.model_copy(update={"rpc_urls": ["http://127.0.0.1:1"]})
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            cut_off = Caller(client, world.till.token)
            body = {"lane_id": lane, "max_points_in": 40, "member_id": member["id"]}
            problem(cut_off.post("/v1/quotes", body), 503, "chain-unavailable")
            swap = world.swap_body(lane, member, 40, mode="dry_run")
            problem(cut_off.post("/v1/swaps", swap), 503, "chain-unavailable")
            assert codes(ask(cut_off, lane, 300, member_id=member["id"])) == ["insufficient-points"]

    def test_node_that_gives_no_usable_answer__is_as_one_that_gives_none(self, exchange_world: ExchangeWorld) -> None:
        """Its own words are not passed on: they can hold the address of an endpoint, with its key."""
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        with StrictProxy(world.deployment.chain.url) as proxy:
            settings = world.settings.model_copy(update={"rpc_urls": [proxy.url]})
            with TestClient(create_app(settings), raise_server_exceptions=False) as client:
                asking = Caller(client, world.till.token)
                body = {"lane_id": lane, "max_points_in": 40, "member_id": member["id"]}
                told = set()
                for said in (
                    NodeError("header not found at https://node.test/?key=hush", -32000),
                    NodeError("method not found: ask https://node.test/?key=hush", -32601),
                    NodeError("out of gas at https://node.test/?key=hush", -32000),
                    None,
                    "0x",
                    "hush",
                ):
                    proxy.alter = answering_calls(said)
                    told.add(problem(asking.post("/v1/quotes", body), 503, "chain-unavailable")["detail"])
                    dry = world.swap_body(lane, member, 40, mode="dry_run")
                    told.add(problem(asking.post("/v1/swaps", dry), 503, "chain-unavailable")["detail"])
                taken = asking.post("/v1/swaps", world.swap_body(lane, member, 40))
                assert taken.status_code == 202, taken.text
        (words,) = told
        assert "hush" not in words

    def test_projection_that_is_behind__possible_is_only_what_the_chain_gives(
        self, exchange_world: ExchangeWorld
    ) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        world.open_lane(world.pharmacy, world.other_till, rate={"points_out": 1, "points_in": 4})
        world.deployment.chain.jump(3_300)
        world.step()
        before = ask(world.till, lane, 40, member_id=member["id"])
        assert (before["possible"], before["points_out"]) == (True, 20)
        world.deployment.chain.jump(300)  # An hour in all: the new terms are in force, in a block that is not indexed.
        behind = ask(world.till, lane, 40, member_id=member["id"])
        assert (codes(behind), behind["as_of"]) == (["output-below-minimum"], before["as_of"])
        world.step()
        after = ask(world.till, lane, 40, member_id=member["id"])
        assert (after["possible"], after["points_out"]) == (True, 10)
        assert after["as_of"] > before["as_of"]

    def test_quote__is_asked_by_source_member_or_operator(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member, other = world.swapper(), world.enrol()
        body = {"lane_id": lane, "max_points_in": 40, "member_id": member["id"]}
        assert ask(world.operator, lane=lane, points=40, member_id=member["id"])["possible"]
        reference = member["enrolments"][0]["reference"]
        assert ask(world.till, lane, 40, member_reference=reference)["possible"]
        problem(world.other_till.post("/v1/quotes", body), 403, "forbidden")
        problem(world.fuel_till.post("/v1/quotes", body), 404, "not-found")
        problem(world.member_session(other).post("/v1/quotes", body), 404, "not-found")
        problem(world.auditor.post("/v1/quotes", body), 403, "forbidden")
        unknown = problem(world.till.post("/v1/quotes", body | {"member_id": other["id"]}), 409, "not-enrolled")
        assert unknown["programme_id"] == world.pharmacy.id
        assert "POST /v1/members" in unknown["detail"]
        problem(world.till.post("/v1/quotes", {"lane_id": lane, "max_points_in": 40}), 422, "invalid-request")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"max_points_in": 0}, "body.dry_run.max_points_in"),
            ({"member_id": "mem_1", "member_reference": "x"}, "body.dry_run"),
            ({"mode": "signed"}, "body.signed.bonus_bps"),
            ({"mode": "guess"}, "body"),
            ({"mode": ["signed"]}, "body"),
        ],
    )
    def test_mistake__is_named_for_what_was_asked_for(
        self, exchange_world: ExchangeWorld, body: dict[str, object], field: str
    ) -> None:
        asked = {"lane_id": "lan_" + "1" * 64, "max_points_in": 40} | body
        errors = problem(exchange_world.till.post("/v1/quotes", asked), 422, "invalid-request")["errors"]
        assert [error["field"] for error in errors] == [field]


class TestSigned:
    def test_bonus__is_added_once(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        signed = sign(world, lane, member)
        assert signed.status_code == 201, signed.text
        quote = signed.json()
        assert (quote["state"], quote["version"], quote["swap_hash"]) == ("open", 1, None)
        dry = ask(world.till, lane, 40, member_id=member["id"], quote_id=quote["id"])
        assert (dry["points_in"], dry["points_out"], dry["bonus_points"]) == (40, 22, 2)
        assert dry["settlement"] == {"amount": "0.10", "currency": "USD"}
        swap = world.swap(lane, member, 40, quote_id=quote["id"]).json()
        problem(world.swap(lane, member, 40, quote_id=quote["id"]), 409, "quote-used")
        world.finalise()
        done = world.till.get(f"/v1/swaps/{swap['id']}").json()
        assert (done["state"], done["points_out"], done["quote_id"]) == ("completed", 22, quote["id"])
        used = world.other_till.get(f"/v1/quotes/{quote['id']}").json()
        assert (used["state"], used["swap_hash"]) == ("used", done["swap_hash"])
        problem(world.swap(lane, member, 40, quote_id=quote["id"]), 409, "quote-used")

    def test_quote_that_does_not_fit__is_refused_with_what_to_do(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member, other = world.swapper(), world.swapper()
        quote = sign(world, lane, member, valid_seconds=7_200).json()["id"]
        problem(world.swap(lane, other, 40, quote_id=quote), 409, "quote-mismatch")
        exceeded = problem(world.swap(lane, member, 80, quote_id=quote), 409, "quote-exceeded")
        assert exceeded["max_points_in"] == 60
        problem(world.swap(lane, member, 40, quote_id="qte_1"), 404, "not-found")
        changed = world.propose(world.pharmacy, fee_bps=100)
        world.other_till.post(f"/v1/lanes/{lane}/accept", {"terms_hash": changed["terms_hash"]})
        world.step()
        world.deployment.chain.jump(3_601)
        world.step()
        assert problem(world.swap(lane, member, 40, quote_id=quote), 409, "quote-terms-changed")["version"] == 2
        late = sign(world, lane, member, valid_seconds=60).json()["id"]
        world.deployment.chain.jump(61)
        world.step()
        problem(world.swap(lane, member, 40, quote_id=late), 409, "quote-expired")
        assert world.till.get(f"/v1/quotes/{late}").json()["state"] == "expired"

    def test_bonus__is_the_destinations_to_promise(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        high = problem(sign(world, lane, member, bonus_bps=2_001), 409, "bonus-too-high")
        assert high["max_bonus_bps"] == 2_000
        body = {"mode": "signed", "lane_id": lane, "member_id": member["id"], "bonus_bps": 1, "max_points_in": 1}
        problem(world.till.post("/v1/quotes", body), 403, "forbidden")
        problem(world.member_session(member).post("/v1/quotes", body), 403, "forbidden")
        swaps_only = world.key(world.pharmacy, {Scope.SWAPS_WRITE})
        assert problem(swaps_only.post("/v1/quotes", body), 403, "forbidden")["scope"] == "quotes:write"
        quote = sign(world, lane, member).json()["id"]
        for caller in (world.till, world.member_session(member), world.auditor):
            assert [row["id"] for row in caller.get("/v1/quotes", params={"lane_id": lane}).json()["data"]] == [quote]
        assert world.fuel_till.get("/v1/quotes").json()["data"] == []
        problem(world.fuel_till.get(f"/v1/quotes/{quote}"), 404, "not-found")

    def test_quoter_without_the_role__signs_nothing_that_counts(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        quote = sign(world, lane, member).json()["id"]
        deployment = world.deployment
        admin = Administrator(deployment.chain.client, deployment.signers.signer(deployment.accounts[0]))
        revoke = selector("revokeRole(bytes32,address)") + hash_word(QUOTER_ROLE) + address_word(world.pharmacy.quoter)
        admin.send(address_text(world.pharmacy.token), revoke)
        # The chain knows before we do.
        problem(world.swap(lane, member, 40, quote_id=quote), 409, "quote-signature")
        world.step()
        problem(sign(world, lane, member), 409, "not-quoter")
