"""Two chains connected by what operators run, and messages signed and delivered by hand."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.chain import attested_gateway, crosschain_exchange
from backend.chain.attested_gateway import Message, batch_of, message_tree
from backend.chain.clearing_house import TREASURER_ROLE
from backend.chain.client import ChainClient
from backend.chain.crosschain_exchange import decode_payload
from backend.chain.deploy import Deployer, verify_code
from backend.chain.deploy_crosschain import ends_of
from backend.chain.errors import ChainError, ContractRevertedError, ManifestError
from backend.chain.exchange_types import MessageKind, SwapStatus
from backend.chain.lane_pricing import price
from backend.chain.manifest import Manifest
from backend.chain.points_exchange import LANE_ROLE, QUOTER_ROLE, encode_swap
from backend.chain.points_token import managed_account
from backend.chain.programme_registry import programme_id
from tests.support.anvil import START, Anvil, exchange_plan, plan
from tests.support.market import TERMS as LANE_TERMS
from tests.support.strict_proxy import StrictProxy
from tests.support.two_chains import (
    ADMIN,
    ATTESTERS,
    GUARDIAN,
    HOMES,
    LANES,
    PARTNER,
    POINTS,
    RELAYER,
    Setting,
    Side,
    TwoChains,
    two_chains,
)

GROCER, FUEL = programme_id("grocer"), programme_id("fuel")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoChains]:
    """One world for the tests here."""
    with two_chains(tmp_path_factory.mktemp("chains"), Setting(timestamp=START)) as world:
        yield world


@pytest.fixture
def world(shared: TwoChains) -> Iterator[TwoChains]:
    """The world as at its beginning."""
    with shared.unchanged():
        yield shared


def _swap_in_one_block(world: TwoChains, count: int) -> None:
    chain = world.first.chain
    nonce = chain.client.transaction_count("0x" + world.alice.address.hex(), "latest")
    requests = [world.request("grocer", "fuel", world.alice.address, 1_000 + 10 * index) for index in range(count)]
    chain.automine(False)
    for index, request in enumerate(requests):
        fields: dict[str, int | str] = {
            "type": 2,
            "chainId": 31337,
            "nonce": nonce + index,
            "value": 0,
            "to": ends_of(world.first.manifest)[1].address,
            "data": "0x" + encode_swap(request).hex(),
            "gas": 900_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 1,
        }
        assert chain.client.send_raw(world.alice.sign_transaction(fields)) is None
    chain.mine()
    chain.automine(True)


class TestContracts:
    def test_ids_trees_and_digests__the_gateways(self, world: TwoChains) -> None:
        dice = random.Random(20_261_122)
        route = world.route(world.first)
        gateway = world.second.gateway
        for _ in range(3):
            message = Message(dice.randrange(1 << 256), dice.randbytes(20), dice.randbytes(20), dice.randbytes(77))
            assert gateway.message_id_of(route, message) == attested_gateway.message_id(route, message)
            batch = batch_of(route, dice.randrange(1 << 256), dice.randbytes(32))
            assert gateway.batch_digest(batch) == attested_gateway.batch_digest(route, batch)

    @pytest.mark.parametrize("count", [5, 8])
    def test_parts_of_a_batch__delivered_in_any_order(self, world: TwoChains, count: int) -> None:
        """Random parts with their proofs, until all are there; a part that is there already changes nothing."""
        dice = random.Random(count)
        _swap_in_one_block(world, count)
        batch = world.sent(world.first)
        assert [sent.message.nonce for sent in batch] == list(range(1, count + 1))
        assert len({sent.block_number for sent in batch}) == 1
        gateway, left = world.second.gateway, set(range(count))
        while left:
            wanted = sorted(dice.sample(range(count), dice.randrange(1, count + 1)))
            calldata = world.delivery(batch[0].block_number, batch, wanted)
            if left & set(wanted):
                world.second.send(RELAYER, gateway.address, calldata)
                left -= set(wanted)
            else:
                with pytest.raises(ContractRevertedError, match="arrived before"):
                    world.second.send(RELAYER, gateway.address, calldata)
            assert {index for index in range(count) if not gateway.is_seen(31337, index + 1)} == left
        lane = world.lane("grocer", "fuel")
        assert {world.second.exchange.outcome_of(lane, number + 1) for number in range(count)} == {SwapStatus.COMPLETED}

    def test_other_proof_or_signatures__refused(self, world: TwoChains) -> None:
        world.swap("grocer", "fuel")
        (sent,) = world.sent(world.first)
        root = message_tree(sent.route, [sent.message]).root
        batch, gateway = batch_of(sent.route, sent.block_number, root), world.second.gateway
        right = world.signatures(sent.route, sent.block_number, root)

        def deliver(*, message: Message = sent.message, signatures: list[bytes] = right) -> None:
            data = attested_gateway.encode_deliver(batch, [message], [], [], signatures)
            world.second.send(RELAYER, gateway.address, data)

        with pytest.raises(ContractRevertedError) as caught:
            deliver(message=replace(sent.message, nonce=2))
        assert caught.value.name == "InvalidProof"
        with pytest.raises(ContractRevertedError, match="1 signatures, and 2"):
            deliver(signatures=right[:1])
        strangers = world.signatures(sent.route, sent.block_number, root, (ATTESTERS[0], RELAYER))
        with pytest.raises(ContractRevertedError, match="not an attester"):
            deliver(signatures=strangers)
        deliver()
        assert gateway.is_seen(31337, 1)


class TestSwap:
    def test_there__minted_with_the_debt_where_it_is_minted(self, world: TwoChains) -> None:
        swap_id = world.swap("grocer", "fuel", 1_000)
        (sent,) = world.sent(world.first)
        kind, swap = decode_payload(sent.message.payload)
        expected = price(LANE_TERMS, 1_000)
        assert (kind, swap.swap_id, swap.number) == (MessageKind.MINT, swap_id, 1)
        assert (swap.points_in, swap.points_out) == (expected.points_in, expected.points_out)
        world.deliver(world.first)
        lane = world.lane("grocer", "fuel")
        assert world.second.exchange.outcome_of(lane, 1) is SwapStatus.COMPLETED
        assert world.first.exchange.status_of(swap_id) is SwapStatus.PENDING
        assert world.second.token("fuel").balance_of(world.alice.address) == POINTS + expected.points_out
        assert world.second.house.owed_of(GROCER, FUEL) == (expected.settlement, 0)
        assert world.first.house.owed_of(GROCER, FUEL) == (0, 0)
        assert world.deliver(world.first) == []

    def test_lane_halted_meanwhile__comes_back_as_it_was(self, world: TwoChains) -> None:
        grocer = world.first.token("grocer")
        before = grocer.lots_of(world.alice.address)
        swap_id = world.swap("grocer", "fuel", 1_000)
        lane = world.lane("grocer", "fuel")
        world.second.send(GUARDIAN, world.second.exchange.address, crosschain_exchange.encode_halt(lane))
        world.deliver(world.first)
        assert world.second.exchange.outcome_of(lane, 1) is SwapStatus.REFUNDED
        world.deliver(world.second)
        assert world.first.exchange.status_of(swap_id) is SwapStatus.REFUNDED
        assert grocer.lots_of(world.alice.address) == before
        assert world.second.house.owed_of(GROCER, FUEL) == (0, 0)

    def test_both_ways_by_wallet_and_custodian__minted(self, world: TwoChains) -> None:
        key = b"\x07" * 32
        account = managed_account(world.home("fuel").programme("fuel").token_bytes, key)
        world.issue("fuel", account, 5_000)
        world.swap_managed("fuel", "cafe", key, 4_000, world.bob.address)
        world.swap("cafe", "fuel", 2_000, by=world.bob)
        world.deliver(world.first)
        world.deliver(world.second)
        taken, given = price(LANE_TERMS, 2_000), price(LANE_TERMS, 4_000)
        balance = POINTS - taken.points_in + given.points_out
        assert world.first.token("cafe").balance_of(world.bob.address) == balance


class TestDeployment:
    def test_as_planned__homes_links_and_roles(self, world: TwoChains) -> None:
        for side in world.sides:
            other, (gateway, crosschain) = world.other(side), ends_of(side.manifest)
            assert Manifest.load(side.manifest_path) == side.manifest
            assert [remote.chain_id for remote in gateway.remotes] == [other.chain_id]
            assert side.gateway.remote_of(other.chain_id) == other.gateway.address
            assert side.gateway.is_application(side.exchange.address)
            assert side.exchange.link_of(other.chain_id) == (side.gateway.address, other.exchange.address)
            assert side.gateway.attester_set().attesters == tuple(
                sorted(side.signers.addresses()[number] for number in ATTESTERS)
            )
            assert side.gateway.pending_attester_set() is None
            assert crosschain.address_bytes in side.manifest.contracts
            for slug, home in HOMES.items():
                assert side.exchange.home_of(programme_id(slug)) == home
                assert side.manifest.home_of(side.programme(slug)) == home
            for source, destination in LANES:
                assert side.exchange.lane_of(world.lane(source, destination)).open
        addresses = [{entry.address for entry in ends_of(side.manifest)} for side in world.sides]
        assert len(set.union(*addresses)) >= 3

    def test_branch__issues_nothing(self, world: TwoChains) -> None:
        token, dev = world.first.token("fuel"), world.first.signers.addresses()
        assert world.first.programme("fuel").is_branch
        for role in (LANE_ROLE, QUOTER_ROLE, TREASURER_ROLE):
            assert token.has_role(role, dev[PARTNER])
            assert not token.has_role(role, dev[ADMIN])
        for name in ("ISSUER_ROLE", "CUSTODIAN_ROLE"):
            assert not any(token.has_role(token.role(name), account) for account in dev)
        exchanges = [world.first.exchange.address, bytes.fromhex(world.first.manifest.exchange.address[2:])]  # type: ignore[union-attr]
        assert not any(token.has_role(token.role("EXCHANGE_ROLE"), exchange) for exchange in exchanges)

    def test_again__nothing_is_sent(self, world: TwoChains) -> None:
        side = world.first
        head, deployer = side.chain.client.block_number(), Deployer(side.chain.client, side.signer(ADMIN))
        assert deployer.deploy([], side.manifest_path) == side.manifest
        assert deployer.connect(side.manifest_path, [world.second.manifest]) == side.manifest
        assert side.chain.client.block_number() == head

    def test_with_what_cannot_be__refused(self, world: TwoChains) -> None:
        side, path = world.first, world.first.manifest_path
        deployer = Deployer(side.chain.client, side.signer(ADMIN))
        with pytest.raises(ManifestError, match="this very chain"):
            deployer.connect(path, [side.manifest])
        with pytest.raises(ManifestError, match="chain 1337 has no gateway"):
            deployer.connect(path, [world.second.manifest.model_copy(update={"gateway": None})])
        gateway, crosschain = ends_of(world.second.manifest)
        for changed in (
            {"gateway": gateway.model_copy(update={"address": crosschain.address})},
            {"crosschain": crosschain.model_copy(update={"address": gateway.address})},
        ):
            with pytest.raises(ManifestError, match="cannot be changed"):
                deployer.connect(path, [world.second.manifest.model_copy(update=changed)])
        with pytest.raises(ManifestError, match="at home here"):
            deployer.deploy([replace(plan("kiosk", side.signers), home_chain_id=31337)], path)
        with pytest.raises(ManifestError, match="fuel cannot be changed"):
            deployer.deploy([plan("fuel", side.signers)], path)

    def test_other_code_of_the_gateway__refused(self, world: TwoChains) -> None:
        gateway, _ = ends_of(world.first.manifest)
        world.first.chain.rpc("anvil_setCode", gateway.address, "0x6001")
        with pytest.raises(ManifestError, match="not the one in the manifest"):
            verify_code(world.first.chain.client, world.first.manifest)

    def test_interrupted__continues_to_the_same(self, world: TwoChains, tmp_path: Path) -> None:
        """The endpoint refuses after some transactions of what is deployed for other chains; the next run goes on."""
        signers, path = world.first.signers, tmp_path / "manifest.json"
        plans = [replace(plan("fuel", signers), home_chain_id=1337)]
        with Anvil(options=("--chain-id", "31337")) as chain:
            Deployer(chain.client, world.first.signer(ADMIN)).deploy(plans, path, exchange_plan(signers))
            before = path.read_bytes()
            for transactions in (1, 4, 8, 11):
                mark = chain.snapshot()
                path.write_bytes(before)
                with StrictProxy(chain.url) as proxy:
                    _connect_with_a_refusal(proxy, path, world, transactions)
                side = Side(chain, 31337, path, signers, 8)
                side.manifest = Manifest.load(path)
                verify_code(chain.client, side.manifest)
                assert side.exchange.home_of(FUEL) == 1337
                assert side.gateway.remote_of(1337) == world.second.gateway.address
                assert side.exchange.link_of(1337) == (side.gateway.address, world.second.exchange.address)
                assert not side.token("fuel").has_role(LANE_ROLE, side.signers.addresses()[ADMIN])
                chain.revert(mark)


def _connect_with_a_refusal(proxy: StrictProxy, path: Path, world: TwoChains, transactions: int) -> None:
    """Deploys for other chains and connects; refused after some transactions, then done again."""
    signers = world.first.signers
    client = ChainClient([proxy.url], attempts=1, timeout_seconds=60)
    deployer = Deployer(client, world.first.signer(ADMIN))

    def run() -> None:
        deployer.deploy([], path, exchange_plan(signers), Setting().plan(signers))
        deployer.connect(path, [world.second.manifest])

    proxy.refuse_after = transactions
    with pytest.raises(ChainError):
        run()
    proxy.refuse_after = None
    run()
    client.close()
