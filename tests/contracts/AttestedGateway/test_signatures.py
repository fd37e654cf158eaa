"""Which signatures count, and every known trick with them."""

from dataclasses import replace

import pytest
from brownie import web3
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support.clock import request
from tests.contracts.support.examples import examples
from tests.contracts.support.gateway import ATTESTERS, REMOTE_CHAIN, REMOTE_GATEWAY, THRESHOLD, RemoteChain, hexed
from tests.contracts.support.messages import attester_keys, signatures_of
from tests.contracts.support.outcomes import plain, reverts
from tests.contracts.support.signing import SPOILT

THIEVES = attester_keys("thief one", "thief two", "thief three")
SLOTS = 24
"""More than the gateway has of its own."""


@pytest.fixture
def deliver_signed(remote, delivery, relayer):
    """Delivers the message under other signatures."""
    return lambda signatures: remote.deliver(delivery.but(signatures=tuple(signatures)), relayer)


@pytest.fixture
def signed(remote, delivery):
    """Signatures of all attesters, by ascending address."""
    return remote.sign(delivery.batch, ATTESTERS)


class TestThreshold:
    @pytest.mark.spec("GW-50")
    @pytest.mark.parametrize("count", range(THRESHOLD))
    def test_one_too_few(self, deliver_signed, signed, untouched, count):
        for start in range(len(ATTESTERS) - count + 1):
            with reverts("TooFewSignatures", count, THRESHOLD):
                deliver_signed(signed[start : start + count])
        untouched()

    @pytest.mark.spec("GW-50")
    @pytest.mark.parametrize("places", [(0, 1), (0, 2), (1, 2), (0, 1, 2)])
    def test_any_two_of_three__or_all(self, deliver_signed, signed, places):
        assert deliver_signed([signed[place] for place in places]).return_value == 1

    @pytest.mark.spec("GW-51", "GW-50")
    def test_one_attester_and_one_thief(self, remote, delivery, deliver_signed, untouched):
        """One stolen key, and as many made up as one likes, are no use."""
        for attester in ATTESTERS:
            keys = sorted((attester, *THIEVES), key=lambda key: int(key.address, 16))
            stranger = next((place, key.address) for place, key in enumerate(keys) if key in THIEVES)
            with reverts("NotAnAttester", *stranger):
                deliver_signed(remote.sign(delivery.batch, keys))
        untouched()

    @pytest.mark.spec("GW-51")
    def test_enough_and_one_thief(self, remote, delivery, deliver_signed):
        """Those beyond the threshold are checked as well."""
        keys = sorted((*ATTESTERS, THIEVES[0]), key=lambda key: int(key.address, 16))
        with reverts("NotAnAttester", keys.index(THIEVES[0]), THIEVES[0].address):
            deliver_signed(remote.sign(delivery.batch, keys))


class TestOrder:
    @pytest.mark.spec("GW-52")
    @pytest.mark.parametrize("places", [(0, 0), (1, 1), (2, 2), (0, 0, 0), (0, 1, 1), (0, 0, 1)])
    def test_twice_the_same(self, deliver_signed, signed, untouched, places):
        second = next(at for at in range(1, len(places)) if places[at] == places[at - 1])
        with reverts("SignersNotAscending", second, ATTESTERS[places[second]].address):
            deliver_signed([signed[place] for place in places])
        untouched()

    @pytest.mark.spec("GW-52")
    @pytest.mark.parametrize("places", [(1, 0), (2, 1), (0, 2, 1), (2, 1, 0), (0, 1, 0)])
    def test_not_ascending(self, deliver_signed, signed, untouched, places):
        wrong = next(at for at in range(1, len(places)) if places[at] < places[at - 1])
        with reverts("SignersNotAscending", wrong, ATTESTERS[places[wrong]].address):
            deliver_signed([signed[place] for place in places])
        untouched()


class TestForm:
    @pytest.mark.spec("GW-53")
    @pytest.mark.parametrize("place", [0, 1, 2])
    @pytest.mark.parametrize("name", SPOILT)
    def test_spoilt(self, deliver_signed, signed, name, place):
        spoilt = [SPOILT[name](part) if at == place else part for at, part in enumerate(signed)]
        with reverts("InvalidSignature", place):
            deliver_signed(spoilt)

    @pytest.mark.spec("GW-53", "GW-52")
    def test_the_same_one_in_another_form__is_no_second_one(self, deliver_signed, signed, untouched):
        """One signature, twisted: high s, EIP-2098 and another v must not count beside it."""
        for spoil in SPOILT.values():
            with reverts("InvalidSignature", 1):
                deliver_signed([signed[0], spoil(signed[0])])
        untouched()


class TestWords:
    @pytest.mark.spec("GW-54")
    @pytest.mark.parametrize("domain", [{"name": "Interpoints Exchange"}, {"version": "2"}], ids=["name", "version"])
    def test_other_domain(self, gateway, remote, delivery, relayer, untouched, domain):
        digest = delivery.batch.signable(web3.eth.chain_id, gateway.address, **domain)
        forged = delivery.but(signatures=tuple(signatures_of(ATTESTERS[:2], digest)))
        with reverts("NotAnAttester", 0, remote.stranger_of(forged)):
            remote.deliver(forged, relayer)
        untouched()

    @pytest.mark.spec("GW-54")
    @pytest.mark.parametrize(
        "place",
        [(1, None), (REMOTE_CHAIN, None), (None, "0x" + "31" * 20), (None, REMOTE_GATEWAY)],
        ids=["mainnet", "source chain", "other gateway", "source gateway"],
    )
    def test_other_chain_or_gateway(self, gateway, remote, delivery, relayer, untouched, place):
        chain, address = place
        digest = delivery.batch.signable(chain or web3.eth.chain_id, address or gateway.address)
        forged = delivery.but(signatures=tuple(signatures_of(ATTESTERS[:2], digest)))
        with reverts("NotAnAttester", 0, remote.stranger_of(forged)):
            remote.deliver(forged, relayer)
        untouched()

    @pytest.mark.spec("GW-54", "GW-31")
    @pytest.mark.parametrize(
        "change", [{"block_number": 1}, {"root": b"\x01" * 32}], ids=lambda change: next(iter(change))
    )
    def test_other_batch(self, remote, delivery, relayer, untouched, change):
        forged = delivery.but(signatures=remote.sign(replace(delivery.batch, **change)))
        with reverts("NotAnAttester", 0, remote.stranger_of(forged)):
            remote.deliver(forged, relayer)
        untouched()

    @pytest.mark.spec("GW-53", "GW-50")
    def test_any_bytes__refused(self, gateway, remote, delivery, signed, relayer):
        data = st.one_of(st.binary(max_size=66), st.binary(min_size=65, max_size=65), st.sampled_from(signed[:1]))

        @settings(max_examples=examples(15), deadline=None, database=None)
        @given(st.lists(data, min_size=2, max_size=3))
        def refuse(signatures):
            call = gateway.deliver.encode_input(*delivery.but(signatures=tuple(signatures)).arguments)
            sent = {"from": relayer.address, "to": gateway.address, "data": call}
            assert "error" in web3.provider.make_request("eth_call", [sent, "latest"])

        refuse()


class TestZeroedStorage:
    """Zero fails closed: where nothing was ever set, nothing is verified."""

    @pytest.fixture
    def bare(self, AttestedGateway, gateway):
        """The same code without any storage, except that the remote gateway is known."""
        address = "0x" + "ba" * 20
        request("anvil_setCode", address, hexed(web3.eth.get_code(gateway.address)))
        bare = AttestedGateway.at(address)
        for slot in range(SLOTS):
            key = hexed(web3.keccak(encode(["uint256", "uint256"], [REMOTE_CHAIN, slot])))
            request("anvil_setStorageAt", address, key, hexed(encode(["address"], [REMOTE_GATEWAY])))
        assert bare.remoteOf(REMOTE_CHAIN) == REMOTE_GATEWAY
        return bare

    @pytest.mark.spec("GW-55")
    def test_no_attesters_no_threshold__verifies_nothing(self, bare, application, relayer):
        there = RemoteChain(bare)
        assert plain(bare.attesterSet())[:2] == ((), 0)
        delivery = there.delivery(there.message("0x" + "5e" * 20, application))
        for keys in ((), ATTESTERS[:1], ATTESTERS):
            with reverts("InvalidAttesterSet", 0, 0):
                bare.deliver(*delivery.but(signatures=there.sign(delivery.batch, keys)).arguments, {"from": relayer})
        for signatures in ((b"\x00" * 65,), (b"",), (b"\x00" * 65, b"\x00" * 64 + b"\x1b")):
            with reverts("InvalidAttesterSet", 0, 0):
                bare.deliver(*delivery.but(signatures=signatures).arguments, {"from": relayer})

    @pytest.mark.spec("GW-55")
    def test_any_one_word_zeroed__no_fewer_signatures(self, gateway, remote, delivery, relayer):
        """Wherever the set and the threshold are kept: with one word lost, fewer keys still do nothing."""
        words = [bytes(web3.eth.get_storage_at(gateway.address, slot)) for slot in range(SLOTS)]
        assert sum(any(word) for word in words) > 1
        for slot, word in enumerate(words):
            key = hexed(slot.to_bytes(32, "big"))
            request("anvil_setStorageAt", gateway.address, key, hexed(b"\x00" * 32))
            for keys in ((), ATTESTERS[:1]):
                signatures = remote.sign(delivery.batch, keys)
                call = gateway.deliver.encode_input(*delivery.but(signatures=signatures).arguments)
                sent = {"from": relayer.address, "to": gateway.address, "data": call}
                assert "error" in web3.provider.make_request("eth_call", [sent, "latest"])
            request("anvil_setStorageAt", gateway.address, key, hexed(word))
        assert remote.deliver(delivery, relayer)
