"""Swaps across chains in the projections of both, held against the contracts' own answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import crosschain_exchange
from backend.chain.indexer import Indexer, IndexerConfig
from backend.chain.lane_pricing import price, window_out
from backend.chain.models import (
    DebtEntry,
    DebtTotal,
    LaneVolume,
    LotBalance,
    LotEntry,
    TokenEvent,
)
from backend.chain.programme_registry import programme_id
from backend.chain.rebuild import rebuild_projection
from backend.database import transaction
from backend.programmes.models import Programme
from backend.programmes.service import sync_from_manifest
from tests.support.anvil import START
from tests.support.market import TERMS
from tests.support.two_chains import GUARDIAN, POINTS, Setting, Side, TwoChains, two_chains

GROCER, FUEL = programme_id("grocer"), programme_id("fuel")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoChains]:
    """One world for the tests here."""
    with two_chains(tmp_path_factory.mktemp("chains"), Setting(timestamp=START)) as world:
        yield world


@pytest.fixture
def world(shared: TwoChains) -> Iterator[TwoChains]:
    """The world as at its beginning."""
    with shared.unchanged():
        yield shared


class Followers:
    """An indexer a chain; one database holds both projections, as if two services shared a server."""

    def __init__(self, world: TwoChains, sessions: sessionmaker[Session]) -> None:
        self.world, self.sessions = world, sessions
        config = IndexerConfig(finality_blocks=8)
        self.indexers = {
            side.chain_id: Indexer(sessions, side.chain.client, side.manifest, config) for side in world.sides
        }

    def index(self) -> None:
        """Both come up to date."""
        for indexer in self.indexers.values():
            while indexer.run_once():
                pass

    def movements(self, side: Side, swap_id: bytes) -> list[tuple[bytes, str, int]]:
        """Account, kind and points of a swap's entries on one chain."""
        with transaction(self.sessions) as session:
            query = select(LotEntry).where(LotEntry.ref == swap_id, LotEntry.chain_id == side.chain_id)
            rows = session.scalars(query.order_by(LotEntry.block_number, LotEntry.log_index))
            return [(row.account, row.kind, row.points) for row in rows]

    def events(self, side: Side, swap_id: bytes) -> list[tuple[str, bytes | None]]:
        """Names and accounts of the crosschain exchange's logs of a swap on one chain."""
        query = select(TokenEvent.name, TokenEvent.account).where(
            TokenEvent.ref == swap_id, TokenEvent.token == side.exchange.address, TokenEvent.chain_id == side.chain_id
        )
        with transaction(self.sessions) as session:
            rows = session.execute(query.order_by(TokenEvent.block_number, TokenEvent.log_index))
            return [(name, account) for name, account in rows]

    def rows(self) -> list[str]:
        """Everything projected, but for the rows' own numbers and the blocks they are in."""
        wanted = (
            select(LotEntry.token, LotEntry.account, LotEntry.epoch, LotEntry.points, LotEntry.kind, LotEntry.ref),
            select(LotBalance.token, LotBalance.account, LotBalance.epoch, LotBalance.points),
            select(TokenEvent.name, TokenEvent.ref, TokenEvent.account, TokenEvent.payload),
            select(DebtEntry.debtor, DebtEntry.creditor, DebtEntry.amount, DebtEntry.swap_hash),
            select(DebtTotal.chain_id, DebtTotal.debtor, DebtTotal.creditor, DebtTotal.amount, DebtTotal.swaps),
            select(LaneVolume.chain_id, LaneVolume.lane_id, LaneVolume.points_out, LaneVolume.swaps),
        )
        with transaction(self.sessions) as session:
            return sorted(str(tuple(row)) for query in wanted for row in session.execute(query))

    def check(self) -> None:
        """Lots, debts and what counts against caps are what the contracts of each chain answer."""
        for side in self.world.sides:
            with transaction(self.sessions) as session:
                lots = session.scalars(select(LotBalance).where(LotBalance.chain_id == side.chain_id)).all()
                totals = session.scalars(select(DebtTotal).where(DebtTotal.chain_id == side.chain_id)).all()
                volumes = session.scalars(select(LaneVolume).where(LaneVolume.chain_id == side.chain_id)).all()
                tokens = {entry.token_bytes: side.token(entry.slug) for entry in side.manifest.programmes}
                for token, account in {(row.token, row.account) for row in lots}:
                    ours = sorted(
                        (row.epoch, row.points) for row in lots if (row.token, row.account) == (token, account)
                    )
                    assert ours == tokens[token].lots_of(account)
                owed = {(row.debtor, row.creditor): int(row.amount) for row in totals}
                for lane in {row.lane_id for row in volumes}:
                    buckets = {row.bucket: row.points_out for row in volumes if row.lane_id == lane}
                    free = TERMS.daily_cap_out - window_out(buckets, side.now())
                    assert side.exchange.available_out(lane) == free
            net = owed.get((GROCER, FUEL), 0) - owed.get((FUEL, GROCER), 0)
            assert side.house.owed_of(GROCER, FUEL) == (net, 0)


@pytest.fixture
def followers(world: TwoChains, sessions: sessionmaker[Session]) -> Followers:
    """Indexers of both chains."""
    return Followers(world, sessions)


def test_there__burnt_on_one_chain_minted_and_owed_on_the_other(world: TwoChains, followers: Followers) -> None:
    alice, expected = world.alice.address, price(TERMS, 1_000)
    swap_id = world.swap("grocer", "fuel", 1_000)
    other = world.swap("fuel", "grocer", 2_000, to=world.bob.address)
    world.deliver(world.first)
    world.deliver(world.second)
    followers.index()
    assert followers.movements(world.first, swap_id) == [(alice, "swap", -expected.points_in)]
    assert followers.movements(world.second, swap_id) == [(alice, "swap", expected.points_out)]
    assert followers.events(world.first, swap_id) == [("SwapBurnt", alice), ("SwapSent", alice)]
    assert followers.events(world.second, swap_id) == [("SwapMinted", alice)]
    assert followers.movements(world.first, other) == [(world.bob.address, "swap", price(TERMS, 2_000).points_out)]
    followers.check()


def test_refused__given_back_as_the_swaps_refund(world: TwoChains, followers: Followers) -> None:
    alice, expected, lane = world.alice.address, price(TERMS, 1_000), world.lane("grocer", "fuel")
    swap_id = world.swap("grocer", "fuel", 1_000)
    world.second.send(GUARDIAN, world.second.exchange.address, crosschain_exchange.encode_halt(lane))
    world.deliver(world.first)
    world.deliver(world.second)
    followers.index()
    points = expected.points_in
    assert followers.movements(world.first, swap_id) == [(alice, "swap", -points), (alice, "swap_refund", points)]
    assert followers.movements(world.second, swap_id) == []
    names = [name for name, _ in followers.events(world.first, swap_id)]
    assert names == ["SwapBurnt", "SwapSent", "SwapRefunded"]
    assert followers.events(world.second, swap_id) == [("SwapRefused", None)]
    assert world.first.token("grocer").balance_of(alice) == POINTS
    with transaction(followers.sessions) as session:
        payload = session.scalars(select(TokenEvent.payload).where(TokenEvent.name == "SwapRefused")).one()
    assert payload["reason"] == 1


def test_reorganised__as_before_then_redone(world: TwoChains, followers: Followers) -> None:
    """The block with the mint goes, and comes again with the delivery; the burn's block likewise."""
    world.swap("grocer", "fuel", 3_000)
    world.deliver(world.first)
    followers.index()
    before = followers.rows()
    world.swap("grocer", "fuel", 1_000)
    (receipt,) = world.deliver(world.first)
    followers.index()
    after = followers.rows()
    chain = world.second.chain
    raw = str(chain.rpc("eth_getRawTransactionByHash", receipt["transactionHash"]))
    chain.reorganise(1)
    followers.index()
    followers.check()
    world.first.chain.reorganise(1)
    followers.index()
    assert followers.rows() == before
    followers.check()
    chain.reorganise(1, [(raw, 0)])
    followers.index()
    assert [row for row in after if "SwapMinted" in row] == [row for row in followers.rows() if "SwapMinted" in row]


def test_rebuilt__the_same(world: TwoChains, followers: Followers) -> None:
    world.swap("grocer", "fuel", 1_234)
    world.swap("cafe", "fuel", 777, by=world.bob)
    world.deliver(world.first)
    world.swap("fuel", "cafe", 500)
    world.deliver(world.second)
    followers.index()
    before = followers.rows()
    for chain_id, indexer in followers.indexers.items():
        rebuild_projection(followers.sessions, indexer, chain_id)
    assert followers.rows() == before
    followers.check()


def test_manifest_from_before__earlier_swaps_are_fetched(world: TwoChains, sessions: sessionmaker[Session]) -> None:
    """A deployment that gets its crosschain exchange later: the indexer goes back to where that begins."""
    side = world.first
    old = side.manifest.model_copy(update={"crosschain": None, "gateway": None})
    blind = Indexer(sessions, side.chain.client, old, IndexerConfig(finality_blocks=8))
    while blind.run_once():
        pass
    swap_id = world.swap("grocer", "fuel", 1_000)
    followers = Followers(world, sessions)
    followers.index()
    assert followers.movements(side, swap_id) == [(world.alice.address, "swap", -price(TERMS, 1_000).points_in)]
    followers.check()


def test_programmes__know_where_their_points_live(world: TwoChains, sessions: sessionmaker[Session]) -> None:
    with transaction(sessions) as session:
        known = {each.slug: each for each in sync_from_manifest(session, world.first.manifest)}
        assert {slug: each.home_chain_id for slug, each in known.items()} == {
            "grocer": 31337,
            "cafe": 31337,
            "fuel": 1337,
        }
        assert [slug for slug, each in known.items() if each.is_branch] == ["fuel"]
        assert len(session.scalars(select(Programme)).all()) == 3
