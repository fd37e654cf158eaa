"""Deployment: the programme's promises, and nobody but the admin in power."""

import pytest
from brownie import web3

from tests.contracts.conftest import ADMIN_DELAY_SECONDS, ROLES
from tests.contracts.support.clock import DAY_SECONDS, EPOCH_SECONDS
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import NOBODY, ref

GOOD_TERMS = (EPOCH_SECONDS, 4, 1, 1_000_000, True)
CODE_LIMIT_BYTES = 24_576
ADMIN_ROLE = "0x" + "00" * 32


def interface_id(*signatures):
    combined = 0
    for signature in signatures:
        combined ^= int.from_bytes(web3.keccak(text=signature)[:4], "big")
    return combined.to_bytes(4, "big")


@pytest.mark.spec("PT-2")
@pytest.mark.parametrize(
    "terms",
    [(DAY_SECONDS - 1, 4, 1, 1_000_000, True), (0, 4, 1, 1_000_000, True), (EPOCH_SECONDS, 30, 1, 1_000_000, True)],
    ids=["epoch of a second too few", "epoch of zero", "validity of 30"],
)
def test_constructor__terms_out_of_range__refused(PointsToken, admin, terms):
    with reverts("InvalidTerms", terms):
        PointsToken.deploy("Green Points", "GRN", terms, admin, 0, {"from": admin})


@pytest.mark.spec("PT-3")
def test_constructor__admin_zero__refused(PointsToken, admin):
    with reverts("AccessControlInvalidDefaultAdmin", NOBODY):
        PointsToken.deploy("Green Points", "GRN", GOOD_TERMS, NOBODY, 0, {"from": admin})


@pytest.mark.spec("PT-1")
def test_constructor__tells_name_symbol_and_terms(token):
    assert token.name() == "Green Points"
    assert token.symbol() == "GRN"
    assert token.decimals() == 0
    assert plain(token.terms()) == GOOD_TERMS
    assert token.totalSupply() == 0
    assert not token.paused()


@pytest.mark.spec("PT-1", "PT-2")
@pytest.mark.parametrize(
    "terms",
    [(DAY_SECONDS, 0, 0, 0, False), (2**48 - 1, 29, 2**16 - 1, 2**48 - 1, True)],
    ids=["least", "most"],
)
def test_constructor__terms_at_their_limits__accepted(PointsToken, admin, terms):
    token = PointsToken.deploy("Green Points", "GRN", terms, admin, 0, {"from": admin})
    assert plain(token.terms()) == terms


@pytest.mark.spec("PT-3")
def test_constructor__only_the_admin_has_a_role(PointsToken, admin, accounts):
    deployer = accounts[9]
    token = PointsToken.deploy("Green Points", "GRN", GOOD_TERMS, admin, ADMIN_DELAY_SECONDS, {"from": deployer})
    assert token.defaultAdmin() == token.owner() == admin
    assert token.defaultAdminDelay() == ADMIN_DELAY_SECONDS
    granted = {
        (role, account)
        for role in (*ROLES, "DEFAULT_ADMIN_ROLE")
        for account in accounts
        if token.hasRole(getattr(token, role)(), account)
    }
    assert granted == {("DEFAULT_ADMIN_ROLE", admin)}


@pytest.mark.spec("PT-7")
def test_constructor__code__fits_a_contract(token):
    assert len(web3.eth.get_code(token.address)) <= CODE_LIMIT_BYTES


@pytest.mark.spec("PT-6")
@pytest.mark.parametrize(
    ("name", "signatures"),
    [
        ("ERC-165", ["supportsInterface(bytes4)"]),
        (
            "ERC-20",
            [
                "totalSupply()",
                "balanceOf(address)",
                "transfer(address,uint256)",
                "allowance(address,address)",
                "approve(address,uint256)",
                "transferFrom(address,address,uint256)",
            ],
        ),
        ("ERC-7802", ["crosschainMint(address,uint256)", "crosschainBurn(address,uint256)"]),
        (
            "ERC-7818",
            [
                "balanceOfAtEpoch(uint256,address)",
                "currentEpoch()",
                "epochLength()",
                "epochType()",
                "validityDuration()",
                "isEpochExpired(uint256)",
                "transferAtEpoch(uint256,address,uint256)",
                "transferFromAtEpoch(uint256,address,address,uint256)",
            ],
        ),
        (
            "access control",
            [
                "hasRole(bytes32,address)",
                "getRoleAdmin(bytes32)",
                "grantRole(bytes32,address)",
                "revokeRole(bytes32,address)",
                "renounceRole(bytes32,address)",
            ],
        ),
        (
            "default admin rules",
            [
                "defaultAdmin()",
                "pendingDefaultAdmin()",
                "defaultAdminDelay()",
                "pendingDefaultAdminDelay()",
                "beginDefaultAdminTransfer(address)",
                "cancelDefaultAdminTransfer()",
                "acceptDefaultAdminTransfer()",
                "changeDefaultAdminDelay(uint48)",
                "rollbackDefaultAdminDelay()",
                "defaultAdminDelayIncreaseWait()",
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_supports_interface__standard__yes(token, name, signatures):
    assert token.supportsInterface(interface_id(*signatures))


@pytest.mark.spec("PT-6")
def test_supports_interface__others__no(token):
    assert not token.supportsInterface("0xffffffff")
    assert not token.supportsInterface("0x12345678")


class TestSetSupplyCap:
    @pytest.mark.spec("PT-10")
    @pytest.mark.parametrize("actor", ["issuer", "custodian", "exchange", "pauser", "mallory"])
    def test_not_the_admin__refused(self, token, actor, request):
        caller = request.getfixturevalue(actor)
        with reverts("AccessControlUnauthorizedAccount", caller, ADMIN_ROLE):
            token.setSupplyCap(5, {"from": caller})

    @pytest.mark.spec("PT-10")
    def test_raised__more_can_be_issued(self, token, admin, issuer, alice):
        transaction = token.setSupplyCap(2_000_000, {"from": admin})
        assert logs(transaction) == [("SupplyCapChanged", 1_000_000, 2_000_000)]
        token.issue(alice, 2_000_000, ref("all"), {"from": issuer})
        assert plain(token.terms())[3] == token.totalSupply() == 2_000_000

    @pytest.mark.spec("PT-11")
    def test_below_the_supply__stops_new_points_and_takes_none(self, token, admin, issuer, alice, give):
        give(token, alice, 10)
        token.setSupplyCap(5, {"from": admin})
        assert token.balanceOf(alice) == 10
        with reverts("SupplyCapExceeded", 11, 5):
            token.issue(alice, 1, ref("one"), {"from": issuer})
        token.redeem(6, ref("order"), {"from": alice})
        token.issue(alice, 1, ref("one"), {"from": issuer})
        assert token.totalSupply() == 5
