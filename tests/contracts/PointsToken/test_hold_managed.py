"""`holdManaged`: the custodian sets points of a member without a wallet aside."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import lots_of, ref

ORDER = ref("order 1")


@pytest.fixture
def deadline(clock):
    return clock.now_seconds + 3_600


@pytest.mark.spec("PT-94")
@pytest.mark.parametrize("actor", ["admin", "issuer", "exchange", "pauser", "mallory"])
def test_hold_managed__not_the_custodian__refused(token, member, member_key, give, deadline, actor, request):
    caller = request.getfixturevalue(actor)
    give(token, member, 10)
    with reverts("AccessControlUnauthorizedAccount", caller, token.CUSTODIAN_ROLE()):
        token.holdManaged(member_key, 6, ORDER, deadline, {"from": caller})


@pytest.mark.spec("PT-94")
def test_hold_managed__other_key__other_account(token, member, give, custodian, deadline):
    give(token, member, 10)
    other_key = ref("another key")
    with reverts("ERC20InsufficientBalance", token.managedAccount(other_key), 0, 6):
        token.holdManaged(other_key, 6, ORDER, deadline, {"from": custodian})


@pytest.mark.spec("PT-92")
def test_hold_managed__deadline_past__refused(token, member, member_key, give, custodian, clock):
    give(token, member, 10)
    past = clock.now_seconds - 1
    with reverts("InvalidDeadline", past):
        token.holdManaged(member_key, 6, ORDER, past, {"from": custodian})


@pytest.mark.spec("PT-94", "PT-90")
def test_hold_managed__sets_the_members_points_aside(token, member, member_key, give, custodian, deadline, clock):
    give(token, member, 10)
    transaction = token.holdManaged(member_key, 6, ORDER, deadline, {"from": custodian})
    account = token.holdAccountOf(member, ORDER)
    assert logs(transaction) == [
        ("Transfer", member, account, 6),
        ("PointsHeld", ORDER, member, account, 6, deadline),
    ]
    assert lots_of(token, account) == {clock.epoch: 6}
    assert token.balanceOf(member) == 4
