"""`redeemWithSignature`: a member signs, anybody relays."""

import pytest
from eth_account.messages import encode_defunct

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.signing import SPOILT, Domain, member_wallet

ORDER = ref("order 1")


@pytest.fixture
def deadline(clock):
    return clock.now_seconds + 3_600


@pytest.fixture
def funded(token, dora, give):
    """Dora's wallet with ten points."""
    give(token, dora.address, 10)
    return dora


@pytest.fixture
def signature(domain, dora, deadline):
    """Dora's signature over a redemption of six points."""
    return domain.sign(dora, "Redeem", dora.address, 6, ORDER, deadline)


@pytest.mark.spec("PT-66")
def test_redeem_with_signature__one_second_late__refused(token, funded, relayer, clock, deadline, signature):
    clock.next_block_at(deadline + 1)
    with reverts("SignatureExpired", deadline):
        token.redeemWithSignature(funded.address, 6, ORDER, deadline, signature, {"from": relayer})


@pytest.mark.spec("PT-67")
def test_redeem_with_signature__again__refused(token, funded, relayer, deadline, signature):
    order = (funded.address, 6, ORDER, deadline, signature)
    token.redeemWithSignature(*order, {"from": relayer})
    with reverts("RefAlreadyUsed", ORDER):
        token.redeemWithSignature(*order, {"from": relayer})


@pytest.mark.spec("PT-68")
def test_redeem_with_signature__signed_by_another__refused(token, domain, funded, relayer, deadline):
    forged = domain.sign(member_wallet("thief"), "Redeem", funded.address, 6, ORDER, deadline)
    with reverts("InvalidSignature", funded.address):
        token.redeemWithSignature(funded.address, 6, ORDER, deadline, forged, {"from": relayer})


@pytest.mark.spec("PT-68")
@pytest.mark.parametrize("field", ["account", "amount", "ref", "deadline"])
def test_redeem_with_signature__field_changed__refused(token, funded, relayer, alice, give, deadline, signature, field):
    give(token, alice, 10)
    order = {"account": funded.address, "amount": 6, "ref": ORDER, "deadline": deadline}
    order[field] = {"account": alice.address, "amount": 7, "ref": ref("other"), "deadline": deadline + 1}[field]
    with reverts("InvalidSignature", order["account"]):
        token.redeemWithSignature(*order.values(), signature, {"from": relayer})


@pytest.mark.spec("PT-68")
@pytest.mark.parametrize(
    "change",
    [{"name": "Blue Points"}, {"version": "2"}, {"chain_id": 1}, {"verifying_contract": "0x" + "11" * 20}],
    ids=lambda change: next(iter(change)),
)
def test_redeem_with_signature__other_domain__refused(token, domain, funded, relayer, deadline, change):
    foreign = Domain(**(vars(domain) | change))
    signature = foreign.sign(funded, "Redeem", funded.address, 6, ORDER, deadline)
    with reverts("InvalidSignature", funded.address):
        token.redeemWithSignature(funded.address, 6, ORDER, deadline, signature, {"from": relayer})


@pytest.mark.spec("PT-68")
def test_redeem_with_signature__for_a_redeployed_token__refused(deploy, funded, relayer, give, deadline, signature):
    twin = deploy()
    give(twin, funded.address, 10)
    with reverts("InvalidSignature", funded.address):
        twin.redeemWithSignature(funded.address, 6, ORDER, deadline, signature, {"from": relayer})


@pytest.mark.spec("PT-68")
def test_redeem_with_signature__of_a_hold_order__refused(token, domain, funded, relayer, deadline):
    hold = domain.sign(funded, "Hold", funded.address, 6, ORDER, deadline, deadline)
    with reverts("InvalidSignature", funded.address):
        token.redeemWithSignature(funded.address, 6, ORDER, deadline, hold, {"from": relayer})


@pytest.mark.spec("PT-68")
def test_redeem_with_signature__personal_message__refused(token, domain, funded, relayer, deadline):
    order = domain.order("Redeem", funded.address, 6, ORDER, deadline)
    personal = bytes(funded.sign_message(encode_defunct(order.header + order.body)).signature)
    with reverts("InvalidSignature", funded.address):
        token.redeemWithSignature(funded.address, 6, ORDER, deadline, personal, {"from": relayer})


@pytest.mark.spec("PT-68")
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_redeem_with_signature__spoilt__refused(token, funded, relayer, deadline, signature, spoil):
    with reverts("InvalidSignature", funded.address):
        token.redeemWithSignature(funded.address, 6, ORDER, deadline, spoil(signature), {"from": relayer})
    assert token.balanceOf(funded.address) == 10


@pytest.mark.spec("PT-68")
def test_redeem_with_signature__zero_account__refused(token, relayer, deadline):
    with reverts("InvalidSignature", NOBODY):
        token.redeemWithSignature(NOBODY, 6, ORDER, deadline, b"\x00" * 65, {"from": relayer})


@pytest.mark.spec("PT-61")
def test_redeem_with_signature__more_than_live__refused(token, domain, funded, relayer, deadline):
    signature = domain.sign(funded, "Redeem", funded.address, 11, ORDER, deadline)
    with reverts("ERC20InsufficientBalance", funded.address, 10, 11):
        token.redeemWithSignature(funded.address, 11, ORDER, deadline, signature, {"from": relayer})


@pytest.mark.spec("PT-64", "PT-66")
def test_redeem_with_signature__in_its_last_second__burns(token, funded, relayer, clock, deadline, signature):
    clock.next_block_at(deadline)
    transaction = token.redeemWithSignature(funded.address, 6, ORDER, deadline, signature, {"from": relayer})
    assert logs(transaction) == [
        ("Transfer", funded.address, NOBODY, 6),
        ("PointsRedeemed", ORDER, funded.address, 6, ((clock.epoch, 6),)),
    ]
    assert token.balanceOf(funded.address) == 4


@pytest.mark.spec("PT-64", "PT-67")
def test_redeem_with_signature__two_refs__both_burn(token, domain, funded, alice, bob, deadline):
    for relayer, order in ((alice, ref("one")), (bob, ref("two"))):
        signature = domain.sign(funded, "Redeem", funded.address, 5, order, deadline)
        token.redeemWithSignature(funded.address, 5, order, deadline, signature, {"from": relayer})
    assert token.balanceOf(funded.address) == 0


class TestContractWallet:
    @pytest.fixture
    def wallet(self, SignatureWallet, dora, admin, token, give):
        wallet = SignatureWallet.deploy(dora.address, {"from": admin})
        give(token, wallet, 10)
        return wallet

    @pytest.mark.spec("PT-65")
    def test_owner_signs__burns(self, token, domain, wallet, dora, relayer, deadline):
        signature = domain.sign(dora, "Redeem", wallet.address, 6, ORDER, deadline)
        token.redeemWithSignature(wallet, 6, ORDER, deadline, signature, {"from": relayer})
        assert token.balanceOf(wallet) == 4

    @pytest.mark.spec("PT-65")
    def test_another_signs__refused(self, token, domain, wallet, relayer, deadline):
        signature = domain.sign(member_wallet("thief"), "Redeem", wallet.address, 6, ORDER, deadline)
        with reverts("InvalidSignature", wallet):
            token.redeemWithSignature(wallet, 6, ORDER, deadline, signature, {"from": relayer})

    @pytest.mark.spec("PT-65")
    def test_wallet_says_no__refused(self, token, domain, wallet, dora, relayer, deadline):
        signature = domain.sign(dora, "Redeem", wallet.address, 6, ORDER, deadline)
        wallet.setLocked(True, {"from": relayer})
        with reverts("InvalidSignature", wallet):
            token.redeemWithSignature(wallet, 6, ORDER, deadline, signature, {"from": relayer})

    @pytest.mark.spec("PT-65")
    def test_contract_without_erc1271__refused(self, token, domain, dora, relayer, deadline):
        signature = domain.sign(dora, "Redeem", token.address, 6, ORDER, deadline)
        with reverts("InvalidSignature", token):
            token.redeemWithSignature(token, 6, ORDER, deadline, signature, {"from": relayer})
