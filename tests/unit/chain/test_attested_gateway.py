"""Ids, digests and calldata against eth_abi and eth_account; signatures by the gateway's rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from backend.chain import attested_gateway as gateway
from backend.chain.attested_gateway import Batch, Message, Route
from backend.chain.signers import DevSigners

ADDRESS, HASH = st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)
NUMBER = st.integers(0, (1 << 256) - 1)
ROUTES = st.builds(Route, NUMBER, ADDRESS, NUMBER, ADDRESS)
MESSAGES = st.builds(Message, NUMBER, ADDRESS, ADDRESS, st.binary(max_size=300))
ROUTE = Route(31337, b"\x01" * 20, 1337, b"\x02" * 20)
BATCH = Batch(31337, b"\x01" * 20, 17, b"\x03" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@given(ROUTES, MESSAGES)
def test_message_id__hashes_the_encoded_values(route: Route, message: Message) -> None:
    types = ["uint256", "address", "uint256", "address", "uint256", "address", "address", "bytes32"]
    ends = [route.source_chain, route.source_gateway, route.destination_chain, route.destination_gateway]
    values = [*ends, message.nonce, message.sender, message.recipient, keccak(message.payload)]
    assert gateway.message_id(route, message) == keccak(encode(types, values))


@given(ROUTES, st.integers(0, (1 << 256) - 1), HASH)
def test_batch_digest__is_the_one_wallets_compute(route: Route, block_number: int, root: bytes) -> None:
    typed = gateway.batch_typed_data(route, block_number, root)
    batch = gateway.batch_of(route, block_number, root)
    assert gateway.batch_digest(route, batch) == _hash_eip191_message(encode_typed_data(full_message=typed))


def test_batch_digest__of_another_route__refused() -> None:
    with pytest.raises(ValueError, match="another route"):
        gateway.batch_digest(ROUTE.back, BATCH)


class TestSignerOf:
    def setup_method(self) -> None:
        self.signer = DevSigners(31337).signer(DevSigners(31337).addresses()[5])
        self.digest = gateway.batch_digest(ROUTE, BATCH)
        self.signature = self.signer.sign_typed_data(gateway.batch_typed_data(ROUTE, BATCH.block_number, BATCH.root))

    def test_of_the_batch__the_account(self) -> None:
        assert gateway.signer_of(self.digest, self.signature) == self.signer.address

    def test_of_another_batch__not_the_account(self) -> None:
        other = gateway.batch_digest(ROUTE, replace(BATCH, block_number=18))
        assert gateway.signer_of(other, self.signature) != self.signer.address

    def test_with_high_s_bad_v_or_another_length__refused(self) -> None:
        r, s, v = self.signature[:32], int.from_bytes(self.signature[32:64], "big"), self.signature[64]
        mirrored = r + (ORDER - s).to_bytes(32, "big") + bytes((55 - v,))
        assert Account._recover_hash(self.digest, signature=mirrored).lower() == "0x" + self.signer.address.hex()
        for bad in (mirrored, self.signature[:64], self.signature[:64] + b"\x00", self.signature + b"\x00"):
            with pytest.raises(ValueError, match="gateway takes"):
                gateway.signer_of(self.digest, bad)
        with pytest.raises(ValueError, match="of anybody"):
            gateway.signer_of(self.digest, bytes(64) + b"\x1b")


def test_message_tree__out_of_order__refused() -> None:
    one, two = Message(1, bytes(20), bytes(20), b""), Message(2, bytes(20), bytes(20), b"")
    assert gateway.message_tree(ROUTE, [one, two]).root == gateway.message_tree(ROUTE, [one, two]).root
    for wrong in ([two, one], [one, one], []):
        with pytest.raises(ValueError, match=r"ascending|at least"):
            gateway.message_tree(ROUTE, wrong)
