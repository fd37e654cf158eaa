"""AttestedGateway: ids of messages, what attesters sign, calldata, readers. docs/bridge.md tells how they meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, cast

from eth_abi.abi import encode
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError

from backend.chain.abi_reading import read_values
from backend.chain.contract_reader import ContractReader
from backend.chain.interoperable import interoperable_address as interoperable_address  # noqa: PLC0414
from backend.chain.interoperable import parse_interoperable_address as parse_interoperable_address  # noqa: PLC0414
from backend.chain.merkle import MessageTree
from backend.chain.typed_data import Domain, TypedData, typed_data
from backend.chain.words import address_word, hash_word, number_word, selector

ATTESTER_ADMIN_ROLE: Final = keccak(text="ATTESTER_ADMIN_ROLE")
"""Role that proposes attesters."""
DOMAIN_NAME: Final = "Interpoints Gateway"
MAX_PAYLOAD_BYTES: Final = 8_192
MESSAGE_GAS: Final = 2_000_000
"""Gas that the recipient of a message gets."""
MAX_ATTESTERS: Final = 32

_BATCH: Final = "(uint256,address,uint256,bytes32)"
_MESSAGE: Final = "(uint256,address,address,bytes)"
_DELIVER: Final = (_BATCH, f"{_MESSAGE}[]", "bytes32[]", "bool[]", "bytes[]")
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""The largest s that is taken: of a signature and its mirror image, one only."""
_DOMAIN_TYPEHASH: Final = keccak(
    text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_BATCH_TYPEHASH: Final = keccak(
    text="Batch(uint256 sourceChain,address sourceGateway,uint256 blockNumber,bytes32 root)"
)


@dataclass(frozen=True, slots=True)
class Route:
    """From one gateway to another. Chains are EIP-155 ids, gateways addresses of 20 bytes."""

    source_chain: int
    source_gateway: bytes
    destination_chain: int
    destination_gateway: bytes

    @property
    def back(self) -> Route:
        """The way back."""
        return Route(self.destination_chain, self.destination_gateway, self.source_chain, self.source_gateway)


@dataclass(frozen=True, slots=True)
class Message:
    """What an application sent: number `nonce` of its route, from 1."""

    nonce: int
    sender: bytes
    recipient: bytes
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """All messages of a source block to one chain; `root` is that of the `MessageTree` over their ids."""

    source_chain: int
    source_gateway: bytes
    block_number: int
    root: bytes


@dataclass(frozen=True, slots=True)
class AttesterSet:
    """Who attests; `threshold` of them must sign. `active_from` (Unix seconds) is zero for the set in force."""

    attesters: tuple[bytes, ...]
    threshold: int
    version: int
    active_from: int = 0


# Ids and signatures


def message_id(route: Route, message: Message) -> bytes:
    """Id of a message: binds everything about it."""
    return keccak(
        number_word(route.source_chain)
        + address_word(route.source_gateway)
        + number_word(route.destination_chain)
        + address_word(route.destination_gateway)
        + number_word(message.nonce)
        + address_word(message.sender)
        + address_word(message.recipient)
        + keccak(message.payload)
    )


def message_tree(route: Route, messages: Sequence[Message]) -> MessageTree:
    """The tree of a batch. Errors: `ValueError` unless there is one message at least and their nonces ascend."""
    if any(one.nonce >= other.nonce for one, other in pairwise(messages)):
        raise ValueError("the messages of a batch stand in ascending order of their nonces")
    return MessageTree([message_id(route, message) for message in messages])


def batch_of(route: Route, block_number: int, root: bytes) -> Batch:
    """The batch with that root of a block of the route's source."""
    return Batch(route.source_chain, route.source_gateway, block_number, root)


def batch_typed_data(route: Route, block_number: int, root: bytes) -> TypedData:
    """What an attester signs, as eth_signTypedData_v4 takes it."""
    fields = [("sourceChain", "uint256"), ("sourceGateway", "address"), ("blockNumber", "uint256"), ("root", "bytes32")]
    return typed_data(
        Domain(route.destination_gateway, DOMAIN_NAME, route.destination_chain),
        "Batch",
        fields,
        {
            "sourceChain": route.source_chain,
            "sourceGateway": "0x" + route.source_gateway.hex(),
            "blockNumber": block_number,
            "root": "0x" + hash_word(root).hex(),
        },
    )


def batch_digest(route: Route, batch: Batch) -> bytes:
    """EIP-712 digest of `batch_typed_data`. Errors: `ValueError` for a batch that is not of the route."""
    if (batch.source_chain, batch.source_gateway) != (route.source_chain, route.source_gateway):
        raise ValueError("the batch is of another route")
    domain = keccak(
        _DOMAIN_TYPEHASH
        + keccak(text=DOMAIN_NAME)
        + keccak(text="1")
        + number_word(route.destination_chain)
        + address_word(route.destination_gateway)
    )
    struct = keccak(
        _BATCH_TYPEHASH
        + number_word(batch.source_chain)
        + address_word(batch.source_gateway)
        + number_word(batch.block_number)
        + hash_word(batch.root)
    )
    return keccak(b"\x19\x01" + domain + struct)


def signer_of(digest: bytes, signature: bytes) -> bytes:
    """The account that signed, by the gateway's rules: 65 bytes, s in the lower half, v 27 or 28.

    Errors: `ValueError` for anything else.
    """
    if len(signature) != 65 or signature[64] not in {27, 28} or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise ValueError("not a signature that the gateway takes")
    try:
        key = Signature(signature[:64] + bytes((signature[64] - 27,))).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError) as error:
        raise ValueError("not a signature of anybody") from error
    return bytes(key.to_canonical_address())


# Calldata


def encode_send_message(recipient: bytes, payload: bytes, attributes: Sequence[bytes] = ()) -> bytes:
    """sendMessage(recipient, payload, attributes); `recipient` as ERC-7930."""
    return _encoded("sendMessage", ("bytes", "bytes", "bytes[]"), (recipient, payload, list(attributes)))


def encode_deliver(
    batch: Batch,
    messages: Sequence[Message],
    proof: Sequence[bytes],
    flags: Sequence[bool],
    signatures: Sequence[bytes],
) -> bytes:
    """deliver(batch, messages, proof, proofFlags, signatures); signatures in ascending order of their signers."""
    values = (_batch(batch), [_message(each) for each in messages], list(proof), list(flags), list(signatures))
    return _encoded("deliver", _DELIVER, values)


def encode_retry(source_chain: int, message: Message) -> bytes:
    """retry(sourceChain, message)."""
    return _encoded("retry", ("uint256", _MESSAGE), (source_chain, _message(message)))


def encode_propose_attesters(attesters: Sequence[bytes], threshold: int) -> bytes:
    """proposeAttesters(attesters, threshold); attesters in ascending order."""
    return _encoded("proposeAttesters", ("address[]", "uint256"), (list(attesters), threshold))


def encode_cancel_attesters() -> bytes:
    """cancelAttesters()."""
    return selector("cancelAttesters()")


def encode_set_remote(chain_id: int, gateway: bytes) -> bytes:
    """setRemote(chain, gateway)."""
    return selector("setRemote(uint256,address)") + number_word(chain_id) + address_word(gateway)


def encode_set_application(application: bytes, *, allowed: bool) -> bytes:
    """setApplication(application, allowed)."""
    return selector("setApplication(address,bool)") + address_word(application) + number_word(allowed)


def _encoded(name: str, types: Sequence[str], values: Sequence[object]) -> bytes:
    return selector(f"{name}({','.join(types)})") + encode(types, values)


def _batch(batch: Batch) -> tuple[int, bytes, int, bytes]:
    return batch.source_chain, batch.source_gateway, batch.block_number, batch.root


def _message(message: Message) -> tuple[int, bytes, bytes, bytes]:
    return message.nonce, message.sender, message.recipient, message.payload


# Readers


class AttestedGateway(ContractReader):
    """Reads a gateway. `block` is a number or a tag; addresses are 20 bytes.

    Errors of every reader: `NodeError` and `ChainUnavailableError`.
    """

    def sent_count(self, destination_chain: int, block: int | str = "latest") -> int:
        """Messages sent to a chain so far: the last nonce."""
        return self._number("sentCount(uint256)", number_word(destination_chain), block=block)

    def is_seen(self, source_chain: int, nonce: int, block: int | str = "latest") -> bool:
        """Whether a message of another chain has arrived, whatever its recipient said."""
        words = (number_word(source_chain), number_word(nonce))
        return bool(self._number("isSeen(uint256,uint256)", *words, block=block))

    def is_failed(self, id_: bytes, block: int | str = "latest") -> bool:
        """Whether a message has arrived and its recipient has not taken it yet."""
        return bool(self._number("isFailed(bytes32)", hash_word(id_), block=block))

    def remote_of(self, chain_id: int, block: int | str = "latest") -> bytes | None:
        """The gateway of another chain, if it is known."""
        gateway = self._call("remoteOf(uint256)", number_word(chain_id), block=block)[-20:]
        return gateway if any(gateway) else None

    def is_application(self, address: bytes, block: int | str = "latest") -> bool:
        """Whether a contract may send and is sent messages."""
        return bool(self._number("isApplication(address)", address_word(address), block=block))

    def attester_set(self, block: int | str = "latest") -> AttesterSet:
        """The set in force."""
        values = read_values(["address[]", "uint256", "uint256"], self._call("attesterSet()", block=block))
        return AttesterSet(*cast("tuple[tuple[bytes, ...], int, int]", values))

    def pending_attester_set(self, block: int | str = "latest") -> AttesterSet | None:
        """The set that will be in force, if one is proposed."""
        types = ["address[]", "uint256", "uint256", "uint256"]
        values = read_values(types, self._call("pendingAttesterSet()", block=block))
        pending = AttesterSet(*cast("tuple[tuple[bytes, ...], int, int, int]", values))
        return pending if pending.attesters else None

    def rotation_delay_seconds(self, block: int | str = "latest") -> int:
        """Time between the proposal of a set and its coming into force."""
        return self._number("rotationDelay()", block=block)

    def batch_digest(self, batch: Batch, block: int | str = "latest") -> bytes:
        """What the contract says attesters sign."""
        return self._call(f"batchDigest({_BATCH})", encode([_BATCH], [_batch(batch)]), block=block)

    def message_id_of(self, route: Route, message: Message, block: int | str = "latest") -> bytes:
        """What the contract says the id is."""
        types = ("uint256", "address", "uint256", "address", _MESSAGE)
        ends = (route.source_chain, route.source_gateway, route.destination_chain, route.destination_gateway)
        return self._call(f"messageIdOf({','.join(types)})", encode(types, (*ends, _message(message))), block=block)

    def paused(self, block: int | str = "latest") -> bool:
        """Whether nothing is sent or delivered."""
        return bool(self._number("paused()", block=block))
