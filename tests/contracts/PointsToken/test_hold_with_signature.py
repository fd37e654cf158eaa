"""`holdWithSignature`: a member signs, anybody relays."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import hold_of, ref
from tests.contracts.support.signing import Domain, member_wallet

ORDER = ref("order 1")


@pytest.fixture
def deadline(clock):
    return clock.now_seconds + 3_600


@pytest.fixture
def hold_deadline(clock):
    return clock.now_seconds + 7_200


@pytest.fixture
def funded(token, dora, give):
    give(token, dora.address, 10)
    return dora


@pytest.fixture
def signature(domain, dora, hold_deadline, deadline):
    """Dora's signature over a hold of six points."""
    return domain.sign(dora, "Hold", dora.address, 6, ORDER, hold_deadline, deadline)


@pytest.mark.spec("PT-93", "PT-66")
def test_hold_with_signature__one_second_late__refused(
    token, funded, relayer, clock, hold_deadline, deadline, signature
):
    clock.next_block_at(deadline + 1)
    with reverts("SignatureExpired", deadline):
        token.holdWithSignature(funded.address, 6, ORDER, hold_deadline, deadline, signature, {"from": relayer})


@pytest.mark.spec("PT-93", "PT-67")
def test_hold_with_signature__again__refused(token, funded, relayer, issuer, hold_deadline, deadline, signature):
    order = (funded.address, 6, ORDER, hold_deadline, deadline, signature)
    token.holdWithSignature(*order, {"from": relayer})
    with reverts("RefAlreadyUsed", ORDER):
        token.holdWithSignature(*order, {"from": relayer})
    token.release(funded.address, ORDER, {"from": issuer})
    with reverts("RefAlreadyUsed", ORDER):
        token.holdWithSignature(*order, {"from": relayer})


@pytest.mark.spec("PT-93", "PT-68")
def test_hold_with_signature__signed_by_another__refused(token, domain, funded, relayer, hold_deadline, deadline):
    forged = domain.sign(member_wallet("thief"), "Hold", funded.address, 6, ORDER, hold_deadline, deadline)
    with reverts("InvalidSignature", funded.address):
        token.holdWithSignature(funded.address, 6, ORDER, hold_deadline, deadline, forged, {"from": relayer})


@pytest.mark.spec("PT-93", "PT-68")
@pytest.mark.parametrize("field", ["account", "amount", "ref", "hold_deadline", "deadline"])
def test_hold_with_signature__field_changed__refused(
    token, funded, relayer, alice, give, hold_deadline, deadline, signature, field
):
    give(token, alice, 10)
    order = {
        "account": funded.address,
        "amount": 6,
        "ref": ORDER,
        "hold_deadline": hold_deadline,
        "deadline": deadline,
    }
    order[field] = {
        "account": alice.address,
        "amount": 7,
        "ref": ref("other"),
        "hold_deadline": hold_deadline + 1,
        "deadline": deadline + 1,
    }[field]
    with reverts("InvalidSignature", order["account"]):
        token.holdWithSignature(*order.values(), signature, {"from": relayer})


@pytest.mark.spec("PT-93", "PT-68")
@pytest.mark.parametrize(
    "change",
    [{"name": "Blue Points"}, {"version": "2"}, {"chain_id": 1}, {"verifying_contract": "0x" + "11" * 20}],
    ids=lambda change: next(iter(change)),
)
def test_hold_with_signature__other_domain__refused(token, domain, funded, relayer, hold_deadline, deadline, change):
    foreign = Domain(**(vars(domain) | change))
    signature = foreign.sign(funded, "Hold", funded.address, 6, ORDER, hold_deadline, deadline)
    with reverts("InvalidSignature", funded.address):
        token.holdWithSignature(funded.address, 6, ORDER, hold_deadline, deadline, signature, {"from": relayer})


@pytest.mark.spec("PT-93", "PT-68")
def test_hold_with_signature__of_a_redeem_order__refused(token, domain, funded, relayer, hold_deadline, deadline):
    redeem = domain.sign(funded, "Redeem", funded.address, 6, ORDER, deadline)
    with reverts("InvalidSignature", funded.address):
        token.holdWithSignature(funded.address, 6, ORDER, hold_deadline, deadline, redeem, {"from": relayer})


@pytest.mark.spec("PT-92")
def test_hold_with_signature__hold_deadline_past__refused(token, domain, funded, relayer, clock, deadline):
    past = clock.now_seconds - 1
    signature = domain.sign(funded, "Hold", funded.address, 6, ORDER, past, deadline)
    with reverts("InvalidDeadline", past):
        token.holdWithSignature(funded.address, 6, ORDER, past, deadline, signature, {"from": relayer})


@pytest.mark.spec("PT-93", "PT-66")
def test_hold_with_signature__in_its_last_second__holds(
    token, funded, relayer, clock, hold_deadline, deadline, signature
):
    clock.next_block_at(deadline)
    transaction = token.holdWithSignature(
        funded.address, 6, ORDER, hold_deadline, deadline, signature, {"from": relayer}
    )
    account = token.holdAccountOf(funded.address, ORDER)
    assert logs(transaction) == [
        ("Transfer", funded.address, account, 6),
        ("PointsHeld", ORDER, funded.address, account, 6, hold_deadline),
    ]
    assert token.balanceOf(funded.address) == 4


@pytest.mark.spec("PT-93", "PT-65")
def test_hold_with_signature__contract_wallet__as_it_answers(
    token, domain, SignatureWallet, dora, relayer, give, hold_deadline, deadline
):
    wallet = SignatureWallet.deploy(dora.address, {"from": relayer})
    give(token, wallet, 10)
    signature = domain.sign(dora, "Hold", wallet.address, 6, ORDER, hold_deadline, deadline)
    order = (wallet, 6, ORDER, hold_deadline, deadline, signature)
    wallet.setLocked(True, {"from": relayer})
    with reverts("InvalidSignature", wallet):
        token.holdWithSignature(*order, {"from": relayer})
    wallet.setLocked(False, {"from": relayer})
    token.holdWithSignature(*order, {"from": relayer})
    assert hold_of(token, wallet, ORDER) == (6, hold_deadline)
