"""`deliver`: messages of a signed batch reach their recipients, each once, in whatever parts they come."""

from dataclasses import replace

import pytest
from brownie.exceptions import VirtualMachineError
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support.examples import examples
from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN, REMOTE_GATEWAY, RemoteChain, hexed
from tests.contracts.support.messages import Message, MessageTree, Route, id_of, interoperable
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import NOBODY

SENDER = "0x" + "5e" * 20
ELSEWHERE = "0x" + "31" * 20
ZERO_ROOT = b"\x00" * 32


class TestDone:
    @pytest.mark.spec("GW-30")
    def test_one_message__as_it_was_sent(self, gateway, remote, message, delivery, application, received, mallory):
        transaction = remote.deliver(delivery, mallory)
        this = remote.id_of(message)
        assert received(transaction) == [(this, hexed(interoperable(REMOTE_CHAIN, SENDER)), hexed(b"a payload"))]
        assert logs(transaction)[1:] == [("MessageDelivered", this, REMOTE_CHAIN, 1)]
        assert transaction.return_value == 1
        assert gateway.isSeen(REMOTE_CHAIN, 1)
        assert not gateway.isFailed(this)

    @pytest.mark.spec("GW-31")
    def test_id_and_digest__the_contract_s_own_are_the_same(self, gateway, remote, message, delivery, digest_of):
        route = (remote.chain_id, REMOTE_GATEWAY, 31337, gateway.address)
        assert plain(gateway.messageIdOf(*route, message.struct)) == remote.id_of(message)
        signable = delivery.batch.signable(31337, gateway.address)
        assert digest_of(delivery.batch) == hexed(keccak(b"\x19\x01" + signable.header + signable.body))

    @pytest.mark.spec("GW-32")
    @pytest.mark.parametrize("count", [2, 3, 5, 8])
    def test_whole_block__without_proof__in_order(self, remote, application, relayer, received, count):
        messages = [remote.message(SENDER, application, bytes([number])) for number in range(count)]
        delivery = remote.delivery(*messages)
        assert (delivery.proof, delivery.flags) == ((), (True,) * (count - 1))
        transaction = remote.deliver(delivery, relayer)
        assert [payload for *_, payload in received(transaction)] == [hexed(bytes([at])) for at in range(count)]
        assert transaction.return_value == count

    @pytest.mark.spec("GW-32", "GW-33")
    def test_any_parts_of_a_block__in_any_order__each_message_once(self, gateway, remote, application, relayer):
        @settings(max_examples=examples(10), deadline=None, database=None)
        @given(
            st.integers(1, 9).flatmap(
                lambda count: st.tuples(
                    st.just(count),
                    st.lists(st.sets(st.integers(0, count - 1), min_size=1), min_size=1, max_size=3),
                )
            )
        )
        def deliver_parts(drawn):
            count, parts = drawn
            messages = [remote.message(SENDER, application, bytes([at])) for at in range(count)]
            done = set()
            for part in parts:
                delivery = remote.delivery(*messages, only=sorted(part))
                if part <= done:
                    with reverts("NothingToDeliver"):
                        remote.deliver(delivery, relayer)
                    continue
                transaction = remote.deliver(delivery, relayer)
                delivered = [log[1] for log in logs(transaction, "MessageDelivered")]
                assert delivered == [remote.id_of(messages[at]) for at in sorted(part - done)]
                done |= part
            seen = {at for at, message in enumerate(messages) if gateway.isSeen(REMOTE_CHAIN, message.nonce)}
            assert seen == done

        deliver_parts()

    @pytest.mark.spec("GW-33")
    def test_later_block_first(self, remote, application, relayer):
        first, second = (remote.delivery(remote.message(SENDER, application)) for _ in range(2))
        assert remote.deliver(second, relayer)
        assert remote.deliver(first, relayer)

    @pytest.mark.spec("GW-33")
    def test_two_chains__same_numbers(self, gateway, remote, message, delivery, application, relayer):
        other = RemoteChain(gateway, chain_id=OTHER_CHAIN)
        same = replace(message)
        assert other.id_of(same) != remote.id_of(message)
        remote.deliver(delivery, relayer)
        assert other.deliver(other.delivery(same), relayer).return_value == 1
        assert gateway.isSeen(OTHER_CHAIN, 1)


class TestOnce:
    @pytest.mark.spec("GW-33")
    def test_again__refused(self, remote, delivery, relayer, mallory):
        remote.deliver(delivery, relayer)
        with reverts("NothingToDeliver"):
            remote.deliver(delivery, mallory)

    @pytest.mark.spec("GW-33")
    def test_in_another_batch__skipped(self, remote, message, delivery, application, relayer, received):
        remote.deliver(delivery, relayer)
        new = remote.message(SENDER, application, b"new")
        transaction = remote.deliver(remote.delivery(message, new), relayer)
        assert [payload for *_, payload in received(transaction)] == [hexed(b"new")]

    @pytest.mark.spec("GW-33")
    def test_another_message_of_its_number__skipped(self, remote, message, delivery, application, relayer):
        """As many keys as the threshold, stolen, cannot send a message anew in another form."""
        remote.deliver(delivery, relayer)
        forged = replace(message, payload=b"forged")
        with reverts("NothingToDeliver"):
            remote.deliver(remote.delivery(forged), relayer)

    @pytest.mark.spec("GW-33")
    def test_twice_in_one_delivery__once(self, gateway, remote, message, application, relayer):
        """A tree with the same leaf twice: attesters never make one, and it is no use either."""
        transaction = remote.deliver(remote.delivery(message, message), relayer)
        assert len(logs(transaction, "Received")) == 1
        assert transaction.return_value == 1


class TestRefused:
    @pytest.mark.spec("GW-31")
    @pytest.mark.parametrize(
        "change",
        [
            {"nonce": 2},
            {"sender": ELSEWHERE},
            {"recipient": ELSEWHERE},
            {"payload": b"a paYload"},
            {"payload": b""},
            {"payload": b"a payload\x00"},
        ],
        ids=lambda change: "-".join(map(str, next(iter(change.items())))),
    )
    def test_a_field_of_the_message_changed(self, remote, message, delivery, relayer, untouched, change):
        changed = replace(message, **change)
        with reverts("InvalidProof"):
            remote.deliver(delivery.but(messages=(changed,)), relayer)
        untouched(changed)

    @pytest.mark.spec("GW-31")
    @pytest.mark.parametrize("field", Route.__dataclass_fields__)
    def test_a_field_of_the_way_changed__another_id(self, remote, message, field):
        changed = replace(remote.route, **{field: 7 if field.endswith("chain") else ELSEWHERE})
        assert id_of(changed, message) != id_of(remote.route, message)

    @pytest.mark.spec("GW-31", "GW-34")
    @pytest.mark.parametrize(
        "change",
        [{"source_chain": 10}, {"source_gateway": ELSEWHERE}, {"block_number": 7}, {"root": b"\x01" * 32}],
        ids=lambda change: next(iter(change)),
    )
    def test_a_field_of_the_batch_changed(self, remote, delivery, relayer, untouched, change):
        changed = delivery.but(batch=replace(delivery.batch, **change))
        batch = changed.batch
        known = (batch.source_chain, batch.source_gateway) == (REMOTE_CHAIN, REMOTE_GATEWAY)
        stranger = ("NotAnAttester", 0, remote.stranger_of(changed))
        with reverts(*(stranger if known else ("UnknownRemote", batch.source_chain, batch.source_gateway))):
            remote.deliver(changed, relayer)
        untouched()

    @pytest.mark.spec("GW-34")
    def test_signed_for_a_gateway_that_is_not_registered(self, gateway, application, relayer):
        unknown_gateways = ((REMOTE_CHAIN, ELSEWHERE), (10, REMOTE_GATEWAY), (10, NOBODY), (31337, gateway.address))
        for chain, source in unknown_gateways:
            unknown = RemoteChain(gateway, chain_id=chain, remote_gateway=source)
            with reverts("UnknownRemote", chain, source):
                unknown.deliver(unknown.delivery(unknown.message(SENDER, application)), relayer)

    @pytest.mark.spec("GW-34", "GW-31")
    def test_of_another_registered_chain(self, gateway, remote, message, relayer, untouched):
        """Signed as if the message had come from there."""
        other = RemoteChain(gateway, chain_id=OTHER_CHAIN)
        batch = replace(remote.delivery(message).batch, source_chain=OTHER_CHAIN)
        forged = remote.delivery(message).but(batch=batch, signatures=other.sign(batch))
        with reverts("InvalidProof"):
            remote.deliver(forged, relayer)
        untouched()

    @pytest.mark.spec("GW-35")
    def test_root_of_zero__or_of_nothing(self, remote, delivery, relayer, untouched):
        """Neither a root of zero nor an empty list of messages proves anything, though enough attesters sign it."""
        batch = replace(delivery.batch, root=ZERO_ROOT)
        signatures = remote.sign(batch)
        zero = delivery.but(batch=batch, signatures=signatures)
        for spoilt in (zero, zero.but(messages=()), zero.but(messages=(), proof=(ZERO_ROOT,))):
            with pytest.raises(VirtualMachineError):
                remote.deliver(spoilt, relayer)
        untouched()

    @pytest.mark.spec("GW-35")
    def test_no_messages__root_itself_as_proof(self, remote, delivery, relayer):
        with pytest.raises(VirtualMachineError):
            remote.deliver(delivery.but(messages=(), proof=(delivery.batch.root,)), relayer)

    @pytest.mark.spec("GW-31", "GW-35")
    def test_an_inner_node__is_no_message(self, remote, application, relayer):
        """No message hashes to an inner node, and a proof that leaves a node out is none."""
        messages = [remote.message(SENDER, application, bytes([at])) for at in range(4)]
        whole = remote.delivery(*messages)
        tree = MessageTree.of([id_of(remote.route, message) for message in messages])
        for spoilt in (
            whole.but(messages=whole.messages[:2], flags=(True,)),
            whole.but(messages=whole.messages[:2], proof=(tree.nodes[2],), flags=(True, False)),
            whole.but(messages=whole.messages[:3]),
            whole.but(flags=(True, True)),
            whole.but(flags=(True, True, False)),
            whole.but(proof=(tree.root,)),
        ):
            with pytest.raises(VirtualMachineError):
                remote.deliver(spoilt, relayer)
        assert remote.deliver(whole, relayer).return_value == 4

    @pytest.mark.spec("GW-31", "GW-32")
    def test_order_changed(self, gateway, remote, application, relayer):
        """Leaves in another order are another tree, where they do not happen to be a pair."""
        messages = [remote.message(SENDER, application, bytes([at])) for at in range(3)]
        whole = remote.delivery(*messages)
        with reverts("InvalidProof"):
            remote.deliver(whole.but(messages=(messages[2], messages[0], messages[1])), relayer)
        assert not any(gateway.isSeen(REMOTE_CHAIN, message.nonce) for message in messages)

    @pytest.mark.spec("GW-31")
    def test_message_that_was_not_in_the_block(self, remote, application, relayer):
        real = [remote.message(SENDER, application, bytes([at])) for at in range(2)]
        added = Message(77, SENDER, application.address, b"added")
        whole = remote.delivery(*real)
        for messages in ((*real, added), (real[0], added), (added, real[1])):
            for flags in ((True,), (True, True)):
                with pytest.raises(VirtualMachineError):
                    remote.deliver(whole.but(messages=messages, flags=flags), relayer)
