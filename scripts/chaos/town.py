"""What members, programmes and administrators do on the two chains while the bridge is being broken."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final, cast

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain import attested_gateway, points_exchange, points_token
from backend.chain.attested_gateway import AttestedGateway, Route
from backend.chain.client import Json, RpcReceipt
from backend.chain.crosschain_exchange import CrosschainExchange
from backend.chain.exchange_events import SwapMinted
from backend.chain.exchange_types import LaneTerms, SwapRequest
from backend.chain.gateway_events import MessageDelivered, MessageFailed
from backend.chain.programme_registry import programme_id
from backend.chain.words import selector
from backend.stack.waiting import wait_until
from scripts.chaos.oracle import Side
from tests.support.anvil import Anvil
from tests.support.two_chains import Side as WorldSide
from tests.support.two_chains import TwoChains

SLOTS_IN_AN_EPOCH: Final = 2
FINALITY_BLOCKS: Final = 2 * SLOTS_IN_AN_EPOCH
"""A block is final when so many more have been mined on it."""
ADMIN: Final = 0
PARTNER: Final = 1
"""Issues, and acts for the programmes."""
CUSTODIAN: Final = 2
MEMBERS: Final = tuple(keccak(text=f"member {number}") for number in range(4))
PAUSE: Final = selector("pause()")
UNPAUSE: Final = selector("unpause()")
_MINED_SECONDS: Final = 120.0
_LEFT_LYING_SECONDS: Final = 5.0
"""Anvil may let a transaction lie that came while the one before it was being mined, until the next block."""


class RevertedError(Exception):
    """The contract has refused a transaction."""


@dataclass
class Place:
    """One chain: the programme `slug` is at home there, the other one has a branch."""

    ground: WorldSide
    slug: str
    route: Route
    """The way of its messages to the other place."""
    accounts: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.accounts = tuple(self.ground.signers.addresses())

    @property
    def anvil(self) -> Anvil:
        """The chain."""
        return self.ground.chain

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self.ground.chain_id

    @property
    def gateway(self) -> AttestedGateway:
        """The chain's gateway."""
        return self.ground.gateway

    @property
    def exchange(self) -> CrosschainExchange:
        """The chain's exchange for swaps to other chains."""
        return self.ground.exchange

    @property
    def token(self) -> bytes:
        """Token of the programme that is at home here."""
        return self.ground.programme(self.slug).token_bytes

    def side(self) -> Side:
        """The chain as the oracle sees it."""
        return Side(self.anvil.client, self.ground.manifest)

    def minted(self) -> int:
        """Swaps that were minted here."""
        return sum(1 for _ in self.side().read().all(SwapMinted))

    def failures(self) -> int:
        """Messages that have been delivered here and that their recipient has not taken yet."""
        read = self.side().read()
        taken = {event.message_id for event in read.all(MessageDelivered)}
        return len({event.message_id for event in read.all(MessageFailed)} - taken)

    def pooled(self) -> int:
        """Transactions that wait in the chain's pool."""
        status = cast("dict[str, str]", self.anvil.rpc("txpool_status"))
        return int(status["pending"], 16) + int(status["queued"], 16)

    def now(self) -> int:
        """Time of the newest block, Unix seconds."""
        return int(self.anvil.client.block("latest")["timestamp"], 16)

    def head(self) -> int:
        """Number of the newest block."""
        return self.anvil.client.block_number()

    def send(self, sender: int | bytes, to: bytes, data: bytes) -> str:
        """A transaction of a well-known account (by number) or of any other; its hash.

        Mined when this returns, unless the chain mines only when told. Errors: `RevertedError`, `TimeoutError`.
        """
        account = self.accounts[sender] if isinstance(sender, int) else sender
        call: dict[str, Json] = {
            "from": to_checksum_address(account),
            "to": to_checksum_address(to),
            "data": "0x" + data.hex(),
        }
        hash_ = cast("str", self.anvil.rpc("eth_sendTransaction", call))
        if self.anvil.rpc("anvil_getAutomine"):
            self._await_mined(hash_)
        return hash_

    def _await_mined(self, hash_: str) -> None:
        """anvil answers before the block is there."""
        found: list[RpcReceipt | None] = []

        def is_mined() -> bool:
            found[:] = self.anvil.client.receipts([hash_])
            return found[0] is not None

        if not wait_until(is_mined, _LEFT_LYING_SECONDS, 0.005):
            self.anvil.mine()
        if not wait_until(is_mined, _MINED_SECONDS, 0.005) or found[0] is None:
            raise TimeoutError(f"{hash_} was not mined")
        if found[0]["status"] != "0x1":
            raise RevertedError(hash_)

    def member(self, number: int) -> bytes:
        """Account of a member at the programme that is at home here."""
        return points_token.managed_account(self.token, MEMBERS[number])

    def issue(self, number: int, points: int) -> None:
        """Gives a member points of the present epoch."""
        self.send(PARTNER, self.token, points_token.encode_issue(self.member(number), points, secrets.token_bytes(32)))


@dataclass(frozen=True)
class Lane:
    """From one place to another."""

    source: Place
    destination: Place

    @property
    def id(self) -> bytes:
        """The lane's id."""
        ends = (self.source.chain_id, programme_id(self.source.slug))
        return points_exchange.crosschain_lane_id(*ends, self.destination.chain_id, programme_id(self.destination.slug))

    def swap(self, points: int = 1_000, *, member: int = 0, seconds: int = 3_600, now: int | None = None) -> str:
        """A member's swap, good for `seconds`; the hash of its transaction."""
        deadline = (self.source.now() if now is None else now) + seconds
        request = SwapRequest(self.id, self.destination.member(member), points, 1, secrets.token_bytes(32), deadline)
        data = points_exchange.encode_swap_managed(MEMBERS[member], request)
        return self.source.send(CUSTODIAN, self.source.exchange.address, data)

    def stop(self, place: Place) -> str:
        """The programme of a place stops the lane there; the hash of the transaction."""
        ids = (programme_id(self.source.slug), programme_id(self.destination.slug), programme_id(place.slug))
        return place.send(PARTNER, place.exchange.address, points_exchange.encode_stop(*ids))

    def agree(self, place: Place, terms: LaneTerms) -> None:
        """Both programmes agree to terms on one chain."""
        one, other = programme_id(self.source.slug), programme_id(self.destination.slug)
        target = place.exchange.address
        place.send(PARTNER, target, points_exchange.encode_propose(one, other, one, terms))
        place.send(PARTNER, target, points_exchange.encode_accept(one, other, other, terms))


@dataclass
class Town:
    """Both chains."""

    world: TwoChains
    home: Place
    away: Place

    @property
    def places(self) -> tuple[Place, Place]:
        """Both."""
        return self.home, self.away

    @property
    def out(self) -> Lane:
        """From home to the other chain."""
        return Lane(self.home, self.away)

    @property
    def back(self) -> Lane:
        """The other way."""
        return Lane(self.away, self.home)

    def mine(self, blocks: int = 1, interval_seconds: int | None = None) -> None:
        """Blocks on both chains."""
        for place in self.places:
            place.anvil.mine(blocks, interval_seconds)

    def finalise(self) -> None:
        """What is mined now becomes final on both chains."""
        self.mine(FINALITY_BLOCKS)

    def level(self) -> None:
        """Brings both chains to the same time: what follows must not depend on which was used more."""
        latest = max(place.now() for place in self.places)
        for place in self.places:
            place.anvil.set_next_timestamp(latest + 1)
            place.anvil.mine(1)

    def propose(self, attesters: list[bytes], threshold: int) -> None:
        """Another attester set for both gateways, in force after the rotation delay."""
        data = attested_gateway.encode_propose_attesters(sorted(attesters), threshold)
        for place in self.places:
            place.send(ADMIN, place.gateway.address, data)
