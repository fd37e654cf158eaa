"""`transfer`: earliest-expiring points first, epochs kept."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of


@pytest.mark.spec("PT-41", "EL-14")
def test_transfer__more_than_live__refused(token, alice, bob, give, clock):
    give(token, alice, 10)
    clock.pass_epochs(5)
    give(token, alice, 7)
    with reverts("ERC20InsufficientBalance", alice, 7, 8):
        token.transfer(bob, 8, {"from": alice})


@pytest.mark.spec("PT-41")
def test_transfer__zero_address__refused(token, alice, give):
    give(token, alice, 10)
    with reverts("ERC20InvalidReceiver", NOBODY):
        token.transfer(NOBODY, 1, {"from": alice})


@pytest.mark.spec("PT-41")
def test_transfer__huge_amount__refused(token, alice, bob, give):
    give(token, alice, 10)
    for amount in (2**48, 2**256 - 1):
        with reverts("ERC20InsufficientBalance", alice, 10, amount):
            token.transfer(bob, amount, {"from": alice})


@pytest.mark.spec("PT-45")
def test_transfer__exchange_only_programme__refused(deploy, alice, bob, give):
    token = deploy(transferable=False)
    give(token, alice, 10)
    with reverts("TransfersDisabled"):
        token.transfer(bob, 1, {"from": alice})


@pytest.mark.spec("PT-40", "EL-6", "EL-7")
@pytest.mark.parametrize("amount", [1, 10, 11, 30, 31, 59, 60])
def test_transfer__takes_earliest_first_and_keeps_epochs(token, alice, bob, give_monthly, amount):
    epochs = give_monthly(token, alice, 10, 20, 30)
    transaction = token.transfer(bob, amount, {"from": alice})
    moved = [min(10, amount), min(20, max(0, amount - 10)), max(0, amount - 30)]
    kept = [held - part for held, part in zip((10, 20, 30), moved, strict=True)]
    assert lots_of(token, bob) == {epoch: part for epoch, part in zip(epochs, moved, strict=True) if part}
    assert lots_of(token, alice) == {epoch: part for epoch, part in zip(epochs, kept, strict=True) if part}
    assert logs(transaction) == [("Transfer", alice, bob, amount)]
    assert token.totalSupply() == 60


@pytest.mark.spec("EL-7", "EL-5")
def test_transfer__merges_into_the_recipients_lots(token, alice, bob, give, clock):
    first = give(token, alice, 10)
    give(token, bob, 1)
    second = clock.pass_epochs(2)
    give(token, alice, 20)
    give(token, bob, 2)
    token.transfer(bob, 15, {"from": alice})
    assert lots_of(token, bob) == {first: 11, second: 7}
    assert token.totalSupplyAtEpoch(first) == 11
    assert token.totalSupplyAtEpoch(second) == 22


@pytest.mark.spec("EL-10", "EL-14")
def test_transfer__expired_lot_in_the_way__skipped(token, alice, bob, give, clock):
    give(token, alice, 10)
    clock.pass_epochs(4)
    live = give(token, alice, 7)
    clock.pass_epochs(1)
    token.transfer(bob, 7, {"from": alice})
    assert lots_of(token, bob) == {live: 7}
    assert token.balanceOf(alice) == 0


@pytest.mark.spec("PT-42")
def test_transfer__to_oneself__changes_nothing(token, alice, give_monthly):
    epochs = give_monthly(token, alice, 10, 20, 30)
    transaction = token.transfer(alice, 35, {"from": alice})
    assert lots_of(token, alice) == dict(zip(epochs, (10, 20, 30), strict=True))
    assert token.totalSupply() == 60
    assert logs(transaction) == [("Transfer", alice, alice, 35)]


@pytest.mark.spec("PT-43")
def test_transfer__zero_points__logged(token, alice, bob):
    transaction = token.transfer(bob, 0, {"from": alice})
    assert logs(transaction) == [("Transfer", alice, bob, 0)]
    assert transaction.return_value is True


@pytest.mark.spec("EL-8")
def test_transfer__neighbours_at_their_largest__untouched(deploy, alice, bob, give_monthly):
    largest = 2**48 - 1
    token = deploy(cap=largest)
    share = largest // 5
    epochs = give_monthly(token, alice, *[share] * 5)
    token.transferAtEpoch(epochs[2], bob, share, {"from": alice})
    assert lots_of(token, alice) == {epoch: share for epoch in epochs if epoch != epochs[2]}
    assert lots_of(token, bob) == {epochs[2]: share}
