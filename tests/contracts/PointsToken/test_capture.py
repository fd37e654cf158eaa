"""`capture`: a hold becomes a redemption."""

import pytest

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, hold_of, lots_of, ref

ORDER = ref("order 1")


@pytest.fixture
def deadline(held):
    return held[1]


@pytest.fixture
def epochs(held):
    return held[0]


@pytest.fixture
def held(token, alice, give_monthly, clock):
    """Alice earned 10, 20, 30 in three epochs and holds 45 for a day: 10, 20 and 15 of them."""
    epochs = give_monthly(token, alice, 10, 20, 30)
    deadline = clock.now_seconds + DAY_SECONDS
    token.hold(45, ORDER, deadline, {"from": alice})
    return epochs, deadline


@pytest.mark.spec("PT-95")
@pytest.mark.parametrize("actor", ["admin", "exchange", "pauser", "mallory", "alice"])
def test_capture__neither_issuer_nor_custodian__refused(token, alice, held, actor, request):
    caller = request.getfixturevalue(actor)
    with reverts("AccessControlUnauthorizedAccount", caller, token.ISSUER_ROLE()):
        token.capture(alice, ORDER, 1, {"from": caller})


@pytest.mark.spec("PT-98")
def test_capture__one_second_late__refused(token, alice, issuer, clock, deadline):
    clock.next_block_at(deadline + 1)
    with reverts("HoldExpired", ORDER, deadline):
        token.capture(alice, ORDER, 1, {"from": issuer})


@pytest.mark.spec("PT-102")
def test_capture__no_hold__refused(token, alice, bob, held, issuer):
    for account, order in ((alice, ref("never")), (bob, ORDER)):
        with reverts("HoldNotOpen", order, account):
            token.capture(account, order, 1, {"from": issuer})


@pytest.mark.spec("PT-102")
def test_capture__of_a_redemption__refused(token, alice, issuer, give):
    give(token, alice, 10)
    token.redeem(5, ref("redeemed"), {"from": alice})
    with reverts("HoldNotOpen", ref("redeemed"), alice):
        token.capture(alice, ref("redeemed"), 1, {"from": issuer})


@pytest.mark.spec("PT-102")
def test_capture__again__refused(token, alice, held, issuer):
    token.capture(alice, ORDER, 20, {"from": issuer})
    with reverts("HoldNotOpen", ORDER, alice):
        token.capture(alice, ORDER, 1, {"from": issuer})
    with reverts("HoldNotOpen", ORDER, alice):
        token.release(alice, ORDER, {"from": issuer})


@pytest.mark.spec("PT-99")
def test_capture__more_than_held__refused(token, alice, held, issuer):
    for amount in (46, 2**48, 2**256 - 1):
        with reverts("CaptureExceedsHold", ORDER, amount, 45):
            token.capture(alice, ORDER, amount, {"from": issuer})


@pytest.mark.spec("PT-99")
def test_capture__nothing__refused(token, alice, held, issuer):
    with reverts("InvalidAmount", 0):
        token.capture(alice, ORDER, 0, {"from": issuer})


@pytest.mark.spec("PT-99", "PT-103")
def test_capture__more_than_is_still_live__refused(token, alice, give, issuer, clock):
    first = give(token, alice, 10)
    clock.go_to(clock.ends(first + 4) - 100)
    give(token, alice, 5)
    token.hold(15, ORDER, clock.now_seconds + DAY_SECONDS, {"from": alice})
    clock.go_to_epoch(first + 5)
    with reverts("CaptureExceedsHold", ORDER, 6, 5):
        token.capture(alice, ORDER, 6, {"from": issuer})


@pytest.mark.spec("PT-95", "PT-96", "PT-97")
@pytest.mark.parametrize("actor", ["issuer", "custodian"])
def test_capture__part__redeems_earliest_and_releases_the_rest(token, alice, epochs, actor, request):
    first, second, third = epochs
    hold_account = token.holdAccountOf(alice, ORDER)
    transaction = token.capture(alice, ORDER, 25, {"from": request.getfixturevalue(actor)})
    assert logs(transaction, "PointsRedeemed", "HoldCaptured") == [
        ("PointsRedeemed", ORDER, alice, 25, ((first, 10), (second, 15))),
        ("HoldCaptured", ORDER, alice, 25, 20),
    ]
    assert logs(transaction, "Transfer") == [
        ("Transfer", hold_account, NOBODY, 25),
        ("Transfer", hold_account, alice, 20),
    ]
    assert lots_of(token, alice) == {second: 5, third: 30}
    assert lots_of(token, hold_account) == {}
    assert token.totalSupply() == 35
    assert hold_of(token, alice, ORDER) == (0, 0)
    assert token.refundableOf(alice, ORDER) == 25


@pytest.mark.spec("PT-96")
def test_capture__all__releases_nothing(token, alice, epochs, issuer):
    hold_account = token.holdAccountOf(alice, ORDER)
    transaction = token.capture(alice, ORDER, 45, {"from": issuer})
    assert logs(transaction, "Transfer", "HoldCaptured") == [
        ("Transfer", hold_account, NOBODY, 45),
        ("HoldCaptured", ORDER, alice, 45, 0),
    ]
    assert lots_of(token, alice) == {epochs[2]: 15}


@pytest.mark.spec("PT-98")
def test_capture__in_the_second_of_its_deadline__redeems(token, alice, issuer, clock, deadline):
    clock.next_block_at(deadline)
    token.capture(alice, ORDER, 45, {"from": issuer})
    assert token.refundableOf(alice, ORDER) == 45


@pytest.mark.spec("PT-97", "PT-71")
def test_capture__then_refunded__original_lots(token, alice, epochs, issuer):
    first, second, third = epochs
    token.capture(alice, ORDER, 25, {"from": issuer})
    token.refund(ORDER, alice, [(first, 10), (second, 15)], 20, {"from": issuer})
    assert lots_of(token, alice) == {first: 5, second: 20, third: 30}
    assert token.refundableOf(alice, ORDER) == 5


@pytest.mark.spec("PT-102", "PT-62")
def test_capture__ref__is_used(token, alice, held, issuer, clock):
    token.capture(alice, ORDER, 25, {"from": issuer})
    with reverts("RefAlreadyUsed", ORDER):
        token.redeem(1, ORDER, {"from": alice})
    with reverts("RefAlreadyUsed", ORDER):
        token.hold(1, ORDER, clock.now_seconds + 60, {"from": alice})


@pytest.mark.spec("PT-103")
def test_capture__some_held_points_expired__redeems_and_releases_live_ones(token, alice, give, issuer, clock):
    first = give(token, alice, 10)
    clock.go_to(clock.ends(first + 4) - 100)
    second = give(token, alice, 5)
    token.hold(15, ORDER, clock.now_seconds + DAY_SECONDS, {"from": alice})
    clock.go_to_epoch(first + 5)
    transaction = token.capture(alice, ORDER, 3, {"from": issuer})
    assert logs(transaction, "PointsRedeemed", "HoldCaptured") == [
        ("PointsRedeemed", ORDER, alice, 3, ((second, 3),)),
        ("HoldCaptured", ORDER, alice, 3, 2),
    ]
    assert lots_of(token, alice) == {second: 2}
    assert token.totalSupply() == 2


@pytest.mark.spec("PT-96", "EL-5")
def test_capture__points_sent_to_the_hold_by_others__go_to_the_member(token, alice, bob, give, held, issuer, clock):
    give(token, bob, 7)
    token.transfer(token.holdAccountOf(alice, ORDER), 7, {"from": bob})
    with reverts("CaptureExceedsHold", ORDER, 46, 45):
        token.capture(alice, ORDER, 46, {"from": issuer})
    token.capture(alice, ORDER, 45, {"from": issuer})
    assert token.balanceOf(alice) == 15 + 7
    assert token.totalSupply() == 22
