"""A stranger calls everything with anything: no balance and no supply may change."""

import pytest
from brownie import web3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support.examples import examples
from tests.contracts.support.points import lots_of, ref
from tests.contracts.support.selectors import Scene, calldata_of, functions_of, send_all


@pytest.fixture
def scene(token, alice, bob, member, member_key, issuer, mallory, give_monthly, clock):
    """Members with lots, an open hold, a redemption and an allowance; the values a stranger could try."""
    epochs = give_monthly(token, alice, 100, 200)
    give_monthly(token, bob, 50)
    give_monthly(token, member, 70)
    token.hold(20, ref("hold"), clock.now_seconds + 80 * 86_400, {"from": alice})
    token.redeem(30, ref("redemption"), {"from": alice})
    token.approve(bob, 50, {"from": alice})
    hold_account = token.holdAccountOf(alice, ref("hold"))
    accounts = [alice.address, bob.address, member, hold_account, mallory.address, token.address, "0x" + "00" * 20]
    keys = [ref("hold"), ref("redemption"), member_key, ref("new")]
    return Scene(accounts=accounts, words=epochs, keys=keys)


def state_of(token, scene, alice):
    accounts = scene.accounts
    return (
        {account: lots_of(token, account) for account in accounts},
        {epoch: token.totalSupplyAtEpoch(epoch) for epoch in scene.words},
        token.totalSupply(),
        token.allowance(alice, accounts[1]),
        [token.refundableOf(alice, key) for key in scene.keys],
    )


@pytest.mark.spec("PT-134")
def test_stranger__every_selector__changes_nothing(token, scene, alice, mallory):
    functions = functions_of(token)
    assert len(functions) > 60
    before = state_of(token, scene, alice)

    @settings(max_examples=examples(10), deadline=None, database=None)
    @given(st.tuples(*(calldata_of(function, scene) for function in functions)))
    def call_everything(calls):
        send_all(mallory, token, [(data, 0) for data in calls])
        assert state_of(token, scene, alice) == before

    call_everything()


@pytest.mark.spec("PT-134")
def test_stranger__unknown_selectors_and_ether__changes_nothing(token, scene, alice, mallory):
    before = state_of(token, scene, alice)

    @settings(max_examples=examples(10), deadline=None, database=None)
    @given(st.lists(st.tuples(st.binary(max_size=100), st.integers(0, 1)), max_size=20))
    def call_anything(calls):
        send_all(mallory, token, calls)
        assert state_of(token, scene, alice) == before

    call_anything()
    assert web3.eth.get_balance(token.address) == 0
