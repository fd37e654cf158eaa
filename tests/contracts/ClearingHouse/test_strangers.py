"""A stranger calls everything with anything: no position, no line and no money may change."""

import pytest
from brownie import web3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support.examples import examples
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.questions import answers
from tests.contracts.support.selectors import Scene, calldata_of, functions_of, send_all


@pytest.fixture
def scene(world, house, grocer, fuel, pharmacy, grant, book, exchange, mallory):
    """Debts, lines, collateral and a reservation; the cycle cannot be closed yet."""
    grant(fuel, grocer, 60)
    world.deposit(grocer, 70)
    book(grocer, fuel, 100)
    house.reserve(grocer.id, pharmacy.id, 20, ref("reserved"), {"from": exchange})
    accounts = [mallory.address, grocer.treasurer.address, exchange.address, house.address, NOBODY]
    accounts += [world.currency.address, grocer.token.address]
    keys = [*(programme.id for programme in world.programmes), ref("reserved"), house.EXCHANGE_ROLE().hex()]
    keys[-1] = "0x" + str(keys[-1]).removeprefix("0x")
    return Scene(accounts=accounts, words=[1, 20, 60, 70, 100], keys=keys)


@pytest.fixture
def state(world, house, scene):
    ids = [programme.id for programme in world.programmes]
    questions = [(name,) for name in ("openCycle", "closesAt", "isSettling", "programmes")]
    questions += [("standingOf", programme) for programme in ids]
    for one in ids:
        for other in ids:
            questions += [(name, one, other) for name in ("owedOf", "creditLineOf", "claimOf")]

    def read():
        money = [world.currency.balanceOf(account) for account in scene.accounts]
        return answers(house, questions), money

    return read


@pytest.mark.spec("CH-70")
def test_every_selector__changes_nothing(house, scene, state, mallory):
    functions = functions_of(house)
    assert len(functions) > 40
    before = state()

    @settings(max_examples=examples(6), deadline=None, database=None)
    @given(st.tuples(*(calldata_of(function, scene) for function in functions)))
    def call_everything(calls):
        send_all(mallory, house, [(data, 0) for data in calls])
        assert state() == before

    call_everything()


@pytest.mark.spec("CH-70")
def test_unknown_selectors_and_ether__changes_nothing(house, state, mallory):
    before = state()

    @settings(max_examples=examples(6), deadline=None, database=None)
    @given(st.lists(st.tuples(st.binary(max_size=100), st.integers(0, 1)), max_size=20))
    def call_anything(calls):
        send_all(mallory, house, calls)
        assert state() == before

    call_anything()
    assert web3.eth.get_balance(house.address) == 0
