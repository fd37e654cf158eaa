"""Wallets: linked by signing in with Ethereum; then only they can spend."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from tests.integration.api.chain_world import ChainWorld
from tests.integration.api.world import Caller, problem


def account() -> LocalAccount:
    made: LocalAccount = Account.create()
    return made


def proof(caller: Caller, path: str, wallet: LocalAccount, signer: LocalAccount | None = None) -> dict[str, str]:
    challenge = caller.post(path, {"address": wallet.address})
    assert challenge.status_code == 201, challenge.text
    message = challenge.json()["message"]
    signature = Account.sign_message(encode_defunct(text=message), (signer or wallet).key).signature.to_0x_hex()
    return {"message": message, "signature": signature}


def link(world: ChainWorld, member: dict[str, Any], wallet: LocalAccount, caller: Caller | None = None) -> Any:
    path = f"/v1/members/{member['id']}/wallet"
    caller = caller or world.till
    return caller.post(path, proof(caller, f"{path}/challenges", wallet))


def in_both(world: ChainWorld) -> dict[str, Any]:
    """A member of both programmes."""
    member = world.enrol()
    body = {"reference": "p-1", "programme_id": world.pharmacy.id, "member_id": member["id"]}
    assert world.operator.post("/v1/members", body).status_code == 201
    return member


class TestLinkWallet:
    def test_link__moves_the_points_and_credits_go_there_from_then_on(self, chain_world: ChainWorld) -> None:
        member, wallet = chain_world.credited("10.00"), account()
        answer = link(chain_world, member, wallet)
        assert answer.status_code == 202, answer.text
        chain_world.finalise()
        assert (
            chain_world.till.get(f"/v1/operations/{answer.json()['links'][0]['operation_id']}").json()["state"]
            == "final"
        )
        balance = chain_world.balance(member)
        assert (balance["account"], balance["total_points"]) == (wallet.address, 10)
        chain_world.earn(member, "5.00")
        chain_world.finalise()
        token = chain_world.deployment.chain.client.eth_call(
            chain_world.deployment.manifest.programmes[0].token,
            bytes.fromhex("70a08231") + bytes(12) + bytes.fromhex(wallet.address[2:]),
        )
        assert int.from_bytes(token, "big") == 15

    def test_points_on_their_way__are_moved_as_well(self, chain_world: ChainWorld) -> None:
        member, wallet = chain_world.enrol(), account()
        chain_world.earn(member, "10.00")
        chain_world.batcher.run_once()  # The credit goes to the managed account.
        assert link(chain_world, member, wallet).json()["links"][0]["operation_id"] is None
        chain_world.finalise()
        balance = chain_world.balance(member, source="chain")
        assert (balance["account"], balance["total_points"], balance["available_points"]) == (wallet.address, 10, 10)
        assert "link" in [
            entry["kind"] for entry in chain_world.till.get(f"/v1/members/{member['id']}/history").json()["data"]
        ]

    def test_somebody_elses_signature__is_refused(self, chain_world: ChainWorld) -> None:
        member, wallet = chain_world.enrol(), account()
        path = f"/v1/members/{member['id']}/wallet"
        body = proof(chain_world.till, f"{path}/challenges", wallet, signer=account())
        problem(chain_world.till.post(path, body), 422, "sign-in-refused")

    def test_a_message_used_twice__is_refused(self, chain_world: ChainWorld) -> None:
        member, wallet = chain_world.enrol(), account()
        path = f"/v1/members/{member['id']}/wallet"
        body = proof(chain_world.till, f"{path}/challenges", wallet)
        assert chain_world.till.post(path, body).status_code == 202
        problem(chain_world.till.post(path, body), 422, "sign-in-refused")

    def test_a_changed_message__is_refused(self, chain_world: ChainWorld) -> None:
        member, wallet = chain_world.enrol(), account()
        path = f"/v1/members/{member['id']}/wallet"
        body = proof(chain_world.till, f"{path}/challenges", wallet)
        for changed in (body["message"].replace("127.0.0.1:8000", "evil.example"), body["message"] + " ", "hello"):
            problem(chain_world.till.post(path, body | {"message": changed}), 422, "sign-in-refused")

    def test_wallet_of_another_member__is_taken(self, chain_world: ChainWorld) -> None:
        wallet = account()
        assert link(chain_world, chain_world.enrol(), wallet).status_code == 202
        problem(link(chain_world, chain_world.enrol(), wallet), 409, "wallet-taken")

    def test_another_wallet__needs_the_first_to_go(self, chain_world: ChainWorld) -> None:
        member = chain_world.enrol()
        link(chain_world, member, account())
        problem(link(chain_world, member, account()), 409, "wallet-taken")

    def test_member_by_the_operators_link__links_in_every_programme_at_once(self, chain_world: ChainWorld) -> None:
        member = in_both(chain_world)
        answer = link(chain_world, member, account(), chain_world.member_session(member, chain_world.operator))
        assert len(answer.json()["links"]) == 2

    def test_member_by_a_brands_link__links_in_that_programme_only(self, chain_world: ChainWorld) -> None:
        member, wallet = in_both(chain_world), account()
        answer = link(chain_world, member, wallet, chain_world.member_session(member))
        assert [each["programme_id"] for each in answer.json()["links"]] == [chain_world.market.id]
        # Nor does the wallet's own session reach further, or a stolen key could do it in two steps.
        body = proof(chain_world.anonymous, "/v1/sessions/challenges", wallet)
        token = chain_world.anonymous.post("/v1/sessions/wallet", body).json()["token"]
        chain_world.client.cookies.clear()
        path = f"/v1/members/{member['id']}/wallet/challenges"
        problem(Caller(chain_world.client, token).post(path, {"address": wallet.address}), 403, "forbidden")


class TestWalletSession:
    def test_linked_wallet__opens_the_members_session(self, chain_world: ChainWorld) -> None:
        member, wallet = chain_world.credited("10.00"), account()
        link(chain_world, member, wallet)
        body = proof(chain_world.anonymous, "/v1/sessions/challenges", wallet)
        answer = chain_world.anonymous.post("/v1/sessions/wallet", body)
        assert (answer.status_code, answer.json()["member_id"]) == (201, member["id"])
        assert "interpoints_session" in answer.headers["set-cookie"]
        chain_world.client.cookies.clear()
        caller = Caller(chain_world.client, answer.json()["token"])
        assert caller.get(f"/v1/members/{member['id']}").status_code == 200

    def test_unknown_wallet__is_refused(self, chain_world: ChainWorld) -> None:
        body = proof(chain_world.anonymous, "/v1/sessions/challenges", account())
        problem(chain_world.anonymous.post("/v1/sessions/wallet", body), 422, "sign-in-refused")

    def test_message_to_link__does_not_sign_in(self, chain_world: ChainWorld) -> None:
        member, wallet = chain_world.enrol(), account()
        body = proof(chain_world.till, f"/v1/members/{member['id']}/wallet/challenges", wallet)
        problem(chain_world.anonymous.post("/v1/sessions/wallet", body), 422, "sign-in-refused")


class TestSpendFromWallet:
    @pytest.mark.parametrize("hold", [None, {"expires_in_seconds": 3600}])
    def test_signed_order__spends_and_nothing_else_does(
        self, chain_world: ChainWorld, hold: dict[str, int] | None
    ) -> None:
        member, wallet = chain_world.credited("10.00"), account()
        link(chain_world, member, wallet)
        chain_world.finalise()
        problem(chain_world.redeem(member, 4), 409, "signature-required")
        order = chain_world.till.post(
            "/v1/redemptions/orders", {"member_id": member["id"], "points": 4, "hold": hold}
        ).json()
        signature = Account.sign_typed_data(wallet.key, full_message=order["typed_data"]).signature.to_0x_hex()
        signed = {"ref": order["ref"], "deadline": order["deadline"], "hold_deadline": order["hold_deadline"]}
        answer = chain_world.redeem(member, 4, hold=hold, order=signed | {"signature": signature})
        assert answer.status_code == 202, answer.text
        chain_world.finalise()
        state = chain_world.till.get(f"/v1/redemptions/{answer.json()['id']}").json()["state"]
        assert state == ("redeemed" if hold is None else "reserved")
        assert chain_world.balance(member)["total_points"] == 6

    def test_order_signed_by_somebody_else__fails_for_certain(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("10.00")
        link(chain_world, member, account())
        chain_world.finalise()
        order = chain_world.till.post("/v1/redemptions/orders", {"member_id": member["id"], "points": 4}).json()
        signature = Account.sign_typed_data(account().key, full_message=order["typed_data"]).signature.to_0x_hex()
        signed = {"ref": order["ref"], "deadline": order["deadline"], "signature": signature}
        answer = chain_world.redeem(member, 4, order=signed)
        chain_world.finalise()
        operation = chain_world.till.get(answer.headers["location"]).json()
        assert (operation["state"], operation["error_code"]) == ("failed", "InvalidSignature")
        assert chain_world.till.get(f"/v1/redemptions/{answer.json()['id']}").json()["state"] == "failed"
        assert chain_world.balance(member)["available_points"] == 10
