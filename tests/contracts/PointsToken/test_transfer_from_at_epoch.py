"""`transferFromAtEpoch`: one named lot on an allowance."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import lots_of


@pytest.fixture
def epochs(token, alice, charlie, give_monthly):
    """Alice holds 10 and 20 points in two lots and allows Charlie 15."""
    issued = give_monthly(token, alice, 10, 20)
    token.approve(charlie, 15, {"from": alice})
    return issued


@pytest.mark.spec("PT-56")
def test_transfer_from_at_epoch__no_allowance__refused(token, alice, bob, mallory, epochs):
    with reverts("ERC20InsufficientAllowance", mallory, 0, 1):
        token.transferFromAtEpoch(epochs[0], alice, bob, 1, {"from": mallory})


@pytest.mark.spec("PT-56")
def test_transfer_from_at_epoch__over_the_allowance__refused(token, alice, bob, charlie, epochs):
    with reverts("ERC20InsufficientAllowance", charlie, 15, 16):
        token.transferFromAtEpoch(epochs[1], alice, bob, 16, {"from": charlie})


@pytest.mark.spec("PT-55")
def test_transfer_from_at_epoch__more_than_the_lot__refused(token, alice, bob, charlie, epochs):
    with reverts("ERC20InsufficientBalance", alice, 10, 11):
        token.transferFromAtEpoch(epochs[0], alice, bob, 11, {"from": charlie})


@pytest.mark.spec("PT-53")
def test_transfer_from_at_epoch__expired__refused(token, alice, bob, charlie, epochs, clock):
    clock.pass_epochs(4)
    with reverts("ERC7818TransferredExpiredToken", alice, epochs[0]):
        token.transferFromAtEpoch(epochs[0], alice, bob, 1, {"from": charlie})


@pytest.mark.spec("PT-54")
def test_transfer_from_at_epoch__future__refused(token, alice, bob, charlie, epochs, clock):
    with reverts("EpochInFuture", clock.epoch + 1, clock.epoch):
        token.transferFromAtEpoch(clock.epoch + 1, alice, bob, 1, {"from": charlie})


@pytest.mark.spec("PT-45")
def test_transfer_from_at_epoch__exchange_only_programme__refused(deploy, alice, bob, charlie, give):
    token = deploy(transferable=False)
    epoch = give(token, alice, 10)
    token.approve(charlie, 10, {"from": alice})
    with reverts("TransfersDisabled"):
        token.transferFromAtEpoch(epoch, alice, bob, 1, {"from": charlie})


@pytest.mark.spec("PT-56", "PT-52")
def test_transfer_from_at_epoch__moves_that_lot_and_uses_the_allowance(token, alice, bob, charlie, epochs):
    first, second = epochs
    transaction = token.transferFromAtEpoch(second, alice, bob, 12, {"from": charlie})
    assert logs(transaction) == [
        ("LotTransferred", alice, bob, second, 12),
        ("Transfer", alice, bob, 12),
    ]
    assert lots_of(token, alice) == {first: 10, second: 8}
    assert lots_of(token, bob) == {second: 12}
    assert token.allowance(alice, charlie) == 3
