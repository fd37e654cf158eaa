"""A pretended chain whose messages test attesters sign, and the gateway that they are delivered to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from brownie import web3
from brownie.network.contract import ContractContainer, ProjectContract
from eth_abi import decode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import to_checksum_address

from tests.contracts.support.messages import (
    Batch,
    Delivery,
    Message,
    MessageTree,
    Route,
    attester_keys,
    id_of,
    signatures_of,
)
from tests.contracts.support.outcomes import Log, logs, plain
from tests.contracts.support.selectors import selector_of, type_of
from tests.contracts.support.world import ADMIN_DELAY_SECONDS

REMOTE_CHAIN = 1337
OTHER_CHAIN = 0xAA36A7
"""A second chain, whose id needs three bytes."""
REMOTE_GATEWAY = to_checksum_address("0x" + "67" * 20)
ATTESTERS = attester_keys("attester one", "attester two", "attester three")
THRESHOLD = 2
ROTATION_SECONDS = 86_400


def deploy_gateway(
    container: ContractContainer,
    admin: object,
    *,
    keeper: object,
    pauser: object,
    keys: Sequence[LocalAccount] = ATTESTERS,
    threshold: int = THRESHOLD,
) -> ProjectContract:
    """A gateway that knows two other chains and no application yet; the keeper changes its attesters."""
    sender = {"from": admin}
    terms = ([key.address for key in keys], threshold, ROTATION_SECONDS, admin, ADMIN_DELAY_SECONDS)
    gateway = container.deploy(*terms, sender)
    gateway.grantRole(gateway.ATTESTER_ADMIN_ROLE(), keeper, sender)
    gateway.grantRole(gateway.PAUSER_ROLE(), pauser, sender)
    for chain in (REMOTE_CHAIN, OTHER_CHAIN):
        gateway.setRemote(chain, REMOTE_GATEWAY, sender)
    return gateway


def hexed(word: bytes) -> str:
    """Bytes as a `0x` string."""
    return "0x" + bytes(word).hex()


@dataclass
class RemoteChain:
    """Another chain as the gateway here sees it: its messages, in blocks, signed by attesters."""

    gateway: ProjectContract
    keys: Sequence[LocalAccount] = ATTESTERS[:THRESHOLD]
    chain_id: int = REMOTE_CHAIN
    remote_gateway: str = REMOTE_GATEWAY
    nonces: Iterable[int] = field(default_factory=lambda: count(1))
    blocks: Iterable[int] = field(default_factory=lambda: count(1_000))

    @property
    def route(self) -> Route:
        """From there to here."""
        return Route(self.chain_id, self.remote_gateway, web3.eth.chain_id, self.gateway.address)

    def message(self, sender: object, recipient: object, payload: bytes = b"") -> Message:
        """The next message from there."""
        return Message(next(self.nonces), str(sender), str(recipient), payload)

    def id_of(self, message: Message) -> str:
        """The message's id."""
        return hexed(id_of(self.route, message))

    def sign(self, batch: Batch, keys: Sequence[LocalAccount] | None = None) -> tuple[bytes, ...]:
        """Signatures of a batch for the gateway here."""
        digest = batch.signable(web3.eth.chain_id, self.gateway.address)
        return tuple(signatures_of(self.keys if keys is None else keys, digest))

    def delivery(self, *messages: Message, only: Sequence[int] | None = None) -> Delivery:
        """What a relayer sends for a block of these messages, or for some of them by their places."""
        tree = MessageTree.of([id_of(self.route, message) for message in messages])
        places = range(len(messages)) if only is None else sorted(only)
        proof, flags = tree.multiproof(places)
        batch = Batch(self.chain_id, self.remote_gateway, next(self.blocks), tree.root)
        chosen = tuple(messages[place] for place in places)
        return Delivery(batch, chosen, tuple(proof), tuple(flags), self.sign(batch))

    def stranger_of(self, delivery: Delivery, place: int = 0) -> str:
        """Whose signature the gateway here takes a signature for: nobody's, when other words were signed."""
        digest = delivery.batch.signable(web3.eth.chain_id, self.gateway.address)
        return str(Account.recover_message(digest, signature=delivery.signatures[place]))

    def deliver(self, delivery: Delivery, relayer: object) -> object:
        """Sends it; the transaction."""
        return self.gateway.deliver(*delivery.arguments, {"from": relayer})


def sent_messages(transaction: object) -> list[Log]:
    """The `MessageSent` logs of a transaction, as tuples without the name."""
    return [log[1:] for log in logs(transaction, "MessageSent")]


def error_of(contract: ProjectContract, data: str) -> tuple[object, ...]:
    """Name and values of a custom error in returned data (`0x` string); empty when the contract knows no such error."""
    raw = bytes.fromhex(data.removeprefix("0x"))
    for item in contract.abi:
        if item["type"] == "error" and selector_of(item) == raw[:4]:
            values = decode([type_of(part) for part in item["inputs"]], raw[4:])
            return (
                item["name"],
                *(_checksummed(part, value) for part, value in zip(item["inputs"], values, strict=True)),
            )
    return ()


def _checksummed(parameter: dict[str, object], value: object) -> object:
    return to_checksum_address(value) if parameter["type"] == "address" else plain(value)


def failures(transaction: object, recipient: ProjectContract) -> list[tuple[object, ...]]:
    """Why messages failed, as errors of their recipient."""
    return [error_of(recipient, log[4]) for log in logs(transaction, "MessageFailed")]
