"""Lots come and go with time, whatever the validity and however long nobody writes."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of, ref

VALIDITIES = [0, 1, 3, 4, 5, 9, 10, 29]


@pytest.mark.spec("EL-13", "EL-2", "EL-4", "EL-5")
@pytest.mark.parametrize("validity", VALIDITIES)
def test_window__points_every_epoch__keeps_validity_plus_one_lots(deploy, give, alice, bob, clock, validity):
    token = deploy(validity=validity)
    issued = {}
    for number in range(validity + 8):
        issued[clock.epoch] = number + 1
        give(token, alice, number + 1)
        live = {epoch: amount for epoch, amount in issued.items() if epoch >= clock.epoch - validity}
        assert lots_of(token, alice) == live
        assert token.totalSupply() == token.balanceOf(alice) == sum(live.values())
        clock.pass_epochs(1)


@pytest.mark.spec("EL-13", "EL-3")
@pytest.mark.parametrize("validity", VALIDITIES)
def test_window__lot_left_alone__lives_exactly_its_validity(deploy, give, alice, clock, validity):
    token = deploy(validity=validity)
    epoch = give(token, alice, 7)
    clock.go_to(clock.ends(epoch + validity))
    assert token.balanceOf(alice) == token.totalSupply() == token.totalSupplyAtEpoch(epoch) == 7
    clock.go_to(clock.ends(epoch + validity) + 1)
    assert token.balanceOf(alice) == token.totalSupply() == token.totalSupplyAtEpoch(epoch) == 0
    assert lots_of(token, alice) == {}


@pytest.mark.spec("EL-9", "EL-10")
@pytest.mark.parametrize("validity", [0, 4, 5, 29])
@pytest.mark.parametrize("extra", [0, 1, 3, 4, 5, 6, 29, 30, 31, 100, 3_000])
def test_gap__reads_as_empty_and_place_is_reused(deploy, issuer, give, alice, clock, validity, extra):
    token = deploy(validity=validity)
    old = give(token, alice, 7)
    now = clock.pass_epochs(validity + 1 + extra)
    assert token.balanceOf(alice) == token.totalSupply() == 0
    assert lots_of(token, alice) == {}
    assert [token.balanceOfAtEpoch(epoch, alice) for epoch in (old, now, now - validity)] == [0, 0, 0]
    transaction = token.issue(alice, 5, ref("after the gap"), {"from": issuer})
    expired = logs(transaction, "PointsExpired")
    assert expired in ([], [("PointsExpired", alice, old, 7)])
    assert lots_of(token, alice) == {now: 5}
    assert token.totalSupply() == token.totalSupplyAtEpoch(now) == 5
    expired += logs(token.expire([alice], {"from": issuer}), "PointsExpired")
    assert expired == [("PointsExpired", alice, old, 7)]


@pytest.mark.spec("EL-9", "EL-8")
def test_gap__of_a_full_turn__live_neighbours_stay(deploy, give, alice, clock):
    token = deploy(validity=5)
    for _ in range(10):
        give(token, alice, 1)
        clock.pass_epochs(1)
    clock.pass_epochs(5)
    first = clock.epoch
    give(token, alice, 3)
    second = clock.pass_epochs(4)
    give(token, alice, 4)
    assert lots_of(token, alice) == {first: 3, second: 4}


@pytest.mark.spec("EL-10")
def test_eviction__by_a_transfer__logged_before_it(token, alice, bob, give, clock):
    old = give(token, bob, 9)
    clock.pass_epochs(5)
    give(token, alice, 4)
    transaction = token.transfer(bob, 4, {"from": alice})
    assert logs(transaction) == [
        ("PointsExpired", bob, old, 9),
        ("Transfer", bob, NOBODY, 9),
        ("Transfer", alice, bob, 4),
    ]


@pytest.mark.spec("EL-10", "PT-135")
def test_eviction__by_a_named_lot__logged_before_its_explanation(token, alice, bob, give, clock):
    old = give(token, bob, 9)
    clock.pass_epochs(5)
    epoch = give(token, alice, 4)
    transaction = token.transferAtEpoch(epoch, bob, 4, {"from": alice})
    assert logs(transaction) == [
        ("PointsExpired", bob, old, 9),
        ("Transfer", bob, NOBODY, 9),
        ("LotTransferred", alice, bob, epoch, 4),
        ("Transfer", alice, bob, 4),
    ]


@pytest.mark.spec("EL-10")
def test_eviction__several_lots_of_a_word__earliest_first(token, alice, give_monthly, issuer, clock):
    epochs = give_monthly(token, alice, 1, 2, 3, 4, 5)
    clock.pass_epochs(9)
    transaction = token.issue(alice, 6, ref("later"), {"from": issuer})
    expired = list(zip(epochs, (1, 2, 3, 4, 5), strict=True))
    assert logs(transaction, "PointsExpired") == [("PointsExpired", alice, *lot) for lot in expired]
    assert logs(transaction, "Transfer") == [
        *(("Transfer", alice, NOBODY, amount) for _, amount in expired),
        ("Transfer", NOBODY, alice, 6),
    ]


@pytest.mark.spec("EL-14", "EL-6")
def test_spending__expired_lots__never_count(deploy, alice, bob, give_monthly, clock):
    token = deploy(validity=5)
    epochs = give_monthly(token, alice, 1, 2, 4, 8, 16, 32, 64)
    with reverts("ERC20InsufficientBalance", alice, 126, 127):
        token.transfer(bob, 127, {"from": alice})
    token.transfer(bob, 3, {"from": alice})
    assert lots_of(token, bob) == {epochs[1]: 2, epochs[2]: 1}
