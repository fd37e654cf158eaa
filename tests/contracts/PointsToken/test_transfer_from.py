"""`transferFrom` and `approve`: as every ERC-20 does."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of

UNLIMITED = 2**256 - 1


@pytest.mark.spec("PT-44")
def test_transfer_from__no_allowance__refused(token, alice, bob, charlie, give):
    give(token, alice, 10)
    with reverts("ERC20InsufficientAllowance", charlie, 0, 1):
        token.transferFrom(alice, bob, 1, {"from": charlie})


@pytest.mark.spec("PT-44")
def test_transfer_from__over_the_allowance__refused(token, alice, bob, charlie, give):
    give(token, alice, 10)
    token.approve(charlie, 5, {"from": alice})
    with reverts("ERC20InsufficientAllowance", charlie, 5, 6):
        token.transferFrom(alice, bob, 6, {"from": charlie})


@pytest.mark.spec("PT-41")
def test_transfer_from__over_the_balance__refused(token, alice, bob, charlie, give):
    give(token, alice, 10)
    token.approve(charlie, 50, {"from": alice})
    with reverts("ERC20InsufficientBalance", alice, 10, 11):
        token.transferFrom(alice, bob, 11, {"from": charlie})


@pytest.mark.spec("PT-45")
def test_transfer_from__exchange_only_programme__refused(deploy, alice, bob, charlie, give):
    token = deploy(transferable=False)
    give(token, alice, 10)
    token.approve(charlie, 10, {"from": alice})
    with reverts("TransfersDisabled"):
        token.transferFrom(alice, bob, 1, {"from": charlie})


@pytest.mark.spec("PT-44")
def test_approve__zero_address__refused(token, alice):
    with reverts("ERC20InvalidSpender", NOBODY):
        token.approve(NOBODY, 1, {"from": alice})


@pytest.mark.spec("PT-44")
def test_approve__logs_the_allowance(token, alice, charlie):
    transaction = token.approve(charlie, 5, {"from": alice})
    assert logs(transaction) == [("Approval", alice, charlie, 5)]
    assert token.allowance(alice, charlie) == 5


@pytest.mark.spec("PT-44", "EL-6")
def test_transfer_from__uses_up_the_allowance(token, alice, bob, charlie, give_monthly):
    first, second = give_monthly(token, alice, 10, 20)
    token.approve(charlie, 25, {"from": alice})
    transaction = token.transferFrom(alice, bob, 15, {"from": charlie})
    assert logs(transaction) == [("Transfer", alice, bob, 15)]
    assert token.allowance(alice, charlie) == 10
    assert lots_of(token, bob) == {first: 10, second: 5}


@pytest.mark.spec("PT-44")
def test_transfer_from__unlimited_allowance__stays(token, alice, bob, charlie, give):
    give(token, alice, 10)
    token.approve(charlie, UNLIMITED, {"from": alice})
    token.transferFrom(alice, bob, 10, {"from": charlie})
    assert token.allowance(alice, charlie) == UNLIMITED
