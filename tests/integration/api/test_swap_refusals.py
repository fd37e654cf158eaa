"""Swaps that are refused: each by an error of its own that says what to do, and nothing is moved."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from fastapi.testclient import TestClient

from backend.app import create_app
from backend.chain.administering import Administrator
from backend.chain.clearing_house import encode_set_credit_line
from backend.chain.points_token import encode_pause, encode_set_supply_cap, encode_unpause
from backend.chain.words import hash_word, selector
from backend.exchange.identifiers import programme_key
from backend.hexes import address_text
from tests.integration.api.exchange_world import ExchangeWorld
from tests.integration.api.test_wallets import account, link
from tests.integration.api.world import Caller, problem


def administer(world: ExchangeWorld, contract: bytes | str, data: bytes) -> None:
    """Has the administrator do something on the chain."""
    deployment = world.deployment
    admin = Administrator(deployment.chain.client, deployment.signers.signer(deployment.accounts[0]))
    admin.send(contract if isinstance(contract, str) else address_text(contract), data)


def sign(order: dict[str, Any], wallet: LocalAccount, chain_id: int | None = None) -> dict[str, Any]:
    """The wallet's answer to an order, perhaps signed for another network."""
    typed = dict(order["typed_data"])
    if chain_id is not None:
        typed["domain"] = typed["domain"] | {"chainId": chain_id}
    signed = Account.sign_typed_data(wallet.key, full_message=typed)
    return {"ref": order["ref"], "deadline": order["deadline"], "signature": signed.signature.to_0x_hex()}


class TestAmounts:
    def test_amounts_that_do_not_fit__are_refused_with_what_would(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till, daily_cap_points_out=60)
        member = world.swapper("300.00")
        small = problem(world.swap(lane, member, 9), 409, "below-minimum")
        assert (small["minimum_points_in"], small["points_in"]) == (10, 8)
        problem(world.swap(lane, member, 1), 409, "swap-amount")
        short = problem(world.swap(lane, member, 40, min_points_out=21), 409, "output-below-minimum")
        assert short["points_out"] == 20
        lacking = problem(world.swap(lane, world.swapper("30.00"), 40), 409, "insufficient-points")
        assert lacking["available_points"] == 30
        assert world.points_at(member, world.market) == 300

        assert world.swap(lane, member, 100).status_code == 202
        capped = problem(world.swap(lane, member, 40), 409, "daily-cap-reached")
        assert capped["available_points_out"] == 10  # 50 are on their way.
        world.finalise()
        capped = problem(world.swap(lane, member, 40), 409, "daily-cap-reached")
        assert capped["available_points_out"] == 10
        assert "+00:00" in capped["frees_at"]
        never = problem(world.swap(lane, member, 200), 409, "daily-cap-reached")
        assert never["frees_at"] is None
        assert never["detail"].endswith("The lane never gives as many at once: swap fewer.")
        frees_at = int(datetime.fromisoformat(capped["frees_at"]).timestamp())
        world.deployment.chain.set_next_timestamp(frees_at)
        world.deployment.chain.mine()
        world.step()
        assert world.swap(lane, member, 40).status_code == 202

    def test_points_on_their_way_out__count_for_swaps_and_redemptions(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        assert world.redeem(member, 30).status_code == 202
        assert problem(world.swap(lane, member, 80), 409, "insufficient-points")["available_points"] == 70
        assert world.swap(lane, member, 60).status_code == 202
        assert problem(world.redeem(member, 11), 409, "insufficient-points")["available_points"] == 10
        world.finalise()
        assert world.points_at(member, world.market, source="chain") == 10

    def test_points_that_expire_too_soon__are_to_be_spent_at_home(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.fuel, world.fuel_till)
        member = world.swapper(programme=world.fuel)
        quote = world.till.post("/v1/quotes", {"lane_id": lane, "member_id": member["id"], "max_points_in": 40}).json()
        assert quote["possible"]
        assert quote["lots_out"][0]["expires_at"] <= quote["lots_in"][0]["expires_at"]
        world.jump(56)  # Fuel is in its next quarter, which ends after these points do.
        assert world.balance(member)["available_points"] == 100
        refused = problem(world.swap(lane, member, 40), 409, "expiry-not-carriable")
        assert "Spend these points" in refused["detail"]
        assert refused["points"] == 40

    def test_debtor_at_its_cap__may_owe_no_more(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        keys = (programme_key("pharmacy"), programme_key("market"))
        world.order(world.pharmacy.treasurer, world.house, encode_set_credit_line(*keys, 150_000))
        refused = problem(world.swap(lane, member, 80), 409, "debit-cap-reached")
        assert (refused["available_amount"], refused["currency"], refused["error"]) == (
            "0.15",
            "USD",
            "DebitCapExceeded",
        )
        assert world.swap(lane, member, 60).status_code == 202

    def test_destination_at_its_supply_cap__gives_no_more(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        administer(world, world.pharmacy.token, encode_set_supply_cap(19))
        problem(world.swap(lane, member, 40), 409, "supply-cap-reached")
        assert world.swap(lane, member, 38).status_code == 202


class TestState:
    def test_deadline_that_is_past__is_refused(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        past = problem(world.swap(lane, member, 40, deadline="2017-03-01T00:00:00Z"), 409, "deadline-past")
        assert past["chain_time"] > "2017-03-01T12"

    def test_deadline_that_is_no_date_in_utc__is_refused(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        for deadline in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
            problem(world.swap(lane, member, 40, deadline=deadline), 422, "invalid-request")
        order = {"ref": "0x" + "11" * 32, "deadline": (1 << 48) - 1, "signature": "0x11"}
        problem(world.swap(lane, member, 40, order=order), 422, "invalid-request")

    def test_lane_without_terms__is_refused(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        member = world.swapper()
        world.propose(world.pharmacy)
        lane = world.till.get("/v1/lanes").json()["data"][0]["id"]
        problem(world.swap(lane, member, 40), 409, "lane-not-agreed")
        problem(world.swap("lan_" + "11" * 32, member, 40), 404, "not-found")
        world.open_lane(world.pharmacy, world.other_till)
        world.till.post(f"/v1/lanes/{lane}/stop", {})
        world.step()
        problem(world.swap(lane, member, 40), 409, "lane-stopped")

    def test_paused_or_suspended__is_refused_until_it_goes_on(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        registry = world.deployment.manifest.registry
        assert registry is not None
        key = hash_word(programme_key("pharmacy"))
        for contract, begin, end in (
            (world.market.token, encode_pause(), encode_unpause()),
            (world.pharmacy.token, encode_pause(), encode_unpause()),
            (world.exchange.address, encode_pause(), encode_unpause()),
            (registry.address, selector("suspend(bytes32)") + key, selector("resume(bytes32)") + key),
        ):
            administer(world, contract, begin)
            problem(world.swap(lane, member, 40), 409, "programme-not-active")
            administer(world, contract, end)
        assert world.swap(lane, member, 40).status_code == 202

    def test_member_of_one_programme_only__joins_the_other_first(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.credited()
        refused = problem(world.swap(lane, member, 40), 409, "not-enrolled")
        assert (refused["programme_id"], refused["member_id"]) == (world.pharmacy.id, member["id"])
        world.enrol_at(member, world.pharmacy)
        assert world.swap(lane, member, 40).status_code == 202

    def test_programmes_that_have_no_part_in_it__cannot_swap(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        body = world.swap_body(lane, world.swapper(), 40)
        problem(world.other_till.post("/v1/swaps", body), 403, "forbidden")
        problem(world.fuel_till.post("/v1/swaps", body), 404, "not-found")
        problem(world.auditor.post("/v1/swaps", body), 403, "forbidden")
        other = world.member_session(world.swapper())
        problem(other.post("/v1/swaps", body), 404, "not-found")

    def test_manifest_of_another_network__is_noticed(self, exchange_world: ExchangeWorld, tmp_path: Path) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        path = tmp_path / "elsewhere.json"
        world.deployment.manifest.model_copy(update={"chain_id": 10}).save(path)
        settings = world.settings.model_copy(update={"manifest_path": path})
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            elsewhere = Caller(client, world.till.token)
            refused = problem(elsewhere.post("/v1/swaps", world.swap_body(lane, member, 40)), 409, "wrong-network")
        assert (refused["expected_chain_id"], refused["found_chain_id"]) == (10, 31337)

    def test_chain_that_does_not_answer__has_its_say_later(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        settings = world.settings.model_copy(update={"rpc_urls": ["http://127.0.0.1:1"]})
        with TestClient(create_app(settings), raise_server_exceptions=False) as client:
            cut_off = Caller(client, world.till.token)
            swap = cut_off.post("/v1/swaps", world.swap_body(lane, member, 40))
        assert swap.status_code == 202
        world.finalise()
        assert world.till.get(f"/v1/swaps/{swap.json()['id']}").json()["state"] == "completed"


class TestWallets:
    def test_wallet__signs_the_order_and_the_custodian_relays_it(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member, wallet = world.swapper(), account()
        problem(world.till.post("/v1/swaps/orders", _order(lane, member)), 422, "invalid-request")
        link(world, member, wallet)
        world.finalise()
        problem(world.swap(lane, member, 40), 409, "signature-required")
        order = world.member_session(member).post("/v1/swaps/orders", {**_order(lane, member), "member_id": None})
        assert order.status_code == 200, order.text
        assert order.json()["chain_id"] == 31337
        swap = world.swap(lane, member, 40, min_points_out=20, order=sign(order.json(), wallet))
        assert swap.status_code == 202, swap.text
        again = world.swap(lane, member, 40, min_points_out=20, order=sign(order.json(), wallet))
        problem(again, 409, "reference-reused")
        world.finalise()
        assert world.till.get(f"/v1/swaps/{swap.json()['id']}").json()["state"] == "completed"
        assert world.points_at(member, world.pharmacy, source="chain") == 20

    def test_order_signed_wrongly__is_refused_with_what_to_do(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member, wallet = world.swapper(), account()
        link(world, member, wallet)
        world.finalise()
        order = world.till.post("/v1/swaps/orders", _order(lane, member)).json()

        def swap(signed: dict[str, Any], **changes: Any) -> Any:
            return world.swap(lane, member, 40, **({"min_points_out": 20, "order": signed} | changes))

        elsewhere = problem(swap(sign(order, wallet, chain_id=1)), 409, "wrong-network")
        assert (elsewhere["expected_chain_id"], elsewhere["found_chain_id"]) == (31337, 1)
        problem(swap(sign(order, wallet) | {"chain_id": 777}), 409, "wrong-network")
        problem(swap(sign(order, account())), 409, "order-signature")
        problem(swap(sign(order, wallet) | {"signature": "0x1234"}), 409, "order-signature")
        problem(swap(sign(order, wallet), min_points_out=19), 409, "order-signature")
        problem(swap(sign(order, wallet), deadline="2017-03-01T13:00:00Z"), 422, "invalid-request")
        world.deployment.chain.jump(901)
        world.step()
        problem(swap(sign(order, wallet)), 409, "deadline-past")
        assert world.points_at(member, world.market) == 100


def _order(lane: str, member: dict[str, Any]) -> dict[str, Any]:
    return {"lane_id": lane, "member_id": member["id"], "max_points_in": 40, "min_points_out": 20}
