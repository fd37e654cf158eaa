"""A few of the faults of `make chaos`, one of each kind, and what judges them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bridge
from scripts.chaos.catalogue import catalogue
from scripts.chaos.faults.others import forge_a_mint
from scripts.chaos.oracle import judge
from scripts.chaos.rig import Rig
from scripts.chaos.runner import try_scenario

REPRESENTATIVES = [
    "kill/attester.after_journal",
    "kill/relayer.after_store",
    "kill-pair/attester.before_signature_commit+after_broadcast",
    "relayers/one-key",
    "reorg/delivery-vanishes-4",
    "reorg/past-finality",
    "endpoint/own-forged-chain",
    "endpoint/accept-then-drop",
    "attester/two-offline",
    "gas/times-100",
    "storage/relayer-old-backup",
    "lane/stopped",
    "watch/stolen-keys",
]
SCENARIOS = {scenario.name: scenario for scenario in catalogue()}


@pytest.fixture(scope="module")
def shared_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two chains for the tests of this module."""
    rig = Rig.build(tmp_path_factory.mktemp("chaos"))
    yield rig
    rig.close()


@pytest.fixture
def rig(shared_rig: Rig) -> Rig:
    """The chains as they were at the beginning."""
    shared_rig.rewind()
    return shared_rig


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_fault__every_burn_still_ends_well(rig: Rig, name: str) -> None:
    result = try_scenario(rig, SCENARIOS[name])
    assert not result.problem


def test_catalogue__kills_at_every_crash_point() -> None:
    """Whoever adds a crash point to the bridge has it tried, by itself and in all pairs."""
    sources = "".join(path.read_text() for path in Path(bridge.__file__).parent.glob("*.py"))
    named = set(re.findall(r"crash_point\(\s*\"([^\"]+)\"", sources))
    assert len(re.findall(r"crash_point\(", sources)) == len(re.findall(r"crash_point\(\s*\"", sources))
    assert {f"kill/{point}" for point in named} <= SCENARIOS.keys()


class TestJudge:
    def test_swap_under_way__is_open_and_nothing_is_broken(self, rig: Rig) -> None:
        rig.town.out.swap(1_000)
        verdict = judge(place.side() for place in rig.town.places)
        assert (verdict.broken, len(verdict.open)) == ([], 2)

    def test_mint_without_a_burn__is_broken(self, rig: Rig) -> None:
        rig.town.out.swap(1_000)
        forge_a_mint(rig, 7)
        verdict = judge(place.side() for place in rig.town.places)
        assert any("without a burn" in fault for fault in verdict.broken)
        assert any("delivered but not sent" in fault for fault in verdict.broken)

    def test_mint_of_a_burn_that_is_not_final__is_broken(self, rig: Rig) -> None:
        rig.town.out.swap(1_000)
        rig.town.world.deliver(rig.town.world.first)
        verdict = judge(place.side() for place in rig.town.places)
        assert any("finally burnt" in fault for fault in verdict.broken)
