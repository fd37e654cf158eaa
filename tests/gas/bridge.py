"""The rows of the gateway: delivering, by size of batch and set of attesters. What the recipient uses is left out."""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.conversions import to_bytes
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from backend.chain import attested_gateway
from tests.gas.rig import DOUBLES, SHIPPED, Rig, Rows, holder

SOURCE_CHAIN = 10
SETS = ((3, 2), (5, 4))
"""Attesters, and how many of them must sign."""
SIZES = (1, 10, 50, 200)
SWAP = "(bytes32,bytes32,uint256,address,address,uint256,uint256,uint256,uint256,uint256,uint256,(uint256,uint256)[])"
Message = tuple[int, str, str, bytes]
Batch = tuple[int, str, int, bytes]


def gateway_rows(rig: Rig) -> Rows:
    """Gas per message. Messages are as long as that of a swap of one lot; the routes have been used before."""
    rows: Rows = {}
    for count, threshold in SETS:
        gateway = GatewayRig(rig, count, threshold)
        rig.gas(gateway.delivery(gateway.messages(1)))
        for size in SIZES:
            used = rig.gas(gateway.delivery(gateway.messages(size))) - size * gateway.recipients_gas()
            rows[f"deliver, a message, batch of {size}, {threshold} of {count} sign"] = used / size
    return rows


class GatewayRig:
    """A gateway with its attesters, and messages from a chain that needs not be there."""

    def __init__(self, rig: Rig, count: int, threshold: int) -> None:
        self._rig = rig
        self._sent = 0
        accounts: list[LocalAccount] = [Account.from_key(Web3.keccak(text=f"attester {n}")) for n in range(count)]
        self._attesters = sorted(accounts, key=lambda account: int(account.address, 16))
        self._threshold = threshold
        addresses = [account.address for account in self._attesters]
        self.contract: Contract = rig.deploy(
            SHIPPED / "AttestedGateway.json", addresses, threshold, 172_800, rig.admin, 0
        )
        self._remote = holder(1)
        self._receiver = rig.deploy(DOUBLES / "KeepingRecipient.json")
        self._recipient = self._receiver.address
        rig.gas(self.contract.functions.setRemote(SOURCE_CHAIN, self._remote))
        rig.gas(self.contract.functions.setApplication(self._recipient, True))

    def messages(self, count: int) -> list[Message]:
        """The next messages."""
        first, self._sent = self._sent + 1, self._sent + count
        return [(nonce, holder(2), self._recipient, self._payload(nonce)) for nonce in range(first, self._sent + 1)]

    def join(self, application: Contract) -> None:
        """Lets an application send and receive."""
        self._rig.gas(self.contract.functions.setApplication(application.address, True))

    def wrapped(self, sender: str, recipient: str, payloads: Sequence[bytes]) -> list[Message]:
        """The next messages, with these payloads."""
        first, self._sent = self._sent + 1, self._sent + len(payloads)
        return [(first + place, sender, recipient, payload) for place, payload in enumerate(payloads)]

    def delivery(self, messages: Sequence[Message]) -> ContractFunction:
        """The delivery of these messages as one batch."""
        batch: Batch = (SOURCE_CHAIN, self._remote, 12_345_678, self._root(messages))
        flags = [True] * (len(messages) - 1)
        return self.contract.functions.deliver(batch, messages, [], flags, self._signatures(batch))

    def recipients_gas(self) -> int:
        """What the recipient uses for a message, called without a gateway and less what any transaction costs."""
        sender = b"\x00\x01\x00\x00\x01" + bytes([SOURCE_CHAIN, 20]) + bytes.fromhex(holder(2)[2:])
        call = self._receiver.functions.receiveMessage(self._rig.ref(), sender, self._payload(1))
        data = bytes.fromhex(call._encode_transaction_data()[2:])
        return self._rig.gas(call) - 21_000 - sum(16 if byte else 4 for byte in data)

    def _payload(self, nonce: int) -> bytes:
        lane, day = self._rig.ref(), 20_000
        swap = (self._rig.ref(), lane, nonce, holder(nonce), holder(-nonce), 1_000, 1_250, 0, day * 86_400, 86_400, 4)
        return encode(["uint8", SWAP], [0, (*swap, [(day, 1_000)])])

    def _root(self, messages: Sequence[Message]) -> bytes:
        ends = (to_bytes(hexstr=self._remote), to_bytes(hexstr=self.contract.address))
        route = attested_gateway.Route(SOURCE_CHAIN, ends[0], self._rig.web3.eth.chain_id, ends[1])
        sent = [
            attested_gateway.Message(nonce, to_bytes(hexstr=sender), to_bytes(hexstr=recipient), payload)
            for nonce, sender, recipient, payload in messages
        ]
        return attested_gateway.message_tree(route, sent).root

    def _signatures(self, batch: Batch) -> list[bytes]:
        chain, gateway, block, root = batch
        signable = encode_typed_data(
            domain_data={
                "name": "Interpoints Gateway",
                "version": "1",
                "chainId": self._rig.web3.eth.chain_id,
                "verifyingContract": self.contract.address,
            },
            message_types={
                "Batch": [
                    {"name": "sourceChain", "type": "uint256"},
                    {"name": "sourceGateway", "type": "address"},
                    {"name": "blockNumber", "type": "uint256"},
                    {"name": "root", "type": "bytes32"},
                ]
            },
            message_data={"sourceChain": chain, "sourceGateway": gateway, "blockNumber": block, "root": root},
        )
        return [bytes(account.sign_message(signable).signature) for account in self._attesters[: self._threshold]]
