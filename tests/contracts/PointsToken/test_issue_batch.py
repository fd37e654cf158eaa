"""`issueBatch`: many credits or none."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import LOT_LIMIT, NOBODY, credit, lots_of, ref

BATCH = ref("batch 1")
TX_GAS_LIMIT = 2**24


@pytest.mark.spec("PT-30")
@pytest.mark.parametrize("actor", ["admin", "custodian", "exchange", "pauser", "mallory", "alice"])
def test_issue_batch__not_the_issuer__refused(token, alice, actor, request):
    caller = request.getfixturevalue(actor)
    with reverts("AccessControlUnauthorizedAccount", caller, token.ISSUER_ROLE()):
        token.issueBatch(BATCH, [credit(alice, 1)], {"from": caller})


@pytest.mark.spec("PT-33", "PT-22")
def test_issue_batch__id_used__refused(token, issuer, alice, clock):
    token.issueBatch(BATCH, [credit(alice, 1)], {"from": issuer})
    clock.pass_epochs(40)
    with reverts("RefAlreadyUsed", BATCH):
        token.issueBatch(BATCH, [credit(alice, 1)], {"from": issuer})
    token.issue(alice, 1, ref("single"), {"from": issuer})
    with reverts("RefAlreadyUsed", ref("single")):
        token.issueBatch(ref("single"), [credit(alice, 1)], {"from": issuer})


@pytest.mark.spec("PT-34")
def test_issue_batch__no_credits__refused(token, issuer):
    with reverts("EmptyBatch", BATCH):
        token.issueBatch(BATCH, [], {"from": issuer})


@pytest.mark.spec("PT-35")
@pytest.mark.parametrize(
    ("bad_credit", "error", "values"),
    [
        (lambda account: credit(account, 0), "InvalidAmount", (0,)),
        (lambda account: credit(account, LOT_LIMIT), "InvalidAmount", (LOT_LIMIT,)),
        (lambda account: credit(account, 2**96 - 1), "InvalidAmount", (2**96 - 1,)),
        (lambda account: credit(NOBODY, 7), "ERC20InvalidReceiver", (NOBODY,)),
        (lambda account: credit(account, 999_990), "SupplyCapExceeded", (1_000_001, 1_000_000)),
    ],
    ids=["zero", "too large", "far too large", "zero address", "cap"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_issue_batch__one_bad_credit__changes_nothing(token, issuer, alice, bob, bad_credit, error, values, place):
    words = [credit(alice, 5), credit(bob, 6)]
    words.insert(place, bad_credit(alice))
    with reverts(error, *values):
        token.issueBatch(BATCH, words, {"from": issuer})
    assert token.totalSupply() == token.balanceOf(alice) == token.balanceOf(bob) == 0
    assert not token.isRefUsed(BATCH)


@pytest.mark.spec("PT-35")
def test_issue_batch__sum_reaches_the_cap__allowed(token, issuer, alice, bob):
    token.issueBatch(BATCH, [credit(alice, 999_999), credit(bob, 1)], {"from": issuer})
    assert token.totalSupply() == 1_000_000


@pytest.mark.spec("PT-35")
def test_issue_batch__sum_beyond_a_lot__refused(deploy, issuer, alice, bob):
    token = deploy(cap=LOT_LIMIT - 1)
    words = [credit(alice, LOT_LIMIT - 1), credit(bob, LOT_LIMIT - 1)]
    with reverts("SupplyCapExceeded", 2 * (LOT_LIMIT - 1), LOT_LIMIT - 1):
        token.issueBatch(BATCH, words, {"from": issuer})


@pytest.mark.spec("PT-31")
def test_issue_batch__logs_transfers_in_order_then_batch(token, issuer, alice, bob):
    transaction = token.issueBatch(BATCH, [credit(bob, 6), credit(alice, 5)], {"from": issuer})
    assert logs(transaction) == [
        ("Transfer", NOBODY, bob, 6),
        ("Transfer", NOBODY, alice, 5),
        ("BatchIssued", BATCH, 2, 11),
    ]


@pytest.mark.spec("PT-31", "EL-5")
def test_issue_batch__credits_the_present_epoch(token, issuer, alice, bob, clock):
    epoch = clock.pass_epochs(1)
    token.issueBatch(BATCH, [credit(alice, 5), credit(bob, 6)], {"from": issuer})
    assert lots_of(token, alice) == {epoch: 5}
    assert lots_of(token, bob) == {epoch: 6}
    assert token.totalSupplyAtEpoch(epoch) == token.totalSupply() == 11


@pytest.mark.spec("PT-32")
def test_issue_batch__same_account_again__adds_up(token, issuer, alice, bob, clock):
    words = [credit(alice, 1), credit(bob, 2), credit(alice, 4), credit(alice, 8)]
    transaction = token.issueBatch(BATCH, words, {"from": issuer})
    assert lots_of(token, alice) == {clock.epoch: 13}
    assert lots_of(token, bob) == {clock.epoch: 2}
    assert len(logs(transaction, "Transfer")) == 4


@pytest.mark.spec("PT-31", "EL-8")
def test_issue_batch__holder_with_older_lots__keeps_them(token, issuer, alice, give_monthly):
    epochs = give_monthly(token, alice, 3, 4, 5)
    token.issueBatch(BATCH, [credit(alice, 10)], {"from": issuer})
    assert lots_of(token, alice) == dict(zip(epochs, [3, 4, 15], strict=True))


@pytest.mark.spec("EL-10", "PT-31")
def test_issue_batch__reuses_expired_lots__logs_them_before_the_credit(token, issuer, alice, bob, give, clock):
    old = give(token, alice, 9)
    clock.pass_epochs(5)
    transaction = token.issueBatch(BATCH, [credit(bob, 1), credit(alice, 2)], {"from": issuer})
    assert logs(transaction) == [
        ("Transfer", NOBODY, bob, 1),
        ("PointsExpired", alice, old, 9),
        ("Transfer", alice, NOBODY, 9),
        ("Transfer", NOBODY, alice, 2),
        ("BatchIssued", BATCH, 2, 3),
    ]


@pytest.mark.spec("PT-37")
def test_issue_batch__500_new_holders__one_transaction(token, issuer):
    accounts = [f"0x{number:040x}" for number in range(0x1000, 0x1000 + 500)]
    transaction = token.issueBatch(BATCH, [credit(account, 3) for account in accounts], {"from": issuer})
    assert transaction.gas_used < TX_GAS_LIMIT
    assert token.totalSupply() == 1_500
    assert {token.balanceOf(account) for account in accounts[::50]} == {3}
