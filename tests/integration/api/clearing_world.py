"""The API's world with a clearing house whose debts the tests book themselves, and the worker that keeps its cycles."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.administering import Administrator
from backend.chain.clearing_house import TREASURER_ROLE, ClearingHouse
from backend.chain.settlement_currency import SettlementCurrency, encode_mint_test_dollars
from backend.chain.submitter import Submitter
from backend.chain.words import hash_word, number_word, selector
from backend.clearing.keeper import Keeper
from backend.database import transaction
from backend.exchange.identifiers import programme_key
from backend.programmes.models import Programme
from tests.integration.api.exchange_world import ExchangeWorld
from tests.integration.api.world import Caller

DOLLAR = 10**6
DAY = 86_400
PURSE = 10_000 * DOLLAR
"""Money of each treasurer at the start."""
EXCHANGE_ROLE = keccak(text="EXCHANGE_ROLE")
_BOOK = selector("book(bytes32,bytes32,uint256,bytes32)")
_RESERVE = selector("reserve(bytes32,bytes32,uint256,bytes32)")
_BOOK_RESERVED = selector("bookReserved(bytes32,bytes32,uint256,bytes32)")


@dataclass
class ClearingWorld:
    """Market, pharmacy and fuel, each with a treasurer of its own that has money; credit lines of a million."""

    world: ExchangeWorld
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        world, source = self.world, self.world.deployment.signers
        client = world.deployment.chain.client
        accounts = source.addresses()
        admin, self.bookkeeper = (
            Administrator(client, source.signer(account)) for account in (accounts[0], accounts[8])
        )
        clearing = world.deployment.manifest.clearing
        assert clearing is not None
        self.currency = SettlementCurrency(client, clearing.currency.address_bytes)
        self.chain = ClearingHouse(client, world.house)
        self.keeper = Keeper(world.sessions, world.settings)
        admin.grant(world.house, EXCHANGE_ROLE, self.bookkeeper.signer.address)
        treasurers = dict(zip(self.programmes, accounts[4:7], strict=True))
        for programme, treasurer in treasurers.items():
            admin.grant(programme.token, TREASURER_ROLE, treasurer)
            admin.send(clearing.currency.address, encode_mint_test_dollars(treasurer, PURSE))
            with transaction(world.sessions) as session:
                session.get_one(Programme, programme.id).treasurer = treasurer
            programme.treasurer = treasurer
        chain_id = world.deployment.manifest.chain_id
        world.submitters += tuple(
            Submitter(world.sessions, client, source.signer(account), chain_id)
            for account in (*treasurers.values(), bytes.fromhex(clearing.keeper[2:]))
        )
        world.finalise()

    @property
    def programmes(self) -> tuple[Programme, Programme, Programme]:
        return self.world.market, self.world.pharmacy, self.world.fuel

    def till(self, programme: Programme) -> Caller:
        """A key of the programme with every scope."""
        world = self.world
        tills = {world.market.id: world.till, world.pharmacy.id: world.other_till, world.fuel.id: world.fuel_till}
        return tills[programme.id]

    # ---- the chain

    def book(self, debtor: Programme, creditor: Programme, dollars: int, times: int = 1) -> None:
        """Swaps of `times` equal amounts, as the exchange would book them."""
        for _ in range(times):
            self._as_exchange(_BOOK, debtor, creditor, dollars, next(self.numbers))
        self.world.step()

    def reserve(self, debtor: Programme, creditor: Programme, dollars: int) -> int:
        """A swap that waits for its destination; answers its number."""
        number = next(self.numbers)
        self._as_exchange(_RESERVE, debtor, creditor, dollars, number)
        self.world.step()
        return number

    def arrive(self, debtor: Programme, creditor: Programme, dollars: int, number: int) -> None:
        """The swap that waited has arrived."""
        self._as_exchange(_BOOK_RESERVED, debtor, creditor, dollars, number)
        self.world.step()

    def _as_exchange(self, call: bytes, debtor: Programme, creditor: Programme, dollars: int, number: int) -> None:
        words = hash_word(programme_key(debtor.slug)) + hash_word(programme_key(creditor.slug))
        words += number_word(dollars * DOLLAR) + number_word(number)
        self.bookkeeper.send(to_checksum_address(self.world.house), call + words)

    def step(self) -> None:
        """Lets the workers, the keeper included, do what there is to do."""
        self.world.step()
        while self.keeper.run_once():
            self.world.step()

    def jump(self, seconds: int) -> None:
        """Moves chain time on; the workers act on it."""
        self.world.deployment.chain.jump(seconds)
        self.step()

    def money_of(self, programme: Programme) -> int:
        """What the treasurer has outside the house, in dollars."""
        return self.currency.balance_of(programme.treasurer) // DOLLAR

    # ---- the API

    def ask(self, programme: Programme, method: str, path: str, **body: Any) -> httpx.Response:
        """A write in the programme's name."""
        return self.till(programme).request(method, f"/v1/clearing{path}", json=body)

    def do(self, programme: Programme, method: str, path: str, **body: Any) -> dict[str, Any]:
        """A write that must be accepted and happen; answers its operation as it is then."""
        response = self.ask(programme, method, path, **body)
        assert response.status_code == 202, response.text
        answer = response.json()
        operation_id = answer["operation"]["id"] if "operation" in answer else answer["operation_id"]
        self.step()
        operation: dict[str, Any] = self.world.operator.get(f"/v1/operations/{operation_id}").json()
        assert (operation["state"], operation["error_code"]) in {("mined", None), ("final", None)}, operation
        return operation

    def read(self, path: str, caller: Caller | None = None) -> Any:
        """What a caller, by default the operator, reads."""
        response = (caller or self.world.operator).get(f"/v1/clearing{path}")
        assert response.status_code == 200, response.text
        return response.json()

    def position(self, programme: Programme) -> dict[str, Any]:
        """The programme's position."""
        position: dict[str, Any] = self.read(f"/positions/{programme.slug}")
        return position

    def statement(self, cycle: int, programme: Programme) -> dict[str, Any]:
        """The programme's statement."""
        statement: dict[str, Any] = self.read(f"/cycles/{cycle}/statements/{programme.id}", self.till(programme))
        return statement

    def alerts(self, **params: str) -> list[tuple[str, str]]:
        """Programme and kind of the open alerts."""
        response = self.world.operator.get("/v1/clearing/alerts", params=params)
        return sorted((alert["slug"], alert["kind"]) for alert in response.json()["data"])


def dollars(amount: int | str) -> dict[str, str]:
    """An amount as the API speaks of it."""
    text = amount if isinstance(amount, str) else f"{amount}.00"
    return {"amount": text, "currency": "USD"}
