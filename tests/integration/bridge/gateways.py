"""Two chains with a gateway each and nothing else: messages come from an application that a test plays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from backend.chain import attested_gateway
from backend.chain.administering import Administrator
from backend.chain.attested_gateway import AttestedGateway, Batch, Message, Route
from backend.chain.errors import ContractRevertedError
from backend.chain.interoperable import interoperable_address
from backend.chain.signers import DevSigners
from tests.support.anvil import Anvil

SLOTS = 2
FINALITY_BLOCKS = 2 * SLOTS
"""Anvil's `finalized` block is so far below the head."""
APPLICATION = bytes.fromhex("00000000000000000000000000000000000a4411")
RECIPIENT = bytes.fromhex("00000000000000000000000000000000000b0b00")
ATTESTERS = (5, 6, 7)
_ROTATION_SECONDS = 60


@dataclass
class Side:
    """A chain with a gateway."""

    chain: Anvil
    chain_id: int
    gateway: bytes

    @property
    def reader(self) -> AttestedGateway:
        """The gateway."""
        return AttestedGateway(self.chain.client, self.gateway)

    def finalise(self) -> None:
        """Mines until what was mined so far is final."""
        self.chain.mine(FINALITY_BLOCKS)


@dataclass
class Gateways:
    """Messages go from `first` to `second`; either may be the source."""

    first: Side
    second: Side

    def other(self, side: Side) -> Side:
        """The other side."""
        return self.second if side is self.first else self.first

    def route(self, source: Side) -> Route:
        """The way from `source`."""
        to = self.other(source)
        return Route(source.chain_id, source.gateway, to.chain_id, to.gateway)

    def send(self, source: Side, *payloads: bytes, to_chain: int | None = None) -> int:
        """Sends messages, all in one block; answers its number."""
        recipient = interoperable_address(to_chain or self.other(source).chain_id, RECIPIENT)
        source.chain.automine(False)
        for payload in payloads:
            data = attested_gateway.encode_send_message(recipient, payload)
            source.chain.rpc(
                "eth_sendTransaction",
                {
                    "from": "0x" + APPLICATION.hex(),
                    "to": "0x" + source.gateway.hex(),
                    "data": "0x" + data.hex(),
                    "gas": hex(500_000),
                },
            )
        source.chain.mine()
        source.chain.automine(True)
        number = source.chain.client.block_number()
        assert len(source.chain.client.block(number)["transactions"]) == len(payloads)
        return number

    def deliver(self, batch: Batch, payloads: Sequence[bytes], signatures: Sequence[bytes]) -> str | None:
        """Delivers all messages of a batch, numbered from 1; answers the name of the error, None when it was taken."""
        source = self.first if batch.source_chain == self.first.chain_id else self.second
        messages = [Message(at, APPLICATION, RECIPIENT, payload) for at, payload in enumerate(payloads, 1)]
        flags = [True] * (len(messages) - 1)
        to = self.other(source)
        try:
            _administrator(to.chain).send(
                to_checksum_address(to.gateway),
                attested_gateway.encode_deliver(batch, messages, [], flags, signatures),
            )
        except ContractRevertedError as error:
            return error.name
        return None

    def rotate(self, side: Side, accounts: Sequence[int]) -> None:
        """Another set of attesters, of local chains' accounts, is in force at a side from now on."""
        administrator, signers = _administrator(side.chain), DevSigners(side.chain_id)
        administrator.grant(side.gateway, attested_gateway.ATTESTER_ADMIN_ROLE, administrator.signer.address)
        attesters = sorted(signers.addresses()[number] for number in accounts)
        data = attested_gateway.encode_propose_attesters(attesters, 2)
        administrator.send(to_checksum_address(side.gateway), data)
        side.chain.jump(_ROTATION_SECONDS + 1)

    def send_final(self, source: Side, *payloads: bytes) -> int:
        """Sends messages in one block, and makes it final."""
        number = self.send(source, *payloads)
        source.finalise()
        return number


def set_remote(side: Side, chain_id: int, gateway: bytes) -> None:
    """Registers the gateway of another chain."""
    _administrator(side.chain).send(
        to_checksum_address(side.gateway), attested_gateway.encode_set_remote(chain_id, gateway)
    )


def _administrator(chain: Anvil) -> Administrator:
    signers = DevSigners(chain.client.chain_id())
    return Administrator(chain.client, signers.signer(signers.addresses()[0]))


def _deploy(chain: Anvil, chain_id: int) -> Side:
    signers = DevSigners(chain_id)
    attesters = sorted(signers.addresses()[number] for number in ATTESTERS)
    arguments = (attesters, 2, _ROTATION_SECONDS, signers.addresses()[0], 0)
    created = _administrator(chain).create(
        "AttestedGateway", encode(["address[]", "uint256", "uint256", "address", "uint48"], arguments)
    )
    chain.rpc("anvil_setCode", "0x" + APPLICATION.hex(), "0x00")
    chain.set_balance(APPLICATION, 10**20)
    chain.rpc("anvil_impersonateAccount", "0x" + APPLICATION.hex())
    _administrator(chain).send(created.address, attested_gateway.encode_set_application(APPLICATION, allowed=True))
    return Side(chain, chain_id, created.address_bytes)


@contextmanager
def two_gateways() -> Iterator[Gateways]:
    """Starts both chains and connects them. Contracts have other addresses on the second."""
    with (
        Anvil(slots_in_an_epoch=SLOTS) as one,
        Anvil(slots_in_an_epoch=SLOTS, options=("--chain-id", "1337")) as two,
    ):
        signers = DevSigners(1337)
        _administrator(two).send(to_checksum_address(signers.addresses()[0]), b"")
        world = Gateways(_deploy(one, 31337), _deploy(two, 1337))
        for side in (world.first, world.second):
            set_remote(side, world.other(side).chain_id, world.other(side).gateway)
        yield world
