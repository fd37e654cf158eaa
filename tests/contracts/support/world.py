"""Three programmes, the list of them, a clearing house and an exchange, with every role in its own hands."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from brownie import web3
from brownie.network.contract import ContractContainer, ProjectContract

from tests.contracts.support.clock import DAY_SECONDS, Clock
from tests.contracts.support.lanes import Lane, Programme
from tests.contracts.support.points import ref
from tests.contracts.support.signing import Domain, member_wallet

NOTICE_SECONDS = 2 * DAY_SECONDS
CYCLE_SECONDS = 7 * DAY_SECONDS
PAYMENT_SECONDS = 2 * DAY_SECONDS
ADMIN_DELAY_SECONDS = 3 * DAY_SECONDS
SUPPLY_CAP = 1_000_000
EXCHANGE_NAME = "Interpoints Exchange"

FIRST_ACCOUNT = 10
"""Accounts before it belong to the actors that all tests share."""
ACTORS = {
    "issuer": ("ISSUER_ROLE",),
    "custodian": ("CUSTODIAN_ROLE",),
    "pauser": ("PAUSER_ROLE",),
    "negotiator": ("LANE_ROLE",),
    "treasurer": ("TREASURER_ROLE",),
}


def role_of(name: str) -> str:
    """The id of a role: the hash of its name."""
    return "0x" + bytes(web3.keccak(text=name)).hex()


@dataclass(frozen=True)
class Calendar:
    """How the points of a programme expire."""

    slug: str
    epoch_seconds: int
    validity_epochs: int


CALENDARS = (
    Calendar("grocer", 30 * DAY_SECONDS, 4),
    Calendar("fuel", 7 * DAY_SECONDS, 8),
    Calendar("pharmacy", 90 * DAY_SECONDS, 1),
)


@dataclass(frozen=True)
class Containers:
    """The contracts to deploy from."""

    token: ContractContainer
    registry: ContractContainer
    currency: ContractContainer
    house: ContractContainer
    exchange: ContractContainer


@dataclass(frozen=True)
class World:
    """All contracts of a market, and its programmes in the order of registration."""

    registry: ProjectContract
    currency: ProjectContract
    house: ProjectContract
    exchange: ProjectContract
    programmes: tuple[Programme, ...]

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of orders and quotes."""
        return Domain(EXCHANGE_NAME, web3.eth.chain_id, self.exchange.address)

    def lane(self, source: int, destination: int) -> Lane:
        """The lane between two programmes by their numbers."""
        return Lane(self.exchange, self.programmes[source], self.programmes[destination])

    def fund(self, payer: object, amount: int) -> None:
        """Money, and the right of the house to take all the payer has."""
        self.currency.mint(payer, amount, {"from": payer})
        self.currency.approve(self.house, 2**256 - 1, {"from": payer})

    def deposit(self, programme: Programme, amount: int) -> None:
        """Collateral for a programme, from its treasurer's pocket."""
        self.fund(programme.treasurer, amount)
        self.house.deposit(programme.id, amount, {"from": programme.treasurer})


def deploy_token(
    containers: Containers, calendar: Calendar, accounts: Sequence[object], admin: object, **changes: object
) -> Programme:
    """A programme's token with each role in its own hands: `accounts` are those of ACTORS."""
    terms = {
        "epoch_seconds": calendar.epoch_seconds,
        "validity": calendar.validity_epochs,
        "clawback": 0,
        "cap": SUPPLY_CAP,
        "transferable": True,
    } | changes
    sender = {"from": admin}
    name = f"{calendar.slug} points"
    token = containers.token.deploy(name, "PTS", tuple(terms.values()), admin, ADMIN_DELAY_SECONDS, sender)
    for account, roles in zip(accounts, ACTORS.values(), strict=True):
        for role in roles:
            token.grantRole(role_of(role), account, sender)
    quoter = member_wallet(f"{calendar.slug} quoter")
    token.grantRole(role_of("QUOTER_ROLE"), quoter.address, sender)
    return Programme(calendar.slug, token, **dict(zip(ACTORS, accounts, strict=True)), quoter=quoter)


def deploy_world(
    containers: Containers, accounts: Sequence[object], calendars: Sequence[Calendar] = CALENDARS, **changes: object
) -> World:
    """A market of programmes that all take part in clearing. Account 3 may book as well, and 4 pause the exchange."""
    admin, registrar, booker, pauser = accounts[0], accounts[1], accounts[3], accounts[4]
    sender = {"from": admin}
    registry = containers.registry.deploy(admin, ADMIN_DELAY_SECONDS, sender)
    registry.grantRole(registry.REGISTRAR_ROLE(), registrar, sender)
    currency = containers.currency.deploy(sender)
    house_terms = (registry, currency, CYCLE_SECONDS, PAYMENT_SECONDS, admin, ADMIN_DELAY_SECONDS)
    house = containers.house.deploy(*house_terms, sender)
    exchange = containers.exchange.deploy(registry, house, NOTICE_SECONDS, admin, ADMIN_DELAY_SECONDS, sender)
    exchange.grantRole(role_of("PAUSER_ROLE"), pauser, sender)
    for caller in (exchange, booker):
        house.grantRole(role_of("EXCHANGE_ROLE"), caller, sender)
    programmes = []
    for number, calendar in enumerate(calendars):
        own = [accounts[FIRST_ACCOUNT + len(ACTORS) * number + actor] for actor in range(len(ACTORS))]
        programme = deploy_token(containers, calendar, own, admin, **changes)
        programme.token.grantRole(role_of("EXCHANGE_ROLE"), exchange, sender)
        registry.register(programme.id, programme.token, {"from": registrar})
        house.join(programme.id, {"from": programme.treasurer})
        programmes.append(programme)
    return World(registry, currency, house, exchange, tuple(programmes))


@dataclass(frozen=True)
class Standing:
    """Where a programme stands, as the contract's struct; amounts in the smallest unit of the currency."""

    open: int = 0
    due: int = 0
    paid: int = 0
    collateral: int = 0
    reserved: int = 0
    uncovered: int = 0
    uncovered_open: int = 0
    claims: int = 0
    in_default: bool = False


def standing_of(house: ProjectContract, programme: Programme) -> Standing:
    """Where a programme stands now."""
    answer = house.standingOf(programme.id)
    assert len(answer) == len(fields(Standing))
    return Standing(*answer)


def owed(house: ProjectContract, debtor: Programme, creditor: Programme) -> tuple[int, int]:
    """What one owes the other in the open and in the closed cycle."""
    in_open, in_closed = house.owedOf(debtor.id, creditor.id)
    return int(in_open), int(in_closed)


def declare_default(world: World, debtor: Programme, creditor: Programme, booker: object, clock: Clock) -> None:
    """The debtor owes the creditor what it cannot pay, on a credit line, and does not."""
    house = world.house
    house.setCreditLine(creditor.id, debtor.id, 50_000, {"from": creditor.treasurer})
    house.book(debtor.id, creditor.id, 50_000, ref("booked directly"), {"from": booker})
    clock.go_to(house.closesAt())
    house.closeCycle({"from": booker})
    clock.go_to(house.paymentDeadline() + 1)
    house.enforce(debtor.id, {"from": booker})
    assert standing_of(house, debtor).in_default
