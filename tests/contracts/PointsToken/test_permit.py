"""`permit`: an allowance by signature (ERC-2612)."""

import pytest
from brownie import web3

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.signing import Domain, member_wallet


def parts_of(signature):
    return signature[64], signature[:32], signature[32:64]


@pytest.fixture
def deadline(clock):
    return clock.now_seconds + 3_600


@pytest.mark.spec("PT-47")
def test_permit__expired__refused(token, domain, dora, charlie, relayer, clock, deadline):
    signature = domain.sign(dora, "Permit", dora.address, charlie.address, 9, 0, deadline)
    clock.next_block_at(deadline + 1)
    with reverts("ERC2612ExpiredSignature", deadline):
        token.permit(dora.address, charlie, 9, deadline, *parts_of(signature), {"from": relayer})


@pytest.mark.spec("PT-47")
def test_permit__signed_by_another__refused(token, domain, dora, charlie, relayer, deadline):
    thief = member_wallet("thief")
    signature = domain.sign(thief, "Permit", dora.address, charlie.address, 9, 0, deadline)
    with reverts("ERC2612InvalidSigner", thief.address, dora.address):
        token.permit(dora.address, charlie, 9, deadline, *parts_of(signature), {"from": relayer})


@pytest.mark.spec("PT-47")
def test_permit__for_another_token__refused(deploy, token, dora, charlie, relayer, deadline):
    other = deploy()
    foreign = Domain(other.name(), web3.eth.chain_id, other.address)
    signature = foreign.sign(dora, "Permit", dora.address, charlie.address, 9, 0, deadline)
    other.permit(dora.address, charlie, 9, deadline, *parts_of(signature), {"from": relayer})
    with pytest.raises(Exception, match="ERC2612InvalidSigner"):
        token.permit(dora.address, charlie, 9, deadline, *parts_of(signature), {"from": relayer})
    assert token.allowance(dora.address, charlie) == 0


@pytest.mark.spec("PT-46", "PT-47")
def test_permit__valid__once(token, domain, dora, charlie, relayer, clock, deadline):
    signature = domain.sign(dora, "Permit", dora.address, charlie.address, 9, 0, deadline)
    clock.next_block_at(deadline)
    transaction = token.permit(dora.address, charlie, 9, deadline, *parts_of(signature), {"from": relayer})
    assert logs(transaction) == [("Approval", dora.address, charlie, 9)]
    assert token.allowance(dora.address, charlie) == 9
    assert token.nonces(dora.address) == 1
    clock.next_block_at(deadline)
    with pytest.raises(Exception, match="ERC2612InvalidSigner"):
        token.permit(dora.address, charlie, 9, deadline, *parts_of(signature), {"from": relayer})


@pytest.mark.spec("PT-46")
def test_permit__allowance__can_be_spent(token, domain, dora, charlie, bob, relayer, give, deadline):
    give(token, dora.address, 10)
    signature = domain.sign(dora, "Permit", dora.address, charlie.address, 9, 0, deadline)
    token.permit(dora.address, charlie, 9, deadline, *parts_of(signature), {"from": relayer})
    token.transferFrom(dora.address, bob, 9, {"from": charlie})
    assert token.balanceOf(bob) == 9
