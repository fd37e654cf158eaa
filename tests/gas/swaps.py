"""The rows of swaps: two programmes, the exchange and the clearing house on a chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from eth_typing import ChecksumAddress
from eth_utils.conversions import to_bytes
from web3 import Web3
from web3.contract import Contract

from backend.chain.exchange_types import NO_QUOTE, LaneTerms, Quote, SwapRequest
from backend.chain.points_exchange import quote_typed_data, swap_typed_data
from backend.chain.typed_data import TypedData
from tests.gas.rig import SHIPPED, Rig, Rows, holder

SOURCE, DESTINATION = (Web3.to_bytes(text=name).ljust(32, b"\0") for name in ("gas-source", "gas-destination"))
FAR_FUTURE = 2**40
TERMS = LaneTerms(1, 2, 100, 5_000, 1, 2**43, FAR_FUTURE, 5_000_000, carry_expiry=False, posted=False)
"""Two points in for one out less a hundredth, at 5 currency units per million."""
POINTS = 250
ROLES = ("LANE_ROLE", "QUOTER_ROLE", "TREASURER_ROLE")


class SwapRig:
    """Two programmes with points on both sides. The admin holds every role; one member has a wallet, one a key."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.admin, self.wallet = rig.admin, rig.accounts[1]
        self.chain_id = rig.web3.eth.chain_id
        registry = rig.deploy(SHIPPED / "ProgrammeRegistry.json", self.admin, 0)
        self._grant(registry, "REGISTRAR_ROLE", self.admin)
        dollar = rig.deploy(SHIPPED / "TestDollar.json")
        self.house = rig.deploy(
            SHIPPED / "ClearingHouse.json", registry.address, dollar.address, 604_800, 172_800, self.admin, 0
        )
        self.deployments: Rows = {"deploy ClearingHouse": rig.deployment_gas}
        self.exchange = rig.deploy(
            SHIPPED / "PointsExchange.json", registry.address, self.house.address, 86_400, self.admin, 0
        )
        self.deployments["deploy PointsExchange"] = rig.deployment_gas
        self._grant(self.house, "EXCHANGE_ROLE", self.exchange.address)
        self.source, self.destination = (self._programme(registry, id_) for id_ in (SOURCE, DESTINATION))
        rig.gas(dollar.functions.mint(self.admin, 10**12))
        rig.gas(dollar.functions.approve(self.house.address, 10**12))
        rig.gas(self.house.functions.deposit(SOURCE, 10**9))
        self.key = rig.ref()
        self.managed = cast("ChecksumAddress", self.source.functions.managedAccount(self.key).call())
        self.lane_id = cast("bytes", self.exchange.functions.laneIdOf(SOURCE, DESTINATION).call())

    def _grant(self, contract: Contract, role: str, account: str) -> None:
        self.rig.gas(contract.functions.grantRole(Web3.keccak(text=role), account))

    def _programme(self, registry: Contract, programme_id: bytes) -> Contract:
        token = self.rig.token(validity=4)
        self._grant(token, "EXCHANGE_ROLE", self.exchange.address)
        for role in ROLES:
            self._grant(token, role, self.admin)
        self.rig.gas(registry.functions.register(programme_id, token.address))
        self.rig.gas(self.house.functions.join(programme_id))
        return token

    def agree(self, terms: LaneTerms) -> None:
        """Puts terms in force at once, in the place of others."""
        fields = tuple(getattr(terms, name) for name in LaneTerms.__slots__)
        lane = (SOURCE, DESTINATION)
        self.rig.gas(self.exchange.functions.propose(*lane, SOURCE, fields))
        self.rig.gas(self.exchange.functions.stop(*lane, DESTINATION))
        self.rig.gas(self.exchange.functions.propose(*lane, SOURCE, fields))
        self.rig.gas(self.exchange.functions.accept(*lane, DESTINATION, fields))

    def earn(self, account: str, lots: int = 1) -> None:
        """Gives an account points, in lots of as many epochs."""
        for number in range(lots):
            if number:
                self.rig.next_epoch()
            self.rig.gas(self.source.functions.issue(account, 2 * POINTS, self.rig.ref()))

    def request(self, to: str, max_in: int = POINTS) -> SwapRequest:
        """A swap that nobody has sent yet."""
        return SwapRequest(self.lane_id, to_bytes(hexstr=to), max_in, 1, self.rig.ref(), FAR_FUTURE)

    def swap_managed(self, to: str, max_in: int = POINTS, quote: Quote = NO_QUOTE) -> int:
        """Gas of a swap by the custodian."""
        request = self.request(to, max_in)
        return self.rig.gas(self.exchange.functions.swapManaged(self.key, _fields(request), _fields(quote)))

    def swap_by_holder(self, to: str) -> int:
        """Gas of a swap that the holder sends."""
        call = self.exchange.functions.swap(_fields(self.request(to)), _fields(NO_QUOTE))
        return self.rig.gas(call, self.wallet)

    def swap_by_order(self, to: str) -> int:
        """Gas of a swap that the holder signs and somebody relays."""
        request = self.request(to)
        order = swap_typed_data(
            exchange=to_bytes(hexstr=self.exchange.address),
            chain_id=self.chain_id,
            account=to_bytes(hexstr=self.wallet),
            request=request,
        )
        signature = self._sign(self.wallet, order)
        return self.rig.gas(
            self.exchange.functions.swapWithSignature(self.wallet, _fields(request), _fields(NO_QUOTE), signature)
        )

    def quote(self, account: str) -> Quote:
        """A bonus of a tenth for an account."""
        version = self.exchange.functions.laneOf(self.lane_id).call()[2]
        unsigned = Quote(
            self.rig.ref(),
            self.lane_id,
            version,
            to_bytes(hexstr=account),
            POINTS,
            1_000,
            FAR_FUTURE,
            to_bytes(hexstr=self.admin),
            b"",
        )
        offer = quote_typed_data(
            exchange=to_bytes(hexstr=self.exchange.address), chain_id=self.chain_id, quote=unsigned
        )
        return replace(unsigned, signature=self._sign(self.admin, offer))

    def pend(self, to: str) -> tuple[int, bytes, tuple[object, ...]]:
        """A swap that waits: gas, id, and what it waits with."""
        used = self.swap_managed(to)
        logs = self.exchange.events.SwapPending().get_logs(from_block="latest")
        return used, logs[0]["args"]["swapId"], _values(logs[0]["args"]["pending"])

    def _sign(self, signer: str, data: TypedData) -> bytes:
        return to_bytes(hexstr=cast("str", self.rig.chain.rpc("eth_signTypedData_v4", signer, data)))


def _fields(struct: SwapRequest | Quote) -> tuple[object, ...]:
    return tuple(getattr(struct, name) for name in type(struct).__slots__)


def _values(struct: dict[str, object]) -> tuple[object, ...]:
    lots = [(lot["epoch"], lot["amount"]) for lot in cast("Sequence[dict[str, int]]", struct["lots"])]
    return (*(value for name, value in struct.items() if name != "lots"), lots)


def swap_rows(rig: Rig) -> Rows:
    """All rows of swaps. The lane, the debts and the supplies have their storage before."""
    rig.align()
    swaps = SwapRig(rig)
    rows = dict(swaps.deployments)
    friend = holder(1)
    swaps.agree(TERMS)
    swaps.earn(swaps.managed, 3)
    swaps.earn(swaps.wallet, 3)
    swaps.swap_managed(friend)
    rows["swap, by the holder"] = swaps.swap_by_holder(friend)
    rows["swap, by signed order"] = swaps.swap_by_order(friend)
    rows["swap, managed"] = swaps.swap_managed(friend)
    rows["swap, managed, new holder at the destination"] = swaps.swap_managed(holder(2))
    rows["swap, managed, with a quote"] = swaps.swap_managed(friend, quote=swaps.quote(swaps.managed))
    rows |= _over_lots(swaps, friend)
    rows |= _posted(swaps, friend)
    rows |= _naive(rig)
    return rows


def _over_lots(swaps: SwapRig, friend: str) -> Rows:
    """Five lots at once, and carried expiry."""
    rows: Rows = {}
    for name, terms in (("fresh", TERMS), ("carried", replace(TERMS, carry_expiry=True))):
        swaps.rig.next_epoch(5)
        swaps.rig.align()
        swaps.agree(terms)
        swaps.earn(swaps.managed, 5)
        swaps.swap_managed(friend)
        rows[f"swap, managed, one lot, expiry {name}"] = swaps.swap_managed(friend, POINTS // 2)
        rows[f"swap, managed, five lots, expiry {name}"] = swaps.swap_managed(friend, 2 * POINTS * 4)
    return rows


def _posted(swaps: SwapRig, friend: str) -> Rows:
    """Swaps that wait for another system."""
    swaps.agree(replace(TERMS, posted=True))
    swaps.earn(swaps.managed, 4)
    swaps.pend(friend)
    rows: Rows = {}
    rows["swap, managed, posted lane"], swap_id, pending = swaps.pend(friend)
    rows["confirm a posted swap"] = swaps.rig.gas(swaps.exchange.functions.confirmPosted(swap_id, pending))
    _, swap_id, pending = swaps.pend(friend)
    rows["refund a posted swap, one lot"] = swaps.rig.gas(swaps.exchange.functions.refundPending(swap_id, pending))
    return rows


def _naive(rig: Rig) -> Rows:
    """The least that moves points without an exchange: a burn here and a mint there, which nothing joins."""
    token = rig.token(validity=4)
    rig.gas(token.functions.issue(holder(1), 4 * POINTS, rig.ref()))
    burn = rig.gas(token.functions.crosschainBurn(holder(1), POINTS))
    mint = rig.gas(token.functions.crosschainMint(holder(1), POINTS))
    return {"burn and mint, two transactions, nothing recorded": burn + mint}
