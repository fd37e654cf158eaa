"""`hold`: points are set aside until captured or released."""

import pytest

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import hold_of, lots_of, ref

ORDER = ref("order 1")


@pytest.fixture
def deadline(clock):
    return clock.now_seconds + 3_600


@pytest.mark.spec("PT-91", "EL-14")
def test_hold__more_than_live__refused(token, alice, give, clock, deadline):
    give(token, alice, 10)
    clock.pass_epochs(5)
    give(token, alice, 7)
    with reverts("ERC20InsufficientBalance", alice, 7, 8):
        token.hold(8, ORDER, clock.now_seconds + 3_600, {"from": alice})


@pytest.mark.spec("PT-91")
@pytest.mark.parametrize("amount", [0, 2**48, 2**256 - 1])
def test_hold__amount_out_of_range__refused(token, alice, give, deadline, amount):
    give(token, alice, 10)
    with reverts("InvalidAmount", amount):
        token.hold(amount, ORDER, deadline, {"from": alice})


@pytest.mark.spec("PT-92")
def test_hold__deadline_past_by_one_second__refused(token, alice, give, clock):
    give(token, alice, 10)
    deadline = clock.now_seconds + 50
    clock.next_block_at(deadline + 1)
    with reverts("InvalidDeadline", deadline):
        token.hold(5, ORDER, deadline, {"from": alice})


@pytest.mark.spec("PT-92")
def test_hold__deadline_too_late_by_one_second__refused(token, alice, give, clock):
    give(token, alice, 10)
    now = clock.now_seconds + 50
    too_late = now + token.MAX_HOLD_DURATION() + 1
    clock.next_block_at(now)
    with reverts("InvalidDeadline", too_late):
        token.hold(5, ORDER, too_late, {"from": alice})


@pytest.mark.spec("PT-92")
def test_hold__deadline_never__refused(token, alice, give):
    give(token, alice, 10)
    with reverts("InvalidDeadline", 2**256 - 1):
        token.hold(5, ORDER, 2**256 - 1, {"from": alice})


@pytest.mark.spec("PT-62", "PT-102")
def test_hold__ref_used__refused(token, alice, give, deadline):
    give(token, alice, 10)
    token.redeem(1, ref("redeemed"), {"from": alice})
    token.hold(1, ref("held"), deadline, {"from": alice})
    for used in (ref("redeemed"), ref("held")):
        with reverts("RefAlreadyUsed", used):
            token.hold(1, used, deadline, {"from": alice})


@pytest.mark.spec("PT-90", "EL-6", "EL-7")
def test_hold__moves_earliest_lots_to_the_holds_account(token, alice, give_monthly, clock):
    first, second, third = give_monthly(token, alice, 10, 20, 30)
    deadline = clock.now_seconds + DAY_SECONDS
    transaction = token.hold(15, ORDER, deadline, {"from": alice})
    account = token.holdAccountOf(alice, ORDER)
    assert logs(transaction) == [
        ("Transfer", alice, account, 15),
        ("PointsHeld", ORDER, alice, account, 15, deadline),
    ]
    assert lots_of(token, account) == {first: 10, second: 5}
    assert lots_of(token, alice) == {second: 15, third: 30}
    assert token.totalSupply() == 60


@pytest.mark.spec("PT-90")
def test_hold__held_points__cannot_be_spent(token, alice, bob, give, deadline):
    give(token, alice, 10)
    token.hold(6, ORDER, deadline, {"from": alice})
    with reverts("ERC20InsufficientBalance", alice, 4, 5):
        token.redeem(5, ref("other"), {"from": alice})
    with reverts("ERC20InsufficientBalance", alice, 4, 5):
        token.transfer(bob, 5, {"from": alice})


@pytest.mark.spec("PT-104")
def test_hold_of__open__amount_and_deadline(token, alice, bob, give, deadline):
    give(token, alice, 10)
    assert hold_of(token, alice, ORDER) == (0, 0)
    token.hold(6, ORDER, deadline, {"from": alice})
    assert hold_of(token, alice, ORDER) == (6, deadline)
    assert hold_of(token, bob, ORDER) == (0, 0)
    assert token.refundableOf(alice, ORDER) == 0


@pytest.mark.spec("PT-92")
def test_hold__deadline_now_and_at_the_longest__accepted(token, alice, give, clock):
    give(token, alice, 10)
    now = clock.now_seconds + 50
    clock.next_block_at(now)
    token.hold(1, ref("now"), now, {"from": alice})
    clock.next_block_at(now + 10)
    longest = now + 10 + token.MAX_HOLD_DURATION()
    token.hold(1, ref("longest"), longest, {"from": alice})
    assert hold_of(token, alice, ref("longest")) == (1, longest)


@pytest.mark.spec("PT-63", "PT-90")
def test_hold__same_ref_by_two_accounts__separate(token, alice, bob, give, deadline):
    give(token, alice, 10)
    give(token, bob, 10)
    token.hold(3, ORDER, deadline, {"from": bob})
    token.hold(4, ORDER, deadline, {"from": alice})
    assert token.holdOf(bob, ORDER)[0] == 3
    assert token.holdOf(alice, ORDER)[0] == 4
    assert token.holdAccountOf(alice, ORDER) != token.holdAccountOf(bob, ORDER)


@pytest.mark.spec("PT-90")
def test_hold__exchange_only_programme__works(deploy, alice, give, deadline):
    token = deploy(transferable=False)
    give(token, alice, 10)
    token.hold(4, ORDER, deadline, {"from": alice})
    assert token.balanceOf(token.holdAccountOf(alice, ORDER)) == 4
