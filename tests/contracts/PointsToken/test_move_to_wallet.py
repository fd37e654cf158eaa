"""`moveToWallet`: a member who connects a wallet takes the points along."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of, ref


@pytest.mark.spec("PT-115")
@pytest.mark.parametrize("actor", ["admin", "issuer", "exchange", "pauser", "mallory"])
def test_move_to_wallet__not_the_custodian__refused(token, member, member_key, bob, give, actor, request):
    caller = request.getfixturevalue(actor)
    give(token, member, 10)
    with reverts("AccessControlUnauthorizedAccount", caller, token.CUSTODIAN_ROLE()):
        token.moveToWallet(member_key, bob, {"from": caller})


@pytest.mark.spec("PT-117")
def test_move_to_wallet__zero_address__refused(token, member, member_key, give, custodian):
    give(token, member, 10)
    with reverts("ERC20InvalidReceiver", NOBODY):
        token.moveToWallet(member_key, NOBODY, {"from": custodian})


@pytest.mark.spec("PT-115")
def test_move_to_wallet__other_key__moves_nothing_of_the_member(token, member, bob, give, custodian):
    give(token, member, 10)
    token.moveToWallet(ref("another key"), bob, {"from": custodian})
    assert token.balanceOf(member) == 10
    assert token.balanceOf(bob) == 0


@pytest.mark.spec("PT-116", "EL-7")
def test_move_to_wallet__all_live_lots_with_their_epochs(token, member, member_key, bob, give_monthly, give, custodian):
    epochs = give_monthly(token, member, 1, 10, 20, 30, 40, 50)
    give(token, bob, 5)
    transaction = token.moveToWallet(member_key, bob, {"from": custodian})
    assert lots_of(token, bob) == dict(zip(epochs[1:], (10, 20, 30, 40, 55), strict=True))
    assert lots_of(token, member) == {}
    assert logs(transaction)[-2:] == [
        ("Transfer", member, bob, 150),
        ("WalletLinked", member, bob, 150),
    ]


@pytest.mark.spec("PT-116")
def test_move_to_wallet__nothing_there__linked_all_the_same(token, member, member_key, bob, custodian):
    transaction = token.moveToWallet(member_key, bob, {"from": custodian})
    assert logs(transaction) == [("WalletLinked", member, bob, 0)]


@pytest.mark.spec("PT-116")
def test_move_to_wallet__afterwards__only_the_wallet_spends(token, member, member_key, bob, give, custodian):
    give(token, member, 10)
    token.moveToWallet(member_key, bob, {"from": custodian})
    with reverts("ERC20InsufficientBalance", member, 0, 1):
        token.redeemManaged(member_key, 1, ref("order"), {"from": custodian})
    token.redeem(10, ref("order"), {"from": bob})
    assert token.balanceOf(bob) == 0


@pytest.mark.spec("PT-116")
def test_move_to_wallet__exchange_only_programme__works(deploy, member_key, bob, give, custodian):
    token = deploy(transferable=False)
    give(token, token.managedAccount(member_key), 10)
    token.moveToWallet(member_key, bob, {"from": custodian})
    assert token.balanceOf(bob) == 10


@pytest.mark.spec("PT-8")
def test_managed_account__follows_from_token_and_key_alone(deploy, token, member_key):
    other_token = deploy()
    accounts = {
        token.managedAccount(member_key),
        token.managedAccount(ref("another key")),
        other_token.managedAccount(member_key),
    }
    assert len(accounts) == 3
    assert token.managedAccount(member_key) in accounts


@pytest.mark.spec("PT-9")
def test_hold_account_of__differs_from_managed_accounts(token, alice, bob):
    order = ref("order")
    as_key = "0x" + "00" * 12 + alice.address[2:]
    accounts = {
        token.holdAccountOf(alice, order),
        token.holdAccountOf(bob, order),
        token.holdAccountOf(alice, ref("other")),
        token.managedAccount(order),
        token.managedAccount(as_key),
    }
    assert len(accounts) == 5
