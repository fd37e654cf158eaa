"""Attesters and relayers of a test on two connected chains, in the test's own process and stepped by it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from eth_utils.address import to_checksum_address

from backend.chain.attested_gateway import Message, batch_of, encode_deliver, message_tree
from backend.chain.crosschain_exchange import encode_payload
from backend.chain.event_types import Lot
from backend.chain.exchange_types import CrosschainSwap, MessageKind, SwapStatus
from backend.chain.points_exchange import encode_swap
from bridge.attester import Attester, open_attester
from bridge.attester_api import attester_app
from bridge.destination import Tracked
from bridge.http import HttpServer
from bridge.relayer import Relayer, open_relayer
from bridge.settings import (
    AttesterEndpoint,
    AttestSettings,
    BridgeSettings,
    ChainSettings,
    KeySettings,
    RelaySettings,
    WatchSettings,
)
from bridge.watchdog import Watchdog, open_watchdog
from tests.support.two_chains import ATTESTERS, GUARDIAN, RELAYER, SECOND_RELAYER, Sent, Side, TwoChains, fixed_key


@dataclass
class AttesterHost:
    """One attester and the server of its signatures."""

    attester: Attester
    server: HttpServer
    endpoint: AttesterEndpoint
    offline: bool = False

    def run(self) -> None:
        """Steps until there is nothing more to do."""
        while not self.offline and self.attester.step():
            pass


@dataclass
class Bridge:
    """The bridge's parts around a world. Time stands still but for `seconds`."""

    world: TwoChains
    folder: Path
    stack: ExitStack
    hosts: list[AttesterHost] = field(default_factory=list)
    seconds: float = 1_000.0
    still: list[Side] = field(default_factory=list)
    """Chains that mine only when told."""

    # Parts

    def settings(self, role: str, relay: Mapping[str, object] | None = None, **changes: object) -> BridgeSettings:
        """Settings of one role's host; `relay` changes that section, `changes` the chains."""
        chains = [
            ChainSettings.model_validate(
                {
                    "name": side_name(side),
                    "chain_id": side.chain_id,
                    "manifest": side.manifest_path,
                    "endpoints": [side.chain.url],
                    "require_independent": False,
                    "poll_seconds": 0.1,
                    "timeout_seconds": 60.0,
                    **changes,
                }
            )
            for side in self.world.sides
        ]
        relaying: dict[str, object] = {
            "key": KeySettings(dev_account=RELAYER),
            "attesters": [host.endpoint for host in self.hosts],
            "port": 0,
            "timeout_seconds": 60,
            "patience_seconds": 60,
            **(relay or {}),
        }
        return BridgeSettings(
            data_dir=self.folder / role,
            chain=chains,
            relay=RelaySettings.model_validate(relaying),
            watch=WatchSettings(key=KeySettings(dev_account=GUARDIAN), port=0),
        )

    def add_attester(self, account: int) -> AttesterHost:
        """An attester that signs with a local account, and serves its signatures."""
        settings = self.settings(f"attester-{account}").model_copy(
            update={"attest": AttestSettings(key=KeySettings(dev_account=account), port=0)}
        )
        attester = open_attester(settings)
        self.stack.callback(attester.close)
        server = self.stack.enter_context(HttpServer(attester_app(attester), "127.0.0.1", 0))
        address = "0x" + self.world.first.signers.addresses()[account].hex()
        endpoint = AttesterEndpoint.model_validate({"url": server.url, "address": address})
        host = AttesterHost(attester, server, endpoint)
        self.hosts.append(host)
        return host

    def relayer(self, name: str = "relayer", **relay: object) -> Relayer:
        """A relayer with the folder `name`; opened again, it goes on where the last one stopped."""
        relayer = open_relayer(self.settings(name, relay), clock=lambda: self.seconds)
        self.stack.callback(relayer.close)
        return relayer

    def watchdog(self, **changes: object) -> Watchdog:
        """A watchdog with the guardian's key; `changes` are of its settings' section."""
        settings = self.settings("watch")
        section = WatchSettings.model_validate({**settings.watch.model_dump(), **changes})
        settings = settings.model_copy(update={"watch": section})
        watchdog = open_watchdog(settings, clock=lambda: self.seconds)
        self.stack.callback(watchdog.close)
        return watchdog

    def forge(self, source: str, destination: str, number: int, points_out: int, *attesters: int) -> None:
        """Stolen attesters' keys mint at the destination what nobody has burnt."""
        world, home, to = self.world, self.world.home(source), self.world.home(destination)
        lane, member = world.lane(source, destination), fixed_key("thief").address
        points_in = home.exchange.price(lane, 10 * points_out).points_in
        points_out = home.exchange.price(lane, points_in).points_out
        epoch_length = home.manifest.programme(source).terms.epoch_length_seconds
        validity = home.manifest.programme(source).terms.validity_epochs
        lots = (Lot(home.now() // epoch_length, points_in),)
        deadline = max(side.now() for side in world.sides) + 3_600
        swap = CrosschainSwap(
            *(number.to_bytes(32), lane, number, member, member, points_in, points_out),
            *(0, deadline, epoch_length, validity, lots),
        )
        payload = encode_payload(MessageKind.MINT, swap)
        forged = Message(1_000 + number, home.exchange.address, to.exchange.address, payload)
        sent = Sent(world.route(home), home.chain.client.block_number(), forged)
        tree = message_tree(sent.route, [forged])
        signatures = world.signatures(sent.route, sent.block_number, tree.root, attesters)
        batch = batch_of(sent.route, sent.block_number, tree.root)
        to.send(SECOND_RELAYER, to.gateway.address, encode_deliver(batch, [forged], [], [], signatures))

    # Acts

    def attest(self) -> None:
        """Everything so far becomes final, and every attester that is not offline signs it."""
        for side in self.world.sides:
            side.finalise()
        for host in self.hosts:
            host.run()

    def relay(self, *relayers: Relayer, rounds: int = 1) -> None:
        """Rounds of each relayer, one after the other; pauses are over by the next round."""
        for _ in range(rounds):
            for relayer in relayers:
                while relayer.step():
                    self.mined()
                self.mined()
            self.seconds += 600

    def converge(self, *relayers: Relayer, rounds: int = 8) -> None:
        """Until nothing is open any more on either route."""
        for _ in range(rounds):
            self.attest()
            self.relay(*relayers)
            if not any(relayer.open_messages for relayer in relayers):
                return
        raise AssertionError([each.state for relayer in relayers for each in tracked(relayer)])

    def swaps_in_one_block(self, count: int, source: str = "grocer", destination: str = "fuel") -> None:
        """Swaps of alice's, to as many new accounts, all in the next block."""
        side, alice = self.world.home(source), self.world.alice
        nonce = side.chain.client.transaction_count("0x" + alice.address.hex())
        raws = []
        for at in range(count):
            request = self.world.request(source, destination, fixed_key(f"member {at}").address, 1_000)
            raws.append(
                alice.sign_transaction(
                    {
                        "type": 2,
                        "chainId": side.chain_id,
                        "nonce": nonce + at,
                        "to": to_checksum_address(side.exchange.address),
                        "value": 0,
                        "data": "0x" + encode_swap(request).hex(),
                        "gas": 500_000,
                        "maxFeePerGas": 10**11,
                        "maxPriorityFeePerGas": 10**9,
                    }
                )
            )
        with self.not_mining(side):
            assert side.chain.client.send_raw_many(raws) == [None] * count
            side.chain.mine()

    @contextmanager
    def not_mining(self, side: Side) -> Iterator[None]:
        """Blocks only when told."""
        side.chain.automine(False)
        self.still.append(side)
        try:
            yield
        finally:
            self.still.remove(side)
            side.chain.automine(True)

    def mined(self) -> None:
        """Returns once what was sent is mined, on chains that mine by themselves: they do so a moment later."""
        for side in self.world.sides:
            began = time.monotonic()
            while side not in self.still and side.chain.rpc("txpool_status") != {"pending": "0x0", "queued": "0x0"}:
                waited = time.monotonic() - began
                assert waited < 60, "the pool is not empty"
                if waited > 5:  # anvil may let a transaction lie that came while the one before it was being mined.
                    side.chain.mine()
                threading.Event().wait(0.01)

    # What became of it

    def outcome(self, source: str, destination: str, number: int) -> SwapStatus:
        """What the destination made of a swap."""
        side = self.world.home(destination)
        return side.exchange.outcome_of(self.world.lane(source, destination), number)

    def outcomes(self, source: str, destination: str) -> set[SwapStatus]:
        """What the destination made of all swaps of a lane."""
        return {self.outcome(source, destination, at + 1) for at in range(self.sent_count(source, destination))}

    def nonce(self, relayer: Relayer, side: Side) -> int:
        """Transactions of a relayer's that were mined on a chain."""
        return side.chain.client.transaction_count(relayer.destinations[side.chain_id].sender.address)

    def sent_count(self, source: str, destination: str) -> int:
        """Swaps sent over a lane: the number of the last."""
        return self.world.home(source).exchange.sent_count(self.world.lane(source, destination))


def side_name(side: Side) -> str:
    """Name of a chain in settings."""
    return {31337: "first", 1337: "second"}[side.chain_id]


def tracked(relayer: Relayer) -> Sequence[Tracked]:
    """What a relayer has in mind."""
    return [each for destination in relayer.destinations.values() for each in destination.tracked.values()]


@contextmanager
def bridge_of(world: TwoChains, folder: Path, attesters: Sequence[int] = ATTESTERS) -> Iterator[Bridge]:
    """A bridge with an attester for each account."""
    with ExitStack() as stack:
        bridge = Bridge(world, folder, stack)
        for account in attesters:
            bridge.add_attester(account)
        yield bridge
