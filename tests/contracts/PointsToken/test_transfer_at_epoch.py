"""`transferAtEpoch`: one named lot moves, and only that one.

The reference implementation published with ERC-7818 debits another epoch than the one named and logs the
movement twice, and lets an expired epoch 0 through while it moves expired points. Both are tested here.
"""

import pytest

from tests.contracts.support.clock import DAY_SECONDS, Clock
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of

LONG_EPOCH_SECONDS = 2_000_000_000
"""So long that the chain starts in epoch 0."""


@pytest.mark.spec("PT-53")
def test_transfer_at_epoch__expired__refused(token, alice, bob, give, clock):
    old = give(token, alice, 10)
    clock.pass_epochs(4)
    give(token, alice, 10)
    token.transferAtEpoch(old, bob, 1, {"from": alice})
    clock.pass_epochs(1)
    with reverts("ERC7818TransferredExpiredToken", alice, old):
        token.transferAtEpoch(old, bob, 1, {"from": alice})


@pytest.mark.spec("PT-53")
def test_transfer_at_epoch__expired_by_one_second__refused(token, alice, bob, give, clock):
    old = give(token, alice, 10)
    last_second = clock.ends(old + 4)
    clock.next_block_at(last_second)
    token.transferAtEpoch(old, bob, 1, {"from": alice})
    clock.next_block_at(last_second + 1)
    with reverts("ERC7818TransferredExpiredToken", alice, old):
        token.transferAtEpoch(old, bob, 1, {"from": alice})


@pytest.mark.spec("PT-53")
def test_transfer_at_epoch__expired_epoch_zero__refused(deploy, alice, bob, give):
    token = deploy(epoch_seconds=LONG_EPOCH_SECONDS, validity=1, clawback_window=0)
    clock = Clock(LONG_EPOCH_SECONDS)
    assert token.currentEpoch() == 0
    give(token, alice, 10)
    clock.pass_epochs(2)
    assert token.isEpochExpired(0)
    with reverts("ERC7818TransferredExpiredToken", alice, 0):
        token.transferAtEpoch(0, bob, 10, {"from": alice})
    with reverts("ERC7818TransferredExpiredToken", alice, 0):
        token.transferAtEpoch(0, bob, 0, {"from": alice})
    assert token.balanceOf(bob) == 0
    assert token.balanceOfAtEpoch(0, bob) == 0


@pytest.mark.spec("PT-53")
def test_transfer_at_epoch__epoch_zero_that_never_held_points__refused(token, alice, bob, give):
    give(token, alice, 10)
    with reverts("ERC7818TransferredExpiredToken", alice, 0):
        token.transferAtEpoch(0, bob, 5, {"from": alice})
    assert token.balanceOf(alice) == 10


@pytest.mark.spec("PT-54")
def test_transfer_at_epoch__future__refused(token, alice, bob, give, clock):
    give(token, alice, 10)
    for future in (clock.epoch + 1, clock.epoch + 5, 2**16, 2**256 - 1):
        with reverts("EpochInFuture", future, clock.epoch):
            token.transferAtEpoch(future, bob, 1, {"from": alice})


@pytest.mark.spec("PT-55")
def test_transfer_at_epoch__more_than_the_lot__refused(token, alice, bob, give_monthly):
    first, second = give_monthly(token, alice, 10, 100)
    with reverts("ERC20InsufficientBalance", alice, 10, 11):
        token.transferAtEpoch(first, bob, 11, {"from": alice})
    with reverts("ERC20InsufficientBalance", alice, 100, 2**200):
        token.transferAtEpoch(second, bob, 2**200, {"from": alice})


@pytest.mark.spec("PT-41")
def test_transfer_at_epoch__zero_address__refused(token, alice, give):
    epoch = give(token, alice, 10)
    with reverts("ERC20InvalidReceiver", NOBODY):
        token.transferAtEpoch(epoch, NOBODY, 1, {"from": alice})


@pytest.mark.spec("PT-45")
def test_transfer_at_epoch__exchange_only_programme__refused(deploy, alice, bob, give):
    token = deploy(transferable=False)
    epoch = give(token, alice, 10)
    with reverts("TransfersDisabled"):
        token.transferAtEpoch(epoch, bob, 1, {"from": alice})


@pytest.mark.spec("PT-52", "EL-8")
@pytest.mark.parametrize("chosen", range(5))
def test_transfer_at_epoch__each_live_epoch__debits_only_that_one(token, alice, bob, give_monthly, chosen):
    amounts = (10, 20, 30, 40, 50)
    epochs = give_monthly(token, alice, *amounts)
    held = dict(zip(epochs, amounts, strict=True))
    epoch = epochs[chosen]
    token.transferAtEpoch(epoch, bob, 7, {"from": alice})
    assert lots_of(token, alice) == held | {epoch: held[epoch] - 7}
    assert lots_of(token, bob) == {epoch: 7}
    assert token.totalSupply() == 150


@pytest.mark.spec("PT-52")
def test_transfer_at_epoch__one_transfer_log(token, alice, bob, give_monthly):
    first, second = give_monthly(token, alice, 10, 20)
    for epoch in (second, first):
        transaction = token.transferAtEpoch(epoch, bob, 7, {"from": alice})
        assert logs(transaction) == [
            ("LotTransferred", alice, bob, epoch, 7),
            ("Transfer", alice, bob, 7),
        ]
        assert transaction.return_value is True


@pytest.mark.spec("PT-52", "PT-43")
def test_transfer_at_epoch__zero_points__logs_a_transfer(token, alice, bob, give):
    epoch = give(token, alice, 10)
    transaction = token.transferAtEpoch(epoch, bob, 0, {"from": alice})
    assert logs(transaction, "Transfer") == [("Transfer", alice, bob, 0)]
    assert lots_of(token, alice) == {epoch: 10}


@pytest.mark.spec("PT-57")
def test_transfer_at_epoch__to_oneself__changes_nothing(token, alice, give_monthly):
    first, second = give_monthly(token, alice, 10, 20)
    token.transferAtEpoch(first, alice, 10, {"from": alice})
    assert lots_of(token, alice) == {first: 10, second: 20}
    assert token.totalSupply() == 30


@pytest.mark.spec("PT-52", "EL-10")
def test_transfer_at_epoch__older_lot_to_a_newer_holder__joins_its_ring(token, alice, bob, give, clock):
    old = give(token, alice, 10)
    clock.go_to(clock.starts(old + 4) + DAY_SECONDS)
    new = give(token, bob, 5)
    token.transferAtEpoch(old, bob, 10, {"from": alice})
    assert lots_of(token, bob) == {old: 10, new: 5}
    assert token.totalSupplyAtEpoch(old) == 10
