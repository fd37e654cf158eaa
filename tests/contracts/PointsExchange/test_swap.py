"""`swap`: a holder's points are burnt at the source and minted at the destination, or nothing happens at all."""

from dataclasses import replace

import pytest
from brownie import web3

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, Requests, lane_terms, swap_id
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import LOT_LIMIT, NOBODY, lots_of, ref
from tests.contracts.support.world import CALENDARS, Standing, deploy_world, owed, standing_of

NONE, COMPLETED, PENDING, REFUNDED = range(4)


@pytest.fixture
def nothing_moved(world, funded, alice, bob):
    """Checks that no points, debts and volumes have changed since it was asked for."""

    def state():
        return (
            [lots_of(token, account) for token in tokens for account in (alice, bob)],
            [token.totalSupply() for token in tokens],
            [standing_of(world.house, programme) for programme in world.programmes],
            funded.exchange.availableOut(funded.id),
            funded.exchange.statusOf(swap_id(funded.exchange, alice, ref("swap"))),
        )

    tokens = [programme.token for programme in world.programmes]
    before = state()

    def check():
        assert state() == before

    return check


class TestRefused:
    @pytest.mark.spec("EX-32")
    def test_one_second_late(self, funded, requests, alice, clock, nothing_moved):
        request = requests.of(alice, 100)
        clock.next_block_at(request[-1] + 1)
        with reverts("SwapExpired", request[-1]):
            funded.exchange.swap(request, NO_QUOTE, {"from": alice})
        nothing_moved()

    @pytest.mark.spec("EX-33")
    def test_ref_used(self, funded, requests, alice):
        funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        with reverts("SwapRefUsed", ref("swap"), alice):
            funded.exchange.swap(requests.of(alice, 50), NO_QUOTE, {"from": alice})

    @pytest.mark.spec("EX-33")
    def test_ref_used__said_before_anything_else(self, funded, requests, alice, clock):
        request = requests.of(alice, 100)
        funded.exchange.swap(request, NO_QUOTE, {"from": alice})
        funded.stop()
        clock.go_to(request[-1] + 1)
        with reverts("SwapRefUsed", ref("swap"), alice):
            funded.exchange.swap(request, NO_QUOTE, {"from": alice})

    @pytest.mark.spec("EX-34")
    def test_less_than_asked_for(self, funded, requests, alice, nothing_moved):
        with reverts("InsufficientOutput", 50, 51):
            funded.exchange.swap(requests.of(alice, 101, min_out=51), NO_QUOTE, {"from": alice})
        nothing_moved()

    @pytest.mark.spec("EX-24")
    @pytest.mark.parametrize("max_in", [0, 1, LOT_LIMIT, 2**256 - 1])
    def test_gives_nothing_or_fits_no_lot(self, funded, requests, alice, nothing_moved, max_in):
        with reverts("InvalidSwapAmount", max_in):
            funded.exchange.swap(requests.of(alice, max_in, min_out=0), NO_QUOTE, {"from": alice})
        nothing_moved()

    @pytest.mark.spec("EX-24")
    def test_below_the_minimum(self, funded, requests, terms, alice):
        funded.stop()
        funded.agree(replace(terms, minimum_in=100))
        with reverts("BelowMinimum", 98, 100):
            funded.exchange.swap(requests.of(alice, 99), NO_QUOTE, {"from": alice})
        assert funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})

    @pytest.mark.spec("EX-38")
    def test_lane_never_agreed(self, world, funded, requests, alice):
        back = world.lane(1, 0)
        with reverts("LaneNotOpen", back.id):
            funded.exchange.swap(requests.of(alice, 100, lane_id=back.id), NO_QUOTE, {"from": alice})

    @pytest.mark.spec("EX-38")
    def test_lane_stopped(self, funded, requests, alice, nothing_moved):
        funded.stop(funded.destination)
        with reverts("LaneNotOpen", funded.id):
            funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert funded.source.token.balanceOf(alice) == 1_000

    @pytest.mark.spec("EX-38")
    def test_lane_run_out(self, funded, requests, terms, alice, clock):
        clock.go_to(terms.valid_until)
        request = requests.of(alice, 100)
        clock.next_block_at(terms.valid_until + 1)
        with reverts("LaneNotOpen", funded.id):
            funded.exchange.swap(request, NO_QUOTE, {"from": alice})

    @pytest.mark.spec("EX-39")
    @pytest.mark.parametrize("number", [0, 1])
    def test_programme_suspended(self, world, funded, requests, alice, issuer, nothing_moved, number):
        suspended = world.programmes[number]
        world.registry.suspend(suspended.id, {"from": issuer})
        with reverts("ProgrammeNotActive", suspended.id):
            funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        world.registry.resume(suspended.id, {"from": issuer})
        nothing_moved()

    @pytest.mark.spec("EX-36")
    def test_receiver_nobody_can_be(self, world, funded, requests, alice, nothing_moved):
        tokens = [programme.token for programme in world.programmes]
        for to in (NOBODY, funded.exchange, *tokens):
            with reverts("InvalidReceiver", to):
                funded.exchange.swap(requests.of(to, 100), NO_QUOTE, {"from": alice})
        nothing_moved()

    @pytest.mark.spec("EX-40")
    def test_more_than_live(self, funded, requests, alice, nothing_moved):
        with reverts("ERC20InsufficientBalance", alice, 1_000, 1_002):
            funded.exchange.swap(requests.of(alice, 1_003), NO_QUOTE, {"from": alice})
        nothing_moved()

    @pytest.mark.spec("EX-40")
    def test_expired_points(self, funded, requests, alice, clock):
        clock.pass_epochs(5)
        with reverts("ERC20InsufficientBalance", alice, 0, 100):
            funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})

    @pytest.mark.spec("EX-41")
    def test_destination_s_supply_cap(self, funded, requests, alice, admin, nothing_moved):
        funded.destination.token.setSupplyCap(49, {"from": admin})
        with reverts("SupplyCapExceeded", 50, 49):
            funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        nothing_moved()

    @pytest.mark.spec("EX-42")
    @pytest.mark.parametrize("side", ["source", "destination"])
    def test_token_paused(self, funded, requests, alice, nothing_moved, side):
        programme = getattr(funded, side)
        programme.token.pause({"from": programme.pauser})
        with reverts("EnforcedPause"):
            funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        nothing_moved()
        programme.token.unpause({"from": programme.pauser})
        funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert funded.destination.token.balanceOf(alice) == 50

    @pytest.mark.spec("EX-43")
    def test_debit_cap(self, world, funded, requests, alice, nothing_moved):
        world.house.withdraw(funded.source.id, alice, 10_000_000_000 - 399, {"from": funded.source.treasurer})
        with reverts("DebitCapExceeded", *funded.ends, 400, 399):
            funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        world.deposit(funded.source, 10_000_000_000 - 399)
        nothing_moved()

    @pytest.mark.spec("EX-43")
    @pytest.mark.parametrize("side", ["source", "destination"])
    def test_exchange_without_its_role(self, funded, requests, alice, admin, nothing_moved, side):
        token = getattr(funded, side).token
        token.revokeRole(token.EXCHANGE_ROLE(), funded.exchange, {"from": admin})
        with reverts("AccessControlUnauthorizedAccount", funded.exchange, token.EXCHANGE_ROLE()):
            funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        nothing_moved()


class TestDone:
    @pytest.mark.spec("EX-30", "EX-31", "EX-44")
    def test_burns_and_mints__logged_in_order(self, world, funded, requests, alice, bob, clock):
        exchange, source, destination = funded.exchange, funded.source, funded.destination
        transaction = exchange.swap(requests.of(bob, 101), NO_QUOTE, {"from": alice})
        this, order = swap_id(exchange, alice, ref("swap")), ref("swap")
        burnt = ((clock.epoch, 100),)
        minted = ((clock.now_seconds // (7 * DAY_SECONDS), 50),)
        price = (100, 50, 50, 400)
        assert plain(transaction.return_value) == (this, price)
        assert logs(transaction) == [
            ("LotTransferred", alice, NOBODY, *burnt[0]),
            ("Transfer", alice, NOBODY, 100),
            ("CrosschainBurn", alice, 100, exchange),
            ("SwapBurnt", this, funded.id, alice, order, 1, NO_HASH, price, burnt),
            ("DebtBooked", 1, source.id, destination.id, 400, this),
            ("Transfer", NOBODY, bob, 50),
            ("CrosschainMint", bob, 50, exchange),
            ("SwapMinted", this, funded.id, bob, 50, minted),
        ]
        assert source.token.balanceOf(alice) == 900
        assert lots_of(destination.token, bob) == dict(minted)
        assert exchange.statusOf(this) == COMPLETED
        assert exchange.swapIdOf(alice, order) == this

    @pytest.mark.spec("EX-30")
    def test_earliest_points_first(self, funded, requests, issue_to, alice, clock):
        first = clock.epoch
        second = clock.pass_epochs(1)
        issue_to(funded.source, alice, 500)
        transaction = funded.exchange.swap(requests.of(alice, 1_200), NO_QUOTE, {"from": alice})
        assert logs(transaction, "SwapBurnt")[0][-1] == ((first, 1_000), (second, 200))
        assert lots_of(funded.source.token, alice) == {second: 300}

    @pytest.mark.spec("EX-30", "EX-21")
    def test_points_that_give_nothing__stay(self, funded, requests, alice):
        funded.exchange.swap(requests.of(alice, 11), NO_QUOTE, {"from": alice})
        assert funded.source.token.balanceOf(alice) == 990
        assert funded.destination.token.balanceOf(alice) == 5

    @pytest.mark.spec("EX-32")
    def test_in_its_last_second(self, funded, requests, alice, clock):
        request = requests.of(alice, 100)
        clock.next_block_at(request[-1])
        funded.exchange.swap(request, NO_QUOTE, {"from": alice})
        assert funded.destination.token.balanceOf(alice) == 50

    @pytest.mark.spec("EX-34")
    def test_exactly_as_much_as_asked_for(self, funded, requests, alice):
        funded.exchange.swap(requests.of(alice, 101, min_out=50), NO_QUOTE, {"from": alice})
        assert funded.destination.token.balanceOf(alice) == 50

    @pytest.mark.spec("EX-33")
    def test_two_accounts__same_ref(self, funded, requests, issue_to, alice, bob):
        issue_to(funded.source, bob, 10)
        for account in (alice, bob):
            funded.exchange.swap(requests.of(account, 10), NO_QUOTE, {"from": account})
        assert funded.destination.token.totalSupply() == 10

    @pytest.mark.spec("EX-33")
    def test_refused_swap__leaves_its_ref(self, funded, requests, alice):
        with reverts("InsufficientOutput", 50, 60):
            funded.exchange.swap(requests.of(alice, 100, min_out=60), NO_QUOTE, {"from": alice})
        funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert funded.exchange.statusOf(swap_id(funded.exchange, alice, ref("swap"))) == COMPLETED

    @pytest.mark.spec("EX-41")
    def test_reaches_the_supply_cap(self, funded, requests, alice, admin):
        funded.destination.token.setSupplyCap(50, {"from": admin})
        funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert funded.destination.token.totalSupply() == 50

    @pytest.mark.spec("EX-44")
    def test_debts_follow_from_the_logs(self, world, funded, requests, alice):
        source, destination = funded.source, funded.destination
        transactions = [
            funded.exchange.swap(requests.of(alice, points, ref=ref(f"swap {points}")), NO_QUOTE, {"from": alice})
            for points in (3, 10, 101)
        ]
        total = sum(logs(transaction, "SwapBurnt")[0][7][3] for transaction in transactions)
        assert total == (1 + 5 + 50) * 8
        assert owed(world.house, source, destination) == (total, 0)
        assert owed(world.house, destination, source) == (-total, 0)
        assert standing_of(world.house, destination) == Standing(open=total)

    @pytest.mark.spec("EX-44")
    def test_lane_without_a_price__books_nothing(self, world, funded, requests, terms, alice):
        funded.stop()
        funded.agree(replace(terms, settlement_price=0))
        transaction = funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert logs(transaction, "DebtBooked") == []
        assert owed(world.house, funded.source, funded.destination) == (0, 0)
        assert funded.destination.token.balanceOf(alice) == 50

    @pytest.mark.spec("EX-44")
    def test_within_a_credit_line__needs_no_collateral(self, world, lane, requests, terms, issue_to, alice):
        lane.agree(terms)
        issue_to(lane.source, alice, 102)
        world.house.setCreditLine(lane.destination.id, lane.source.id, 400, {"from": lane.destination.treasurer})
        lane.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        with reverts("DebitCapExceeded", *lane.ends, 8, 0):
            lane.exchange.swap(requests.of(alice, 2, ref=ref("next")), NO_QUOTE, {"from": alice})

    @pytest.mark.spec("EX-35")
    def test_exchange_only_programmes__can_swap(self, containers, accounts, alice):
        market = exchange_only(containers, accounts)
        lane = market.lane(0, 1)
        issuer = market.programmes[0].issuer
        now = web3.eth.get_block("latest")["timestamp"]
        lane.agree(lane_terms(now, settlement_price=0))
        market.programmes[0].token.issue(alice, 10, ref("issued"), {"from": issuer})
        request = Requests(lane, lambda: now).of(alice, 10)
        lane.exchange.swap(request, NO_QUOTE, {"from": alice})
        assert market.programmes[1].token.balanceOf(alice) == 5

    @pytest.mark.spec("EX-37")
    def test_exchange__keeps_nothing(self, world, funded, requests, alice):
        funded.exchange.swap(requests.of(alice, 101), NO_QUOTE, {"from": alice})
        for programme in world.programmes:
            assert programme.token.balanceOf(funded.exchange) == 0
        assert world.currency.balanceOf(funded.exchange) == 0
        assert web3.eth.get_balance(funded.exchange.address) == 0

    @pytest.mark.spec("EX-33", "EX-47")
    def test_same_ref_at_another_exchange__another_swap(self, PointsExchange, world, funded, alice, admin):
        twin = PointsExchange.deploy(world.registry, world.house, 1, admin, 1, {"from": admin})
        assert twin.swapIdOf(alice, ref("swap")) != funded.exchange.swapIdOf(alice, ref("swap"))


def exchange_only(containers, accounts):
    """A market whose members cannot transfer to each other."""
    return deploy_world(containers, accounts, CALENDARS[:2], transferable=False)
