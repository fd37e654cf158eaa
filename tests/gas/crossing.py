"""The rows of swaps across chains.

One chain plays both ends: the source of swaps that go out, and the destination of swaps that come in from a chain that
needs not be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.conversions import to_bytes
from web3 import Web3
from web3.contract import Contract

from backend.chain.exchange_types import NO_QUOTE, LaneTerms, Quote, SwapRequest
from backend.chain.points_exchange import quote_typed_data, swap_typed_data
from backend.chain.typed_data import TypedData
from tests.gas.bridge import SOURCE_CHAIN, SWAP, GatewayRig, Message
from tests.gas.rig import DAY_SECONDS, SHIPPED, Rig, Rows, holder

HERE, ABROAD = (Web3.to_bytes(text=name).ljust(32, b"\0") for name in ("crossing-here", "crossing-abroad"))
COUNTERPART = holder(3)
POINTS_IN, POINTS_OUT = 200, 99
FAR_FUTURE = 2**40
TERMS = LaneTerms(1, 2, 100, 5_000, 1, 2**43, FAR_FUTURE, 5_000_000, carry_expiry=False, posted=False)
"""Two points in for one out less a hundredth, at 5 currency units per million."""
SIZES = (1, 10, 50, 100)
MINT, REFUND = 0, 1
Swap = tuple[object, ...]


def crossing_rows(rig: Rig) -> Rows:
    """All rows of swaps across chains."""
    rig.align()
    rows: Rows = {}
    for count, threshold in ((3, 2), (5, 4)):
        crossing = CrossingRig(rig, count, threshold)
        if not rows:
            rows["deploy CrosschainExchange"] = crossing.deployment_gas
            rows |= _leaving(crossing)
        rows |= _arriving(crossing, SIZES if threshold == 2 else SIZES[2:], f"{threshold} of {count} sign")
    return rows


class CrossingRig:
    """A programme at home here and a branch of one abroad, with lanes both ways, behind an attested gateway."""

    def __init__(self, rig: Rig, attesters: int, threshold: int) -> None:
        self.rig = rig
        self.admin, self.wallet = rig.admin, rig.accounts[1]
        self.gateway = GatewayRig(rig, attesters, threshold)
        registry = rig.deploy(SHIPPED / "ProgrammeRegistry.json", self.admin, 0)
        self._grant(registry, "REGISTRAR_ROLE", self.admin)
        dollar = rig.deploy(SHIPPED / "TestDollar.json")
        house = rig.deploy(
            SHIPPED / "ClearingHouse.json", registry.address, dollar.address, 604_800, 172_800, self.admin, 0
        )
        arguments = (registry.address, house.address, 0, self.admin, 0)
        self.exchange = rig.deploy(SHIPPED / "CrosschainExchange.json", *arguments)
        self.deployment_gas = rig.deployment_gas
        self._grant(house, "EXCHANGE_ROLE", self.exchange.address)
        self.token, _ = (self._programme(registry, house, id_) for id_ in (HERE, ABROAD))
        rig.gas(dollar.functions.mint(self.admin, 10**12))
        rig.gas(dollar.functions.approve(house.address, 10**12))
        rig.gas(house.functions.deposit(ABROAD, 10**9))
        self.gateway.join(self.exchange)
        rig.gas(self.exchange.functions.link(SOURCE_CHAIN, self.gateway.contract.address, COUNTERPART))
        rig.gas(self.exchange.functions.declareHome(ABROAD, SOURCE_CHAIN))
        self.lane_out = self.agree(HERE, ABROAD, TERMS)
        self.lane_in = self.agree(ABROAD, HERE, TERMS)
        self.key = rig.ref()
        self.managed = cast("ChecksumAddress", self.token.functions.managedAccount(self.key).call())
        self._arrived = 0

    def _grant(self, contract: Contract, role: str, account: str) -> None:
        self.rig.gas(contract.functions.grantRole(Web3.keccak(text=role), account))

    def _programme(self, registry: Contract, house: Contract, programme_id: bytes) -> Contract:
        token = self.rig.token(validity=4)
        self._grant(token, "EXCHANGE_ROLE", self.exchange.address)
        for role in ("LANE_ROLE", "QUOTER_ROLE", "TREASURER_ROLE"):
            self._grant(token, role, self.admin)
        self.rig.gas(registry.functions.register(programme_id, token.address))
        self.rig.gas(house.functions.join(programme_id))
        return token

    def agree(self, source: bytes, destination: bytes, terms: LaneTerms) -> bytes:
        """Puts terms in force at once; the lane."""
        functions, lane = self.exchange.functions, (source, destination)
        fields = tuple(getattr(terms, name) for name in LaneTerms.__slots__)
        self.rig.gas(functions.propose(*lane, source, fields))
        self.rig.gas(functions.stop(*lane, source))
        self.rig.gas(functions.propose(*lane, source, fields))
        self.rig.gas(functions.accept(*lane, destination, fields))
        return cast("bytes", functions.laneIdOf(*lane).call())

    # Swaps that leave

    def leave(self, kind: str, max_in: int = POINTS_IN, *, quoted: bool = False) -> int:
        """Gas of a swap that goes out."""
        account = self.managed if kind == "managed" else self.wallet
        deadline = self.midnight() + 2 * DAY_SECONDS
        request = SwapRequest(self.lane_out, to_bytes(hexstr=holder(5)), max_in, 1, self.rig.ref(), deadline)
        quote = self._quote(account) if quoted else NO_QUOTE
        functions, words = self.exchange.functions, (_fields(request), _fields(quote))
        if kind == "managed":
            return self.rig.gas(functions.swapManaged(self.key, *words))
        if kind == "by the holder":
            return self.rig.gas(functions.swap(*words), self.wallet)
        order = swap_typed_data(
            exchange=to_bytes(hexstr=self.exchange.address),
            chain_id=self.rig.web3.eth.chain_id,
            account=to_bytes(hexstr=account),
            request=request,
        )
        signature = self._sign(account, order)
        return self.rig.gas(functions.swapWithSignature(account, *words, signature))

    def _quote(self, account: str) -> Quote:
        version = self.exchange.functions.laneOf(self.lane_out).call()[2]
        owner, signer = to_bytes(hexstr=account), to_bytes(hexstr=self.admin)
        unsigned = Quote(self.rig.ref(), self.lane_out, version, owner, 10**6, 1_000, FAR_FUTURE, signer, b"")
        exchange = to_bytes(hexstr=self.exchange.address)
        offer = quote_typed_data(exchange=exchange, chain_id=self.rig.web3.eth.chain_id, quote=unsigned)
        return replace(unsigned, signature=self._sign(self.admin, offer))

    def _sign(self, signer: str, data: TypedData) -> bytes:
        return to_bytes(hexstr=cast("str", self.rig.chain.rpc("eth_signTypedData_v4", signer, data)))

    def last_sent(self) -> Swap:
        """The swap that went out last."""
        log = self.exchange.events.SwapSent().get_logs(from_block="latest")[0]
        values = dict(log["args"]["swap"])
        lots = [(lot["epoch"], lot["amount"]) for lot in values.pop("lots")]
        return (*values.values(), lots)

    # What comes in

    def midnight(self) -> int:
        """When the day began: the same in each run, which the second is not, and every byte of it costs gas."""
        now = self.rig.web3.eth.get_block("latest")["timestamp"]
        return now - now % DAY_SECONDS

    def incoming(self, to: Sequence[str], *, late: bool = False) -> list[Swap]:
        """The next swaps that come in."""
        midnight = self.midnight()
        deadline = midnight - 1 if late else midnight + 2 * DAY_SECONDS
        swaps: list[Swap] = []
        for receiver in to:
            self._arrived += 1
            burnt = [(midnight // DAY_SECONDS, POINTS_IN)]
            numbers = (POINTS_IN, POINTS_OUT, 0, deadline, DAY_SECONDS, 4)
            who = (holder(-self._arrived), receiver)
            swaps.append((self.rig.ref(), self.lane_in, self._arrived, *who, *numbers, burnt))
        return swaps

    def deliver(self, kind: int, swaps: Sequence[Swap]) -> int:
        """Gas of the delivery of these swaps as one batch."""
        payloads = [encode(["uint8", SWAP], [kind, swap]) for swap in swaps]
        messages: list[Message] = self.gateway.wrapped(COUNTERPART, self.exchange.address, payloads)
        return self.rig.gas(self.gateway.delivery(messages))


def _fields(struct: SwapRequest | Quote) -> tuple[object, ...]:
    return tuple(getattr(struct, name) for name in type(struct).__slots__)


def _leaving(crossing: CrossingRig) -> Rows:
    """Burn and send; and back again."""
    rig = crossing.rig
    for account in (crossing.managed, crossing.wallet):
        for epoch in range(3):
            if epoch:
                rig.next_epoch()
            rig.gas(crossing.token.functions.issue(account, 5 * POINTS_IN, rig.ref()))
    crossing.leave("managed")
    rows: Rows = {
        f"send a swap, {kind}": crossing.leave(kind) for kind in ("by the holder", "by signed order", "managed")
    }
    rows["send a swap, managed, with a quote"] = crossing.leave("managed", quoted=True)
    rows["send a swap, managed, two lots"] = crossing.leave("managed", 3 * POINTS_IN)
    crossing.leave("managed")
    crossing.deliver(REFUND, [crossing.last_sent()])
    crossing.leave("managed")
    rows["refund of a swap, batch of 1, 2 of 3 sign"] = crossing.deliver(REFUND, [crossing.last_sent()])
    return rows


def _arriving(crossing: CrossingRig, sizes: Sequence[int], signed: str) -> Rows:
    """Mints and refusals, by size of the batch: a swap's share of everything, transport included."""
    rows: Rows = {}
    known = [holder(10_000 + n) for n in range(max(SIZES))]
    crossing.deliver(MINT, crossing.incoming(known))
    new = 20_000
    for size in sizes:
        used = crossing.deliver(MINT, crossing.incoming(known[:size]))
        rows[f"deliver a swap, existing holder, batch of {size}, {signed}"] = used / size
        new += size
        used = crossing.deliver(MINT, crossing.incoming([holder(new + n) for n in range(size)]))
        rows[f"deliver a swap, new holder, batch of {size}, {signed}"] = used / size
    late = crossing.incoming(known[:50], late=True)
    rows[f"refuse a swap, batch of 50, {signed}"] = crossing.deliver(MINT, late) / 50
    return rows
