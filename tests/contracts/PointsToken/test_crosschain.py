"""The exchange's mint and burn (ERC-7802) and their lot-carrying forms."""

import pytest

from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import LOT_LIMIT, NOBODY, lots_of

OTHERS = ["admin", "issuer", "custodian", "pauser", "mallory", "alice"]


@pytest.mark.spec("PT-120")
@pytest.mark.parametrize("actor", OTHERS)
def test_crosschain__not_the_exchange__refused(token, alice, give, clock, actor, request):
    caller = request.getfixturevalue(actor)
    give(token, alice, 10)
    sender = {"from": caller}
    calls = (
        lambda: token.crosschainMint(alice, 1, sender),
        lambda: token.crosschainBurn(alice, 1, sender),
        lambda: token.crosschainBurnLots(alice, 1, sender),
        lambda: token.crosschainMintLots(alice, [(clock.epoch, 1)], sender),
        lambda: token.crosschainRestoreLots(alice, [(clock.epoch, 1)], sender),
    )
    for call in calls:
        with reverts("AccessControlUnauthorizedAccount", caller, token.EXCHANGE_ROLE()):
            call()


class TestMint:
    @pytest.mark.spec("PT-121")
    def test_one_over_the_cap__refused(self, token, alice, exchange):
        with reverts("SupplyCapExceeded", 1_000_001, 1_000_000):
            token.crosschainMint(alice, 1_000_001, {"from": exchange})

    @pytest.mark.spec("PT-121")
    @pytest.mark.parametrize("amount", [0, LOT_LIMIT, 2**256 - 1])
    def test_amount_out_of_range__refused(self, token, alice, exchange, amount):
        with reverts("InvalidAmount", amount):
            token.crosschainMint(alice, amount, {"from": exchange})

    @pytest.mark.spec("PT-121")
    def test_zero_address__refused(self, token, exchange):
        with reverts("ERC20InvalidReceiver", NOBODY):
            token.crosschainMint(NOBODY, 1, {"from": exchange})

    @pytest.mark.spec("PT-121")
    def test_mints_into_the_present_epoch(self, token, alice, exchange, clock):
        transaction = token.crosschainMint(alice, 7, {"from": exchange})
        assert logs(transaction) == [
            ("Transfer", NOBODY, alice, 7),
            ("CrosschainMint", alice, 7, exchange),
        ]
        assert lots_of(token, alice) == {clock.epoch: 7}
        assert token.totalSupply() == 7


class TestBurn:
    @pytest.mark.spec("PT-122")
    def test_more_than_live__refused(self, token, alice, give, exchange):
        give(token, alice, 10)
        with reverts("ERC20InsufficientBalance", alice, 10, 11):
            token.crosschainBurn(alice, 11, {"from": exchange})

    @pytest.mark.spec("PT-122")
    def test_nothing__refused(self, token, alice, give, exchange):
        give(token, alice, 10)
        with reverts("InvalidAmount", 0):
            token.crosschainBurn(alice, 0, {"from": exchange})

    @pytest.mark.spec("PT-122", "EL-6")
    def test_burns_earliest_first(self, token, alice, give_monthly, exchange):
        _, second = give_monthly(token, alice, 10, 20)
        transaction = token.crosschainBurn(alice, 15, {"from": exchange})
        assert logs(transaction) == [
            ("Transfer", alice, NOBODY, 15),
            ("CrosschainBurn", alice, 15, exchange),
        ]
        assert lots_of(token, alice) == {second: 15}


class TestBurnLots:
    @pytest.mark.spec("PT-123")
    def test_more_than_live__refused(self, token, alice, give, exchange):
        give(token, alice, 10)
        with reverts("ERC20InsufficientBalance", alice, 10, 11):
            token.crosschainBurnLots(alice, 11, {"from": exchange})

    @pytest.mark.spec("PT-123", "PT-135")
    def test_returns_and_logs_the_lots(self, token, alice, give_monthly, exchange):
        first, second = give_monthly(token, alice, 10, 20)
        transaction = token.crosschainBurnLots(alice, 15, {"from": exchange})
        assert plain(transaction.return_value) == ((first, 10), (second, 5))
        assert logs(transaction) == [
            ("LotTransferred", alice, NOBODY, first, 10),
            ("LotTransferred", alice, NOBODY, second, 5),
            ("Transfer", alice, NOBODY, 15),
            ("CrosschainBurn", alice, 15, exchange),
        ]
        assert lots_of(token, alice) == {second: 15}
        assert token.totalSupply() == 15


class TestMintLots:
    @pytest.mark.spec("PT-124")
    def test_expired__refused(self, token, alice, exchange, clock):
        expired = clock.epoch - 5
        with reverts("ERC7818TransferredExpiredToken", NOBODY, expired):
            token.crosschainMintLots(alice, [(clock.epoch, 1), (expired, 1)], {"from": exchange})

    @pytest.mark.spec("PT-124")
    def test_future__refused(self, token, alice, exchange, clock):
        with reverts("EpochInFuture", clock.epoch + 1, clock.epoch):
            token.crosschainMintLots(alice, [(clock.epoch + 1, 1)], {"from": exchange})

    @pytest.mark.spec("PT-124")
    @pytest.mark.parametrize("amount", [0, LOT_LIMIT, 2**256 - 1])
    def test_lot_out_of_range__refused(self, token, alice, exchange, clock, amount):
        with reverts("InvalidAmount", amount):
            token.crosschainMintLots(alice, [(clock.epoch, amount)], {"from": exchange})

    @pytest.mark.spec("PT-124")
    def test_no_lots__refused(self, token, alice, exchange):
        with reverts("InvalidAmount", 0):
            token.crosschainMintLots(alice, [], {"from": exchange})

    @pytest.mark.spec("PT-124")
    def test_zero_address__refused(self, token, exchange, clock):
        with reverts("ERC20InvalidReceiver", NOBODY):
            token.crosschainMintLots(NOBODY, [(clock.epoch, 1)], {"from": exchange})

    @pytest.mark.spec("PT-124")
    def test_one_over_the_cap__refused(self, token, alice, exchange, clock):
        lots = [(clock.epoch - 1, 500_000), (clock.epoch, 500_001)]
        with reverts("SupplyCapExceeded", 1_000_001, 1_000_000):
            token.crosschainMintLots(alice, lots, {"from": exchange})

    @pytest.mark.spec("PT-124", "EL-11")
    def test_repeated_epoch_beyond_a_lot__refused(self, deploy, alice, exchange, clock):
        token = deploy(cap=LOT_LIMIT - 1)
        lots = [(clock.epoch, LOT_LIMIT - 1), (clock.epoch, 1)]
        with reverts("InvalidAmount", 1):
            token.crosschainMintLots(alice, lots, {"from": exchange})

    @pytest.mark.spec("PT-124", "PT-135")
    def test_mints_the_given_lots(self, token, alice, exchange, clock, give):
        give(token, alice, 1)
        epoch = clock.epoch
        lots = ((epoch - 4, 3), (epoch - 1, 4), (epoch, 5))
        transaction = token.crosschainMintLots(alice, lots, {"from": exchange})
        assert logs(transaction) == [
            *(("LotTransferred", NOBODY, alice, *lot) for lot in lots),
            ("Transfer", NOBODY, alice, 12),
            ("CrosschainMint", alice, 12, exchange),
        ]
        assert lots_of(token, alice) == {epoch - 4: 3, epoch - 1: 4, epoch: 6}
        assert token.totalSupplyAtEpoch(epoch - 4) == 3
        assert token.totalSupply() == 13


class TestRestoreLots:
    @pytest.mark.spec("PT-126")
    def test_future__refused(self, token, alice, exchange, clock):
        with reverts("EpochInFuture", clock.epoch + 1, clock.epoch):
            token.crosschainRestoreLots(alice, [(clock.epoch + 1, 1)], {"from": exchange})

    @pytest.mark.spec("PT-126")
    @pytest.mark.parametrize("amount", [0, LOT_LIMIT, 2**256 - 1])
    def test_lot_out_of_range__refused(self, token, alice, exchange, clock, amount):
        with reverts("InvalidAmount", amount):
            token.crosschainRestoreLots(alice, [(clock.epoch, amount)], {"from": exchange})

    @pytest.mark.spec("PT-126")
    def test_zero_address__refused(self, token, exchange, clock):
        with reverts("ERC20InvalidReceiver", NOBODY):
            token.crosschainRestoreLots(NOBODY, [(clock.epoch, 1)], {"from": exchange})

    @pytest.mark.spec("PT-126", "PT-135")
    def test_live_lots__given_back_past_the_cap(self, token, alice, give_monthly, exchange, admin):
        epochs = give_monthly(token, alice, 10, 20)
        burned = token.crosschainBurnLots(alice, 25, {"from": exchange}).return_value
        token.setSupplyCap(5, {"from": admin})
        transaction = token.crosschainRestoreLots(alice, burned, {"from": exchange})
        assert plain(transaction.return_value) == plain(burned)
        assert logs(transaction) == [
            *(("LotTransferred", NOBODY, alice, *lot) for lot in plain(burned)),
            ("Transfer", NOBODY, alice, 25),
            ("CrosschainMint", alice, 25, exchange),
        ]
        assert lots_of(token, alice) == dict(zip(epochs, (10, 20), strict=True))
        assert token.totalSupply() == 30

    @pytest.mark.spec("PT-127")
    def test_some_expired_meanwhile__left_out(self, token, alice, give_monthly, exchange, clock):
        first, second = give_monthly(token, alice, 10, 20)
        burned = token.crosschainBurnLots(alice, 30, {"from": exchange}).return_value
        clock.go_to_epoch(first + 5)
        transaction = token.crosschainRestoreLots(alice, burned, {"from": exchange})
        assert plain(transaction.return_value) == ((second, 20),)
        assert lots_of(token, alice) == {second: 20}

    @pytest.mark.spec("PT-127")
    def test_all_expired_meanwhile__nothing_happens(self, token, alice, give_monthly, exchange, clock):
        give_monthly(token, alice, 10, 20)
        burned = token.crosschainBurnLots(alice, 30, {"from": exchange}).return_value
        clock.pass_epochs(5)
        transaction = token.crosschainRestoreLots(alice, burned, {"from": exchange})
        assert plain(transaction.return_value) == ()
        assert logs(transaction) == []
        assert token.totalSupply() == 0


@pytest.mark.spec("PT-125", "PT-123", "PT-124")
def test_burned_lots__minted_by_another_token__same_lots(token, deploy, alice, bob, give_monthly, exchange):
    other = deploy()
    epochs = give_monthly(token, alice, 10, 20, 30)
    burned = token.crosschainBurnLots(alice, 45, {"from": exchange}).return_value
    other.crosschainMintLots(bob, burned, {"from": exchange})
    assert lots_of(other, bob) == dict(zip(epochs, (10, 20, 15), strict=True))
    assert token.totalSupply() + other.totalSupply() == 60
