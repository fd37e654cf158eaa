"""Which attesters count: the rules of a set, and how one set follows another."""

import pytest

from tests.contracts.support.gateway import ATTESTERS, ROTATION_SECONDS, THRESHOLD
from tests.contracts.support.messages import attester_keys
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import NOBODY
from tests.contracts.support.world import role_of

MANY = attester_keys(*(f"attester of many {number}" for number in range(33)))
NEW = attester_keys("attester one", "attester four", "attester five", "attester six")
"""A set that shares one member with the first one."""


def addresses(keys):
    return [key.address for key in keys]


def not_in(members, signers):
    """The place and address of the first signer who is no member."""
    return next((place, key.address) for place, key in enumerate(signers) if key not in members)


@pytest.fixture
def propose(gateway, keeper):
    """Proposes the addresses of keys, or addresses."""

    def propose_attesters(keys, threshold):
        named = [getattr(key, "address", key) for key in keys]
        return gateway.proposeAttesters(named, threshold, {"from": keeper})

    return propose_attesters


@pytest.fixture
def rotate(propose, clock):
    """Puts a set in force."""

    def rotate_to(keys, threshold):
        propose(keys, threshold)
        clock.go_to(clock.now_seconds + ROTATION_SECONDS)

    return rotate_to


class TestRules:
    @pytest.mark.spec("GW-10")
    @pytest.mark.parametrize("actor", ["admin", "pauser", "mallory"])
    def test_not_the_attester_admin__refused(self, gateway, propose, attesters, actor, request):
        caller = request.getfixturevalue(actor)
        with reverts("AccessControlUnauthorizedAccount", caller, role_of("ATTESTER_ADMIN_ROLE")):
            gateway.proposeAttesters(attesters, 2, {"from": caller})
        propose(ATTESTERS, 3)
        with reverts("AccessControlUnauthorizedAccount", caller, role_of("ATTESTER_ADMIN_ROLE")):
            gateway.cancelAttesters({"from": caller})

    @pytest.mark.spec("GW-14")
    @pytest.mark.parametrize(
        ("count", "threshold"),
        [(0, 0), (0, 2), (1, 1), (1, 2), (2, 1), (3, 1), (4, 2), (5, 3), (3, 4), (8, 5), (32, 21), (3, 0)],
    )
    def test_too_few_signatures_for_the_set__refused(self, propose, count, threshold):
        with reverts("InvalidAttesterSet", count, threshold):
            propose(MANY[:count], threshold)

    @pytest.mark.spec("GW-14")
    @pytest.mark.parametrize(
        ("count", "threshold"), [(2, 2), (3, 2), (4, 3), (5, 4), (7, 5), (8, 6), (9, 6), (32, 22), (32, 32)]
    )
    def test_two_thirds__taken(self, gateway, rotate, count, threshold):
        rotate(MANY[:count], threshold)
        assert plain(gateway.attesterSet()) == (tuple(addresses(MANY[:count])), threshold, 2)

    @pytest.mark.spec("GW-14")
    def test_more_than_32__refused(self, propose):
        with reverts("InvalidAttesterSet", 33, 33):
            propose(MANY, 33)

    @pytest.mark.spec("GW-15")
    def test_twice_the_same__or_unsorted__or_nobody__refused(self, propose):
        first, second, third = addresses(ATTESTERS)
        for wrong, at in (
            ([first, first, second], 1),
            ([second, first, third], 1),
            ([first, third, second], 2),
            ([NOBODY, first, second], 0),
        ):
            with reverts("AttestersNotAscending", at, wrong[at]):
                propose(wrong, 3)


class TestRotation:
    @pytest.mark.spec("GW-11")
    def test_logged__and_pending(self, gateway, propose, attesters, clock):
        transaction = propose(NEW, 3)
        begins = clock.now_seconds + ROTATION_SECONDS
        new = tuple(addresses(NEW))
        assert logs(transaction) == [("AttestersProposed", 2, new, 3, begins)]
        assert plain(gateway.pendingAttesterSet()) == (new, 3, 2, begins)
        assert plain(gateway.attesterSet()) == (tuple(attesters), THRESHOLD, 1)

    @pytest.mark.spec("GW-11", "GW-56")
    def test_in_force_in_the_second_in_which_the_delay_is_over(
        self, gateway, remote, delivery, propose, clock, relayer
    ):
        propose(NEW, 3)
        begins = clock.now_seconds + ROTATION_SECONDS
        by_new = delivery.but(signatures=remote.sign(delivery.batch, NEW[:3]))
        clock.next_block_at(begins - 1)
        with reverts("NotAnAttester", *not_in(ATTESTERS, NEW[:3])):
            remote.deliver(by_new, relayer)
        assert gateway.attesterSet()[2] == 1
        clock.next_block_at(begins)
        assert remote.deliver(by_new, relayer)
        assert plain(gateway.attesterSet()) == (tuple(addresses(NEW)), 3, 2)
        assert plain(gateway.pendingAttesterSet())[0] == ()

    @pytest.mark.spec("GW-11", "GW-56")
    def test_last_second_of_the_old_set(self, remote, delivery, propose, clock, relayer):
        propose(NEW, 3)
        clock.next_block_at(clock.now_seconds + ROTATION_SECONDS - 1)
        assert remote.deliver(delivery, relayer)

    @pytest.mark.spec("GW-12")
    def test_proposed_anew__takes_the_place_of_what_was_pending__with_a_delay_of_its_own(
        self, gateway, propose, attesters, clock
    ):
        propose(NEW, 3)
        clock.go_to(clock.now_seconds + ROTATION_SECONDS - 1_000)
        assert logs(propose(MANY[:3], 2))[0] == ("AttestersCancelled", 2)
        begins = clock.now_seconds + ROTATION_SECONDS
        clock.go_to(begins - 1)
        assert plain(gateway.attesterSet()) == (tuple(attesters), THRESHOLD, 1)
        clock.go_to(begins)
        assert plain(gateway.attesterSet()) == (tuple(addresses(MANY[:3])), 2, 3)

    @pytest.mark.spec("GW-13")
    def test_cancelled__the_set_stays(self, gateway, propose, keeper, attesters, clock):
        propose(NEW, 3)
        assert logs(gateway.cancelAttesters({"from": keeper})) == [("AttestersCancelled", 2)]
        clock.go_to(clock.now_seconds + 2 * ROTATION_SECONDS)
        assert plain(gateway.attesterSet()) == (tuple(attesters), THRESHOLD, 1)
        assert plain(gateway.pendingAttesterSet())[0] == ()

    @pytest.mark.spec("GW-13")
    def test_nothing_pending__cannot_be_cancelled(self, gateway, propose, keeper, clock):
        with reverts("NoPendingAttesters"):
            gateway.cancelAttesters({"from": keeper})
        propose(NEW, 3)
        clock.go_to(clock.now_seconds + ROTATION_SECONDS)
        with reverts("NoPendingAttesters"):
            gateway.cancelAttesters({"from": keeper})
        assert gateway.attesterSet()[2] == 2

    @pytest.mark.spec("GW-12")
    def test_after_a_rotation__the_next_one(self, gateway, rotate, attesters):
        rotate(NEW, 3)
        rotate(ATTESTERS, 2)
        assert plain(gateway.attesterSet()) == (tuple(attesters), 2, 3)


class TestInFlight:
    """A batch counts signatures of the set in force when it is delivered, whenever they were given."""

    @pytest.mark.spec("GW-56")
    def test_signed_by_the_old_set__refused(self, gateway, remote, delivery, rotate, relayer, untouched):
        rotate(MANY[:3], 2)
        for keys in (ATTESTERS[:2], ATTESTERS):
            with reverts("NotAnAttester", 0, keys[0].address):
                remote.deliver(delivery.but(signatures=remote.sign(delivery.batch, keys)), relayer)
        untouched()

    @pytest.mark.spec("GW-56")
    def test_signed_by_new_members__for_a_block_before_they_were(self, remote, delivery, rotate, relayer):
        rotate(MANY[:3], 2)
        signatures = remote.sign(delivery.batch, MANY[1:3])
        assert remote.deliver(delivery.but(signatures=signatures), relayer)

    @pytest.mark.spec("GW-56")
    def test_a_member_of_both_sets__need_not_sign_again(self, remote, delivery, rotate, relayer):
        shared = next(key for key in ATTESTERS if key in NEW)
        by_old = dict(zip(ATTESTERS, remote.sign(delivery.batch, ATTESTERS), strict=True))
        rotate(NEW, 3)
        others = [key for key in NEW if key is not shared][:2]
        signed = {shared: by_old[shared]} | dict(zip(others, remote.sign(delivery.batch, others), strict=True))
        in_order = tuple(signed[key] for key in NEW if key in signed)
        assert remote.deliver(delivery.but(signatures=in_order), relayer)

    @pytest.mark.spec("GW-56", "GW-50")
    def test_threshold_raised_in_flight__more_must_sign(self, remote, delivery, rotate, relayer):
        rotate(ATTESTERS, 3)
        with reverts("TooFewSignatures", 2, 3):
            remote.deliver(delivery, relayer)
        assert remote.deliver(delivery.but(signatures=remote.sign(delivery.batch, ATTESTERS)), relayer)

    @pytest.mark.spec("GW-56", "GW-33")
    def test_delivered_under_the_old_set__not_again_under_the_new(self, remote, delivery, rotate, relayer):
        remote.deliver(delivery, relayer)
        rotate(MANY[:3], 2)
        with reverts("NothingToDeliver"):
            remote.deliver(delivery.but(signatures=remote.sign(delivery.batch, MANY[:2])), relayer)
