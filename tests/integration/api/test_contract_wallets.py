"""Wallets that are contracts (ERC-1271): only the chain knows what they have signed, and they may change their mind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from tests.gas.rig import DOUBLES, Rig
from tests.gas.table import compile_doubles
from tests.integration.api.chain_world import ChainWorld
from tests.integration.api.exchange_world import ExchangeWorld
from tests.integration.api.test_wallets import account
from tests.integration.api.world import Caller, problem

NO_KEYS_SIGNATURE = "0x" + "ff" * 64 + "1b"
"""As long as a key's signature; from no key can it be."""


@dataclass(frozen=True)
class ContractWallet:
    """A contract on the chain that accepts what its owner signs, unless it is locked."""

    rig: Rig
    contract: Contract
    owner: LocalAccount

    @property
    def address(self) -> str:
        """The contract's, which is where the points are."""
        return self.contract.address

    def lock(self, locked: bool = True) -> None:
        """From now on the wallet refuses every signature, or its owner's count again."""
        self.rig.gas(self.contract.functions.setLocked(locked))

    def sign_message(self, message: str, signer: LocalAccount | None = None) -> str:
        """personal_sign by the owner, or by somebody else."""
        signed = Account.sign_message(encode_defunct(text=message), (signer or self.owner).key)
        signature: str = signed.signature.to_0x_hex()
        return signature

    def sign_order(self, order: dict[str, Any], signer: LocalAccount | None = None) -> dict[str, Any]:
        """An order with the owner's signature, or somebody else's."""
        signed = Account.sign_typed_data((signer or self.owner).key, full_message=order["typed_data"])
        kept = {name: order[name] for name in ("ref", "deadline", "hold_deadline") if name in order}
        return kept | {"signature": signed.signature.to_0x_hex()}


def deploy_wallet(world: ChainWorld) -> ContractWallet:
    rig, owner = Rig(world.deployment.chain), account()
    return ContractWallet(rig, rig.deploy(DOUBLES / "SignatureWallet.json", owner.address), owner)


def challenge(caller: Caller, path: str, address: str) -> str:
    answer = caller.post(path, {"address": address})
    assert answer.status_code == 201, answer.text
    message: str = answer.json()["message"]
    return message


def link(world: ChainWorld, member: dict[str, Any], wallet: ContractWallet) -> Any:
    path = f"/v1/members/{member['id']}/wallet"
    message = challenge(world.till, f"{path}/challenges", wallet.address)
    return world.till.post(path, {"message": message, "signature": wallet.sign_message(message)})


def linked(world: ChainWorld, member: dict[str, Any]) -> ContractWallet:
    """A new contract wallet that holds the member's points."""
    wallet = deploy_wallet(world)
    answer = link(world, member, wallet)
    assert answer.status_code == 202, answer.text
    world.finalise()
    return wallet


def failure(world: ChainWorld, answer: Any) -> str:
    """The contract's error with which the operation that was accepted has failed."""
    assert answer.status_code == 202, answer.text
    world.finalise()
    operation = world.till.get(answer.headers["location"]).json()
    assert operation["state"] == "failed", operation
    code: str = operation["error_code"]
    return code


@pytest.fixture(scope="module", autouse=True)
def _doubles() -> None:
    """The wallet is a test double, which set-up does not compile."""
    compile_doubles()


class TestLink:
    def test_owners_signature__links_the_contract_and_signs_in(self, chain_world: ChainWorld) -> None:
        world = chain_world
        member, wallet = world.credited("10.00"), deploy_wallet(world)
        answer = link(world, member, wallet)
        assert (answer.status_code, answer.json()["wallet"]) == (202, wallet.address)
        world.finalise()
        balance = world.balance(member, source="chain")
        assert (balance["account"], balance["total_points"], balance["available_points"]) == (wallet.address, 10, 10)
        message = challenge(world.anonymous, "/v1/sessions/challenges", wallet.address)
        proof = {"message": message, "signature": wallet.sign_message(message)}
        opened = world.anonymous.post("/v1/sessions/wallet", proof)
        assert (opened.status_code, opened.json()["member_id"]) == (201, member["id"])

    def test_what_the_contract_does_not_accept__is_refused(self, chain_world: ChainWorld) -> None:
        world = chain_world
        member, wallet = world.credited("10.00"), deploy_wallet(world)
        path = f"/v1/members/{member['id']}/wallet"
        message = challenge(world.till, f"{path}/challenges", wallet.address)
        owners = wallet.sign_message(message)
        for signature in (wallet.sign_message(message, account()), NO_KEYS_SIGNATURE, "0x", owners + "00"):
            refused = world.till.post(path, {"message": message, "signature": signature})
            problem(refused, 422, "sign-in-refused")
        problem(world.till.post(path, {"message": message, "signature": "0x1"}), 422, "invalid-request")
        wallet.lock()
        problem(world.till.post(path, {"message": message, "signature": owners}), 422, "sign-in-refused")
        # A contract that knows nothing of signatures is nobody's wallet.
        token = world.deployment.manifest.programmes[0].token
        other = challenge(world.till, f"{path}/challenges", token)
        proof = {"message": other, "signature": wallet.sign_message(other)}
        problem(world.till.post(path, proof), 422, "sign-in-refused")
        assert world.balance(member)["account"] not in (wallet.address, token)
        # Nothing of this has used up the message.
        wallet.lock(False)
        assert world.till.post(path, {"message": message, "signature": owners}).status_code == 202


class TestRedeem:
    def test_signed_orders__spend_and_reserve_while_the_contract_accepts_them(self, chain_world: ChainWorld) -> None:
        world = chain_world
        member = world.credited("10.00")
        wallet = linked(world, member)
        problem(world.redeem(member, 4), 409, "signature-required")

        def order(points: int, hold: dict[str, int] | None = None) -> dict[str, Any]:
            body = {"member_id": member["id"], "points": points, "hold": hold}
            answer = world.till.post("/v1/redemptions/orders", body)
            assert (answer.status_code, answer.json()["account"]) == (200, wallet.address), answer.text
            found: dict[str, Any] = answer.json()
            return found

        def state(answer: Any) -> str:
            found: str = world.till.get(f"/v1/redemptions/{answer.json()['id']}").json()["state"]
            return found

        hold = {"expires_in_seconds": 3600}
        spent = world.redeem(member, 4, order=wallet.sign_order(order(4)))
        reserved = world.redeem(member, 1, hold=hold, order=wallet.sign_order(order(1, hold)))
        assert (spent.status_code, reserved.status_code) == (202, 202)
        world.finalise()
        assert (state(spent), state(reserved)) == ("redeemed", "reserved")
        assert world.balance(member, source="chain")["available_points"] == 5

        strangers = world.redeem(member, 2, order=wallet.sign_order(order(2), account()))
        assert failure(world, strangers) == "InvalidSignature"
        regretted = world.redeem(member, 3, order=wallet.sign_order(order(3)))
        wallet.lock()  # It was accepted, but not relayed yet.
        assert failure(world, regretted) == "InvalidSignature"
        assert (state(strangers), state(regretted)) == ("failed", "failed")
        for source in ("projection", "chain"):
            assert world.balance(member, source=source)["available_points"] == 5


class TestSwap:
    def test_signed_orders__swap_while_the_contract_accepts_them(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        wallet = linked(world, member)
        problem(world.swap(lane, member, 40), 409, "signature-required")

        def swap(signer: LocalAccount | None = None, **changes: Any) -> Any:
            body = {"lane_id": lane, "member_id": member["id"], "max_points_in": 40, "min_points_out": 20}
            order = world.till.post("/v1/swaps/orders", body)
            assert order.status_code == 200, order.text
            signed = wallet.sign_order(order.json(), signer) | changes
            return world.swap(lane, member, 40, min_points_out=20, order=signed)

        def points() -> tuple[int, ...]:
            sources = ("projection", "chain")
            at = (world.market, world.pharmacy)
            return tuple(world.points_at(member, each, source=source) for each in at for source in sources)

        problem(swap(signer=account()), 409, "order-signature")
        problem(swap(signature=NO_KEYS_SIGNATURE), 409, "order-signature")
        done = swap()
        assert done.status_code == 202, done.text
        world.finalise()
        assert world.till.get(f"/v1/swaps/{done.json()['id']}").json()["state"] == "completed"
        assert points() == (60, 60, 20, 20)

        regretted = swap()
        wallet.lock()  # It was accepted, but not relayed yet.
        assert failure(world, regretted) == "InvalidOrderSignature"
        failed = world.till.get(f"/v1/swaps/{regretted.json()['id']}").json()
        assert (failed["state"], failed["error"]["code"]) == ("failed", "InvalidOrderSignature")
        assert points() == (60, 60, 20, 20)
        problem(swap(), 409, "order-signature")
