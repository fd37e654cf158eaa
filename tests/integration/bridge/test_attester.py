"""An attester on real chains: what it signs, that it signs nothing else, and that it comes back by itself."""

from __future__ import annotations

from tests.integration.bridge.attesting import Desk
from tests.integration.bridge.gateways import FINALITY_BLOCKS, Gateways


class TestSigning:
    def test_step__final_messages__signed_by_block(self, at_desk: Desk, gateways: Gateways) -> None:
        one = gateways.send(gateways.first, b"one", b"two", b"three")
        two = gateways.send_final(gateways.first, b"four")
        at_desk.run()
        signed = at_desk.signed()
        assert {number: len(batch.message_ids) for number, batch in signed.items()} == {one: 3, two: 1}
        assert at_desk.ask().through_block == two
        assert at_desk.attester.readiness().ready

    def test_step__not_final__not_signed(self, at_desk: Desk, gateways: Gateways) -> None:
        number = gateways.send(gateways.first, b"one")
        gateways.first.chain.mine(FINALITY_BLOCKS - 1)
        at_desk.run()
        assert at_desk.signed() == {}
        gateways.first.chain.mine()
        at_desk.run()
        assert list(at_desk.signed()) == [number]
