"""Grocer and pharmacy live here, fuel on a pretended chain; a lane out from grocer to fuel, and one in from fuel."""

from itertools import count

import pytest

from tests.contracts.support.crossing import Crossing, connect, deploy_crosschain
from tests.contracts.support.gateway import RemoteChain, deploy_gateway
from tests.contracts.support.lanes import NO_QUOTE, Quotes, Requests, lane_terms
from tests.contracts.support.outcomes import logs
from tests.contracts.support.points import lots_of, ref
from tests.contracts.support.signing import Domain
from tests.contracts.support.world import EXCHANGE_NAME, standing_of

COLLATERAL = 10_000_000_000


@pytest.fixture(scope="session")
def keeper(accounts):
    """Who changes the gateway's attesters."""
    return accounts[2]


@pytest.fixture(scope="session")
def guardian(accounts):
    """Who may halt lanes."""
    return accounts[3]


@pytest.fixture(scope="module")
def gateway(AttestedGateway, admin, keeper, pauser):
    return deploy_gateway(AttestedGateway, admin, keeper=keeper, pauser=pauser)


@pytest.fixture(scope="module")
def unlinked(CrosschainExchange, world, admin, guardian, pauser):
    """An exchange that is linked to nobody, and to which no home is declared."""
    return deploy_crosschain(CrosschainExchange, world, admin, guardian=guardian, pauser=pauser)


@pytest.fixture(scope="module")
def crosschain(CrosschainExchange, world, gateway, admin, guardian, pauser, fuel):
    """An exchange that is linked to its counterpart on the pretended chain, where fuel lives."""
    exchange = deploy_crosschain(CrosschainExchange, world, admin, guardian=guardian, pauser=pauser)
    connect(exchange, gateway, admin, [fuel])
    return exchange


@pytest.fixture
def crossing(world, crosschain, gateway, relayer, clock):
    return Crossing(world, crosschain, gateway, RemoteChain(gateway), relayer, lambda: clock.now_seconds)


@pytest.fixture
def out(crossing, grocer, fuel):
    """Grocer to fuel."""
    return crossing.lane(grocer, fuel)


@pytest.fixture
def into(crossing, grocer, fuel):
    """Fuel to grocer."""
    return crossing.lane(fuel, grocer)


@pytest.fixture
def terms(clock):
    """One for two, no fee, nothing carried, for a year."""
    return lane_terms(clock.now_seconds)


@pytest.fixture
def issue_to(give):
    """Issues a programme's points."""
    return lambda programme, account, amount: give(programme.token, account, amount, issuer=programme.issuer)


@pytest.fixture
def open_out(out, terms, issue_to, alice):
    """The lane out with terms, and Alice with a thousand points of the grocer."""
    out.agree(terms)
    issue_to(out.source, alice, 1_000)
    return out


@pytest.fixture
def open_in(world, into, terms):
    """The lane in with terms, and collateral of fuel here."""
    into.agree(terms)
    world.deposit(into.source, COLLATERAL)
    return into


@pytest.fixture
def requests(out, clock):
    return Requests(out, lambda: clock.now_seconds)


@pytest.fixture
def domain(crosschain, world):
    """The EIP-712 domain of orders and quotes."""
    return Domain(EXCHANGE_NAME, world.domain.chain_id, crosschain.address)


@pytest.fixture
def quotes(out, domain, clock):
    return Quotes(out, domain, lambda: clock.now_seconds)


@pytest.fixture
def send(open_out, requests, alice):
    """Alice swaps points of the grocer for points there, under a fresh ref; the transaction."""
    numbers = count(1)

    def send_points(points, quote=NO_QUOTE, **changes):
        changes = {"to": alice, "ref": ref(f"swap {next(numbers)}")} | changes
        request = requests.of(changes.pop("to"), points, **changes)
        return open_out.exchange.swap(request, quote, {"from": alice})

    return send_points


@pytest.fixture
def nothing_moved(world, crossing, open_in, alice, bob):
    """Checks that no points, debts and volumes have changed since it was asked for."""

    def state():
        tokens = [programme.token for programme in world.programmes]
        return (
            [lots_of(token, account) for token in tokens for account in (alice, bob)],
            [token.totalSupply() for token in tokens],
            [standing_of(world.house, programme) for programme in world.programmes],
            crossing.exchange.availableOut(open_in.id),
        )

    before = state()

    def check():
        assert state() == before

    return check


@pytest.fixture
def outcome(crossing):
    """What the exchange says became of a swap that came in."""
    return lambda swap: crossing.exchange.outcomeOf(swap.lane_id, swap.number)


@pytest.fixture
def reasons():
    """Why swaps were refused."""
    return lambda transaction: [log[4] for log in logs(transaction, "SwapRefused")]
