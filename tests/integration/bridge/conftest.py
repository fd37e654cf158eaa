"""Fixtures of the bridge's integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge.attesting import Desk, desk
from tests.integration.bridge.gateways import Gateways, two_gateways
from tests.integration.bridge.relaying import Bridge, bridge_of
from tests.support.two_chains import TwoChains, two_chains


@pytest.fixture(scope="module")
def shared_gateways() -> Iterator[Gateways]:
    """Two chains with a gateway each, for the tests of a module."""
    with two_gateways() as gateways:
        yield gateways


@pytest.fixture
def gateways(shared_gateways: Gateways) -> Iterator[Gateways]:
    """The module's chains, brought back afterwards to what they were."""
    sides = (shared_gateways.first, shared_gateways.second)
    marks = [side.chain.snapshot() for side in sides]
    yield shared_gateways
    for side, mark in zip(sides, marks, strict=True):
        side.chain.revert(mark)


@pytest.fixture
def at_desk(gateways: Gateways, tmp_path: Path) -> Iterator[Desk]:
    """An attester of the first chain's messages whose endpoints can be made to lie."""
    with desk(gateways, tmp_path / "attester") as made:
        yield made


@pytest.fixture
def hasty_desk(gateways: Gateways, tmp_path: Path) -> Iterator[Desk]:
    """The same, not waiting long for an answer."""
    with desk(gateways, tmp_path / "attester", timeout_seconds=0.5) as made:
        yield made


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoChains]:
    """Two connected chains with everything deployed, for all tests of a session."""
    with two_chains(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def bridge(shared_world: TwoChains, tmp_path: Path) -> Iterator[Bridge]:
    """Three attesters on the shared chains, which are brought back afterwards to what they were."""
    with shared_world.unchanged(), bridge_of(shared_world, tmp_path) as made:
        yield made
