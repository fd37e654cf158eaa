"""`sendMessage`: a registered application sends to a registered chain, and the log says everything."""

import pytest
from brownie import web3

from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN, REMOTE_GATEWAY, hexed, sent_messages
from tests.contracts.support.messages import Message, Route, id_of, interoperable
from tests.contracts.support.outcomes import logs, plain, reverts

RECIPIENT = "0x" + "7e" * 20
VITALIK = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
SOLANA = bytes.fromhex("0001000220" + "45296998a6f8e2a784db5d9f95e18fc23f70441a1039446801089879b08c7ef0")
VECTORS = {
    "Ethereum mainnet address": bytes.fromhex("00010000010114d8da6bf26964af9d7eed9e03e53415d37aa96045"),
    "Solana mainnet address": SOLANA
    + bytes.fromhex("2005333498d5aea4ae009585c43f7b8c30df8e70187d4a713d134f977fc8dfe0b5"),
    "EVM address without chain": bytes.fromhex("000100000014d8da6bf26964af9d7eed9e03e53415d37aa96045"),
    "Solana mainnet without address": SOLANA + b"\x00",
}
"""The test cases of ERC-7930."""
THERE = interoperable(REMOTE_CHAIN, RECIPIENT)
MALFORMED = {
    "empty": b"",
    "one byte short": THERE[:-1],
    "one byte more": THERE + b"\x00",
    "version 2": b"\x00\x02" + THERE[2:],
    "not an EVM chain": THERE[:2] + b"\x00\x02" + THERE[4:],
    "chain with a leading zero": THERE[:4] + b"\x03\x00" + THERE[5:],
    "chain alone": interoperable(REMOTE_CHAIN),
    "short address": interoperable(REMOTE_CHAIN, RECIPIENT[:-2]),
    "nobody": interoperable(REMOTE_CHAIN, "0x" + "00" * 20),
    "twenty bytes": bytes.fromhex(RECIPIENT[2:]),
} | {name: vector for name, vector in VECTORS.items() if name != "Ethereum mainnet address"}


@pytest.fixture
def send(gateway, application, alice):
    """Lets the application send."""

    def send_message(recipient=THERE, payload=b"", attributes=(), value=0, by=application):
        data = gateway.sendMessage.encode_input(recipient, payload, list(attributes))
        return by.call(gateway, data, {"from": alice, "value": value})

    return send_message


@pytest.fixture
def expected_id(gateway, application):
    """The id of the application's message of a number."""

    def id_by_description(nonce, payload, chain=REMOTE_CHAIN, recipient=RECIPIENT):
        route = Route(web3.eth.chain_id, gateway.address, chain, REMOTE_GATEWAY)
        return hexed(id_of(route, Message(nonce, application.address, recipient, payload)))

    return id_by_description


class TestDone:
    @pytest.mark.spec("GW-21", "GW-24")
    def test_logged_in_order__id_returned(self, gateway, application, send, expected_id):
        transaction = send(payload=b"hello")
        this = expected_id(1, b"hello")
        own = hexed(interoperable(web3.eth.chain_id, application.address))
        assert logs(transaction) == [
            ("MessageQueued", this, REMOTE_CHAIN, 1),
            ("MessageSent", this, own, hexed(THERE), hexed(b"hello"), 0, ()),
        ]
        assert plain(transaction.return_value) == this
        assert gateway.sentCount(REMOTE_CHAIN) == 1

    @pytest.mark.spec("GW-21", "GW-31")
    def test_contract_s_own_id__the_same(self, gateway, application, expected_id):
        route = (web3.eth.chain_id, gateway.address, REMOTE_CHAIN, REMOTE_GATEWAY)
        struct = Message(7, application.address, RECIPIENT, b"hello").struct
        assert plain(gateway.messageIdOf(*route, struct)) == expected_id(7, b"hello")

    @pytest.mark.spec("GW-22")
    def test_numbers__each_chain_s_own__without_gaps(self, gateway, send, odd):
        other = interoperable(OTHER_CHAIN, RECIPIENT)
        for recipient, by in ((THERE, None), (other, odd), (THERE, odd), (other, None), (THERE, None)):
            send(recipient, **({"by": by} if by else {}))
        assert [gateway.sentCount(chain) for chain in (REMOTE_CHAIN, OTHER_CHAIN, 10)] == [3, 2, 0]

    @pytest.mark.spec("GW-22")
    def test_the_same_message_twice__two_ids(self, send, expected_id):
        assert [sent_messages(send(payload=b"same"))[0][0] for _ in range(2)] == [
            expected_id(number, b"same") for number in (1, 2)
        ]

    @pytest.mark.spec("GW-23")
    def test_longest_payload(self, gateway, application, send, expected_id):
        payload = bytes(range(256)) * 32
        assert len(payload) == gateway.MAX_PAYLOAD()
        assert sent_messages(send(payload=payload))[0] == (
            expected_id(1, payload),
            hexed(interoperable(web3.eth.chain_id, application.address)),
            hexed(THERE),
            hexed(payload),
            0,
            (),
        )


class TestRefused:
    @pytest.mark.spec("GW-20")
    def test_not_an_application(self, gateway, OddRecipient, send, admin, alice, application):
        stranger = OddRecipient.deploy({"from": admin})
        with reverts("NotAnApplication", stranger):
            send(by=stranger)
        with reverts("NotAnApplication", alice):
            gateway.sendMessage(THERE, b"", [], {"from": alice})
        gateway.setApplication(application, False, {"from": admin})
        with reverts("NotAnApplication", application):
            send()

    @pytest.mark.spec("GW-25")
    @pytest.mark.parametrize("name", MALFORMED)
    def test_recipient_in_another_form(self, gateway, send, name):
        with reverts("InvalidRecipient", MALFORMED[name]):
            send(MALFORMED[name])
        assert gateway.sentCount(REMOTE_CHAIN) == 0

    @pytest.mark.spec("GW-25")
    def test_chain_that_is_not_registered(self, send):
        for chain in (1, web3.eth.chain_id, REMOTE_CHAIN + 1):
            with reverts("InvalidRecipient", interoperable(chain, RECIPIENT)):
                send(interoperable(chain, RECIPIENT))

    @pytest.mark.spec("GW-23")
    def test_payload_too_long(self, gateway, send):
        with reverts("PayloadTooLong", 8_193, 8_192):
            send(payload=b"\x01" * 8_193)

    @pytest.mark.spec("GW-24")
    def test_with_value(self, gateway, send):
        with reverts("ValueNotSupported", 1):
            send(value=1)
        assert web3.eth.get_balance(gateway.address) == 0

    @pytest.mark.spec("GW-24")
    @pytest.mark.parametrize("attribute", [b"\x12\x34\x56\x78", b"\x12\x34\x56\x78" + b"\x01" * 32])
    def test_with_attributes(self, gateway, send, attribute):
        with reverts("UnsupportedAttribute", str(bytes(attribute[:4]))):
            send(attributes=[attribute])
        assert not gateway.supportsAttribute(attribute[:4])

    @pytest.mark.spec("GW-22")
    def test_refused__uses_no_number(self, send, expected_id):
        with reverts("InvalidRecipient", interoperable(1, RECIPIENT)):
            send(interoperable(1, RECIPIENT))
        assert sent_messages(send(payload=b"x"))[0][0] == expected_id(1, b"x")


class TestForm:
    """Addresses of ERC-7930."""

    @pytest.mark.spec("GW-26")
    def test_vectors_of_the_standard(self):
        assert interoperable(1, VITALIK) == VECTORS["Ethereum mainnet address"]
        assert interoperable(1)[:-1] + b"\x14" + bytes.fromhex(VITALIK[2:]) == VECTORS["Ethereum mainnet address"]

    @pytest.mark.spec("GW-26")
    def test_ethereum_mainnet_address__sent_to(self, gateway, send, admin, expected_id):
        """The one test case that names an account of an EVM chain stands in the log, byte for byte."""
        gateway.setRemote(1, REMOTE_GATEWAY, {"from": admin})
        vector = VECTORS["Ethereum mainnet address"]
        this, _, recipient, *_ = sent_messages(send(vector))[0]
        assert recipient == hexed(vector)
        assert this == expected_id(1, b"", 1, VITALIK)

    @pytest.mark.spec("GW-26")
    @pytest.mark.parametrize("chain", [0xFF, 0x100, 2**64 - 1, 2**255])
    def test_chain_ids_of_any_length(self, gateway, send, admin, chain, remote, application, relayer, received):
        gateway.setRemote(chain, REMOTE_GATEWAY, {"from": admin})
        assert sent_messages(send(interoperable(chain, RECIPIENT)))[0][2] == hexed(interoperable(chain, RECIPIENT))
        remote.chain_id = chain
        message = remote.message(RECIPIENT, application)
        transaction = remote.deliver(remote.delivery(message), relayer)
        assert received(transaction)[0][1] == hexed(interoperable(chain, RECIPIENT))
