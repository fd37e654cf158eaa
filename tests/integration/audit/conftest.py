"""One played history for all tests; each test that changes the chain puts it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.audit import trade
from tests.integration.audit.history import START, History
from tests.integration.audit.trade import Trade
from tests.support.anvil import Anvil, deploy


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A chain with two programmes, the first of which has seen everything."""
    with Anvil(timestamp=START) as chain:
        history = History(deploy(chain, tmp_path_factory.mktemp("audit"), ["grocer", "fuel"]))
        history.play()
        yield history


@pytest.fixture
def history(played: History) -> Iterator[History]:
    """The played history, as it was when the test ends."""
    snapshot = played.chain.snapshot()
    yield played
    played.chain.revert(snapshot)


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trade]:
    """A chain on which three programmes have exchanged points and settled."""
    with Anvil(timestamp=trade.START) as chain:
        history = Trade(chain, tmp_path_factory.mktemp("trade"))
        history.play()
        yield history


@pytest.fixture
def trading(traded: Trade) -> Iterator[Trade]:
    """That history, as it was when the test ends."""
    snapshot = traded.chain.snapshot()
    yield traded
    traded.chain.revert(snapshot)
