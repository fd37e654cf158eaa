"""The ledger at its limits: full words, the largest lots, the last epoch."""

import pytest
from brownie import web3

from tests.contracts.support.clock import DAY_SECONDS, Clock
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import LOT_LIMIT, credit, lots_of, ref

LARGEST = LOT_LIMIT - 1
LAST_EPOCH = 2**16 - 1


@pytest.fixture
def full_word(deploy, issuer, alice, clock):
    """A token where Alice has five neighbouring lots of the largest amount: redeemed one by one, refunded together."""
    token = deploy(cap=LARGEST)
    epochs = []
    for number in range(5):
        epochs.append(clock.epoch)
        token.issue(alice, LARGEST, ref(f"issue {number}"), {"from": issuer})
        token.redeem(LARGEST, ref(f"order {number}"), {"from": alice})
        if number < 4:
            clock.pass_epochs(1)
    for number, epoch in enumerate(epochs):
        token.refund(ref(f"order {number}"), alice, [(epoch, LARGEST)], LARGEST, {"from": issuer})
    return token, epochs


@pytest.mark.spec("EL-8", "EL-11", "EL-5")
def test_full_word__reads_exactly(full_word, alice):
    token, epochs = full_word
    assert lots_of(token, alice) == dict.fromkeys(epochs, LARGEST)
    assert token.balanceOf(alice) == token.totalSupply() == 5 * LARGEST


@pytest.mark.spec("EL-8", "EL-11")
@pytest.mark.parametrize("chosen", range(5))
def test_full_word__one_lot_emptied_and_filled__neighbours_stay(full_word, alice, bob, chosen):
    token, epochs = full_word
    epoch = epochs[chosen]
    token.transferAtEpoch(epoch, bob, LARGEST, {"from": alice})
    assert lots_of(token, alice) == {other: LARGEST for other in epochs if other != epoch}
    token.transferAtEpoch(epoch, alice, LARGEST, {"from": bob})
    assert lots_of(token, alice) == dict.fromkeys(epochs, LARGEST)


@pytest.mark.spec("EL-8", "EL-6")
def test_full_word__transferred_as_a_whole__arrives_whole(full_word, alice, bob):
    token, epochs = full_word
    token.transfer(bob, 5 * LARGEST, {"from": alice})
    assert lots_of(token, alice) == {}
    assert lots_of(token, bob) == dict.fromkeys(epochs, LARGEST)


@pytest.mark.spec("EL-11", "PT-23")
def test_full_word__one_more__refused(full_word, issuer, alice):
    token, _ = full_word
    with reverts("SupplyCapExceeded", 5 * LARGEST + 1, LARGEST):
        token.issue(alice, 1, ref("one more"), {"from": issuer})


@pytest.mark.spec("EL-11")
def test_refund__would_raise_a_lot_above_the_largest__refused(deploy, issuer, alice, bob, clock):
    token = deploy(cap=LARGEST)
    token.issue(alice, LARGEST, ref("a"), {"from": issuer})
    token.redeem(LARGEST, ref("order"), {"from": alice})
    token.issue(bob, LARGEST, ref("b"), {"from": issuer})
    with reverts("InvalidAmount", 1):
        token.refund(ref("order"), alice, [(clock.epoch, LARGEST)], 1, {"from": issuer})
    token.transfer(alice, 1, {"from": bob})
    token.redeem(1, ref("room"), {"from": alice})
    token.refund(ref("order"), alice, [(clock.epoch, LARGEST)], 1, {"from": issuer})
    assert token.totalSupply() == LARGEST


@pytest.mark.spec("EL-11", "PT-35")
def test_issue_batch__same_account_past_the_largest_lot__refused(deploy, issuer, alice, bob):
    token = deploy(cap=LARGEST)
    words = [credit(alice, LARGEST), credit(alice, LARGEST), credit(bob, 1)]
    with reverts("SupplyCapExceeded", 2 * LARGEST + 1, LARGEST):
        token.issueBatch(ref("batch"), words, {"from": issuer})


class TestLastEpoch:
    @pytest.fixture
    def days(self):
        """Time in epochs of one day."""
        return Clock(DAY_SECONDS)

    @pytest.fixture
    def token(self, deploy, days, alice, give):
        """Daily epochs, the last one a token can use; Alice has earned ten points in each of five days."""
        token = deploy(epoch_seconds=DAY_SECONDS)
        for epoch in range(LAST_EPOCH - 4, LAST_EPOCH + 1):
            days.go_to_epoch(epoch)
            give(token, alice, 10)
        return token

    @pytest.mark.spec("EL-12")
    def test_last_epoch__works(self, token, alice, bob):
        lots = dict.fromkeys(range(LAST_EPOCH - 4, LAST_EPOCH + 1), 10)
        assert lots_of(token, alice) == lots
        token.transfer(bob, 50, {"from": alice})
        assert lots_of(token, bob) == lots
        assert token.totalSupply() == 50

    @pytest.mark.spec("EL-12")
    def test_next_epoch__nothing_can_be_credited(self, token, issuer, exchange, alice, bob, days):
        token.redeem(5, ref("order"), {"from": alice})
        burned = [(LAST_EPOCH - 4, 5)]
        epoch = days.pass_epochs(1)
        soon = days.now_seconds + 60
        calls = (
            lambda: token.issue(alice, 1, ref("issue"), {"from": issuer}),
            lambda: token.issueBatch(ref("batch"), [credit(alice, 1)], {"from": issuer}),
            lambda: token.crosschainMint(alice, 1, {"from": exchange}),
            lambda: token.crosschainMintLots(alice, [(LAST_EPOCH, 1)], {"from": exchange}),
            lambda: token.transfer(bob, 1, {"from": alice}),
            lambda: token.transferAtEpoch(LAST_EPOCH, bob, 1, {"from": alice}),
            lambda: token.hold(1, ref("hold"), soon, {"from": alice}),
        )
        for call in calls:
            with reverts("EpochLimitReached", epoch):
                call()
        assert logs(token.refund(ref("order"), alice, burned, 5, {"from": issuer}))[0][0] == "PointsRefunded"

    @pytest.mark.spec("EL-12", "EL-9")
    def test_next_epochs__live_points_are_readable_and_spendable(self, token, alice, days):
        days.pass_epochs(1)
        assert lots_of(token, alice) == dict.fromkeys(range(LAST_EPOCH - 3, LAST_EPOCH + 1), 10)
        token.redeem(35, ref("order"), {"from": alice})
        assert lots_of(token, alice) == {LAST_EPOCH: 5}
        days.pass_epochs(4)
        assert token.balanceOf(alice) == token.totalSupply() == 0
        days.pass_epochs(2**16)
        assert token.balanceOf(alice) == token.totalSupply() == 0


class TestStorage:
    """Storage of an account's lots, read as a storage proof shows it: `tag:16 | lane4:48 | ... | lane0:48`."""

    @staticmethod
    def lanes(token, account, word):
        slot = int.from_bytes(bytes(token.lotSlotOf(account)), "big") + word
        stored = int.from_bytes(web3.eth.get_storage_at(token.address, slot), "big")
        return stored >> 240, [(stored >> 48 * lane) & LARGEST for lane in range(5)]

    @pytest.mark.spec("EL-15")
    @pytest.mark.parametrize(("validity", "words"), [(0, 1), (4, 1), (5, 2), (29, 6)])
    def test_lot_slot_of__every_lot__in_its_lane(self, deploy, alice, give, clock, validity, words):
        token = deploy(validity=validity)
        for number in range(validity + 1):
            give(token, alice, 100 + number)
            clock.pass_epochs(1 if number < validity else 0)
        for epoch, amount in lots_of(token, alice).items():
            tag, lanes = self.lanes(token, alice, epoch // 5 % words)
            assert lanes[epoch % 5] == amount
            assert 0 <= tag - epoch < 5 * words
        assert self.lanes(token, alice, words) == (0, [0] * 5)

    @pytest.mark.spec("EL-15")
    def test_lot_slot_of__two_accounts__apart(self, token, alice, bob):
        assert token.lotSlotOf(alice) != token.lotSlotOf(bob)
