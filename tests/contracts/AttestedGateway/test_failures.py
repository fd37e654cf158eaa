"""Messages that fail: the others of their batch go on, and anybody tries them again."""

from dataclasses import replace

import pytest
from brownie import web3
from brownie.exceptions import VirtualMachineError

from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN, error_of, hexed
from tests.contracts.support.messages import interoperable
from tests.contracts.support.outcomes import logs, plain, reverts

SENDER = "0x" + "5e" * 20
MESSAGE_GAS = 2_000_000
NOTHING = "0x00"
"""How Brownie shows bytes of which there are none."""
WRONG_ANSWERS = {
    "another selector": {"answer": "0x12345678"},
    "nothing": {"length": 0},
    "four bytes": {"length": 4},
    "zeros": {"answer": "0x00000000"},
}


@pytest.fixture
def failing(remote, odd):
    """A message for the odd recipient."""
    return remote.message(SENDER, odd, b"for the odd one")


@pytest.fixture
def failed(gateway, remote, failing, behave, relayer):
    """It has been delivered and refused; from now on the recipient would take it."""
    behave(refuses=True)
    remote.deliver(remote.delivery(failing), relayer)
    behave()
    assert gateway.isFailed(remote.id_of(failing))
    return failing


@pytest.fixture
def retry(gateway, remote, mallory):
    """Somebody tries a message again."""

    def retry_message(message, chain=None, **options):
        return gateway.retry(chain or remote.chain_id, message.struct, {"from": mallory} | options)

    return retry_message


class TestFailing:
    @pytest.mark.spec("GW-40")
    def test_one_of_three__the_others_delivered(self, gateway, remote, failing, application, behave, relayer):
        behave(refuses=True, answer="0xdeadbeef", length=4)
        messages = [remote.message(SENDER, application), failing, remote.message(SENDER, application)]
        transaction = remote.deliver(remote.delivery(*messages), relayer)
        ids = [remote.id_of(message) for message in messages]
        assert transaction.return_value == 2
        assert [log[1] for log in logs(transaction, "MessageDelivered")] == [ids[0], ids[2]]
        assert logs(transaction, "MessageFailed") == [
            ("MessageFailed", ids[1], REMOTE_CHAIN, failing.nonce, "0xdeadbeef")
        ]
        assert [gateway.isFailed(this) for this in ids] == [False, True, False]
        assert all(gateway.isSeen(REMOTE_CHAIN, message.nonce) for message in messages)

    @pytest.mark.spec("GW-40", "GW-33")
    def test_alone__counts_as_tried(self, remote, failing, behave, relayer):
        behave(refuses=True)
        delivery = remote.delivery(failing)
        assert remote.deliver(delivery, relayer).return_value == 0
        behave()
        with reverts("NothingToDeliver"):
            remote.deliver(delivery, relayer)

    @pytest.mark.spec("GW-42")
    @pytest.mark.parametrize("name", WRONG_ANSWERS)
    def test_wrong_answer(self, gateway, remote, failing, odd, behave, relayer, name):
        behave(**WRONG_ANSWERS[name])
        transaction = remote.deliver(remote.delivery(failing), relayer)
        assert error_of(gateway, logs(transaction, "MessageFailed")[0][4]) == ("UnexpectedAnswer", odd.address)
        assert not logs(transaction, "MessageDelivered")
        assert gateway.isFailed(remote.id_of(failing))

    @pytest.mark.spec("GW-42")
    def test_right_answer_with_more_behind_it(self, remote, failing, behave, relayer):
        behave(length=64)
        assert remote.deliver(remote.delivery(failing), relayer).return_value == 1

    @pytest.mark.spec("GW-41")
    @pytest.mark.parametrize("whom", ["account", "token", "registry", "gateway", "house", "nobody"])
    def test_recipient_that_is_no_application__is_not_called(
        self, gateway, world, remote, application, alice, relayer, whom
    ):
        """The lesson of arbitrary calls: a token, a registry or the gateway itself is never a target."""
        recipient = {
            "account": str(alice),
            "token": world.programmes[0].token.address,
            "registry": world.registry.address,
            "gateway": gateway.address,
            "house": world.house.address,
            "nobody": "0x" + "00" * 20,
        }[whom]
        token = world.programmes[0].token
        mint = token.crosschainMint.encode_input(alice, 1_000)
        message = remote.message(SENDER, recipient, bytes.fromhex(mint[2:]))
        other = remote.message(SENDER, application)
        transaction = remote.deliver(remote.delivery(message, other), relayer)
        [log] = logs(transaction, "MessageFailed")
        name, account = error_of(gateway, log[4])
        assert (name, account.lower()) == ("NotAnApplication", recipient.lower())
        assert transaction.return_value == 1
        assert token.totalSupply() == 0

    @pytest.mark.spec("GW-41")
    @pytest.mark.parametrize("whom", ["token", "registry", "house"])
    def test_registered_by_mistake__still_only_asked_to_receive(self, gateway, world, remote, admin, relayer, whom):
        token = world.programmes[0].token
        target = {"token": token, "registry": world.registry, "house": world.house}[whom]
        gateway.setApplication(target, True, {"from": admin})
        mint = token.crosschainMint.encode_input(SENDER, 1_000)
        message = remote.message(SENDER, target, bytes.fromhex(mint[2:]))
        assert remote.deliver(remote.delivery(message), relayer).return_value == 0
        assert token.totalSupply() == 0

    @pytest.mark.spec("GW-40")
    @pytest.mark.parametrize("length", [0, 4, 255, 256, 257, 300_000])
    def test_reason__at_most_256_bytes_of_it(self, remote, failing, application, behave, relayer, length):
        """However much a recipient reverts with, no more than that is copied and paid for."""
        behave(refuses=True, answer="0xdeadbeef", length=length)
        delivery = remote.delivery(failing, remote.message(SENDER, application))
        transaction = remote.deliver(delivery, relayer)
        [(*_, reason)] = logs(transaction, "MessageFailed")
        expected = b"\xde\xad\xbe\xef".ljust(min(length, 256), b"\x00")[: min(length, 256)]
        assert reason == (hexed(expected) if expected else NOTHING)
        assert transaction.return_value == 1

    @pytest.mark.spec("GW-40")
    def test_answer_that_is_huge__costs_its_recipient_only(self, remote, failing, application, behave, relayer):
        behave(length=300_000)
        delivery = remote.delivery(failing, remote.message(SENDER, application))
        transaction = remote.deliver(delivery, relayer)
        assert transaction.return_value == 2
        assert transaction.gas_used < MESSAGE_GAS


class TestGas:
    @pytest.mark.spec("GW-43")
    def test_uses_up_its_gas__the_others_delivered(self, remote, failing, application, behave, relayer):
        behave(burns=2**64)
        delivery = remote.delivery(failing, remote.message(SENDER, application))
        transaction = remote.deliver(delivery, relayer)
        assert transaction.return_value == 1
        assert [log[4] for log in logs(transaction, "MessageFailed")] == [NOTHING]
        assert MESSAGE_GAS < transaction.gas_used < MESSAGE_GAS + 500_000

    @pytest.mark.spec("GW-43")
    def test_recipient_gets_exactly_so_much(self, gateway, remote, failing, relayer):
        transaction = remote.deliver(remote.delivery(failing), relayer)
        [(*_, gas_left)] = logs(transaction, "Received")
        assert gateway.MESSAGE_GAS() == MESSAGE_GAS
        assert MESSAGE_GAS - 2_000 < gas_left <= MESSAGE_GAS

    @pytest.mark.spec("GW-44")
    def test_too_little__reverts_as_a_whole__marks_nothing(self, gateway, remote, failing, relayer, untouched):
        delivery = remote.delivery(failing)
        with reverts("InsufficientGas"):
            gateway.deliver(*delivery.arguments, {"from": relayer, "gas_limit": 2_000_000})
        untouched(failing)
        assert remote.deliver(delivery, relayer).return_value == 1

    @pytest.mark.spec("GW-44")
    def test_no_gas_limit__makes_a_message_fail(self, gateway, remote, failing, application, behave, relayer):
        """A recipient that needs nearly all it is promised gets it, or the delivery does not happen."""
        behave(burns=MESSAGE_GAS - 50_000)
        delivery = remote.delivery(remote.message(SENDER, application), failing)
        data = gateway.deliver.encode_input(*delivery.arguments)
        outcomes = set()
        for gas in (*range(100_000, 2_000_000, 190_000), *range(2_000_000, 2_400_000, 9_973)):
            call = {"from": relayer.address, "to": gateway.address, "data": data, "gas": gas}
            response = web3.provider.make_request("eth_call", [call, "latest"])
            outcomes.add(int(response["result"], 16) if "result" in response else "reverts")
        assert outcomes == {"reverts", 2}


class TestFromWithin:
    @pytest.mark.spec("GW-45")
    def test_recipient_sends(self, gateway, remote, failing, behave, relayer):
        data = gateway.sendMessage.encode_input(interoperable(REMOTE_CHAIN, SENDER), b"an answer", [])
        behave(target=gateway.address, data=data)
        transaction = remote.deliver(remote.delivery(failing), relayer)
        assert [log[0] for log in logs(transaction)] == [
            "Received",
            "MessageQueued",
            "MessageSent",
            "Called",
            "MessageDelivered",
        ]
        assert gateway.sentCount(REMOTE_CHAIN) == 1

    @pytest.mark.spec("GW-46")
    @pytest.mark.parametrize("how", ["deliver", "retry"])
    def test_recipient_delivers_or_retries__refused(self, gateway, remote, failed, odd, behave, relayer, how):
        inner = remote.delivery(remote.message(SENDER, odd))
        data = {
            "deliver": lambda: gateway.deliver.encode_input(*inner.arguments),
            "retry": lambda: gateway.retry.encode_input(REMOTE_CHAIN, failed.struct),
        }[how]()
        behave(target=gateway.address, data=data)
        transaction = remote.deliver(remote.delivery(remote.message(SENDER, odd)), relayer)
        [(_, succeeded, answer)] = logs(transaction, "Called")
        assert not succeeded
        assert answer == hexed(web3.keccak(text="ReentrancyGuardReentrantCall()")[:4])
        assert gateway.isFailed(remote.id_of(failed))

    @pytest.mark.spec("GW-46", "GW-62")
    def test_retried_message_retries_itself__refused(self, gateway, remote, failed, behave, retry):
        behave(target=gateway.address, data=gateway.retry.encode_input(REMOTE_CHAIN, failed.struct))
        transaction = retry(failed)
        assert [log[1] for log in logs(transaction, "Called")] == [False]
        assert len(logs(transaction, "Received")) == 1


class TestRetry:
    @pytest.mark.spec("GW-60")
    def test_taken_now__logged__once(self, gateway, remote, failed, retry, received):
        transaction = retry(failed)
        this = remote.id_of(failed)
        assert received(transaction) == [(this, hexed(interoperable(REMOTE_CHAIN, SENDER)), hexed(b"for the odd one"))]
        assert logs(transaction)[1:] == [("MessageDelivered", this, REMOTE_CHAIN, failed.nonce)]
        assert not gateway.isFailed(this)
        with reverts("NotFailed", this):
            retry(failed)

    @pytest.mark.spec("GW-61")
    def test_refused_again__with_the_recipient_s_reason__stays_failed(self, gateway, remote, failed, behave, retry):
        behave(refuses=True, answer=hexed(web3.keccak(text="EnforcedPause()")[:4]), length=4)
        for _ in range(2):
            with reverts("EnforcedPause"):
                retry(failed)
        assert gateway.isFailed(remote.id_of(failed))
        behave()
        assert retry(failed)

    @pytest.mark.spec("GW-61", "GW-42")
    def test_wrong_answer_again(self, gateway, remote, failed, odd, behave, retry):
        behave(answer="0x12345678")
        with reverts("UnexpectedAnswer", odd):
            retry(failed)
        assert gateway.isFailed(remote.id_of(failed))

    @pytest.mark.spec("GW-60")
    def test_with_all_gas(self, failed, behave, retry):
        """What needs more than a delivery gives can be taken in a retry."""
        behave(burns=3 * MESSAGE_GAS)
        assert logs(retry(failed), "MessageDelivered")

    @pytest.mark.spec("GW-61")
    def test_with_too_little_gas__stays_failed(self, gateway, remote, failed, behave, retry):
        behave(burns=MESSAGE_GAS)
        with pytest.raises(VirtualMachineError):
            retry(failed, gas_limit=MESSAGE_GAS)
        assert gateway.isFailed(remote.id_of(failed))

    @pytest.mark.spec("GW-62")
    def test_not_failed(self, remote, message, delivery, failed, retry, relayer):
        with reverts("NotFailed", remote.id_of(message)):
            retry(message)
        remote.deliver(delivery, relayer)
        with reverts("NotFailed", remote.id_of(message)):
            retry(message)

    @pytest.mark.spec("GW-62", "GW-31")
    @pytest.mark.parametrize(
        "change",
        [{"nonce": 99}, {"sender": "0x" + "31" * 20}, {"recipient": "0x" + "31" * 20}, {"payload": b"forged"}],
        ids=lambda change: next(iter(change)),
    )
    def test_a_field_changed(self, remote, failed, retry, change):
        forged = replace(failed, **change)
        with reverts("NotFailed", remote.id_of(forged)):
            retry(forged)

    @pytest.mark.spec("GW-62", "GW-31")
    def test_of_another_chain(self, gateway, remote, failed, retry):
        remote.chain_id = OTHER_CHAIN
        with reverts("NotFailed", remote.id_of(failed)):
            retry(failed, OTHER_CHAIN)

    @pytest.mark.spec("GW-63")
    def test_application_registered_later(self, OddRecipient, gateway, remote, admin, relayer, retry):
        late = OddRecipient.deploy({"from": admin})
        message = remote.message(SENDER, late)
        remote.deliver(remote.delivery(message), relayer)
        with reverts("NotAnApplication", late):
            retry(message)
        gateway.setApplication(late, True, {"from": admin})
        assert plain(logs(retry(message), "Received")[0][1]) == remote.id_of(message)

    @pytest.mark.spec("GW-63")
    def test_application_taken_away_meanwhile(self, gateway, remote, failed, odd, admin, retry):
        gateway.setApplication(odd, False, {"from": admin})
        with reverts("NotAnApplication", odd):
            retry(failed)
        assert gateway.isFailed(remote.id_of(failed))
