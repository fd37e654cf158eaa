"""The Merkle tree of receipts, in OpenZeppelin's format."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.points.receipts import Receipt, ReceiptTree, event_hash, leaf_hash, verify

RECEIPTS = st.builds(
    Receipt, st.binary(min_size=20, max_size=20), st.integers(1, (1 << 48) - 1), st.binary(min_size=32, max_size=32)
)


@given(RECEIPTS)
def test_leaf_hash__is_the_double_hash_of_the_encoded_values(receipt: Receipt) -> None:
    values = encode(["address", "uint256", "bytes32"], [receipt.account, receipt.points, receipt.event_hash])
    assert leaf_hash(receipt) == keccak(keccak(values))


@settings(max_examples=50)
@given(st.lists(RECEIPTS, min_size=1, max_size=20))
def test_proof__of_every_receipt_leads_to_the_root(receipts: list[Receipt]) -> None:
    tree = ReceiptTree(receipts)
    for index, receipt in enumerate(receipts):
        assert verify(receipt, tree.proof(index), tree.root)


@settings(max_examples=50)
@given(st.lists(RECEIPTS, min_size=2, max_size=20, unique=True))
def test_proof__of_another_receipt_does_not(receipts: list[Receipt]) -> None:
    tree = ReceiptTree(receipts)
    assert not verify(receipts[1], tree.proof(0), tree.root) or tree.proof(0) == tree.proof(1)


def test_root__does_not_depend_on_the_order() -> None:
    receipts = [Receipt(bytes([n]) * 20, n, bytes([n]) * 32) for n in range(1, 8)]
    assert ReceiptTree(receipts).root == ReceiptTree(receipts[::-1]).root


def test_tree__of_one_is_its_leaf_and_of_none_is_refused() -> None:
    receipt = Receipt(bytes(20), 1, bytes(32))
    assert ReceiptTree([receipt]).root == leaf_hash(receipt)
    with pytest.raises(ValueError, match="at least one"):
        ReceiptTree([])


def test_event_hash__needs_the_salt() -> None:
    assert event_hash(b"a" * 16, "x") == keccak(b"a" * 16 + b"x")
    assert event_hash(b"a" * 16, "x") != event_hash(b"b" * 16, "x")
