"""Expired lots are removed from the chain's storage, and only those."""

from __future__ import annotations

from sqlalchemy import select

from backend.chain.models import LotBalance, Operation
from backend.database import transaction
from backend.points.sweeps import sweep_expired
from tests.integration.api.chain_world import ChainWorld


def _sweep(world: ChainWorld) -> bool:
    with transaction(world.sessions) as session:
        asked = sweep_expired(session, world.market) is not None
    world.finalise()
    return asked


def test_nothing_expired__asks_for_nothing(chain_world: ChainWorld) -> None:
    chain_world.credited("10.00")
    assert not _sweep(chain_world)


def test_expired_lots__are_removed_and_logged_and_live_ones_stay(chain_world: ChainWorld) -> None:
    early = chain_world.credited("10.00")
    chain_world.jump(60)
    late = chain_world.credited("20.00")
    chain_world.jump(40)
    assert _sweep(chain_world)
    assert not _sweep(chain_world)
    with chain_world.sessions() as session:
        operation = session.scalars(select(Operation).where(Operation.kind == "expire")).one()
        assert operation.state == "final"
        lots = session.execute(select(LotBalance.points).where(LotBalance.points > 0)).scalars().all()
        assert lots == [20]
    assert chain_world.balance(early)["total_points"] == 0
    assert chain_world.balance(late)["total_points"] == 20
    history = chain_world.till.get(f"/v1/members/{early['id']}/history").json()["data"]
    assert "expire" in {entry["kind"] for entry in history}
