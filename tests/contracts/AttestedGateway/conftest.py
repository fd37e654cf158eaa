"""A gateway of three attesters of whom two must sign, a pretended chain, and recipients that do as they are told."""

from dataclasses import dataclass

import pytest
from brownie import web3

from tests.contracts.support.gateway import ATTESTERS, RemoteChain, deploy_gateway, hexed
from tests.contracts.support.outcomes import logs
from tests.contracts.support.points import NOBODY

RECEIVE_SELECTOR = "0x" + bytes(web3.keccak(text="receiveMessage(bytes32,bytes,bytes)")[:4]).hex()


@pytest.fixture(scope="session")
def keeper(accounts):
    """Who changes the attesters."""
    return accounts[2]


@pytest.fixture(scope="module")
def gateway(AttestedGateway, admin, keeper, pauser):
    return deploy_gateway(AttestedGateway, admin, keeper=keeper, pauser=pauser)


@pytest.fixture(scope="module")
def application(OddRecipient, gateway, admin):
    """A registered application that accepts everything."""
    recipient = OddRecipient.deploy({"from": admin})
    gateway.setApplication(recipient, True, {"from": admin})
    return recipient


@pytest.fixture(scope="module")
def odd(OddRecipient, gateway, admin):
    """A second one, which a test tells what to do."""
    recipient = OddRecipient.deploy({"from": admin})
    gateway.setApplication(recipient, True, {"from": admin})
    return recipient


@pytest.fixture
def remote(gateway):
    """The pretended chain with two of the attesters awake."""
    return RemoteChain(gateway)


@pytest.fixture
def message(remote, application):
    """The pretended chain's first message."""
    return remote.message("0x" + "5e" * 20, application, b"a payload")


@pytest.fixture
def delivery(remote, message):
    """It alone in its block, signed."""
    return remote.delivery(message)


@dataclass(frozen=True)
class Behaves:
    """Tells a recipient how to answer; by default it accepts."""

    recipient: object
    sender: object

    def __call__(self, *, refuses=False, answer=RECEIVE_SELECTOR, length=32, burns=0, target=NOBODY, data="0x") -> None:
        self.recipient.behave((refuses, answer, length, burns, target, data), {"from": self.sender})


@pytest.fixture
def behave(odd, mallory):
    return Behaves(odd, mallory)


@pytest.fixture
def received(remote):
    """What a transaction delivered: id, sender as the recipient sees it, payload."""

    def of(transaction):
        return [log[1:4] for log in logs(transaction, "Received")]

    return of


@pytest.fixture
def untouched(gateway, remote, message):
    """Checks that a message is neither seen nor failed."""

    def check(*others):
        for one in (message, *others):
            assert not gateway.isSeen(remote.chain_id, one.nonce)
            assert not gateway.isFailed(remote.id_of(one))

    return check


@pytest.fixture(scope="session")
def attesters():
    return [key.address for key in ATTESTERS]


@pytest.fixture
def digest_of(gateway):
    """The digest by the contract, as a `0x` string."""
    return lambda batch: hexed(gateway.batchDigest(batch.struct))
