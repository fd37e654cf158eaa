"""The list of programmes: entries are added once and never removed."""

import pytest
from brownie import web3
from brownie.exceptions import VirtualMachineError

from tests.contracts.conftest import ADMIN_DELAY_SECONDS
from tests.contracts.support.lanes import slug
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import NOBODY

ADMIN_ROLE = "0x" + "00" * 32
NO_ID = "0x" + "00" * 32


GROCER, PHARMACY = slug("grocer"), slug("pharmacy")


@pytest.fixture(scope="module")
def registrar(accounts):
    return accounts[1]


@pytest.fixture(scope="module")
def registry(ProgrammeRegistry, admin, registrar):
    registry = ProgrammeRegistry.deploy(admin, ADMIN_DELAY_SECONDS, {"from": admin})
    registry.grantRole(registry.REGISTRAR_ROLE(), registrar, {"from": admin})
    return registry


@pytest.fixture(scope="module")
def other_token(deploy):
    return deploy(name="Blue Points")


@pytest.fixture
def registered(registry, registrar, token):
    """The registry with the grocer's token in it."""
    registry.register(GROCER, token, {"from": registrar})
    return registry


class TestRegister:
    @pytest.mark.spec("PR-1")
    @pytest.mark.parametrize("actor", ["admin", "custodian", "mallory"])
    def test_not_the_registrar__refused(self, registry, token, actor, request):
        caller = request.getfixturevalue(actor)
        with reverts("AccessControlUnauthorizedAccount", caller, registry.REGISTRAR_ROLE()):
            registry.register(GROCER, token, {"from": caller})

    @pytest.mark.spec("PR-3")
    def test_id_zero__refused(self, registry, registrar, token):
        with reverts("InvalidProgrammeId"):
            registry.register(NO_ID, token, {"from": registrar})

    @pytest.mark.spec("PR-3")
    def test_address_without_code__refused(self, registry, registrar, alice):
        for address in (alice.address, NOBODY):
            with reverts("NotAPointsToken", address):
                registry.register(GROCER, address, {"from": registrar})

    @pytest.mark.spec("PR-3")
    def test_other_contracts__refused(self, registry, registrar, ReceiptVerifier):
        without_erc165 = ReceiptVerifier.deploy({"from": registrar})
        for contract in (registry, without_erc165):
            with reverts("NotAPointsToken", contract):
                registry.register(GROCER, contract, {"from": registrar})

    @pytest.mark.spec("PR-4")
    def test_programme_again__refused(self, registered, registrar, token, other_token):
        for again in (token, other_token):
            with reverts("AlreadyRegistered", GROCER, again):
                registered.register(GROCER, again, {"from": registrar})

    @pytest.mark.spec("PR-4")
    def test_token_again__refused(self, registered, registrar, token):
        with reverts("AlreadyRegistered", PHARMACY, token):
            registered.register(PHARMACY, token, {"from": registrar})

    @pytest.mark.spec("PR-4")
    def test_suspended_programme_again__refused(self, registered, registrar, other_token):
        registered.suspend(GROCER, {"from": registrar})
        with reverts("AlreadyRegistered", GROCER, other_token):
            registered.register(GROCER, other_token, {"from": registrar})

    @pytest.mark.spec("PR-4")
    def test_abi__nothing_removes_or_replaces(self, registry):
        changing = {
            item["name"]
            for item in registry.abi
            if item["type"] == "function" and item["stateMutability"] != "view" and item["stateMutability"] != "pure"
        }
        roles = {name for name in changing if "Role" in name or "DefaultAdmin" in name}
        assert changing - roles == {"register", "suspend", "resume"}

    @pytest.mark.spec("PR-2", "PR-10")
    def test_registered__logged_with_code_hash_and_active(self, registry, registrar, token):
        transaction = registry.register(GROCER, token, {"from": registrar})
        code_hash = "0x" + bytes(web3.keccak(web3.eth.get_code(token.address))).hex()
        assert logs(transaction) == [("ProgrammeRegistered", GROCER, token, code_hash)]
        assert registry.tokenOf(GROCER) == token
        assert str(registry.programmeOf(token)) == GROCER
        assert registry.isActive(token)
        assert plain(registry.stateOf(GROCER)) == (token, True)

    @pytest.mark.spec("PR-8")
    def test_two__listed_in_order(self, registered, registrar, other_token):
        registered.register(PHARMACY, other_token, {"from": registrar})
        assert registered.count() == 2
        assert [str(registered.programmeAt(index)) for index in range(2)] == [GROCER, PHARMACY]
        with pytest.raises(VirtualMachineError, match="Index out of range"):
            registered.programmeAt(2)


class TestSuspendAndResume:
    @pytest.mark.spec("PR-1")
    @pytest.mark.parametrize("actor", ["admin", "custodian", "mallory"])
    def test_not_the_registrar__refused(self, registered, actor, request):
        caller = request.getfixturevalue(actor)
        for change in (registered.suspend, registered.resume):
            with reverts("AccessControlUnauthorizedAccount", caller, registered.REGISTRAR_ROLE()):
                change(GROCER, {"from": caller})

    @pytest.mark.spec("PR-6")
    def test_unknown__refused(self, registered, registrar):
        for change in (registered.suspend, registered.resume):
            with reverts("UnknownProgramme", PHARMACY):
                change(PHARMACY, {"from": registrar})

    @pytest.mark.spec("PR-6")
    def test_in_that_state_already__refused(self, registered, registrar):
        with reverts("StateUnchanged", GROCER, True):
            registered.resume(GROCER, {"from": registrar})
        registered.suspend(GROCER, {"from": registrar})
        with reverts("StateUnchanged", GROCER, False):
            registered.suspend(GROCER, {"from": registrar})

    @pytest.mark.spec("PR-5", "PR-10")
    def test_suspended__inactive_until_resumed(self, registered, registrar, token):
        assert logs(registered.suspend(GROCER, {"from": registrar})) == [("ProgrammeSuspended", GROCER)]
        assert not registered.isActive(token)
        assert registered.tokenOf(GROCER) == token
        assert plain(registered.stateOf(GROCER)) == (token, False)
        assert registered.count() == 1
        assert logs(registered.resume(GROCER, {"from": registrar})) == [("ProgrammeResumed", GROCER)]
        assert registered.isActive(token)


@pytest.mark.spec("PR-7", "PR-10")
def test_unknown__zero_and_inactive(registered, other_token):
    assert registered.tokenOf(PHARMACY) == NOBODY
    assert plain(registered.stateOf(PHARMACY)) == (NOBODY, False)
    assert str(registered.programmeOf(other_token)) == NO_ID
    assert not registered.isActive(other_token)
    assert not registered.isActive(NOBODY)


class TestRoles:
    @pytest.mark.spec("PR-9")
    def test_not_the_admin__cannot_name_the_registrar(self, registry, registrar, mallory):
        for caller in (registrar, mallory):
            with reverts("AccessControlUnauthorizedAccount", caller, ADMIN_ROLE):
                registry.grantRole(registry.REGISTRAR_ROLE(), mallory, {"from": caller})

    @pytest.mark.spec("PR-9")
    def test_revoked_registrar__cannot_register(self, registry, admin, registrar, token):
        registry.revokeRole(registry.REGISTRAR_ROLE(), registrar, {"from": admin})
        with reverts("AccessControlUnauthorizedAccount", registrar, registry.REGISTRAR_ROLE()):
            registry.register(GROCER, token, {"from": registrar})

    @pytest.mark.spec("PR-9")
    def test_admin__handed_over_after_the_delay(self, registry, admin, charlie, clock):
        registry.beginDefaultAdminTransfer(charlie, {"from": admin})
        due = clock.now_seconds + ADMIN_DELAY_SECONDS
        clock.next_block_at(due)
        with reverts("AccessControlEnforcedDefaultAdminDelay", due):
            registry.acceptDefaultAdminTransfer({"from": charlie})
        clock.next_block_at(due + 1)
        registry.acceptDefaultAdminTransfer({"from": charlie})
        assert registry.defaultAdmin() == charlie
