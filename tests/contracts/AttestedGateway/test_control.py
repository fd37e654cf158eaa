"""Construction, roles, remote gateways, applications and the pause."""

import pytest
from brownie import web3
from brownie.exceptions import VirtualMachineError

from tests.contracts.support.clock import request as ask
from tests.contracts.support.code import CODE_LIMIT_BYTES, code_bytes
from tests.contracts.support.gateway import (
    ATTESTERS,
    OTHER_CHAIN,
    REMOTE_CHAIN,
    REMOTE_GATEWAY,
    ROTATION_SECONDS,
    THRESHOLD,
    RemoteChain,
    deploy_gateway,
)
from tests.contracts.support.messages import interoperable
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import NOBODY
from tests.contracts.support.world import ADMIN_DELAY_SECONDS, role_of

ELSEWHERE = "0x" + "31" * 20


class TestConstruction:
    @pytest.mark.spec("GW-1")
    def test_terms_and_roles(self, AttestedGateway, admin, attesters):
        terms = (attesters, THRESHOLD, ROTATION_SECONDS, admin, ADMIN_DELAY_SECONDS)
        gateway = AttestedGateway.deploy(*terms, {"from": admin})
        assert plain(gateway.attesterSet()) == (tuple(attesters), THRESHOLD, 1)
        assert plain(gateway.pendingAttesterSet())[0] == ()
        assert gateway.rotationDelay() == ROTATION_SECONDS
        assert gateway.defaultAdmin() == admin
        assert gateway.defaultAdminDelay() == ADMIN_DELAY_SECONDS
        for role in ("ATTESTER_ADMIN_ROLE", "PAUSER_ROLE"):
            assert getattr(gateway, role)() == role_of(role)
            assert not gateway.hasRole(role_of(role), admin)
        assert gateway.remoteOf(REMOTE_CHAIN) == NOBODY
        assert not gateway.isApplication(admin)
        assert not gateway.paused()

    @pytest.mark.spec("GW-1")
    def test_code__below_the_limit(self, gateway):
        assert code_bytes(gateway) <= CODE_LIMIT_BYTES

    @pytest.mark.spec("GW-1", "GW-14")
    @pytest.mark.parametrize(("count", "threshold"), [(0, 0), (0, 2), (1, 1), (2, 1), (3, 1), (3, 4), (3, 0)])
    def test_set_that_breaks_the_rules__not_deployed(self, AttestedGateway, admin, attesters, count, threshold):
        with pytest.raises(VirtualMachineError):
            AttestedGateway.deploy(attesters[:count], threshold, ROTATION_SECONDS, admin, 0, {"from": admin})

    @pytest.mark.spec("GW-5")
    def test_admin__handed_over_after_the_delay(self, gateway, admin, alice, clock):
        gateway.beginDefaultAdminTransfer(alice, {"from": admin})
        with pytest.raises(VirtualMachineError):
            gateway.acceptDefaultAdminTransfer({"from": alice})
        clock.go_to(clock.now_seconds + ADMIN_DELAY_SECONDS + 1)
        gateway.acceptDefaultAdminTransfer({"from": alice})
        assert gateway.defaultAdmin() == alice
        with reverts("AccessControlUnauthorizedAccount", admin, "0x" + "00" * 32):
            gateway.setRemote(10, ELSEWHERE, {"from": admin})


class TestRemotes:
    @pytest.mark.spec("GW-2")
    def test_not_the_admin__refused(self, gateway, keeper, pauser, mallory):
        for caller in (keeper, pauser, mallory):
            with reverts("AccessControlUnauthorizedAccount", caller, "0x" + "00" * 32):
                gateway.setRemote(10, ELSEWHERE, {"from": caller})

    @pytest.mark.spec("GW-2")
    def test_a_second_time__refused(self, gateway, admin):
        for other in (ELSEWHERE, REMOTE_GATEWAY):
            with reverts("RemoteAlreadySet", REMOTE_CHAIN, REMOTE_GATEWAY):
                gateway.setRemote(REMOTE_CHAIN, other, {"from": admin})
        assert gateway.remoteOf(REMOTE_CHAIN) == REMOTE_GATEWAY

    @pytest.mark.spec("GW-2")
    def test_own_chain__no_chain__no_gateway__refused(self, gateway, admin):
        for chain, remote in ((web3.eth.chain_id, ELSEWHERE), (0, ELSEWHERE), (10, NOBODY)):
            with reverts("InvalidRemote", chain, remote):
                gateway.setRemote(chain, remote, {"from": admin})

    @pytest.mark.spec("GW-2")
    def test_logged(self, gateway, admin):
        assert logs(gateway.setRemote(10, ELSEWHERE, {"from": admin})) == [("RemoteSet", 10, ELSEWHERE)]
        assert gateway.remoteOf(10) == ELSEWHERE


class TestApplications:
    @pytest.mark.spec("GW-3")
    def test_not_the_admin__refused(self, gateway, application, keeper, pauser, mallory):
        for caller in (keeper, pauser, mallory, application):
            with reverts("AccessControlUnauthorizedAccount", caller, "0x" + "00" * 32):
                gateway.setApplication(application, False, {"from": caller})

    @pytest.mark.spec("GW-3")
    def test_without_code__or_itself__refused(self, gateway, admin, alice):
        for account in (alice, NOBODY, gateway):
            with reverts("InvalidApplication", account):
                gateway.setApplication(account, True, {"from": admin})

    @pytest.mark.spec("GW-3")
    def test_that_lost_its_code__can_be_removed(self, gateway, application, admin):
        ask("anvil_setCode", application.address, "0x")
        gateway.setApplication(application, False, {"from": admin})
        assert not gateway.isApplication(application)
        with reverts("InvalidApplication", application):
            gateway.setApplication(application, True, {"from": admin})

    @pytest.mark.spec("GW-3")
    def test_logged__and_taken_away(self, gateway, application, admin):
        sender = {"from": admin}
        assert logs(gateway.setApplication(application, False, sender)) == [("ApplicationSet", application, False)]
        assert not gateway.isApplication(application)
        assert logs(gateway.setApplication(application, True, sender)) == [("ApplicationSet", application, True)]
        assert gateway.isApplication(application)


class TestPause:
    @pytest.mark.spec("GW-4")
    @pytest.mark.parametrize("actor", ["admin", "keeper", "mallory"])
    def test_not_the_pauser__refused(self, gateway, pauser, actor, request):
        caller = request.getfixturevalue(actor)
        with reverts("AccessControlUnauthorizedAccount", caller, role_of("PAUSER_ROLE")):
            gateway.pause({"from": caller})
        gateway.pause({"from": pauser})
        with reverts("AccessControlUnauthorizedAccount", caller, role_of("PAUSER_ROLE")):
            gateway.unpause({"from": caller})

    @pytest.mark.spec("GW-4")
    def test_logged(self, gateway, pauser):
        assert logs(gateway.pause({"from": pauser})) == [("Paused", pauser)]
        assert logs(gateway.unpause({"from": pauser})) == [("Unpaused", pauser)]

    @pytest.mark.spec("GW-80")
    def test_paused__nothing_is_sent_delivered_or_retried(
        self, gateway, remote, delivery, behave, odd, application, pauser, alice, relayer, untouched
    ):
        behave(refuses=True)
        failing = remote.message(ELSEWHERE, odd)
        remote.deliver(remote.delivery(failing), relayer)
        behave()
        gateway.pause({"from": pauser})
        send = gateway.sendMessage.encode_input(interoperable(REMOTE_CHAIN, ELSEWHERE), b"", [])
        calls = (
            lambda: remote.deliver(delivery, relayer),
            lambda: gateway.retry(remote.chain_id, failing.struct, {"from": relayer}),
            lambda: application.call(gateway, send, {"from": alice}),
        )
        for call in calls:
            with reverts("EnforcedPause"):
                call()
        untouched()
        assert gateway.isFailed(remote.id_of(failing))
        assert gateway.sentCount(REMOTE_CHAIN) == 0

    @pytest.mark.spec("GW-80", "GW-33")
    def test_unpaused__what_was_signed_before_is_delivered_once(self, gateway, remote, delivery, pauser, relayer):
        gateway.pause({"from": pauser})
        with reverts("EnforcedPause"):
            remote.deliver(delivery, relayer)
        gateway.unpause({"from": pauser})
        assert len(logs(remote.deliver(delivery, relayer), "MessageDelivered")) == 1
        with reverts("NothingToDeliver"):
            remote.deliver(delivery, relayer)

    @pytest.mark.spec("GW-81")
    def test_paused__attesters_and_registrations_can_be_changed(
        self, gateway, application, keeper, admin, pauser, clock, attesters
    ):
        gateway.pause({"from": pauser})
        gateway.setApplication(application, False, {"from": admin})
        gateway.setRemote(10, ELSEWHERE, {"from": admin})
        gateway.proposeAttesters(attesters, 3, {"from": keeper})
        clock.go_to(clock.now_seconds + ROTATION_SECONDS)
        assert gateway.attesterSet()[1] == 3


class TestElsewhere:
    """The same messages and signatures at another gateway: deployed anew, or on a fork of the chain."""

    @pytest.mark.spec("GW-57", "GW-54")
    def test_redeployed_gateway__refuses_what_was_signed_for_the_first(
        self, AttestedGateway, gateway, remote, delivery, application, admin, keeper, pauser, relayer
    ):
        twin = deploy_gateway(AttestedGateway, admin, keeper=keeper, pauser=pauser)
        twin.setApplication(application, True, {"from": admin})
        refusal = ("NotAnAttester", 0, RemoteChain(twin).stranger_of(delivery))
        with reverts(*refusal):
            twin.deliver(*delivery.arguments, {"from": relayer})
        remote.deliver(delivery, relayer)
        with reverts(*refusal):
            twin.deliver(*delivery.arguments, {"from": relayer})

    @pytest.mark.spec("GW-57", "GW-31")
    def test_redeployed_gateway__signed_for_it__another_message(
        self, AttestedGateway, gateway, remote, message, delivery, application, admin, keeper, pauser, relayer
    ):
        twin = deploy_gateway(AttestedGateway, admin, keeper=keeper, pauser=pauser)
        twin.setApplication(application, True, {"from": admin})
        there = RemoteChain(twin)
        assert there.id_of(message) != remote.id_of(message)
        with reverts("InvalidProof"):
            twin.deliver(*delivery.but(signatures=there.sign(delivery.batch)).arguments, {"from": relayer})

    @pytest.mark.spec("GW-57", "GW-54")
    def test_on_a_fork__other_chain_id__refused(self, gateway, remote, delivery, relayer):
        """A fork keeps every address and all storage, and has another chain id: sign for it, deliver here."""
        for chain_id in (1, OTHER_CHAIN):
            digest = delivery.batch.signable(chain_id, gateway.address)
            signatures = tuple(bytes(key.sign_message(digest).signature) for key in ATTESTERS)
            foreign = delivery.but(signatures=signatures)
            with reverts("NotAnAttester", 0, remote.stranger_of(foreign)):
                remote.deliver(foreign, relayer)
        assert remote.deliver(delivery, relayer)
