"""`release`: a hold ends and the points go back."""

import pytest

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import hold_of, lots_of, ref

ORDER = ref("order 1")


@pytest.fixture
def epochs(token, alice, give_monthly):
    """Alice earned 10 and 20 in two epochs."""
    return give_monthly(token, alice, 10, 20)


@pytest.fixture
def deadline(token, alice, epochs, clock):
    """Alice holds 15 of her points for a day."""
    deadline = clock.now_seconds + DAY_SECONDS
    token.hold(15, ORDER, deadline, {"from": alice})
    return deadline


@pytest.mark.spec("PT-100")
@pytest.mark.parametrize("actor", ["admin", "exchange", "pauser", "mallory", "alice"])
def test_release__by_others_in_the_second_of_the_deadline__refused(token, alice, clock, deadline, actor, request):
    clock.next_block_at(deadline)
    with reverts("HoldStillActive", ORDER, deadline):
        token.release(alice, ORDER, {"from": request.getfixturevalue(actor)})


@pytest.mark.spec("PT-102")
def test_release__no_hold__refused(token, alice, bob, deadline, issuer):
    for account, order in ((alice, ref("never")), (bob, ORDER)):
        with reverts("HoldNotOpen", order, account):
            token.release(account, order, {"from": issuer})


@pytest.mark.spec("PT-102")
def test_release__again__refused(token, alice, deadline, issuer):
    token.release(alice, ORDER, {"from": issuer})
    with reverts("HoldNotOpen", ORDER, alice):
        token.release(alice, ORDER, {"from": issuer})
    with reverts("HoldNotOpen", ORDER, alice):
        token.capture(alice, ORDER, 1, {"from": issuer})


@pytest.mark.spec("PT-102", "PT-62")
def test_release__ref__stays_used(token, alice, deadline, issuer):
    token.release(alice, ORDER, {"from": issuer})
    with reverts("RefAlreadyUsed", ORDER):
        token.hold(1, ORDER, deadline, {"from": alice})


@pytest.mark.spec("PT-100", "PT-101")
@pytest.mark.parametrize("actor", ["issuer", "custodian"])
def test_release__by_the_programme_at_any_time__lots_go_back(token, alice, epochs, deadline, actor, request):
    hold_account = token.holdAccountOf(alice, ORDER)
    transaction = token.release(alice, ORDER, {"from": request.getfixturevalue(actor)})
    assert logs(transaction) == [
        ("Transfer", hold_account, alice, 15),
        ("HoldReleased", ORDER, alice, 15),
    ]
    assert lots_of(token, alice) == dict(zip(epochs, (10, 20), strict=True))
    assert token.balanceOf(hold_account) == 0
    assert hold_of(token, alice, ORDER) == (0, 0)
    assert token.refundableOf(alice, ORDER) == 0


@pytest.mark.spec("PT-100")
def test_release__by_anyone_one_second_after_the_deadline__lots_go_back(token, alice, mallory, clock, deadline):
    clock.next_block_at(deadline + 1)
    token.release(alice, ORDER, {"from": mallory})
    assert token.balanceOf(alice) == 30


@pytest.mark.spec("PT-101", "EL-7")
def test_release__account_earned_since__lots_merge(token, alice, give, epochs, deadline, issuer):
    give(token, alice, 4)
    token.release(alice, ORDER, {"from": issuer})
    assert lots_of(token, alice) == {epochs[0]: 10, epochs[1]: 24}


@pytest.mark.spec("PT-103")
def test_release__all_held_points_expired__nothing_goes_back(token, alice, mallory, epochs, deadline, clock):
    clock.pass_epochs(6)
    transaction = token.release(alice, ORDER, {"from": mallory})
    assert logs(transaction, "HoldReleased") == [("HoldReleased", ORDER, alice, 0)]
    assert token.balanceOf(alice) == token.totalSupply() == 0


@pytest.mark.spec("PT-103", "PT-135")
def test_release__one_held_lot_expired__logged_and_only_the_other_goes_back(
    token, alice, mallory, epochs, deadline, clock
):
    first, second = epochs
    clock.go_to_epoch(first + 5)
    hold_account = token.holdAccountOf(alice, ORDER)
    transaction = token.release(alice, ORDER, {"from": mallory})
    assert logs(transaction, "Transfer")[-1] == ("Transfer", hold_account, alice, 5)
    assert logs(transaction, "HoldReleased") == [("HoldReleased", ORDER, alice, 5)]
    assert ("PointsExpired", hold_account, first, 10) in logs(transaction)
    assert lots_of(token, alice) == {second: 20}
