"""Swaps, debts and lane volumes in the projection, held against the contracts' own answers."""

from __future__ import annotations

import random
import secrets
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import clearing_house, points_exchange
from backend.chain.deploy import Deployer
from backend.chain.errors import ContractRevertedError, ExecutionRevertedError
from backend.chain.event_types import Lot
from backend.chain.exchange_types import LaneTerms, PendingSwap, SwapStatus
from backend.chain.indexer import Indexer
from backend.chain.lane_pricing import carry, price, window_out
from backend.chain.models import (
    DebtEntry,
    DebtTotal,
    LaneVolume,
    LotBalance,
    LotEntry,
    TokenEvent,
)
from backend.chain.points_token import managed_account
from backend.chain.programme_registry import programme_id
from backend.chain.rebuild import rebuild_projection
from backend.chain.reverts import revert_from_text
from backend.database import transaction
from tests.integration.chain.service import FINALITY_BLOCKS, Service
from tests.support.anvil import DAY, Deployment, deploy, exchange_plan, plan
from tests.support.market import TERMS, Market

FUEL, GROCER = programme_id("fuel"), programme_id("grocer")


class Follower:
    """An indexer on a market's chain, and what it has written."""

    def __init__(self, market: Market, sessions: sessionmaker[Session]) -> None:
        self.market = market
        self.sessions = sessions
        self.client = market.deployment.chain.client
        self.indexer = Indexer(sessions, self.client, market.deployment.manifest)

    def index(self) -> None:
        """Steps until there is nothing more to do."""
        while self.indexer.run_once():
            pass

    def rows(self) -> dict[str, list[str]]:
        """Everything projected, but for the rows' own numbers and the blocks they are in."""
        found: dict[str, list[str]] = {}
        wanted = {
            "entries": select(
                LotEntry.token, LotEntry.account, LotEntry.epoch, LotEntry.points, LotEntry.kind, LotEntry.ref
            ),
            "lots": select(LotBalance.token, LotBalance.account, LotBalance.epoch, LotBalance.points),
            "events": select(TokenEvent.name, TokenEvent.ref, TokenEvent.account, TokenEvent.payload),
            "debts": select(
                DebtEntry.cycle, DebtEntry.debtor, DebtEntry.creditor, DebtEntry.amount, DebtEntry.swap_hash
            ),
            "totals": select(DebtTotal.cycle, DebtTotal.debtor, DebtTotal.creditor, DebtTotal.amount, DebtTotal.swaps),
            "volumes": select(LaneVolume.lane_id, LaneVolume.bucket, LaneVolume.points_out, LaneVolume.swaps),
        }
        with transaction(self.sessions) as session:
            for name, query in wanted.items():
                found[name] = sorted(str(tuple(row)) for row in session.execute(query))
        return found

    def movements(self, swap_id: bytes) -> list[tuple[bytes, str, int, int]]:
        """Entries of a swap: token, kind, epoch, points."""
        with transaction(self.sessions) as session:
            query = select(LotEntry).where(LotEntry.ref == swap_id)
            query = query.order_by(LotEntry.block_number, LotEntry.log_index)
            return [(row.token, row.kind, row.epoch, row.points) for row in session.scalars(query)]

    def events(self, swap_id: bytes) -> list[str]:
        """Names of the exchange's logs of a swap."""
        with transaction(self.sessions) as session:
            query = select(TokenEvent.name).where(
                TokenEvent.ref == swap_id, TokenEvent.token == self.market.exchange.address
            )
            query = query.order_by(TokenEvent.block_number, TokenEvent.log_index)
            return list(session.scalars(query))

    def payload(self, name: str, ref: bytes) -> dict[str, object]:
        """Payload of the only event of that name and ref."""
        with transaction(self.sessions) as session:
            query = select(TokenEvent.payload).where(TokenEvent.name == name, TokenEvent.ref == ref)
            return session.scalars(query).one()

    def check(self) -> None:
        """Lots, debts and volumes are what the contracts answer."""
        market = self.market
        with transaction(self.sessions) as session:
            lots = [(row.token, row.account, row.epoch, row.points) for row in session.scalars(select(LotBalance))]
            totals = {(row.debtor, row.creditor): int(row.amount) for row in session.scalars(select(DebtTotal))}
            volumes = {(row.lane_id, row.bucket): row.points_out for row in session.scalars(select(LaneVolume))}
            entries = session.scalars(select(DebtEntry)).all()
            summed: dict[tuple[bytes, bytes], int] = {}
            for entry in entries:
                summed[entry.debtor, entry.creditor] = summed.get((entry.debtor, entry.creditor), 0) + int(entry.amount)
        assert summed == totals
        for slug in ("fuel", "grocer"):
            token = market.token(slug)
            for account in {account for address, account, _, _ in lots if address == token.address}:
                ours = [
                    Lot(epoch, points) for t, a, epoch, points in sorted(lots) if (t, a) == (token.address, account)
                ]
                assert ours == token.lots_of(account)
        net = totals.get((FUEL, GROCER), 0) - totals.get((GROCER, FUEL), 0)
        assert market.house.owed_of(FUEL, GROCER) == (net, 0)
        now = int(self.client.block("latest")["timestamp"], 16)
        for lane in {lane for lane, _ in volumes}:
            of_lane = {bucket: points for (other, bucket), points in volumes.items() if other == lane}
            terms = market.exchange.lane_of(lane).terms
            assert market.exchange.available_out(lane) == terms.daily_cap_out - window_out(of_lane, now)


@pytest.fixture
def market(exchange_deployment: Deployment) -> Market:
    """Collateral posted; no lane yet. One member holds fuel points."""
    market = Market(exchange_deployment).open()
    market.issue("fuel", exchange_deployment.accounts[3], 50_000)
    return market


@pytest.fixture
def follower(market: Market, sessions: sessionmaker[Session]) -> Follower:
    """An indexer of the market."""
    return Follower(market, sessions)


class TestIndex:
    def test_swap_on_a_carried_lane__both_sides_under_the_swaps_id(self, market: Market, follower: Follower) -> None:
        member = market.deployment.accounts[3]
        lane = market.agree("fuel", "grocer")
        request = market.request(lane, member, 1_000)
        swap_id = market.swap(member, request)
        follower.index()
        expected = price(TERMS, 1_000)
        fuel, grocer = market.token("fuel"), market.token("grocer")
        (burnt, minted) = follower.movements(swap_id)
        epoch = fuel.current_epoch()
        assert burnt == (fuel.address, "swap", epoch, -expected.points_in)
        assert minted == (grocer.address, "swap", epoch, expected.points_out)
        assert follower.events(swap_id) == ["SwapBurnt", "SwapMinted"]
        payload = follower.payload("SwapBurnt", swap_id)
        assert payload["lots"] == [[epoch, expected.points_in]]
        assert payload["price"] == {
            "points_in": expected.points_in,
            "points_out": expected.points_out,
            "base_out": expected.base_out,
            "settlement": expected.settlement,
        }
        assert market.exchange.status_of(swap_id) is SwapStatus.COMPLETED
        assert market.house.owed_of(FUEL, GROCER) == (expected.settlement, 0)
        follower.check()

    def test_order_with_quote_and_managed__bonus_not_settled(self, market: Market, follower: Follower) -> None:
        member, stranger = market.deployment.accounts[3:5]
        lane = market.agree("fuel", "grocer", carry_expiry=False)
        quote = market.quote(lane, member, 1_500)
        request = market.request(lane, stranger, 2_000)
        typed = points_exchange.swap_typed_data(
            exchange=market.exchange.address,
            chain_id=market.chain_id,
            account=member,
            request=request,
            quote_id=quote.quote_id,
        )
        signature = market.deployment.signers.signer(member).sign_typed_data(typed)
        order = points_exchange.encode_swap_with_signature(member, request, signature, quote)
        market.send(stranger, market.exchange_entry.address, order)
        key = secrets.token_bytes(32)
        account = managed_account(market.programme("fuel").token_bytes, key)
        market.issue("fuel", account, 700)
        managed = market.request(lane, member, 700)
        data = points_exchange.encode_swap_managed(key, managed)
        market.send(market.custodian, market.exchange_entry.address, data)
        follower.index()
        expected = price(TERMS, 2_000, 1_500)
        swap_id = market.swap_id(member, request)
        assert [points for *_, points in follower.movements(swap_id)] == [-expected.points_in, expected.points_out]
        assert follower.payload("SwapBurnt", swap_id)["quote_id"] == "0x" + quote.quote_id.hex()
        assert market.exchange.is_quote_used(GROCER, quote.quote_id)
        owed = expected.settlement + price(TERMS, 700).settlement
        assert market.house.owed_of(FUEL, GROCER) == (owed, 0)
        follower.check()

    def test_posted_lane__refund_restores_the_lots_and_posting_books_the_debt(
        self, market: Market, follower: Follower
    ) -> None:
        member = market.deployment.accounts[3]
        lane = market.agree("fuel", "grocer", posted=True)
        refunded, posted = (market.swap(member, market.request(lane, member, points)) for points in (1_000, 2_000))
        follower.index()
        assert follower.events(refunded) == ["SwapBurnt", "SwapPending"]
        ends = (points_exchange.encode_refund_pending, points_exchange.encode_confirm_posted)
        for swap_id, encode in zip((refunded, posted), ends, strict=True):
            pending = _pending(follower.payload("SwapPending", swap_id)["pending"])
            market.send(market.partner, market.exchange_entry.address, encode(swap_id, pending))
        follower.index()
        assert follower.events(refunded) == ["SwapBurnt", "SwapPending", "SwapRefunded"]
        assert follower.events(posted) == ["SwapBurnt", "SwapPending", "SwapPosted"]
        taken, given = follower.movements(refunded)
        assert (taken[1], given[1]) == ("swap", "swap_refund")
        assert given[2:] == (taken[2], -taken[3])
        assert [kind for _, kind, _, _ in follower.movements(posted)] == ["swap"]
        assert market.house.owed_of(FUEL, GROCER) == (price(TERMS, 2_000).settlement, 0)
        follower.check()

    def test_expired_meanwhile__refund_without_movement(self, market: Market, follower: Follower) -> None:
        member = market.deployment.accounts[3]
        lane = market.agree("fuel", "grocer", posted=True)
        swap_id = market.swap(member, market.request(lane, member, 1_000))
        follower.index()
        pending = _pending(follower.payload("SwapPending", swap_id)["pending"])
        market.deployment.chain.jump(200 * DAY)
        refund = points_exchange.encode_refund_pending(swap_id, pending)
        market.send(market.deployment.accounts[6], market.exchange_entry.address, refund)
        follower.index()
        assert len(follower.movements(swap_id)) == 1
        payload = follower.payload("SwapRefunded", swap_id)
        assert (payload["restored"], payload["expired_amount"]) == ([], pending.lots[0].amount)

    def test_a_cycle__houses_logs_by_programme(self, market: Market, follower: Follower) -> None:
        member = market.deployment.accounts[3]
        lane = market.agree("fuel", "grocer")
        market.swap(member, market.request(lane, member, 1_000))
        house = market.clearing_entry.address
        market.deployment.chain.jump(7 * DAY)
        keeper = market.deployment.accounts[-1]
        market.send(keeper, house, clearing_house.encode_close_cycle())
        owed = price(TERMS, 1_000).settlement
        assert market.house.standing_of(FUEL).due == -owed
        market.send(market.partner, house, clearing_house.encode_pay_from_collateral(FUEL, owed))
        market.send(keeper, house, clearing_house.encode_settle_cycle())
        follower.index()
        assert follower.payload("PositionAdvised", FUEL)["due"] == -owed
        assert follower.payload("PositionAdvised", GROCER)["due"] == owed
        assert follower.payload("DebtPaid", FUEL) == {
            "cycle": 1,
            "programme_id": "0x" + FUEL.hex(),
            "payer": "0x" + bytes(20).hex(),
            "amount": owed,
        }
        assert set(market.house.programmes()) == {FUEL, GROCER}
        assert market.house.withdrawable(GROCER) == market.house.standing_of(GROCER).collateral

    def test_credit_line_beyond_64_bits__exact(self, market: Market, follower: Follower) -> None:
        """As a currency with 18 decimals has soon."""
        line = clearing_house.encode_set_credit_line(GROCER, FUEL, 10**25 + 1)
        market.send(market.partner, market.clearing_entry.address, line)
        follower.index()
        assert follower.payload("CreditLineChanged", FUEL)["amount"] == 10**25 + 1
        assert market.house.credit_line_of(GROCER, FUEL) == 10**25 + 1


def _pending(payload: object) -> PendingSwap:
    assert isinstance(payload, dict)
    return PendingSwap(
        bytes.fromhex(payload["lane_id"][2:]),
        bytes.fromhex(payload["account"][2:]),
        bytes.fromhex(payload["to"][2:]),
        payload["points_out"],
        payload["settlement"],
        payload["refundable_from"],
        tuple(Lot(*lot) for lot in payload["lots"]),
    )


class TestReorg:
    @pytest.mark.parametrize("depth", [1, FINALITY_BLOCKS - 1])
    def test_swaps_dropped__as_before_them__then_redone(self, market: Market, follower: Follower, depth: int) -> None:
        member = market.deployment.accounts[3]
        lane = market.agree("fuel", "grocer")
        market.swap(member, market.request(lane, member, 5_000))
        market.deployment.chain.mine(FINALITY_BLOCKS + 2)
        follower.index()
        before = follower.rows()
        hashes = [
            market.send(
                member, market.exchange_entry.address, points_exchange.encode_swap(market.request(lane, member, points))
            )["transactionHash"]
            for points in (1_000, 300)
        ][: 1 if depth == 1 else 2]
        chain = market.deployment.chain
        raws = [str(chain.rpc("eth_getRawTransactionByHash", hash_)) for hash_ in hashes]
        chain.mine(max(depth - 2, 0))
        follower.index()
        swapped = follower.rows()
        assert len(swapped["debts"]) == len(before["debts"]) + 2
        if depth == 1:
            # Only the second is taken away.
            raws = [str(chain.rpc("eth_getRawTransactionByHash", _last_hash(chain.client.block("latest"))))]
            chain.reorganise(1)
            follower.index()
            assert len(follower.rows()["debts"]) == len(before["debts"]) + 1
        else:
            chain.reorganise(depth)
            follower.index()
            assert follower.rows() == before
        follower.check()
        chain.reorganise(1, [(raw, 0) for raw in raws])
        follower.index()
        assert follower.rows() == swapped
        follower.check()

    def test_rebuild__the_same(self, market: Market, follower: Follower) -> None:
        member = market.deployment.accounts[3]
        for source, destination, posted in (("fuel", "grocer", False), ("grocer", "fuel", True)):
            lane = market.agree(source, destination, posted=posted)
            market.issue(source, member, 10_000)
            market.swap(member, market.request(lane, member, 1_234))
        follower.index()
        before = follower.rows()
        rebuild_projection(follower.sessions, follower.indexer, market.chain_id)
        assert follower.rows() == before
        follower.check()


def _last_hash(block: object) -> str:
    assert isinstance(block, dict)
    return str(block["transactions"][-1])


class TestLaterExchange:
    def test_added_to_an_indexed_deployment__its_logs_are_fetched(
        self, anvil: object, tmp_path: Path, sessions: sessionmaker[Session]
    ) -> None:
        deployment = deploy(anvil, tmp_path, ("grocer", "fuel"))  # type: ignore[arg-type]
        service = Service(deployment, sessions)
        service.ask_issue(deployment.accounts[3], 50)
        service.finish()
        assert len(service.cursor().tokens) == 2
        plans = [plan(slug, deployment.signers) for slug in ("grocer", "fuel")]
        admin = deployment.signers.signer(deployment.accounts[0])
        manifest = Deployer(deployment.chain.client, admin).deploy(
            plans, deployment.manifest_path, exchange_plan(deployment.signers)
        )
        market = Market(Deployment(deployment.chain, manifest, deployment.manifest_path, deployment.signers)).open()
        lane = market.agree("fuel", "grocer")
        market.issue("fuel", deployment.accounts[3], 5_000)
        swap_id = market.swap(deployment.accounts[3], market.request(lane, deployment.accounts[3], 1_000))
        service.index()  # The old manifest's indexer runs on, blind for the exchange.
        follower = Follower(market, sessions)
        follower.index()
        assert follower.events(swap_id) == ["SwapBurnt", "SwapMinted"]
        assert {kind for _, kind, _, _ in follower.movements(swap_id)} == {"swap"}
        assert len(service.cursor().tokens) == 4
        follower.check()
        service.client.close()


class TestAgainstTheContract:
    def test_prices__the_contracts(self, market: Market) -> None:
        """Random terms, amounts and bonuses; what one refuses the other refuses by the same name and values."""
        dice = random.Random(20_261_122)
        lane = market.lane("fuel", "grocer")
        for _ in range(12):
            terms = _random_terms(dice)
            market.agree("fuel", "grocer", terms)
            for _ in range(8):
                amount = dice.choice((dice.randrange(1, 400), dice.randrange(1, 1 << 48), dice.randrange(1 << 49)))
                bonus = dice.choice((0, dice.randrange(0, 12_000)))
                try:
                    theirs: object = market.exchange.price(lane, amount, bonus)
                except ExecutionRevertedError as error:
                    refused = revert_from_text(error.data)
                    theirs = (refused.name, refused.arguments)
                try:
                    ours: object = price(terms, amount, bonus)
                except ContractRevertedError as error:
                    ours = (error.name, error.arguments)
                assert ours == theirs
            stop = points_exchange.encode_stop(FUEL, GROCER, FUEL)
            market.send(market.partner, market.exchange_entry.address, stop)

    def test_carried_lots__the_contracts(self, market: Market) -> None:
        dice = random.Random(7)
        lane = market.agree("fuel", "grocer")
        fuel, grocer = market.programme("fuel").terms, market.programme("grocer").terms
        now = int(market.deployment.chain.client.block("latest")["timestamp"], 16)
        present = now // fuel.epoch_length_seconds
        for _ in range(60):
            epochs = sorted(dice.sample(range(present - 5, present + 1), dice.randrange(1, 5)))
            lots = [Lot(epoch, dice.randrange(1, 5_000)) for epoch in epochs]
            points_out = dice.randrange(1, 9_000)
            try:
                theirs: object = market.exchange.carried_lots(lane, lots, points_out)
            except ExecutionRevertedError as error:
                theirs = revert_from_text(error.data).arguments
            try:
                ours: object = carry(lots, points_out, fuel, grocer, now)
            except ContractRevertedError as error:
                ours = error.arguments
            assert ours == theirs

    def test_ids_and_hashes__the_contracts(self, market: Market) -> None:
        lane = market.lane("fuel", "grocer")
        terms = points_exchange.encode_propose(FUEL, GROCER, FUEL, TERMS)
        market.send(market.partner, market.exchange_entry.address, terms)
        assert market.exchange.proposal_of(lane, FUEL) == points_exchange.terms_hash(TERMS)
        assert market.exchange.proposal_of(lane, GROCER) is None
        withdraw = points_exchange.encode_withdraw_proposal(FUEL, GROCER, FUEL)
        market.send(market.partner, market.exchange_entry.address, withdraw)
        assert market.exchange.proposal_of(lane, FUEL) is None

    def test_refusals__typed(self, market: Market) -> None:
        member = market.deployment.accounts[3]
        lane = market.agree("fuel", "grocer", daily_cap_out=400)
        with pytest.raises(ContractRevertedError) as caught:
            market.swap(member, market.request(lane, member, 2_000))
        assert (caught.value.name, caught.value.arguments["available"]) == ("DailyCapExceeded", 400)
        with pytest.raises(ContractRevertedError) as caught:
            market.swap(member, market.request(lane, member, 1_000, min_out=300))
        assert caught.value.name == "InsufficientOutput"
        with pytest.raises(ContractRevertedError) as caught:
            market.swap(member, market.request(market.lane("grocer", "fuel"), member, 1_000))
        assert caught.value.name == "LaneNotOpen"
        withdraw = clearing_house.encode_withdraw(FUEL, market.partner, 10_000 * 10**6)
        market.send(market.partner, market.clearing_entry.address, withdraw)
        with pytest.raises(ContractRevertedError) as caught:
            market.swap(member, market.request(lane, member, 1_000))
        assert caught.value.name == "DebitCapExceeded"


def _random_terms(dice: random.Random) -> LaneTerms:
    small = dice.random() < 0.5
    top = 20 if small else (1 << 32) - 1
    return LaneTerms(
        rate_numerator=dice.randrange(1, top),
        rate_denominator=dice.randrange(1, top),
        fee_bps=dice.choice((0, dice.randrange(10_000))),
        max_bonus_bps=dice.randrange(10_001),
        minimum_in=dice.choice((1, dice.randrange(1, 500))),
        daily_cap_out=(1 << 44) - 1,
        valid_until=1 << 40,
        settlement_price=dice.choice((0, dice.randrange(1 << 80))),
        carry_expiry=dice.random() < 0.5,
        posted=False,
    )
