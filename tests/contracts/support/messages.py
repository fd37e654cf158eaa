"""Messages between chains, written from their description: addresses of ERC-7930, ids, batches, trees, signatures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from eth_abi import encode
from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils import keccak, to_bytes

from tests.contracts.support.signing import member_wallet

GATEWAY_NAME = "Interpoints Gateway"
BATCH_FIELDS = (
    ("uint256", "sourceChain"),
    ("address", "sourceGateway"),
    ("uint256", "blockNumber"),
    ("bytes32", "root"),
)
ID_TYPES = ("uint256", "address", "uint256", "address", "uint256", "address", "address", "bytes32")

MessageStruct = tuple[int, str, str, bytes]
BatchStruct = tuple[int, str, int, bytes]


def interoperable(chain_id: int, address: str = "") -> bytes:
    """The address in the binary form of ERC-7930 for EVM chains; the chain alone without an address."""
    reference = chain_id.to_bytes((chain_id.bit_length() + 7) // 8 or 1, "big")
    account = to_bytes(hexstr=address) if address else b""
    return b"\x00\x01\x00\x00" + bytes([len(reference)]) + reference + bytes([len(account)]) + account


@dataclass(frozen=True)
class Route:
    """From a gateway on one chain to a gateway on another."""

    source_chain: int
    source_gateway: str
    destination_chain: int
    destination_gateway: str


@dataclass(frozen=True)
class Message:
    """What an application sends to an application of another chain."""

    nonce: int
    sender: str
    recipient: str
    payload: bytes = b""

    @property
    def struct(self) -> MessageStruct:
        """As the contract takes it."""
        return self.nonce, self.sender, self.recipient, self.payload


def id_of(route: Route, message: Message) -> bytes:
    """The id that binds the whole message and its way."""
    words = encode(
        ID_TYPES,
        (
            route.source_chain,
            route.source_gateway,
            route.destination_chain,
            route.destination_gateway,
            message.nonce,
            message.sender,
            message.recipient,
            keccak(message.payload),
        ),
    )
    return keccak(words)


def _sibling(index: int) -> int:
    return index + 1 if index % 2 else index - 1


@dataclass(frozen=True)
class MessageTree:
    """A complete binary tree in an array: the root first, the leaves last and backwards, in their own order."""

    nodes: tuple[bytes, ...]

    @classmethod
    def of(cls, leaves: Sequence[bytes]) -> "MessageTree":
        """The tree of at least one leaf."""
        nodes = [b""] * (len(leaves) - 1) + list(reversed(leaves))
        for index in range(len(leaves) - 2, -1, -1):
            nodes[index] = keccak(b"".join(sorted(nodes[2 * index + 1 : 2 * index + 3])))
        return cls(tuple(nodes))

    @property
    def root(self) -> bytes:
        """What attesters sign."""
        return self.nodes[0]

    def multiproof(self, numbers: Iterable[int]) -> tuple[list[bytes], list[bool]]:
        """Proof and flags that these leaves, in ascending order, are in the tree."""
        waiting = [len(self.nodes) - 1 - number for number in sorted(numbers)]
        proof: list[bytes] = []
        flags: list[bool] = []
        while waiting[0]:
            node = waiting.pop(0)
            beside = bool(waiting) and waiting[0] == _sibling(node)
            if beside:
                waiting.pop(0)
            else:
                proof.append(self.nodes[_sibling(node)])
            flags.append(beside)
            waiting.append((node - 1) // 2)
        return proof, flags


@dataclass(frozen=True)
class Batch:
    """All messages of one block for one chain, by their root."""

    source_chain: int
    source_gateway: str
    block_number: int
    root: bytes

    @property
    def struct(self) -> BatchStruct:
        """As the contract takes it."""
        return self.source_chain, self.source_gateway, self.block_number, self.root

    def signable(self, destination_chain: int, destination_gateway: str, **domain: str) -> SignableMessage:
        """What an attester signs; other fields of the domain can be given."""
        fields = [{"type": kind, "name": name} for kind, name in BATCH_FIELDS]
        names = {"name": GATEWAY_NAME, "version": "1"} | domain
        place = {"chainId": destination_chain, "verifyingContract": destination_gateway}
        values = dict(zip((name for _, name in BATCH_FIELDS), self.struct, strict=True))
        return encode_typed_data(names | place, {"Batch": fields}, values)


def attester_keys(*names: str) -> tuple[LocalAccount, ...]:
    """Keys of attesters in the order of their addresses, which is that of signatures."""
    return tuple(sorted((member_wallet(name) for name in names), key=lambda key: int(key.address, 16)))


def signatures_of(keys: Iterable[LocalAccount], digest: SignableMessage) -> list[bytes]:
    """A signature by each key, in the order given."""
    return [bytes(key.sign_message(digest).signature) for key in keys]


@dataclass(frozen=True)
class Delivery:
    """All arguments of a delivery, each of which a test may spoil."""

    batch: Batch
    messages: tuple[Message, ...]
    proof: tuple[bytes, ...]
    flags: tuple[bool, ...]
    signatures: tuple[bytes, ...]

    @property
    def arguments(self) -> tuple[object, ...]:
        """As the contract takes them."""
        structs = [message.struct for message in self.messages]
        return self.batch.struct, structs, list(self.proof), list(self.flags), list(self.signatures)

    def but(self, **changes: object) -> "Delivery":
        """The same with other parts."""
        return replace(self, **changes)
