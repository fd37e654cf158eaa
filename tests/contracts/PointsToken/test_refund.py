"""`refund`: a redemption is given back into the lots it came from."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of, ref

ORDER = ref("order 1")


@pytest.fixture
def redeemed(token, alice, give_monthly):
    """Alice earned 10, 20, 30 in three epochs and redeemed all; the lots of the redemption."""
    epochs = give_monthly(token, alice, 10, 20, 30)
    token.redeem(60, ORDER, {"from": alice})
    return tuple(zip(epochs, (10, 20, 30), strict=True))


@pytest.mark.spec("PT-70")
@pytest.mark.parametrize("actor", ["admin", "custodian", "exchange", "pauser", "mallory", "alice"])
def test_refund__not_the_issuer__refused(token, alice, redeemed, actor, request):
    caller = request.getfixturevalue(actor)
    with reverts("AccessControlUnauthorizedAccount", caller, token.ISSUER_ROLE()):
        token.refund(ORDER, alice, redeemed, 5, {"from": caller})


@pytest.mark.spec("PT-75")
def test_refund__unknown_ref__refused(token, alice, redeemed, issuer):
    with reverts("RedemptionMismatch", ref("never"), alice):
        token.refund(ref("never"), alice, redeemed, 5, {"from": issuer})


@pytest.mark.spec("PT-75")
def test_refund__another_account__refused(token, bob, redeemed, issuer):
    with reverts("RedemptionMismatch", ORDER, bob):
        token.refund(ORDER, bob, redeemed, 5, {"from": issuer})


@pytest.mark.spec("PT-75")
@pytest.mark.parametrize(
    "change",
    [
        lambda lots: lots[:2],
        lambda lots: (*lots, (lots[2][0], 1)),
        lambda lots: lots[::-1],
        lambda lots: ((lots[0][0], 11), *lots[1:]),
        lambda lots: ((lots[0][0] + 1, 10), *lots[1:]),
        lambda lots: ((lots[2][0], 60),),
        lambda lots: (),
    ],
    ids=["one less", "one more", "other order", "other amount", "other epoch", "one later lot", "none"],
)
def test_refund__other_lots__refused(token, alice, redeemed, issuer, change):
    with reverts("RedemptionMismatch", ORDER, alice):
        token.refund(ORDER, alice, change(redeemed), 5, {"from": issuer})


@pytest.mark.spec("PT-75")
def test_refund__of_an_open_or_released_hold__refused(token, alice, give, issuer, clock):
    epoch = give(token, alice, 10)
    token.hold(4, ORDER, clock.now_seconds + 3_600, {"from": alice})
    with reverts("RedemptionMismatch", ORDER, alice):
        token.refund(ORDER, alice, [(epoch, 4)], 1, {"from": issuer})
    token.release(alice, ORDER, {"from": issuer})
    with reverts("RedemptionMismatch", ORDER, alice):
        token.refund(ORDER, alice, [(epoch, 4)], 1, {"from": issuer})


@pytest.mark.spec("PT-76")
def test_refund__nothing__refused(token, alice, redeemed, issuer):
    with reverts("InvalidAmount", 0):
        token.refund(ORDER, alice, redeemed, 0, {"from": issuer})


@pytest.mark.spec("PT-72")
@pytest.mark.parametrize("amount", [61, 2**48, 2**256 - 1])
def test_refund__more_than_the_redemption__refused(token, alice, redeemed, issuer, amount):
    with reverts("RefundExceedsRedemption", ORDER, amount, 60):
        token.refund(ORDER, alice, redeemed, amount, {"from": issuer})


@pytest.mark.spec("PT-72")
def test_refund__in_parts__never_more_than_all(token, alice, redeemed, issuer):
    for part, left in ((25, 35), (1, 34), (30, 4)):
        token.refund(ORDER, alice, redeemed, part, {"from": issuer})
        assert token.refundableOf(alice, ORDER) == left
    with reverts("RefundExceedsRedemption", ORDER, 5, 4):
        token.refund(ORDER, alice, redeemed, 5, {"from": issuer})
    token.refund(ORDER, alice, redeemed, 4, {"from": issuer})
    assert lots_of(token, alice) == dict(redeemed)
    assert token.refundableOf(alice, ORDER) == 0
    with reverts("RefundExceedsRedemption", ORDER, 1, 0):
        token.refund(ORDER, alice, redeemed, 1, {"from": issuer})


@pytest.mark.spec("PT-71")
@pytest.mark.parametrize(
    ("parts", "restored"),
    [
        ((1,), (0, 0, 1)),
        ((30,), (0, 0, 30)),
        ((31,), (0, 1, 30)),
        ((25, 10), (0, 5, 30)),
        ((30, 20), (0, 20, 30)),
        ((59,), (9, 20, 30)),
        ((20, 20, 20), (10, 20, 30)),
    ],
)
def test_refund__restores_latest_expiring_first(token, alice, redeemed, issuer, parts, restored):
    for part in parts:
        token.refund(ORDER, alice, redeemed, part, {"from": issuer})
    epochs = [epoch for epoch, _ in redeemed]
    expected = {epoch: amount for epoch, amount in zip(epochs, restored, strict=True) if amount}
    assert lots_of(token, alice) == expected
    assert {epoch: token.totalSupplyAtEpoch(epoch) for epoch in expected} == expected


@pytest.mark.spec("PT-71", "PT-135")
def test_refund__logs_its_lots_before_the_transfer(token, alice, redeemed, issuer):
    transaction = token.refund(ORDER, alice, redeemed, 35, {"from": issuer})
    *lot_logs, transfer, refunded = logs(transaction)
    (_, second, third) = redeemed
    assert sorted(lot_logs) == [
        ("LotTransferred", NOBODY, alice, second[0], 5),
        ("LotTransferred", NOBODY, alice, third[0], 30),
    ]
    assert transfer == ("Transfer", NOBODY, alice, 35)
    assert refunded[:5] == ("PointsRefunded", ORDER, alice, 35, 0)
    assert sorted(refunded[5]) == [(second[0], 5), third]


@pytest.mark.spec("PT-73")
def test_refund__some_lots_expired__counted_not_minted(token, alice, redeemed, issuer, clock):
    clock.go_to_epoch(redeemed[1][0] + 5)
    transaction = token.refund(ORDER, alice, redeemed, 45, {"from": issuer})
    assert lots_of(token, alice) == {redeemed[2][0]: 30}
    assert token.refundableOf(alice, ORDER) == 15
    assert token.totalSupply() == 30
    assert logs(transaction) == [
        ("LotTransferred", NOBODY, alice, redeemed[2][0], 30),
        ("Transfer", NOBODY, alice, 30),
        ("PointsRefunded", ORDER, alice, 45, 15, (redeemed[2],)),
    ]


@pytest.mark.spec("PT-73")
def test_refund__all_lots_expired__counted_and_nothing_minted(token, alice, redeemed, issuer, clock):
    clock.pass_epochs(5)
    transaction = token.refund(ORDER, alice, redeemed, 60, {"from": issuer})
    assert logs(transaction) == [("PointsRefunded", ORDER, alice, 60, 60, ())]
    assert token.totalSupply() == token.balanceOf(alice) == token.refundableOf(alice, ORDER) == 0


@pytest.mark.spec("PT-73", "PT-72")
def test_refund__parts_before_and_after_expiry__latest_first_of_what_is_left(token, alice, redeemed, issuer, clock):
    token.refund(ORDER, alice, redeemed, 30, {"from": issuer})
    clock.go_to_epoch(redeemed[0][0] + 5)
    token.refund(ORDER, alice, redeemed, 25, {"from": issuer})
    assert lots_of(token, alice) == {redeemed[1][0]: 20, redeemed[2][0]: 30}
    assert token.refundableOf(alice, ORDER) == 5


@pytest.mark.spec("PT-73")
def test_refund__through_the_lots_last_second__minted(token, alice, redeemed, issuer, clock):
    clock.next_block_at(clock.ends(redeemed[2][0] + 4))
    token.refund(ORDER, alice, redeemed, 1, {"from": issuer})
    assert lots_of(token, alice) == {redeemed[2][0]: 1}
    clock.next_block_at(clock.ends(redeemed[2][0] + 4) + 1)
    token.refund(ORDER, alice, redeemed, 1, {"from": issuer})
    assert token.balanceOf(alice) == 0
    assert token.refundableOf(alice, ORDER) == 58


@pytest.mark.spec("PT-74")
def test_refund__cap_full__allowed(token, alice, bob, redeemed, issuer, give):
    give(token, bob, 1_000_000)
    token.refund(ORDER, alice, redeemed, 60, {"from": issuer})
    assert token.totalSupply() == 1_000_060


@pytest.mark.spec("PT-71")
def test_refund__account_spent_and_earned_since__lots_merge(token, alice, redeemed, issuer, give):
    newest = redeemed[2][0]
    give(token, alice, 7)
    token.refund(ORDER, alice, redeemed, 32, {"from": issuer})
    assert lots_of(token, alice) == {redeemed[1][0]: 2, newest: 37}


@pytest.mark.spec("PT-60", "PT-71")
def test_refund__then_redeemed_again__own_ref(token, alice, redeemed, issuer):
    token.refund(ORDER, alice, redeemed, 60, {"from": issuer})
    token.redeem(60, ref("order 2"), {"from": alice})
    token.refund(ref("order 2"), alice, redeemed, 60, {"from": issuer})
    assert token.balanceOf(alice) == 60
    assert token.refundableOf(alice, ORDER) == 0
