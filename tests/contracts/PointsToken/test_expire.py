"""`expire`: anyone sweeps expired lots out of storage."""

import pytest

from tests.contracts.support.outcomes import logs
from tests.contracts.support.points import NOBODY, lots_of, ref


@pytest.mark.spec("PT-110", "PT-111")
def test_expire__by_a_stranger__logs_each_lot(token, alice, bob, mallory, give, clock):
    first = give(token, alice, 10)
    give(token, bob, 1)
    clock.pass_epochs(1)
    second = give(token, alice, 20)
    clock.pass_epochs(3)
    third = give(token, alice, 30)
    clock.go_to_epoch(second + 5)
    transaction = token.expire([alice, bob], {"from": mallory})
    assert logs(transaction) == [
        ("PointsExpired", alice, first, 10),
        ("Transfer", alice, NOBODY, 10),
        ("PointsExpired", alice, second, 20),
        ("Transfer", alice, NOBODY, 20),
        ("PointsExpired", bob, first, 1),
        ("Transfer", bob, NOBODY, 1),
    ]
    assert lots_of(token, alice) == {third: 30}
    assert token.totalSupply() == 30


@pytest.mark.spec("PT-110")
def test_expire__again__logs_nothing(token, alice, mallory, give, clock):
    give(token, alice, 10)
    clock.pass_epochs(5)
    token.expire([alice], {"from": mallory})
    assert logs(token.expire([alice, alice], {"from": mallory})) == []


@pytest.mark.spec("PT-110")
def test_expire__in_the_lots_last_second__nothing(token, alice, mallory, give, clock):
    epoch = give(token, alice, 10)
    clock.next_block_at(clock.ends(epoch + 4))
    assert logs(token.expire([alice], {"from": mallory})) == []
    clock.next_block_at(clock.ends(epoch + 4) + 1)
    assert len(logs(token.expire([alice], {"from": mallory}), "PointsExpired")) == 1


@pytest.mark.spec("PT-111")
def test_expire__live_lots__untouched(token, alice, bob, mallory, give_monthly):
    epochs = give_monthly(token, alice, 10, 20, 30)
    assert logs(token.expire([alice, bob, NOBODY], {"from": mallory})) == []
    assert lots_of(token, alice) == dict(zip(epochs, (10, 20, 30), strict=True))


@pytest.mark.spec("PT-110")
def test_expire__nobody__nothing(token, mallory):
    assert logs(token.expire([], {"from": mallory})) == []


@pytest.mark.spec("EL-10", "PT-110")
def test_expire__lots_evicted_by_a_write__are_not_logged_again(token, issuer, alice, mallory, give, clock):
    old = give(token, alice, 10)
    clock.pass_epochs(5)
    issued = token.issue(alice, 1, ref("later"), {"from": issuer})
    assert logs(issued, "PointsExpired") == [("PointsExpired", alice, old, 10)]
    assert logs(token.expire([alice], {"from": mallory})) == []
    assert token.balanceOfAtEpoch(old, alice) == 0
