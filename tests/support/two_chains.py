"""Two local chains with programmes on each, connected: lanes agreed on both, points in members' hands.

`grocer` and `cafe` are at home on the first chain (31337), `fuel` on the second (1337); each has a branch on the other.
Contracts have other addresses on the second chain. Nothing carries messages but what a test starts, or `deliver`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain import attested_gateway, clearing_house, points_exchange, points_token, settlement_currency
from backend.chain.administering import Administrator
from backend.chain.attested_gateway import AttestedGateway, Message, Route, batch_of, message_tree
from backend.chain.clearing_house import ClearingHouse
from backend.chain.client import Json
from backend.chain.crosschain_exchange import CrosschainExchange, lane_id
from backend.chain.deploy import Deployer
from backend.chain.deploy_crosschain import CrosschainPlan, ends_of
from backend.chain.events import RawLog, decode_logs
from backend.chain.exchange_types import NO_QUOTE, LaneTerms, Quote, SwapRequest
from backend.chain.gateway_events import MessageQueued, MessageSent
from backend.chain.interoperable import parse_interoperable_address
from backend.chain.manifest import Manifest, ProgrammeEntry
from backend.chain.points_token import PointsToken
from backend.chain.programme_registry import programme_id
from backend.chain.signers import DevSigners, LocalSigner, Signer
from tests.support.anvil import Anvil, exchange_plan, plan
from tests.support.market import COLLATERAL
from tests.support.market import TERMS as LANE_TERMS

CHAIN_IDS: Final = (31337, 1337)
HOMES: Final = {"grocer": 31337, "cafe": 31337, "fuel": 1337}
LANES: Final = (("grocer", "fuel"), ("fuel", "grocer"), ("cafe", "fuel"), ("fuel", "cafe"))
"""Agreed on both chains, on the market's terms: three points for ten less 2.5 %, 4,200 dollars a million."""
POINTS: Final = 1_000_000
"""Each member's points at each programme's home."""

# Accounts of the local chains, by number; the same keys on both.
ADMIN, PARTNER, CUSTODIAN, RELAYER, GUARDIAN = range(5)
ATTESTERS: Final = (5, 6, 7)
THRESHOLD: Final = 2
SECOND_RELAYER, KEEPER = 8, 9


def fixed_key(label: str) -> LocalSigner:
    """A key of the tests, the same each time, for whoever needs one more."""
    return LocalSigner(Account.from_key(keccak(text=f"interpoints test key of {label}")))


@dataclass
class Side:
    """One of the chains, and what is deployed there."""

    chain: Anvil
    chain_id: int
    manifest_path: Path
    signers: DevSigners
    finality_blocks: int
    """A block is final once the head is this much above it."""
    manifest: Manifest = field(init=False)

    @property
    def gateway(self) -> AttestedGateway:
        """The gateway."""
        return AttestedGateway(self.chain.client, ends_of(self.manifest)[0].address_bytes)

    @property
    def exchange(self) -> CrosschainExchange:
        """The crosschain exchange."""
        return CrosschainExchange(self.chain.client, ends_of(self.manifest)[1].address_bytes)

    @property
    def house(self) -> ClearingHouse:
        """The clearing house."""
        assert self.manifest.clearing is not None
        return ClearingHouse(self.chain.client, self.manifest.clearing.address_bytes)

    def programme(self, slug: str) -> ProgrammeEntry:
        """Entry in the manifest, of a programme or its branch."""
        return self.manifest.programme(slug)

    def token(self, slug: str) -> PointsToken:
        """A programme's token here."""
        return PointsToken(self.chain.client, self.programme(slug).token_bytes)

    def signer(self, number: int) -> Signer:
        """Signer of a local chain's account."""
        return self.signers.signer(self.signers.addresses()[number])

    def send(self, sender: int | Signer, to: bytes, data: bytes) -> dict[str, Json]:
        """A transaction of an account, mined; answers its receipt. Errors: `ContractRevertedError`."""
        signer = self.signer(sender) if isinstance(sender, int) else sender
        return Administrator(self.chain.client, signer).send(to_checksum_address(to), data)

    def now(self) -> int:
        """Time of the newest block, Unix seconds."""
        return int(self.chain.client.block("latest")["timestamp"], 16)

    def finalise(self) -> int:
        """Mines until everything so far is final; answers the number of the last block that is."""
        head = self.chain.client.block_number()
        self.chain.mine(self.finality_blocks)
        return head


@dataclass(frozen=True)
class Sent:
    """A message as its source logged it."""

    route: Route
    block_number: int
    message: Message

    @property
    def message_id(self) -> bytes:
        """Its id."""
        return attested_gateway.message_id(self.route, self.message)


@dataclass
class TwoChains:
    """Both sides, members, and the few acts of a bridge that a test needs where no bridge runs."""

    first: Side
    second: Side
    alice: LocalSigner = field(default_factory=lambda: fixed_key("alice"))
    bob: LocalSigner = field(default_factory=lambda: fixed_key("bob"))

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both."""
        return self.first, self.second

    def side(self, chain_id: int) -> Side:
        """The side with that chain id."""
        return self.first if chain_id == self.first.chain_id else self.second

    def home(self, slug: str) -> Side:
        """Where a programme's points live."""
        return self.side(HOMES[slug])

    def other(self, side: Side) -> Side:
        """The other side."""
        return self.second if side is self.first else self.first

    def route(self, source: Side) -> Route:
        """The way of messages from `source` to the other side."""
        to = self.other(source)
        return Route(source.chain_id, source.gateway.address, to.chain_id, to.gateway.address)

    def lane(self, source: str, destination: str) -> bytes:
        """Id of a lane."""
        return lane_id(HOMES[source], programme_id(source), HOMES[destination], programme_id(destination))

    # States

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Whatever happens inside is undone afterwards, on both chains, their clocks too.

        Not for tests whose processes or databases outlive it.
        """
        marks = [(side, side.chain.snapshot()) for side in self.sides]
        yield
        for side, mark in marks:
            side.chain.revert(mark)

    # Swaps

    def request(self, source: str, destination: str, to: bytes, max_in: int, **changes: object) -> SwapRequest:
        """What a member asks for, for an hour."""
        deadline = max(side.now() for side in self.sides) + 3_600
        request = SwapRequest(self.lane(source, destination), to, max_in, 1, secrets.token_bytes(32), deadline)
        return replace(request, **changes)  # type: ignore[arg-type]

    def swap(
        self,
        source: str,
        destination: str,
        points_in: int = 1_000,
        *,
        by: LocalSigner | None = None,
        to: bytes | None = None,
        quote: Quote = NO_QUOTE,
        **changes: object,
    ) -> bytes:
        """Burns a member's points (alice's) for the same member at the destination; answers the swap's id."""
        member, home = by or self.alice, self.home(source)
        request = self.request(source, destination, to or member.address, points_in, **changes)
        home.send(member, home.exchange.address, points_exchange.encode_swap(request, quote))
        return points_exchange.swap_hash(home.chain_id, home.exchange.address, member.address, request.ref)

    def issue(self, slug: str, account: bytes, points: int) -> None:
        """Points of the present epoch, to a member's wallet or managed account."""
        home = self.home(slug)
        data = points_token.encode_issue(account, points, secrets.token_bytes(32))
        home.send(PARTNER, home.programme(slug).token_bytes, data)

    def swap_managed(
        self, source: str, destination: str, member_key: bytes, points_in: int, to: bytes, **changes: object
    ) -> bytes:
        """Burns points of a managed account, on its custodian's word; answers the swap's id."""
        home = self.home(source)
        request = self.request(source, destination, to, points_in, **changes)
        home.send(CUSTODIAN, home.exchange.address, points_exchange.encode_swap_managed(member_key, request))
        account = points_token.managed_account(home.programme(source).token_bytes, member_key)
        return points_exchange.swap_hash(home.chain_id, home.exchange.address, account, request.ref)

    def agree(self, source: str, destination: str, terms: LaneTerms = LANE_TERMS, **changes: object) -> bytes:
        """Both programmes say yes on both chains; answers the lane's id."""
        for side in self.sides:
            agree(side, source, destination, replace(terms, **changes))  # type: ignore[arg-type]
        return self.lane(source, destination)

    # What a bridge does

    def sent(self, source: Side, first_block: int = 0) -> list[Sent]:
        """Messages that left a side, in order."""
        wanted: dict[str, Json] = {
            "address": "0x" + source.gateway.address.hex(),
            "fromBlock": hex(first_block),
            "toBlock": "latest",
        }
        raws: list[RawLog] = source.chain.client.call("eth_getLogs", wanted)  # type: ignore[assignment]
        found, queued = [], None
        for event in decode_logs(raws):
            if isinstance(event, MessageQueued):
                queued = event
            if isinstance(event, MessageSent):
                assert queued is not None
                _, sender = parse_interoperable_address(event.sender)
                _, recipient = parse_interoperable_address(event.recipient)
                message = Message(queued.nonce, sender, recipient, event.payload)
                found.append(Sent(self.route(source), event.block_number, message))
        return found

    def signatures(
        self, route: Route, block_number: int, root: bytes, attesters: Sequence[int] = ATTESTERS[:THRESHOLD]
    ) -> list[bytes]:
        """Signatures of local accounts over a batch, in the order in which the gateway takes them."""
        typed = attested_gateway.batch_typed_data(route, block_number, root)
        signers = [self.first.signer(number) for number in attesters]
        return [signer.sign_typed_data(typed) for signer in sorted(signers, key=lambda each: each.address)]

    def deliver(self, source: Side, *, relayer: int = RELAYER) -> list[dict[str, Json]]:
        """Delivers every message of `source` that the other side has not seen, block by block; answers receipts."""
        to, by_block = self.other(source), dict[int, list[Sent]]()
        for sent in self.sent(source):
            by_block.setdefault(sent.block_number, []).append(sent)
        receipts = []
        for block_number, batch in by_block.items():
            wanted = [
                index for index, sent in enumerate(batch) if not to.gateway.is_seen(source.chain_id, sent.message.nonce)
            ]
            if wanted:
                receipts.append(to.send(relayer, to.gateway.address, self.delivery(block_number, batch, wanted)))
        return receipts

    def delivery(self, block_number: int, batch: Sequence[Sent], wanted: Sequence[int]) -> bytes:
        """Calldata that delivers those messages of a block's batch."""
        route = batch[0].route
        tree = message_tree(route, [sent.message for sent in batch])
        proof, flags = tree.multiproof(wanted)
        signatures = self.signatures(route, block_number, tree.root)
        messages = [batch[index].message for index in wanted]
        return attested_gateway.encode_deliver(
            batch_of(route, block_number, tree.root), messages, proof, flags, signatures
        )


def agree(side: Side, source: str, destination: str, terms: LaneTerms) -> None:
    """Both programmes say yes on one chain."""
    one, other, exchange = programme_id(source), programme_id(destination), side.exchange.address
    side.send(PARTNER, exchange, points_exchange.encode_propose(one, other, one, terms))
    side.send(PARTNER, exchange, points_exchange.encode_accept(one, other, other, terms))


@dataclass(frozen=True)
class Setting:
    """How a world differs from another. Lengths in seconds; anvil's `options` by chain id."""

    attesters: Sequence[bytes] | None = None
    """Accounts of 20 bytes; None: the local chains' accounts 5, 6 and 7."""
    threshold: int = THRESHOLD
    rotation_delay_seconds: int = 60
    notice_period_seconds: int = 0
    slots_in_an_epoch: int = 4
    """Final is twice as many blocks below the head."""
    timestamp: int | None = None
    """Time of both chains' first block, Unix seconds; None: now."""
    options: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def plan(self, signers: DevSigners) -> CrosschainPlan:
        """What is deployed on each chain."""
        dev = signers.addresses()
        return CrosschainPlan(
            attesters=self.attesters or [dev[number] for number in ATTESTERS],
            threshold=self.threshold,
            rotation_delay_seconds=self.rotation_delay_seconds,
            notice_period_seconds=self.notice_period_seconds,
            guardian=dev[GUARDIAN],
        )


@contextmanager
def two_chains(folder: Path, setting: Setting | None = None) -> Iterator[TwoChains]:
    """Starts both chains and sets everything up. The manifests go into `folder`, each into a folder of its chain."""
    setting = setting or Setting()
    with ExitStack() as stack:
        first, second = (_start(stack, chain_id, folder, setting) for chain_id in CHAIN_IDS)
        world, sides = TwoChains(first, second), (first, second)
        with ThreadPoolExecutor(2) as pool:
            for side, manifest in zip(sides, pool.map(lambda each: _deploy(each, setting), sides), strict=True):
                side.manifest = manifest
            list(pool.map(lambda each: _connect(each, world), sides))
        yield world


def _start(stack: ExitStack, chain_id: int, folder: Path, setting: Setting) -> Side:
    options = ("--chain-id", str(chain_id), *setting.options.get(chain_id, ()))
    anvil = Anvil(options=options, slots_in_an_epoch=setting.slots_in_an_epoch, timestamp=setting.timestamp)
    path = folder / str(chain_id) / "manifest.json"
    return Side(stack.enter_context(anvil), chain_id, path, DevSigners(chain_id), 2 * setting.slots_in_an_epoch)


def _deploy(side: Side, setting: Setting) -> Manifest:
    if side.chain_id != CHAIN_IDS[0]:
        # One transaction before all others: the same contract then has another address on either chain.
        side.send(ADMIN, side.signers.addresses()[ADMIN], b"")
    plans = [
        replace(plan(slug, side.signers), home_chain_id=home if home != side.chain_id else 0)
        for slug, home in HOMES.items()
    ]
    deployer = Deployer(side.chain.client, side.signer(ADMIN))
    return deployer.deploy(plans, side.manifest_path, exchange_plan(side.signers), setting.plan(side.signers))


def _connect(side: Side, world: TwoChains) -> None:
    deployer = Deployer(side.chain.client, side.signer(ADMIN))
    side.manifest = deployer.connect(side.manifest_path, [world.other(side).manifest])
    _post_collateral(side)
    for source, destination in LANES:
        agree(side, source, destination, LANE_TERMS)
    for member in (world.alice, world.bob):
        side.chain.set_balance(member.address, 10**20)
        for slug, home in HOMES.items():
            if home == side.chain_id:
                data = points_token.encode_issue(member.address, POINTS, secrets.token_bytes(32))
                side.send(PARTNER, side.programme(slug).token_bytes, data)


def _post_collateral(side: Side) -> None:
    assert side.manifest.clearing is not None
    currency, partner = side.manifest.clearing.currency.address_bytes, side.signers.addresses()[PARTNER]
    house, amount = side.house.address, COLLATERAL * len(HOMES)
    side.send(PARTNER, currency, settlement_currency.encode_mint_test_dollars(partner, amount))
    side.send(PARTNER, currency, settlement_currency.encode_approve(house, amount))
    for slug in HOMES:
        id_ = programme_id(slug)
        side.send(PARTNER, house, clearing_house.encode_join(id_))
        side.send(PARTNER, house, clearing_house.encode_deposit(id_, COLLATERAL))
