"""`redeemManaged`: the custodian spends for a member without a wallet."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref

ORDER = ref("order 1")


@pytest.mark.spec("PT-69")
@pytest.mark.parametrize("actor", ["admin", "issuer", "exchange", "pauser", "mallory"])
def test_redeem_managed__not_the_custodian__refused(token, member, member_key, give, actor, request):
    caller = request.getfixturevalue(actor)
    give(token, member, 10)
    with reverts("AccessControlUnauthorizedAccount", caller, token.CUSTODIAN_ROLE()):
        token.redeemManaged(member_key, 6, ORDER, {"from": caller})


@pytest.mark.spec("PT-69")
def test_redeem_managed__other_key__other_account(token, member, give, custodian):
    give(token, member, 10)
    other_key = ref("another key")
    with reverts("ERC20InsufficientBalance", token.managedAccount(other_key), 0, 6):
        token.redeemManaged(other_key, 6, ORDER, {"from": custodian})


@pytest.mark.spec("PT-69")
def test_redeem_managed__address_instead_of_key__refused(token, alice, give, custodian):
    give(token, alice, 10)
    padded = "0x" + "00" * 12 + alice.address[2:]
    with reverts("ERC20InsufficientBalance", token.managedAccount(padded), 0, 6):
        token.redeemManaged(padded, 6, ORDER, {"from": custodian})


@pytest.mark.spec("PT-62")
def test_redeem_managed__ref_used__refused(token, member, member_key, give, custodian):
    give(token, member, 10)
    token.redeemManaged(member_key, 6, ORDER, {"from": custodian})
    with reverts("RefAlreadyUsed", ORDER):
        token.redeemManaged(member_key, 1, ORDER, {"from": custodian})


@pytest.mark.spec("PT-69", "PT-60")
def test_redeem_managed__burns_the_members_points(token, member, member_key, give_monthly, custodian):
    first, second = give_monthly(token, member, 5, 5)
    transaction = token.redeemManaged(member_key, 6, ORDER, {"from": custodian})
    assert logs(transaction) == [
        ("Transfer", member, NOBODY, 6),
        ("PointsRedeemed", ORDER, member, 6, ((first, 5), (second, 1))),
    ]
    assert token.balanceOf(member) == 4
