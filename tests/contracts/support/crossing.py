"""The exchange across chains, with its counterpart on a pretended chain: what goes there, and what comes from there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from brownie import web3
from brownie.network.contract import ContractContainer, ProjectContract
from eth_abi import encode
from eth_utils import to_checksum_address

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.gateway import REMOTE_CHAIN, RemoteChain, error_of, hexed
from tests.contracts.support.lanes import Lane, Programme, bytes_of
from tests.contracts.support.messages import Message
from tests.contracts.support.outcomes import logs, plain
from tests.contracts.support.points import ref
from tests.contracts.support.world import ADMIN_DELAY_SECONDS, NOTICE_SECONDS, World, role_of

MINT, REFUND = range(2)
DEADLINE_PAST, LANE_NOT_OPEN, PRICE_DIFFERS = range(3)
NONE, COMPLETED, PENDING, REFUNDED = range(4)
COUNTERPART = to_checksum_address("0x" + "c0" * 20)
"""The exchange on the pretended chain."""
MAX_TRANSIT_SECONDS = 7 * DAY_SECONDS
SWAP_TYPE = (
    "(bytes32,bytes32,uint256,address,address,uint256,uint256,uint256,uint256,uint256,uint256,(uint256,uint256)[])"
)


@dataclass(frozen=True)
class CrossLane(Lane):
    """One direction between programmes of different chains; `homes` are those of source and destination."""

    homes: tuple[int, int]

    @property
    def id(self) -> str:
        """The lane's id, the same on both chains."""
        source, destination = self.homes
        words = encode(
            ["uint256", "bytes32", "uint256", "bytes32"],
            [source, bytes_of(self.source.id), destination, bytes_of(self.destination.id)],
        )
        return hexed(web3.keccak(words))


@dataclass(frozen=True)
class CrosschainSwap:
    """What a message says of a swap, in the order of the contract's struct."""

    swap_id: str
    lane_id: str
    number: int
    account: str
    to: str
    points_in: int
    points_out: int
    bonus_bps: int
    deadline: int
    epoch_length: int
    validity: int
    lots: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, struct: tuple[object, ...]) -> "CrosschainSwap":
        """From the contract's struct."""
        return cls(*plain(struct))

    def payload(self, kind: int) -> bytes:
        """The message about it."""
        swap_id, lane_id, *rest = vars(self).values()
        return encode(["uint8", SWAP_TYPE], [kind, (bytes_of(swap_id), bytes_of(lane_id), *rest)])

    def but(self, **changes: object) -> "CrosschainSwap":
        """The same with other fields."""
        return replace(self, **changes)


@dataclass
class Crossing:
    """The exchange here, the gateway that it is linked through, and the pretended chain."""

    world: World
    exchange: ProjectContract
    gateway: ProjectContract
    remote: RemoteChain
    relayer: object
    now: Callable[[], int]
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def lane(self, source: Programme, destination: Programme) -> CrossLane:
        """The lane between two programmes, whose homes are those that the exchange knows."""
        homes = tuple(int(self.exchange.homeOf(side.id)) for side in (source, destination))
        return CrossLane(self.exchange, source, destination, homes)

    def arriving(
        self, lane: CrossLane, to: object, points_in: int, points_out: int, **changes: object
    ) -> CrosschainSwap:
        """A swap that was burnt there, from the source's newest points, with an hour to go."""
        terms = lane.source.token.terms()
        number = next(self.numbers)
        usual = CrosschainSwap(
            swap_id=ref(f"there {number}"),
            lane_id=lane.id,
            number=number,
            account=to_checksum_address("0x" + "ac" * 20),
            to=str(to),
            points_in=points_in,
            points_out=points_out,
            bonus_bps=0,
            deadline=self.now() + 3_600,
            epoch_length=int(terms[0]),
            validity=int(terms[1]),
            lots=((self.now() // int(terms[0]), points_in),),
        )
        return usual.but(**changes)

    def message(self, swap: CrosschainSwap, kind: int = MINT) -> Message:
        """The counterpart's next message."""
        return self.remote.message(COUNTERPART, self.exchange, swap.payload(kind))

    def deliver(self, *messages: Message) -> object:
        """Delivers a block of messages; the transaction."""
        return self.remote.deliver(self.remote.delivery(*messages), self.relayer)

    def arrive(self, swap: CrosschainSwap, kind: int = MINT) -> object:
        """Delivers a swap that was burnt there, or one that comes back."""
        return self.deliver(self.message(swap, kind))

    def retry(self, message: Message, sender: object | None = None) -> object:
        """Somebody tries a message again."""
        return self.gateway.retry(self.remote.chain_id, message.struct, {"from": sender or self.relayer})

    def why(self, transaction: object) -> list[tuple[object, ...]]:
        """Why messages of a delivery failed."""
        known = (self.exchange, self.world.programmes[0].token, self.world.house, self.gateway)
        reasons = [log[4] for log in logs(transaction, "MessageFailed")]
        return [next(filter(None, (error_of(contract, reason) for contract in known)), ()) for reason in reasons]

    def sent_back(self, transaction: object) -> list[tuple[str, str]]:
        """Recipient and payload of all messages that a transaction sent."""
        return [(log[3], log[4]) for log in logs(transaction, "MessageSent")]


def sent_swap(transaction: object) -> CrosschainSwap:
    """The swap that a transaction sent there."""
    return CrosschainSwap.of(logs(transaction, "SwapSent")[0][4])


def deploy_crosschain(
    container: ContractContainer, world: World, admin: object, *, guardian: object, pauser: object
) -> ProjectContract:
    """An exchange across chains with its roles, linked to nobody."""
    sender = {"from": admin}
    terms = (world.registry, world.house, NOTICE_SECONDS, admin, ADMIN_DELAY_SECONDS)
    exchange = container.deploy(*terms, sender)
    exchange.grantRole(role_of("PAUSER_ROLE"), pauser, sender)
    exchange.grantRole(role_of("GUARDIAN_ROLE"), guardian, sender)
    world.house.grantRole(role_of("EXCHANGE_ROLE"), exchange, sender)
    for programme in world.programmes:
        programme.token.grantRole(role_of("EXCHANGE_ROLE"), exchange, sender)
    return exchange


def connect(exchange: ProjectContract, gateway: ProjectContract, admin: object, branches: Sequence[Programme]) -> None:
    """Links the counterpart through the gateway, and says which programmes live there."""
    gateway.setApplication(exchange, True, {"from": admin})
    exchange.link(REMOTE_CHAIN, gateway, COUNTERPART, {"from": admin})
    for programme in branches:
        exchange.declareHome(programme.id, REMOTE_CHAIN, {"from": programme.negotiator})
