"""Actors, tokens and time for the contracts' tests. Run by scripts/test_contracts.sh."""

import gc
import os
import socket
import time
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest
from brownie import history, web3
from brownie._config import CONFIG
from brownie.network.rpc import anvil as brownie_anvil
from brownie.test.managers import base as brownie_manager
from hypothesis import settings

from tests.contracts.support.clock import EPOCH_SECONDS, START_SECONDS, Clock, request
from tests.contracts.support.code import CODE_LIMIT_BYTES, METADATA_BYTES
from tests.contracts.support.points import ref
from tests.contracts.support.signing import Domain, member_wallet
from tests.contracts.support.world import Containers, deploy_world

# The same examples each time, so that a change fails or passes for its own sake; LARGE=1 draws others.
settings.register_profile("interpoints", derandomize=os.environ.get("LARGE") != "1", database=None)
settings.load_profile("interpoints")

BLOCK_GAS_LIMIT = 60_000_000
ACCOUNTS = 25
"""Ten actors that all tests share, then five for each of three programmes."""
ROLES = ("ISSUER_ROLE", "CUSTODIAN_ROLE", "EXCHANGE_ROLE", "PAUSER_ROLE")
ADMIN_DELAY_SECONDS = 3 * 86_400


def file_hash(path):
    return sha256(Path(path).read_bytes()).hexdigest()


# Brownie hashes every test together with all it imports below the project, to know what `--update` may leave out. The
# environment is below the project and has binary modules, which it cannot read. A hash of the file alone will do.
brownie_manager._get_ast_hash = file_hash


launch_anvil = brownie_anvil.launch
START_WITHIN_SECONDS = 120
# Bound until the run ends, so that nobody else who asks for any free port gets the chain's before it starts. A server
# gets in beside a socket that does not listen.
port_holder = socket.socket()


def launch_and_wait(cmd, **options):
    """Brownie gives a chain ten seconds to start, which is little on a busy machine."""
    process = launch_anvil(cmd, **options)
    end = time.monotonic() + START_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", options["port"])) == 0:
                break
        time.sleep(0.05)
    return process


brownie_anvil.launch = launch_and_wait


def pytest_configure(config):
    """Gives this run's chain a free port, so that suites can run next to each other, and a fixed first day."""
    port_holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port_holder.bind(("127.0.0.1", 0))
    port = port_holder.getsockname()[1]
    network = CONFIG.networks["development"]
    limit = f"--code-size-limit {CODE_LIMIT_BYTES + METADATA_BYTES}"
    network["cmd"] = f"anvil --host 127.0.0.1 --no-mining --timestamp {START_SECONDS} {limit}"
    network["cmd_settings"] |= {"port": port, "gas_limit": BLOCK_GAS_LIMIT, "accounts": ACCOUNTS}


def pytest_collection_finish():
    """Brownie collects garbage around every test: spare it what is there to stay, above all the compiler's output."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_block_each():
    """Asks for the block of each transaction as soon as it is sent, and waits for it.

    A node that mines by itself does so beside its answers. On a busy machine one did not find a transaction that it had
    counted, once in some ten thousand; why was not established.
    """
    sending = {name: getattr(web3.eth, name) for name in ("send_transaction", "send_raw_transaction")}

    def mining(send):
        def send_and_mine(transaction):
            txid = send(transaction)
            request("evm_mine")
            return txid

        return send_and_mine

    for name, send in sending.items():
        setattr(web3.eth, name, mining(send))
    yield
    for name, send in sending.items():
        setattr(web3.eth, name, send)


@pytest.fixture(autouse=True)
def isolation(fn_isolation):
    """Every test starts from the state its module's fixtures made.

    Brownie's list of transactions goes as well: a sender waits, for ever, until the chain has its last one listed.
    """
    history.clear()


@pytest.fixture(scope="session")
def admin(accounts):
    return accounts[0]


@pytest.fixture(scope="session")
def issuer(accounts):
    return accounts[1]


@pytest.fixture(scope="session")
def custodian(accounts):
    return accounts[2]


@pytest.fixture(scope="session")
def exchange(accounts):
    return accounts[3]


@pytest.fixture(scope="session")
def pauser(accounts):
    return accounts[4]


@pytest.fixture(scope="session")
def alice(accounts):
    return accounts[5]


@pytest.fixture(scope="session")
def bob(accounts):
    return accounts[6]


@pytest.fixture(scope="session")
def charlie(accounts):
    return accounts[7]


@pytest.fixture(scope="session")
def mallory(accounts):
    """A stranger without roles and without points."""
    return accounts[8]


@pytest.fixture(scope="session")
def relayer(accounts):
    """Sends what others signed; has no role."""
    return accounts[9]


@pytest.fixture(scope="session")
def dora():
    """A member with a wallet of her own, who signs and never sends."""
    return member_wallet("dora")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def deploy(PointsToken, admin, issuer, custodian, exchange, pauser):
    """Deploys a token with each role in its own hands; keyword arguments change the terms."""

    def deploy_with(
        epoch_seconds=EPOCH_SECONDS,
        validity=4,
        clawback_window=1,
        cap=1_000_000,
        transferable=True,
        name="Green Points",
    ):
        terms = (epoch_seconds, validity, clawback_window, cap, transferable)
        token = PointsToken.deploy(name, "GRN", terms, admin, ADMIN_DELAY_SECONDS, {"from": admin})
        for role, holder in zip(ROLES, (issuer, custodian, exchange, pauser), strict=True):
            token.grantRole(getattr(token, role)(), holder, {"from": admin})
        return token

    return deploy_with


@pytest.fixture(scope="module")
def token(deploy):
    """Monthly epochs, valid for four more, one epoch of clawback, at most a million points, transferable."""
    return deploy()


@pytest.fixture
def give(issuer, clock):
    """Issues points under a fresh ref: `give(token, account, amount)`; returns their epoch of thirty days."""
    numbers = count(1)

    def give_points(token, account, amount, issuer=issuer):
        token.issue(account, amount, ref(f"given {next(numbers)}"), {"from": issuer})
        return clock.epoch

    return give_points


@pytest.fixture
def give_monthly(give, clock):
    """Issues one amount an epoch, the last in the present one at the end; returns the epochs."""

    def give_each_epoch(token, account, *amounts):
        epochs = []
        for amount in amounts:
            if epochs:
                clock.pass_epochs(1)
            epochs.append(give(token, account, amount))
        return epochs

    return give_each_epoch


@pytest.fixture(scope="module")
def domain(token):
    return Domain(token.name(), web3.eth.chain_id, token.address)


@pytest.fixture(scope="session")
def member_key():
    """The secret that stands for a member without a wallet."""
    return ref("a random member key")


@pytest.fixture
def member(token, member_key):
    """The managed account of `member_key`."""
    return token.managedAccount(member_key)


@pytest.fixture(scope="session")
def containers(PointsToken, ProgrammeRegistry, TestDollar, ClearingHouse, PointsExchange):
    return Containers(PointsToken, ProgrammeRegistry, TestDollar, ClearingHouse, PointsExchange)


@pytest.fixture(scope="module")
def world(containers, accounts):
    """Grocer, fuel and pharmacy, who all take part in clearing and have agreed to nothing yet."""
    return deploy_world(containers, accounts)


@pytest.fixture(scope="module")
def house(world):
    return world.house


@pytest.fixture(scope="module")
def points_exchange(world):
    return world.exchange


@pytest.fixture(scope="module")
def grocer(world):
    return world.programmes[0]


@pytest.fixture(scope="module")
def fuel(world):
    return world.programmes[1]


@pytest.fixture(scope="module")
def pharmacy(world):
    return world.programmes[2]
