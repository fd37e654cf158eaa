"""`issue`: new points, one ref at a time."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import LOT_LIMIT, NOBODY, lots_of, ref

REF = ref("purchase 1")


@pytest.mark.spec("PT-20")
@pytest.mark.parametrize("actor", ["admin", "custodian", "exchange", "pauser", "mallory", "alice"])
def test_issue__not_the_issuer__refused(token, alice, actor, request):
    caller = request.getfixturevalue(actor)
    with reverts("AccessControlUnauthorizedAccount", caller, token.ISSUER_ROLE()):
        token.issue(alice, 10, REF, {"from": caller})


@pytest.mark.spec("PT-22")
def test_issue__ref_used__refused(token, issuer, alice, bob):
    token.issue(alice, 10, REF, {"from": issuer})
    with reverts("RefAlreadyUsed", REF):
        token.issue(bob, 5, REF, {"from": issuer})


@pytest.mark.spec("PT-22")
def test_issue__ref_used_long_ago__refused(token, issuer, alice, clock):
    token.issue(alice, 10, REF, {"from": issuer})
    clock.pass_epochs(40)
    assert token.isRefUsed(REF)
    with reverts("RefAlreadyUsed", REF):
        token.issue(alice, 10, REF, {"from": issuer})


@pytest.mark.spec("PT-22")
def test_issue__ref_of_a_batch_or_clawback__refused(token, issuer, alice, clock):
    batch_id, clawback_ref = ref("batch"), ref("return")
    token.issueBatch(batch_id, [int(alice.address, 16) << 96 | 5], {"from": issuer})
    token.clawback(alice, clock.epoch, 1, clawback_ref, {"from": issuer})
    for used in (batch_id, clawback_ref):
        with reverts("RefAlreadyUsed", used):
            token.issue(alice, 10, used, {"from": issuer})


@pytest.mark.spec("PT-23")
def test_issue__one_over_the_cap__refused(token, issuer, alice):
    with reverts("SupplyCapExceeded", 1_000_001, 1_000_000):
        token.issue(alice, 1_000_001, REF, {"from": issuer})


@pytest.mark.spec("PT-23")
def test_issue__cap_reached_in_parts__one_more_refused(token, issuer, alice, bob):
    token.issue(alice, 999_999, ref("a"), {"from": issuer})
    token.issue(bob, 1, ref("b"), {"from": issuer})
    assert token.totalSupply() == 1_000_000
    with reverts("SupplyCapExceeded", 1_000_001, 1_000_000):
        token.issue(bob, 1, REF, {"from": issuer})


@pytest.mark.spec("PT-26")
@pytest.mark.parametrize("amount", [0, LOT_LIMIT, LOT_LIMIT + 1, 2**96, 2**256 - 1])
def test_issue__amount_out_of_range__refused(deploy, issuer, alice, amount):
    token = deploy(cap=LOT_LIMIT - 1)
    with reverts("InvalidAmount", amount):
        token.issue(alice, amount, REF, {"from": issuer})


@pytest.mark.spec("PT-25")
def test_issue__zero_address__refused(token, issuer):
    with reverts("ERC20InvalidReceiver", NOBODY):
        token.issue(NOBODY, 10, REF, {"from": issuer})


@pytest.mark.spec("PT-22")
def test_issue__refused__leaves_the_ref_unused(token, issuer, alice):
    with reverts("SupplyCapExceeded", 1_000_001, 1_000_000):
        token.issue(alice, 1_000_001, REF, {"from": issuer})
    assert not token.isRefUsed(REF)
    token.issue(alice, 10, REF, {"from": issuer})
    assert token.isRefUsed(REF)


@pytest.mark.spec("PT-21")
def test_issue__logs_transfer_then_ref(token, issuer, alice):
    transaction = token.issue(alice, 10, REF, {"from": issuer})
    assert logs(transaction) == [("Transfer", NOBODY, alice, 10), ("PointsIssued", REF)]


@pytest.mark.spec("PT-21", "EL-2")
def test_issue__twice_in_an_epoch__one_lot(token, issuer, alice, clock):
    token.issue(alice, 10, ref("a"), {"from": issuer})
    clock.go_to(clock.ends(clock.epoch) - 1_000)
    token.issue(alice, 5, ref("b"), {"from": issuer})
    assert lots_of(token, alice) == {clock.epoch: 15}
    assert token.balanceOf(alice) == token.totalSupply() == 15


@pytest.mark.spec("PT-24")
def test_issue__cap_full_of_expired_points__allowed(token, issuer, alice, bob, clock):
    token.issue(alice, 1_000_000, ref("a"), {"from": issuer})
    clock.pass_epochs(5)
    token.issue(bob, 1_000_000, ref("b"), {"from": issuer})
    assert token.totalSupply() == token.balanceOf(bob) == 1_000_000
    assert token.balanceOf(alice) == 0


@pytest.mark.spec("EL-11", "PT-23")
def test_issue__largest_lot__held_exactly(deploy, issuer, alice, clock):
    token = deploy(cap=LOT_LIMIT - 1)
    token.issue(alice, LOT_LIMIT - 1, REF, {"from": issuer})
    assert lots_of(token, alice) == {clock.epoch: LOT_LIMIT - 1}
    assert token.totalSupplyAtEpoch(clock.epoch) == LOT_LIMIT - 1
    with reverts("SupplyCapExceeded", LOT_LIMIT, LOT_LIMIT - 1):
        token.issue(alice, 1, ref("one more"), {"from": issuer})
