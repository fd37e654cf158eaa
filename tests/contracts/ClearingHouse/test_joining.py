"""Construction, and who takes part."""

import pytest

from tests.contracts.conftest import ADMIN_DELAY_SECONDS
from tests.contracts.support.lanes import slug
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import ref
from tests.contracts.support.world import CYCLE_SECONDS, PAYMENT_SECONDS, Standing, owed, role_of, standing_of

YEAR_SECONDS = 366 * 86_400


@pytest.fixture
def deploy_house(ClearingHouse, world, admin):
    def deploy(cycle_seconds=CYCLE_SECONDS, payment_seconds=PAYMENT_SECONDS):
        terms = (world.registry, world.currency, cycle_seconds, payment_seconds, admin, ADMIN_DELAY_SECONDS)
        return ClearingHouse.deploy(*terms, {"from": admin})

    return deploy


class TestConstruction:
    @pytest.mark.spec("CH-1")
    @pytest.mark.parametrize("seconds", [0, YEAR_SECONDS + 1])
    def test_periods_out_of_range__refused(self, deploy_house, seconds):
        with reverts("InvalidClearingAmount", seconds):
            deploy_house(cycle_seconds=seconds)
        with reverts("InvalidClearingAmount", seconds):
            deploy_house(payment_seconds=seconds)

    @pytest.mark.spec("CH-1")
    def test_views__as_given(self, deploy_house, world, admin, accounts, clock):
        house = deploy_house(1, YEAR_SECONDS)
        assert (house.cycleLength(), house.paymentPeriod()) == (1, YEAR_SECONDS)
        assert (house.currency(), house.registry()) == (world.currency, world.registry)
        assert (house.openCycle(), house.closesAt()) == (1, clock.now_seconds + 1)
        assert (house.isSettling(), house.paymentDeadline()) == (False, 0)
        assert plain(house.programmes()) == ()
        assert house.MAX_PROGRAMMES() == 32
        assert house.defaultAdmin() == admin
        assert house.EXCHANGE_ROLE() == role_of("EXCHANGE_ROLE")
        assert house.TREASURER_ROLE() == role_of("TREASURER_ROLE")
        assert not any(house.hasRole(house.EXCHANGE_ROLE(), account) for account in accounts)

    @pytest.mark.spec("CH-2")
    def test_exchange_role__only_the_admin_gives_and_takes_it(self, house, admin, exchange, mallory, grocer, fuel):
        role = house.EXCHANGE_ROLE()
        for caller in (exchange, mallory, grocer.treasurer):
            with reverts("AccessControlUnauthorizedAccount", caller, "0x" + "00" * 32):
                house.grantRole(role, mallory, {"from": caller})
        house.revokeRole(role, exchange, {"from": admin})
        with reverts("AccessControlUnauthorizedAccount", exchange, role):
            house.book(grocer.id, fuel.id, 1, ref("swap"), {"from": exchange})


class TestJoin:
    @pytest.mark.spec("CH-3")
    @pytest.mark.parametrize("role", ["issuer", "custodian", "pauser", "negotiator"])
    def test_not_the_treasurer__refused(self, deploy_house, grocer, fuel, admin, role):
        house = deploy_house()
        for caller in (admin, getattr(grocer, role), fuel.treasurer):
            with reverts("NotTreasurer", grocer.id, caller):
                house.join(grocer.id, {"from": caller})

    @pytest.mark.spec("CH-4")
    def test_unknown_programme__refused(self, house, grocer):
        with reverts("UnknownProgramme", slug("nobody")):
            house.join(slug("nobody"), {"from": grocer.treasurer})

    @pytest.mark.spec("CH-4")
    def test_twice__refused(self, house, grocer):
        with reverts("AlreadyJoined", grocer.id):
            house.join(grocer.id, {"from": grocer.treasurer})

    @pytest.mark.spec("CH-4")
    def test_joined__logged_and_listed_in_order(self, deploy_house, grocer, fuel):
        house = deploy_house()
        assert logs(house.join(fuel.id, {"from": fuel.treasurer})) == [("ProgrammeJoined", fuel.id, 0)]
        assert logs(house.join(grocer.id, {"from": grocer.treasurer})) == [("ProgrammeJoined", grocer.id, 1)]
        assert plain(house.programmes()) == (fuel.id, grocer.id)
        assert standing_of(house, grocer) == Standing()

    @pytest.mark.spec("CH-5")
    def test_full__refused(self, deploy_house, OddPoints, world, admin, issuer):
        house = deploy_house()
        for number in range(33):
            token = OddPoints.deploy({"from": admin})
            world.registry.register(slug(f"programme {number}"), token, {"from": issuer})
            if number < 32:
                house.join(slug(f"programme {number}"), {"from": admin})
        with reverts("HouseFull"):
            house.join(slug("programme 32"), {"from": admin})
        assert len(house.programmes()) == 32

    @pytest.mark.spec("CH-6")
    def test_not_joined__takes_no_part(self, deploy_house, grocer, fuel, admin, relayer, clock):
        house = deploy_house()
        house.grantRole(house.EXCHANGE_ROLE(), relayer, {"from": admin})
        house.join(fuel.id, {"from": fuel.treasurer})
        treasurer = {"from": grocer.treasurer}
        book = (1, ref("swap"), {"from": relayer})
        calls = (
            lambda: house.deposit(grocer.id, 1, treasurer),
            lambda: house.withdraw(grocer.id, relayer, 1, treasurer),
            lambda: house.setCreditLine(grocer.id, fuel.id, 1, treasurer),
            lambda: house.setCreditLine(fuel.id, grocer.id, 1, {"from": fuel.treasurer}),
            lambda: house.book(grocer.id, fuel.id, *book),
            lambda: house.book(fuel.id, grocer.id, *book),
            lambda: house.reserve(grocer.id, fuel.id, *book),
            lambda: house.payFromCollateral(grocer.id, 1, treasurer),
            lambda: house.distribute(grocer.id, treasurer),
            lambda: house.dispute(0, grocer.id, ref("note"), treasurer),
        )
        for call in calls:
            with reverts("NotJoined", grocer.id):
                call()
        assert standing_of(house, grocer) == Standing()
        assert owed(house, grocer, fuel) == (0, 0)
        assert house.availableTo(grocer.id, fuel.id) == house.withdrawable(grocer.id) == 0
