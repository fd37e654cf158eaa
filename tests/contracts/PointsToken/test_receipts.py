"""Receipts: a batch id is a Merkle root that a member can check a purchase against."""

import pytest

from tests.contracts.support.merkle import ReceiptTree
from tests.contracts.support.points import credit, ref


@pytest.fixture(scope="module")
def verifier(ReceiptVerifier, admin):
    return ReceiptVerifier.deploy({"from": admin})


def receipts_of(accounts, size):
    return [
        (accounts[number % len(accounts)].address, number + 1, bytes.fromhex(ref(f"event {number}")[2:]))
        for number in range(size)
    ]


@pytest.mark.spec("PT-36")
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 33])
def test_receipts__every_one__proved_by_openzeppelin(verifier, token, issuer, accounts, size):
    receipts = receipts_of(accounts, size)
    tree = ReceiptTree.of(receipts)
    words = [credit(account, amount) for account, amount, _ in receipts]
    token.issueBatch(tree.root, words, {"from": issuer})
    assert token.isRefUsed(tree.root)
    for receipt in receipts:
        assert verifier.isInBatch(tree.root, *receipt, tree.proof(receipt))


@pytest.mark.spec("PT-36")
@pytest.mark.parametrize("field", [0, 1, 2])
def test_receipts__one_field_changed__not_proved(verifier, accounts, field):
    receipts = receipts_of(accounts, 5)
    tree = ReceiptTree.of(receipts)
    forged = list(receipts[2])
    forged[field] = [accounts[7].address, receipts[2][1] + 1, b"\x01" * 32][field]
    assert forged[field] != receipts[2][field]
    assert not verifier.isInBatch(tree.root, *forged, tree.proof(receipts[2]))


@pytest.mark.spec("PT-36")
def test_receipts__proof_of_another__not_proved(verifier, accounts):
    receipts = receipts_of(accounts, 5)
    tree = ReceiptTree.of(receipts)
    assert not verifier.isInBatch(tree.root, *receipts[0], tree.proof(receipts[1]))
    assert not verifier.isInBatch(b"\x02" * 32, *receipts[0], tree.proof(receipts[0]))
