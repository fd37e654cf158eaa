"""Programmes that exchange points: their actors, lanes, swap requests and quotes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from brownie import web3
from brownie.network.contract import ProjectContract
from eth_abi import encode
from eth_account.signers.local import LocalAccount

from tests.contracts.lane_model import LaneTerms
from tests.contracts.support.outcomes import plain
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.signing import Domain

NO_HASH = "0x" + "00" * 32
NO_QUOTE = (NO_HASH, NO_HASH, 0, NOBODY, 0, 0, 0, NOBODY, b"")
NO_TERMS = (0, 0, 0, 0, 0, 0, 0, 0, False, False)
NOTHING_NEXT = (0, 0, NO_TERMS)
YEAR_SECONDS = 365 * 86_400


def slug(text: str) -> str:
    """A programme's id: its slug, left-aligned ASCII."""
    return "0x" + text.encode().ljust(32, b"\0").hex()


def bytes_of(word: str) -> bytes:
    """The bytes of a `0x` string."""
    return bytes.fromhex(word[2:])


@dataclass(frozen=True)
class Programme:
    """A programme, and who acts for it. The quoter only signs."""

    slug: str
    token: ProjectContract
    issuer: object
    custodian: object
    pauser: object
    negotiator: object
    treasurer: object
    quoter: LocalAccount

    @property
    def id(self) -> str:
        """Its id on the chain."""
        return slug(self.slug)


def lane_id(source: Programme, destination: Programme) -> str:
    """Id of the lane from one programme to another on this chain."""
    chain_id = web3.eth.chain_id
    words = encode(
        ["uint256", "bytes32", "uint256", "bytes32"],
        [chain_id, bytes_of(source.id), chain_id, bytes_of(destination.id)],
    )
    return "0x" + web3.keccak(words).hex().removeprefix("0x")


def swap_id(exchange: ProjectContract, account: object, order: str) -> str:
    """Id of the swap under a ref of an account."""
    words = encode(
        ["uint256", "address", "address", "bytes32"],
        [web3.eth.chain_id, exchange.address, str(account), bytes_of(order)],
    )
    return "0x" + web3.keccak(words).hex().removeprefix("0x")


def lane_terms(now_seconds: int, **changes: object) -> LaneTerms:
    """One point for two, no fee, a year, and whatever is said otherwise."""
    usual = LaneTerms(
        rate_numerator=1,
        rate_denominator=2,
        fee_bps=0,
        max_bonus_bps=2_500,
        minimum_in=1,
        daily_cap_out=100_000,
        valid_until=now_seconds + YEAR_SECONDS,
        settlement_price=8_000_000,
        carry_expiry=False,
        posted=False,
    )
    return replace(usual, **changes)


@dataclass(frozen=True)
class Lane:
    """One direction between two programmes at an exchange."""

    exchange: ProjectContract
    source: Programme
    destination: Programme

    @property
    def id(self) -> str:
        """The lane's id."""
        return lane_id(self.source, self.destination)

    @property
    def ends(self) -> tuple[str, str]:
        """Ids of both programmes, in the order of the contract's arguments."""
        return self.source.id, self.destination.id

    def propose(self, terms: LaneTerms, proposer: Programme | None = None) -> object:
        """The source (or another) offers terms."""
        by = proposer or self.source
        return self.exchange.propose(*self.ends, by.id, terms.struct, {"from": by.negotiator})

    def accept(self, terms: LaneTerms, acceptor: Programme | None = None) -> object:
        """The destination (or another) accepts them."""
        by = acceptor or self.destination
        return self.exchange.accept(*self.ends, by.id, terms.struct, {"from": by.negotiator})

    def agree(self, terms: LaneTerms) -> object:
        """Both say yes."""
        self.propose(terms)
        return self.accept(terms)

    def stop(self, programme: Programme | None = None) -> object:
        """The source (or another) stops the lane."""
        by = programme or self.source
        return self.exchange.stop(*self.ends, by.id, {"from": by.negotiator})


Request = tuple[str, str, int, int, str, int]
"""A `SwapRequest`: lane id, receiver, most in, fewest out, ref, deadline."""
QuoteStruct = tuple[str, str, int, str, int, int, int, str, bytes]
"""A `Quote`: id, lane id, version, account, most in, bonus, last second, signer, signature."""


@dataclass(frozen=True)
class Requests:
    """Makes swap requests on a lane, with a deadline an hour after now and a ref of its own for each."""

    lane: Lane
    now: Callable[[], int]

    def of(self, to: object, max_in: int, **changes: object) -> Request:
        """A request for as many points out as there are."""
        values = {
            "lane_id": self.lane.id,
            "to": str(to),
            "max_in": max_in,
            "min_out": 1,
            "ref": ref("swap"),
            "deadline": self.now() + 3_600,
        } | changes
        return tuple(values.values())


@dataclass(frozen=True)
class Quotes:
    """Makes quotes of a lane's destination for an account."""

    lane: Lane
    domain: Domain
    now: Callable[[], int]

    def fields(self, account: object, **changes: object) -> dict[str, object]:
        """What is signed: a tenth more, for up to a thousand points, for an hour."""
        return {
            "quote_id": ref("quote"),
            "lane_id": self.lane.id,
            "version": 1,
            "account": str(account),
            "max_in": 1_000,
            "bonus_bps": 1_000,
            "expires_at": self.now() + 3_600,
        } | changes

    def of(self, account: object, **changes: object) -> QuoteStruct:
        """A quote signed by the destination's quoter."""
        return self.signed(self.fields(account, **changes), self.lane.destination.quoter)

    def signed(self, fields: dict[str, object], signer: LocalAccount, named: str | None = None) -> QuoteStruct:
        """A quote signed by a key, in the name of that key's address or of another."""
        signature = self.domain.sign(signer, "Quote", *fields.values())
        return (*fields.values(), named or signer.address, signature)


def order_fields(account: object, request: Request, quote_id: str = NO_HASH) -> tuple[object, ...]:
    """What a member signs for a swap."""
    lane, to, max_in, min_out, order, deadline = request
    return (str(account), lane, to, max_in, min_out, order, quote_id, deadline)


def lane_of(lane: Lane) -> tuple[object, ...]:
    """The lane as the contract tells it."""
    return plain(lane.exchange.laneOf(lane.id))


def in_force(
    lane: Lane,
    version: int,
    terms: LaneTerms,
    following: tuple[object, ...] = NOTHING_NEXT,
    *,
    is_open: bool = True,
) -> tuple[object, ...]:
    """What `lane_of` tells of a lane with these terms."""
    return (*lane.ends, version, is_open, terms.struct, *following)
