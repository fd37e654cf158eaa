"""Reading messages out of a block's logs: what does not fit together is refused, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import pytest
from eth_abi.abi import encode

from backend.chain.attested_gateway import Message, Route, message_id
from backend.chain.blocks import VerifiedBlock
from backend.chain.client import RpcBlock, RpcLog, RpcReceipt
from backend.chain.crosschain_exchange import encode_payload
from backend.chain.event_types import Lot
from backend.chain.events import topic0_of
from backend.chain.exchange_types import CrosschainSwap, MessageKind
from backend.chain.gateway_events import MessageQueued, MessageSent
from backend.chain.interoperable import interoperable_address
from bridge.chains import Chain, Chains, open_chains
from bridge.errors import MalformedAnswerError, MessageMismatchError
from bridge.finality import Finality
from bridge.logging import message_fields
from bridge.settings import ChainSettings
from bridge.source_blocks import SourceBlock, read_block

GATEWAY, REMOTE, SENDER, RECIPIENT = (bytes([number]) * 20 for number in (1, 2, 3, 4))
ROUTE = Route(31337, GATEWAY, 1337, REMOTE)
Log = dict[str, object]


@pytest.fixture(scope="module")
def chains() -> Chains:
    return open_chains(
        [
            ChainSettings(name=name, chain_id=chain_id, gateway="0x" + gateway.hex(), endpoints=["http://127.0.0.1:9"])
            for name, chain_id, gateway in (("first", 31337, GATEWAY), ("second", 1337, REMOTE))
        ]
    )


@pytest.fixture(scope="module")
def source(chains: Chains) -> Chain:
    return chains[31337]


@dataclass(frozen=True)
class _Sent:
    """What a message's two logs say; each field can be made to contradict the others."""

    nonce: int
    payload: bytes = b"x"
    sender_chain: int = 31337
    recipient_chain: int = 1337
    queued_chain: int = 1337
    value: int = 0
    attributes: tuple[bytes, ...] = ()
    id_: bytes | None = None
    gateway: bytes = GATEWAY

    def logs(self) -> list[Log]:
        message = Message(self.nonce, SENDER, RECIPIENT, self.payload)
        id_ = "0x" + (self.id_ or message_id(ROUTE, message)).hex()
        topics = ["0x" + number.to_bytes(32, "big").hex() for number in (self.queued_chain, self.nonce)]
        sent = encode(
            ["bytes", "bytes", "bytes", "uint256", "bytes[]"],
            [
                interoperable_address(self.sender_chain, SENDER),
                interoperable_address(self.recipient_chain, RECIPIENT),
                self.payload,
                self.value,
                list(self.attributes),
            ],
        )
        return [
            self._log([topic0_of(MessageQueued), id_, *topics], b""),
            self._log([topic0_of(MessageSent), id_], sent),
        ]

    def _log(self, topics: list[str], data: bytes) -> Log:
        return {
            "address": "0x" + self.gateway.hex(),
            "topics": topics,
            "data": "0x" + data.hex(),
            "blockNumber": "0x5",
            "transactionHash": "0x" + "11" * 32,
            "logIndex": "0x0",
        }


def _block(*groups: Sequence[Log]) -> VerifiedBlock:
    header = cast("RpcBlock", {"hash": "0x" + "55" * 32, "parentHash": "0x" + "44" * 32})
    receipts = [cast("RpcReceipt", {"logs": cast("list[RpcLog]", list(logs))}) for logs in groups]
    return VerifiedBlock(header, 5, 1_700_000_000, receipts)


class TestReadBlock:
    def test_read__messages__by_destination_in_order(self, source: Chain, chains: Chains) -> None:
        elsewhere = _Sent(1, queued_chain=99, recipient_chain=99)
        others = _Sent(7, gateway=REMOTE)
        groups = [[*_Sent(4).logs(), *elsewhere.logs()], others.logs(), _Sent(5, payload=b"").logs()]
        found = read_block(_block(*groups), source, chains)
        batch = found.batches[1337]
        assert [message.nonce for message in batch.messages] == [4, 5]
        assert batch.message_ids == tuple(message_id(ROUTE, message) for message in batch.messages)
        assert (batch.route, batch.block_number, batch.block_hash) == (ROUTE, 5, b"\x55" * 32)
        assert (found.unknown, found.first_nonces, found.last_nonces) == ({99: 1}, {1337: 4, 99: 1}, {1337: 5, 99: 1})

    def test_read__no_messages__empty(self, source: Chain, chains: Chains) -> None:
        found = read_block(_block(_Sent(1, gateway=REMOTE).logs()), source, chains)
        assert found == SourceBlock(5, b"\x55" * 32, 1_700_000_000, {}, {}, {}, {})

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda logs: logs[:1],
            lambda logs: logs[1:],
            lambda logs: logs[::-1],
            lambda logs: [logs[0], logs[0], logs[1]],
            lambda logs: [*logs, logs[1]],
            lambda logs: [logs[0], {**logs[1], "topics": [logs[1]["topics"][0], "0x" + "99" * 32]}],
            lambda logs: [logs[0], {**logs[1], "data": "0x"}],
            lambda logs: [{**logs[0], "topics": logs[0]["topics"][:2]}, logs[1]],
        ],
        ids=[
            "not sent",
            "not queued",
            "wrong order",
            "queued twice",
            "sent twice",
            "other id",
            "no data",
            "few topics",
        ],
    )
    def test_read__logs_that_do_not_pair__refused(
        self, source: Chain, chains: Chains, spoil: Callable[[list[Log]], list[Log]]
    ) -> None:
        with pytest.raises(MalformedAnswerError):
            read_block(_block(spoil(_Sent(1).logs())), source, chains)

    def test_read__other_spelling_of_the_same_bytes__not_hidden(self, source: Chain, chains: Chains) -> None:
        def shout(log: Log) -> Log:
            return {**log, "address": log["address"].upper(), "topics": ["0x" + t[2:].upper() for t in log["topics"]]}  # type: ignore[attr-defined]

        found = read_block(_block([shout(log) for log in _Sent(1).logs()]), source, chains)
        assert found.last_nonces == {1337: 1}

    @pytest.mark.parametrize("address", ["0x" + "01 " * 20, "zz" + "01" * 20, "", "0x" + "01" * 21])
    def test_read__address_in_no_spelling__refused(self, source: Chain, chains: Chains, address: str) -> None:
        with pytest.raises(MalformedAnswerError):
            read_block(_block([{**log, "address": address} for log in _Sent(1).logs()]), source, chains)

    @pytest.mark.parametrize(
        "sent",
        [
            _Sent(1, sender_chain=1337),
            _Sent(1, recipient_chain=31337),
            _Sent(1, queued_chain=31337),
            _Sent(1, value=1),
            _Sent(1, attributes=(b"\x01\x02\x03\x04",)),
        ],
    )
    def test_read__fields_that_contradict__refused(self, source: Chain, chains: Chains, sent: _Sent) -> None:
        with pytest.raises(MalformedAnswerError):
            read_block(_block(sent.logs()), source, chains)

    def test_read__id_that_does_not_follow__refused(self, source: Chain, chains: Chains) -> None:
        with pytest.raises(MessageMismatchError):
            read_block(_block(_Sent(1, id_=b"\x09" * 32).logs()), source, chains)


class TestFinality:
    @pytest.mark.parametrize(
        ("rule", "tag", "number", "final"),
        [("finalized", "finalized", 90, 90), (10, "latest", 90, 80), (10, "latest", 10, 0), (10, "latest", 9, -1)],
    )
    def test_final_number(self, rule: int | str, tag: str, number: int, final: int) -> None:
        finality = Finality.of(rule)
        assert finality.tag == tag
        assert finality.final_number(cast("RpcBlock", {"number": hex(number)})) == final


def test_message_fields__of_another_application__no_swap() -> None:
    message = Message(3, SENDER, RECIPIENT, b"not a swap")
    fields = message_fields(ROUTE, message, b"\x05" * 32)
    assert fields["message_id"] == "0x" + "05" * 32
    assert (fields["source_chain"], fields["destination_chain"], fields["nonce"]) == (31337, 1337, 3)
    assert "swap_id" not in fields


def test_message_fields__of_a_swap__name_it() -> None:
    swap = CrosschainSwap(b"\x07" * 32, b"\x08" * 32, 1, SENDER, RECIPIENT, 100, 29, 0, 9, 86_400, 4, (Lot(3, 100),))
    message = Message(3, SENDER, RECIPIENT, encode_payload(MessageKind.MINT, swap))
    assert message_fields(ROUTE, message, b"\x05" * 32)["swap_id"] == "0x" + "07" * 32
