"""The questions ERC-7818 lets anybody ask about epochs and lots."""

import pytest

from tests.contracts.support.clock import EPOCH_SECONDS
from tests.contracts.support.points import lots_of

TIME_BASED = 1


@pytest.mark.spec("PT-50", "EL-1")
def test_current_epoch__changes_on_the_second(token, clock):
    next_start = clock.starts(clock.epoch + 1)
    clock.go_to(next_start - 1)
    assert token.currentEpoch() == next_start // EPOCH_SECONDS - 1
    clock.go_to(next_start)
    assert token.currentEpoch() == next_start // EPOCH_SECONDS


@pytest.mark.spec("PT-50")
def test_epoch_terms__as_deployed(token):
    assert token.epochLength() == EPOCH_SECONDS
    assert token.validityDuration() == 4
    assert token.epochType() == TIME_BASED


@pytest.mark.spec("PT-50")
def test_is_epoch_expired__changes_on_the_second(token, clock):
    epoch = clock.epoch
    clock.go_to(clock.ends(epoch + 4))
    assert not token.isEpochExpired(epoch)
    assert token.isEpochExpired(epoch - 1)
    clock.go_to(clock.ends(epoch + 4) + 1)
    assert token.isEpochExpired(epoch)


@pytest.mark.spec("PT-50")
def test_is_epoch_expired__far_epochs(token):
    assert token.isEpochExpired(0)
    assert not token.isEpochExpired(2**16)
    assert not token.isEpochExpired(2**256 - 1)


@pytest.mark.spec("PT-51", "EL-3")
def test_balance_of_at_epoch__live_through_the_last_second(token, alice, give, clock):
    epoch = give(token, alice, 10)
    clock.go_to(clock.ends(epoch + 4))
    assert token.balanceOfAtEpoch(epoch, alice) == token.balanceOf(alice) == token.totalSupply() == 10
    assert lots_of(token, alice) == {epoch: 10}
    clock.go_to(clock.ends(epoch + 4) + 1)
    assert token.balanceOfAtEpoch(epoch, alice) == token.balanceOf(alice) == token.totalSupply() == 0
    assert token.totalSupplyAtEpoch(epoch) == 0
    assert lots_of(token, alice) == {}


@pytest.mark.spec("PT-51")
def test_balance_of_at_epoch__other_epochs__zero(token, alice, give):
    epoch = give(token, alice, 10)
    for other in (0, epoch - 5, epoch - 1, epoch + 1, epoch + 5, epoch + 2**16, 2**256 - 1):
        assert token.balanceOfAtEpoch(other, alice) == 0
        assert token.totalSupplyAtEpoch(other) == 0


@pytest.mark.spec("EL-4", "EL-5", "PT-51")
def test_balance_of__sum_of_live_lots(token, alice, bob, give, clock):
    issued = {}
    for month in range(9):
        issued[clock.epoch] = month + 1
        give(token, alice, month + 1)
        give(token, bob, 100)
        live = {epoch: amount for epoch, amount in issued.items() if epoch >= clock.epoch - 4}
        assert lots_of(token, alice) == live
        assert token.balanceOf(alice) == sum(live.values())
        assert token.totalSupply() == sum(live.values()) + 100 * len(live)
        assert {epoch: token.totalSupplyAtEpoch(epoch) - 100 for epoch in live} == live
        clock.pass_epochs(1)
