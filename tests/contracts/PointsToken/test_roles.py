"""Who can do what follows from roles, which only the admin gives and takes."""

import pytest

from tests.contracts.conftest import ADMIN_DELAY_SECONDS, ROLES
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref

ADMIN_ROLE = "0x" + "00" * 32


@pytest.mark.spec("PT-4")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("actor", ["issuer", "custodian", "exchange", "pauser", "mallory"])
def test_grant_role__not_the_admin__refused(token, mallory, role, actor, request):
    caller = request.getfixturevalue(actor)
    with reverts("AccessControlUnauthorizedAccount", caller, ADMIN_ROLE):
        token.grantRole(getattr(token, role)(), mallory, {"from": caller})
    with reverts("AccessControlUnauthorizedAccount", caller, ADMIN_ROLE):
        token.revokeRole(getattr(token, role)(), token, {"from": caller})


@pytest.mark.spec("PT-4")
def test_grant_role__admin_role__refused(token, admin, mallory):
    with reverts("AccessControlEnforcedDefaultAdminRules"):
        token.grantRole(ADMIN_ROLE, mallory, {"from": admin})


@pytest.mark.spec("PT-4")
def test_revoke_role__issuer__cannot_issue(token, admin, issuer, alice):
    token.issue(alice, 1, ref("before"), {"from": issuer})
    token.revokeRole(token.ISSUER_ROLE(), issuer, {"from": admin})
    with reverts("AccessControlUnauthorizedAccount", issuer, token.ISSUER_ROLE()):
        token.issue(alice, 1, ref("after"), {"from": issuer})


@pytest.mark.spec("PT-4")
def test_renounce_role__issuer__cannot_issue(token, issuer, alice):
    token.renounceRole(token.ISSUER_ROLE(), issuer, {"from": issuer})
    with reverts("AccessControlUnauthorizedAccount", issuer, token.ISSUER_ROLE()):
        token.issue(alice, 1, ref("after"), {"from": issuer})


@pytest.mark.spec("PT-4")
@pytest.mark.parametrize("leaves", ["first", "second"])
def test_revoke_role__one_of_two_issuers__the_other_goes_on(token, admin, issuer, alice, charlie, leaves):
    token.grantRole(token.ISSUER_ROLE(), charlie, {"from": admin})
    for number, sender in enumerate((issuer, charlie)):
        token.issue(alice, 1, ref(f"both {number}"), {"from": sender})
    gone, stays = (issuer, charlie) if leaves == "first" else (charlie, issuer)
    token.revokeRole(token.ISSUER_ROLE(), gone, {"from": admin})
    token.issue(alice, 1, ref("stays"), {"from": stays})
    with reverts("AccessControlUnauthorizedAccount", gone, token.ISSUER_ROLE()):
        token.issue(alice, 1, ref("gone"), {"from": gone})


@pytest.mark.spec("PT-4")
def test_grant_role__again_to_a_former_issuer__works(token, admin, issuer, alice):
    role = token.ISSUER_ROLE()
    token.grantRole(role, issuer, {"from": admin})
    token.revokeRole(role, issuer, {"from": admin})
    token.revokeRole(role, issuer, {"from": admin})
    with reverts("AccessControlUnauthorizedAccount", issuer, role):
        token.issue(alice, 1, ref("none"), {"from": issuer})
    token.grantRole(role, issuer, {"from": admin})
    token.issue(alice, 1, ref("again"), {"from": issuer})
    assert token.balanceOf(alice) == 1


@pytest.mark.spec("PT-4")
def test_grant_role__new_custodian__acts(token, admin, charlie, member, member_key, give):
    give(token, member, 10)
    token.grantRole(token.CUSTODIAN_ROLE(), charlie, {"from": admin})
    token.redeemManaged(member_key, 4, ref("order"), {"from": charlie})
    token.revokeRole(token.CUSTODIAN_ROLE(), charlie, {"from": admin})
    with reverts("AccessControlUnauthorizedAccount", charlie, token.CUSTODIAN_ROLE()):
        token.redeemManaged(member_key, 4, ref("order 2"), {"from": charlie})


@pytest.mark.spec("PT-5")
def test_admin_transfer__before_the_delay__refused(token, admin, charlie, clock):
    token.beginDefaultAdminTransfer(charlie, {"from": admin})
    due = clock.now_seconds + ADMIN_DELAY_SECONDS
    clock.next_block_at(due)
    with reverts("AccessControlEnforcedDefaultAdminDelay", due):
        token.acceptDefaultAdminTransfer({"from": charlie})


@pytest.mark.spec("PT-5")
def test_admin_transfer__by_another__refused(token, admin, charlie, mallory, clock):
    token.beginDefaultAdminTransfer(charlie, {"from": admin})
    clock.go_to(clock.now_seconds + ADMIN_DELAY_SECONDS + 1)
    with reverts("AccessControlInvalidDefaultAdmin", mallory):
        token.acceptDefaultAdminTransfer({"from": mallory})


@pytest.mark.spec("PT-5")
def test_admin_transfer__after_the_delay__hands_over(token, admin, charlie, clock):
    token.beginDefaultAdminTransfer(charlie, {"from": admin})
    clock.next_block_at(clock.now_seconds + ADMIN_DELAY_SECONDS + 1)
    token.acceptDefaultAdminTransfer({"from": charlie})
    assert token.defaultAdmin() == charlie
    with reverts("AccessControlUnauthorizedAccount", admin, ADMIN_ROLE):
        token.setSupplyCap(1, {"from": admin})
    token.setSupplyCap(1, {"from": charlie})


@pytest.mark.spec("PT-5")
def test_admin_transfer__logs_the_schedule(token, admin, charlie, clock):
    transaction = token.beginDefaultAdminTransfer(charlie, {"from": admin})
    schedule = clock.now_seconds + ADMIN_DELAY_SECONDS
    assert logs(transaction) == [("DefaultAdminTransferScheduled", charlie, schedule)]
    assert token.owner() != NOBODY
