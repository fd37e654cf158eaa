"""A stranger calls everything with anything: no message is sent, seen or delivered, and nothing is changed."""

import pytest
from brownie import web3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support.examples import examples
from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN, REMOTE_GATEWAY, hexed
from tests.contracts.support.points import NOBODY
from tests.contracts.support.questions import answers
from tests.contracts.support.selectors import Scene, calldata_of, functions_of, send_all

SENDER = "0x" + "5e" * 20


@pytest.fixture
def scene(gateway, remote, message, delivery, application, odd, behave, attesters, keeper, mallory, relayer):
    """Messages delivered, failed and only signed; a pending set."""
    remote.deliver(delivery, relayer)
    behave(refuses=True)
    failed = remote.message(SENDER, odd)
    remote.deliver(remote.delivery(failed), relayer)
    gateway.proposeAttesters(attesters, 3, {"from": keeper})
    accounts = [application.address, odd.address, mallory.address, gateway.address, REMOTE_GATEWAY, NOBODY, *attesters]
    keys = [remote.id_of(message), remote.id_of(failed), hexed(delivery.batch.root), "0x" + "00" * 32]
    return Scene(accounts=accounts, words=[1, 2, 3, REMOTE_CHAIN, OTHER_CHAIN, 31337], keys=keys)


@pytest.fixture
def state(gateway, scene, application, odd):
    chains = (REMOTE_CHAIN, OTHER_CHAIN, 31337)
    questions = [("attesterSet",), ("pendingAttesterSet",), ("paused",), ("defaultAdmin",), ("pendingDefaultAdmin",)]
    questions += [("isFailed", key) for key in scene.keys]
    questions += [("isApplication", account) for account in scene.accounts]
    for chain in chains:
        questions += [("sentCount", chain), ("remoteOf", chain), *(("isSeen", chain, at) for at in range(4))]

    def read():
        count = web3.eth.get_block_number()
        heard = web3.eth.get_logs({"fromBlock": 0, "toBlock": count, "address": [application.address, odd.address]})
        return answers(gateway, questions), len(heard)

    return read


@pytest.mark.spec("GW-82")
def test_every_selector__changes_nothing(gateway, scene, state, mallory):
    functions = functions_of(gateway)
    assert len(functions) > 30
    before = state()

    @settings(max_examples=examples(6), deadline=None, database=None)
    @given(st.tuples(*(calldata_of(function, scene) for function in functions)))
    def call_everything(calls):
        send_all(mallory, gateway, [(data, 0) for data in calls])
        assert state() == before

    call_everything()


@pytest.mark.spec("GW-82", "GW-83")
def test_unknown_selectors_and_ether__changes_nothing(gateway, state, mallory):
    before = state()

    @settings(max_examples=examples(6), deadline=None, database=None)
    @given(st.lists(st.tuples(st.binary(max_size=100), st.integers(0, 1)), max_size=20))
    def call_anything(calls):
        send_all(mallory, gateway, calls)
        assert state() == before

    call_anything()
    assert web3.eth.get_balance(gateway.address) == 0
