"""`clawback`: earned points are taken back while the public window is open."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of, ref

RETURN = ref("return 1")


@pytest.mark.spec("PT-80")
@pytest.mark.parametrize("actor", ["admin", "custodian", "exchange", "pauser", "mallory", "alice"])
def test_clawback__not_the_issuer__refused(token, alice, give, actor, request):
    caller = request.getfixturevalue(actor)
    epoch = give(token, alice, 10)
    with reverts("AccessControlUnauthorizedAccount", caller, token.ISSUER_ROLE()):
        token.clawback(alice, epoch, 1, RETURN, {"from": caller})


@pytest.mark.spec("PT-82")
def test_clawback__one_second_after_the_window__refused(token, alice, give, issuer, clock):
    epoch = give(token, alice, 10)
    clock.next_block_at(clock.ends(epoch + 1) + 1)
    with reverts("ClawbackWindowClosed", epoch, epoch + 2):
        token.clawback(alice, epoch, 1, RETURN, {"from": issuer})


@pytest.mark.spec("PT-85")
def test_clawback__future_epoch__refused(token, alice, give, issuer, clock):
    give(token, alice, 10)
    for future in (clock.epoch + 1, 2**256 - 1):
        with reverts("EpochInFuture", future, clock.epoch):
            token.clawback(alice, future, 1, RETURN, {"from": issuer})


@pytest.mark.spec("PT-84", "PT-22")
def test_clawback__ref_used__refused(token, alice, give, issuer):
    epoch = give(token, alice, 10)
    token.clawback(alice, epoch, 1, RETURN, {"from": issuer})
    assert token.isRefUsed(RETURN)
    with reverts("RefAlreadyUsed", RETURN):
        token.clawback(alice, epoch, 1, RETURN, {"from": issuer})


@pytest.mark.spec("PT-84", "PT-83")
def test_clawback__nothing_left__uses_up_the_ref(token, alice, give, issuer):
    epoch = give(token, alice, 10)
    token.redeem(10, ref("order"), {"from": alice})
    transaction = token.clawback(alice, epoch, 10, RETURN, {"from": issuer})
    assert logs(transaction) == [("PointsClawedBack", RETURN, alice, epoch, 10, 0)]
    assert transaction.return_value == 0
    give(token, alice, 10)
    with reverts("RefAlreadyUsed", RETURN):
        token.clawback(alice, epoch, 10, RETURN, {"from": issuer})


@pytest.mark.spec("PT-81", "PT-135")
def test_clawback__takes_from_the_named_lot_only(token, alice, give_monthly, issuer):
    first, second, third = give_monthly(token, alice, 10, 20, 30)
    transaction = token.clawback(alice, second, 15, RETURN, {"from": issuer})
    assert logs(transaction) == [
        ("LotTransferred", alice, NOBODY, second, 15),
        ("Transfer", alice, NOBODY, 15),
        ("PointsClawedBack", RETURN, alice, second, 15, 15),
    ]
    assert transaction.return_value == 15
    assert lots_of(token, alice) == {first: 10, second: 5, third: 30}
    assert token.totalSupplyAtEpoch(second) == 5


@pytest.mark.spec("PT-82")
def test_clawback__in_the_windows_last_second__takes(token, alice, give, issuer, clock):
    epoch = give(token, alice, 10)
    clock.next_block_at(clock.ends(epoch + 1))
    token.clawback(alice, epoch, 4, RETURN, {"from": issuer})
    assert token.balanceOf(alice) == 6


@pytest.mark.spec("PT-82")
def test_clawback__window_of_zero__only_in_its_own_epoch(deploy, alice, give, issuer, clock):
    token = deploy(clawback_window=0)
    epoch = give(token, alice, 10)
    token.clawback(alice, epoch, 4, RETURN, {"from": issuer})
    clock.pass_epochs(1)
    with reverts("ClawbackWindowClosed", epoch, epoch + 1):
        token.clawback(alice, epoch, 4, ref("return 2"), {"from": issuer})


@pytest.mark.spec("PT-82", "EL-3")
def test_clawback__window_as_long_as_the_validity__to_the_last_live_epoch(deploy, alice, give, issuer, clock):
    token = deploy(clawback_window=4)
    epoch = give(token, alice, 10)
    clock.pass_epochs(4)
    token.clawback(alice, epoch, 4, RETURN, {"from": issuer})
    assert lots_of(token, alice) == {epoch: 6}
    clock.pass_epochs(1)
    with reverts("ClawbackWindowClosed", epoch, epoch + 5):
        token.clawback(alice, epoch, 4, ref("return 2"), {"from": issuer})


@pytest.mark.spec("PT-83", "PT-81")
def test_clawback__more_than_left__takes_what_is_left(token, alice, give_monthly, issuer):
    first, second = give_monthly(token, alice, 100, 20)
    token.redeem(90, ref("order"), {"from": alice})
    transaction = token.clawback(alice, first, 50, RETURN, {"from": issuer})
    assert logs(transaction)[-1] == ("PointsClawedBack", RETURN, alice, first, 50, 10)
    assert transaction.return_value == 10
    assert lots_of(token, alice) == {second: 20}


@pytest.mark.spec("PT-83")
def test_clawback__later_earnings__are_not_touched(token, alice, give, issuer):
    epoch = give(token, alice, 10)
    token.redeem(10, ref("order"), {"from": alice})
    token.clawback(alice, epoch, 10, RETURN, {"from": issuer})
    give(token, alice, 25)
    assert token.balanceOf(alice) == 25


@pytest.mark.spec("PT-83")
def test_clawback__points_on_hold__stay_held(token, alice, give, issuer, clock):
    epoch = give(token, alice, 10)
    token.hold(8, ref("order"), clock.now_seconds + 3_600, {"from": alice})
    transaction = token.clawback(alice, epoch, 10, RETURN, {"from": issuer})
    assert transaction.return_value == 2
    assert token.holdOf(alice, ref("order"))[0] == 8
