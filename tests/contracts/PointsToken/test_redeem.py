"""`redeem`: a holder spends own points."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of, ref

ORDER = ref("order 1")


@pytest.mark.spec("PT-61", "EL-14")
def test_redeem__more_than_live__refused(token, alice, give, clock):
    give(token, alice, 10)
    clock.pass_epochs(5)
    give(token, alice, 7)
    with reverts("ERC20InsufficientBalance", alice, 7, 8):
        token.redeem(8, ORDER, {"from": alice})


@pytest.mark.spec("PT-61")
def test_redeem__nothing__refused(token, alice, give):
    give(token, alice, 10)
    with reverts("InvalidAmount", 0):
        token.redeem(0, ORDER, {"from": alice})


@pytest.mark.spec("PT-61")
@pytest.mark.parametrize("amount", [2**48, 2**256 - 1])
def test_redeem__more_than_any_lot__refused(token, alice, give, amount):
    give(token, alice, 10)
    with reverts("InvalidAmount", amount):
        token.redeem(amount, ORDER, {"from": alice})


@pytest.mark.spec("PT-62")
def test_redeem__ref_used__refused(token, alice, give, clock):
    give(token, alice, 10)
    token.redeem(3, ORDER, {"from": alice})
    clock.pass_epochs(40)
    give(token, alice, 10)
    with reverts("RefAlreadyUsed", ORDER):
        token.redeem(3, ORDER, {"from": alice})


@pytest.mark.spec("PT-62")
def test_redeem__ref_of_a_hold__refused(token, alice, give, clock, issuer):
    give(token, alice, 10)
    token.hold(3, ORDER, clock.now_seconds + 3_600, {"from": alice})
    with reverts("RefAlreadyUsed", ORDER):
        token.redeem(3, ORDER, {"from": alice})
    token.release(alice, ORDER, {"from": issuer})
    with reverts("RefAlreadyUsed", ORDER):
        token.redeem(3, ORDER, {"from": alice})


@pytest.mark.spec("PT-62")
def test_redeem__ref_of_a_fully_refunded_redemption__refused(token, alice, give, issuer):
    epoch = give(token, alice, 10)
    token.redeem(3, ORDER, {"from": alice})
    token.refund(ORDER, alice, [(epoch, 3)], 3, {"from": issuer})
    with reverts("RefAlreadyUsed", ORDER):
        token.redeem(3, ORDER, {"from": alice})


@pytest.mark.spec("PT-63")
def test_redeem__same_ref_by_two_accounts__both_work(token, alice, bob, give):
    give(token, alice, 10)
    give(token, bob, 10)
    token.redeem(3, ORDER, {"from": bob})
    token.redeem(4, ORDER, {"from": alice})
    assert token.refundableOf(bob, ORDER) == 3
    assert token.refundableOf(alice, ORDER) == 4


@pytest.mark.spec("PT-63")
def test_redeem__ref_of_an_issue__works(token, alice, issuer):
    token.issue(alice, 10, ORDER, {"from": issuer})
    token.redeem(3, ORDER, {"from": alice})
    assert token.balanceOf(alice) == 7


@pytest.mark.spec("PT-60", "EL-6")
def test_redeem__burns_earliest_first_and_lists_the_lots(token, alice, give_monthly):
    epochs = give_monthly(token, alice, 10, 20, 30)
    transaction = token.redeem(35, ORDER, {"from": alice})
    burned = ((epochs[0], 10), (epochs[1], 20), (epochs[2], 5))
    assert logs(transaction) == [
        ("Transfer", alice, NOBODY, 35),
        ("PointsRedeemed", ORDER, alice, 35, burned),
    ]
    assert lots_of(token, alice) == {epochs[2]: 25}
    assert token.totalSupply() == 25
    assert token.totalSupplyAtEpoch(epochs[0]) == 0
    assert token.refundableOf(alice, ORDER) == 35


@pytest.mark.spec("PT-60")
def test_redeem__everything__leaves_nothing(token, alice, give_monthly):
    give_monthly(token, alice, 10, 20, 30, 40, 50)
    token.redeem(150, ORDER, {"from": alice})
    assert lots_of(token, alice) == {}
    assert token.totalSupply() == token.balanceOf(alice) == 0


@pytest.mark.spec("PT-60")
def test_redeem__exchange_only_programme__works(deploy, alice, give):
    token = deploy(transferable=False)
    give(token, alice, 10)
    token.redeem(10, ORDER, {"from": alice})
    assert token.balanceOf(alice) == 0


@pytest.mark.spec("PT-60", "EL-14")
def test_redeem__expired_lots_before_live_ones__burns_live_ones(token, alice, give, clock):
    give(token, alice, 10)
    clock.pass_epochs(4)
    live = give(token, alice, 7)
    clock.pass_epochs(1)
    transaction = token.redeem(5, ORDER, {"from": alice})
    assert logs(transaction, "PointsRedeemed") == [("PointsRedeemed", ORDER, alice, 5, ((live, 5),))]
