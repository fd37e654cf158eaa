"""A lane from grocer to fuel, a posted one from grocer to pharmacy, and members with points."""

import pytest

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.lanes import Quotes, Requests, lane_terms

COLLATERAL = 10_000_000_000


@pytest.fixture(scope="module")
def lane(world):
    """Grocer to fuel; nothing agreed."""
    return world.lane(0, 1)


@pytest.fixture(scope="module")
def posted_lane(world):
    """Grocer to pharmacy, which keeps its points elsewhere; nothing agreed."""
    return world.lane(0, 2)


@pytest.fixture
def terms(clock):
    """One for two, no fee, nothing carried, for a year."""
    return lane_terms(clock.now_seconds)


@pytest.fixture
def agreed(lane, terms, world):
    """The lane with these terms in force, and collateral of the source for what is swapped."""
    lane.agree(terms)
    world.deposit(lane.source, COLLATERAL)
    return lane


@pytest.fixture
def issue_to(give):
    """Issues points of the grocer, or of another programme."""

    def issue(programme, account, amount):
        return give(programme.token, account, amount, issuer=programme.issuer)

    return issue


@pytest.fixture
def funded(agreed, issue_to, alice):
    """The agreed lane, and Alice with a thousand points of its source."""
    issue_to(agreed.source, alice, 1_000)
    return agreed


@pytest.fixture
def requests(lane, clock):
    return Requests(lane, lambda: clock.now_seconds)


@pytest.fixture
def quotes(lane, world, clock):
    return Quotes(lane, world.domain, lambda: clock.now_seconds)


@pytest.fixture
def soon(clock):
    return clock.now_seconds + DAY_SECONDS


@pytest.fixture
def bystander(pharmacy):
    """A programme that is not one of the lane's two."""
    return pharmacy
