"""A stranger calls everything with anything: no balance and no supply may change."""

import pytest
from brownie import web3
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support.clock import request
from tests.contracts.support.examples import examples
from tests.contracts.support.points import lots_of, ref

GAS_LIMIT = 500_000
WORD_MAX = 2**256 - 1


@pytest.fixture
def scene(token, alice, bob, member, member_key, issuer, mallory, give_monthly, clock):
    """Members with lots, an open hold, a redemption and an allowance; the values a stranger could try."""
    epochs = give_monthly(token, alice, 100, 200)
    give_monthly(token, bob, 50)
    give_monthly(token, member, 70)
    token.hold(20, ref("hold"), clock.now_seconds + 80 * 86_400, {"from": alice})
    token.redeem(30, ref("redemption"), {"from": alice})
    token.approve(bob, 50, {"from": alice})
    hold_account = token.holdAccountOf(alice, ref("hold"))
    accounts = [alice.address, bob.address, member, hold_account, mallory.address, token.address, "0x" + "00" * 20]
    return {"accounts": accounts, "epochs": epochs, "keys": [ref("hold"), ref("redemption"), member_key, ref("new")]}


def words_like(scene):
    """Numbers, small and huge, and those that mean something in the scene."""
    meaningful = [*scene["epochs"], *(int(account, 16) for account in scene["accounts"])]
    return st.one_of(
        st.integers(0, 100), st.sampled_from([2**48 - 1, 2**48, 2**96, WORD_MAX, *meaningful]), st.integers(0, WORD_MAX)
    )


def value_of(abi_input, scene):
    """A strategy for one ABI parameter that often hits what exists."""
    kind = abi_input["type"]
    if kind.endswith("[]"):
        return st.lists(value_of(abi_input | {"type": kind[:-2]}, scene), max_size=3)
    if kind == "tuple":
        return st.tuples(*(value_of(part, scene) for part in abi_input["components"]))
    if kind == "address":
        return st.sampled_from(scene["accounts"])
    if kind == "bytes32":
        keys = [bytes.fromhex(key[2:]) for key in scene["keys"]]
        return st.one_of(st.sampled_from(keys), st.binary(min_size=32, max_size=32))
    if kind.startswith("bytes"):
        size = kind.removeprefix("bytes")
        return st.binary(min_size=int(size), max_size=int(size)) if size else st.binary(max_size=65)
    bits = int(kind.removeprefix("uint"))
    return words_like(scene).map(lambda number: number % 2**bits)


def type_of(abi_input):
    if abi_input["type"].startswith("tuple"):
        inner = ",".join(type_of(part) for part in abi_input["components"])
        return f"({inner}){abi_input['type'][5:]}"
    return abi_input["type"]


def selector_of(function):
    signature = f"{function['name']}({','.join(type_of(part) for part in function['inputs'])})"
    return bytes(web3.keccak(text=signature)[:4])


def calldata_of(function, scene):
    """Well-formed arguments, or the selector with random bytes behind it."""
    types = [type_of(part) for part in function["inputs"]]
    formed = st.tuples(*(value_of(part, scene) for part in function["inputs"])).map(
        lambda values: selector_of(function) + encode(types, values)
    )
    return st.one_of(formed, st.binary(max_size=200).map(lambda data: selector_of(function) + data))


def state_of(token, scene, alice):
    accounts = scene["accounts"]
    return (
        {account: lots_of(token, account) for account in accounts},
        {epoch: token.totalSupplyAtEpoch(epoch) for epoch in scene["epochs"]},
        token.totalSupply(),
        token.allowance(alice, accounts[1]),
        [token.refundableOf(alice, key) for key in scene["keys"]],
    )


def send_all(sender, token, calls):
    """Mines all calls in one block, each as a transaction of its own; they may revert, but none may be left out."""
    sent_before = web3.eth.get_transaction_count(sender.address)
    request("evm_setAutomine", False)
    try:
        for data, value in calls:
            web3.eth.send_transaction(
                {
                    "from": sender.address,
                    "to": token.address,
                    "data": data,
                    "value": value,
                    "gas": GAS_LIMIT,
                    "gasPrice": 0,
                }
            )
        request("evm_mine")
    finally:
        request("evm_setAutomine", True)
    assert web3.eth.get_transaction_count(sender.address) == sent_before + len(calls)


@pytest.mark.spec("PT-134")
def test_stranger__every_selector__changes_nothing(token, scene, alice, mallory):
    functions = [item for item in token.abi if item["type"] == "function"]
    assert len(functions) > 60
    before = state_of(token, scene, alice)

    @settings(max_examples=examples(10), deadline=None, database=None)
    @given(st.tuples(*(calldata_of(function, scene) for function in functions)))
    def call_everything(calls):
        send_all(mallory, token, [(data, 0) for data in calls])
        assert state_of(token, scene, alice) == before

    call_everything()


@pytest.mark.spec("PT-134")
def test_stranger__unknown_selectors_and_ether__changes_nothing(token, scene, alice, mallory):
    before = state_of(token, scene, alice)

    @settings(max_examples=examples(10), deadline=None, database=None)
    @given(st.lists(st.tuples(st.binary(max_size=100), st.integers(0, 1)), max_size=20))
    def call_anything(calls):
        send_all(mallory, token, calls)
        assert state_of(token, scene, alice) == before

    call_anything()
    assert web3.eth.get_balance(token.address) == 0
