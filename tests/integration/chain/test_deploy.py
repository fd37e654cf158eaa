"""Deployment: resumable, checked, refused on another chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from backend.chain.clearing_house import TREASURER_ROLE, ClearingHouse
from backend.chain.client import ChainClient
from backend.chain.deploy import Deployer, ProgrammePlan, verify_code
from backend.chain.errors import ChainError, ContractRevertedError, ManifestError, WrongChainError
from backend.chain.manifest import Manifest
from backend.chain.points_exchange import LANE_ROLE, QUOTER_ROLE, PointsExchange
from backend.chain.points_token import PointsToken
from backend.chain.programme_registry import ProgrammeRegistry
from tests.support.anvil import TERMS, Anvil, Deployment, deploy, exchange_plan, plan
from tests.support.strict_proxy import StrictProxy


def _deployer(deployment: Deployment, client: ChainClient | None = None) -> Deployer:
    admin = deployment.signers.signer(deployment.accounts[0])
    return Deployer(client or deployment.chain.client, admin)


class TestDeploy:
    def test_fresh__roles_registry_and_terms_as_planned(self, deployment: Deployment) -> None:
        entry = deployment.manifest.programmes[0]
        token = PointsToken(deployment.chain.client, entry.token_bytes)
        for role, holder in (("ISSUER_ROLE", 1), ("CUSTODIAN_ROLE", 2), ("PAUSER_ROLE", 0)):
            assert token.has_role(token.role(role), deployment.accounts[holder])
        assert not token.has_role(token.role("EXCHANGE_ROLE"), deployment.accounts[1])
        terms = token.terms()
        assert (terms.epoch_length_seconds, terms.validity_epochs) == (TERMS.epoch_length_seconds, 4)
        assert deployment.manifest.registry is not None
        address = bytes.fromhex(deployment.manifest.registry.address[2:])
        registry = ProgrammeRegistry(deployment.chain.client, address)
        assert registry.slugs() == ["grocer"]
        assert registry.token_of("grocer") == entry.token_bytes
        assert registry.is_active(entry.token_bytes)

    def test_again__nothing_is_sent(self, deployment: Deployment) -> None:
        head = deployment.chain.client.block_number()
        again = _deployer(deployment).deploy([plan("grocer", deployment.signers)], deployment.manifest_path)
        assert again == deployment.manifest
        assert deployment.chain.client.block_number() == head

    def test_another_programme__added(self, deployment: Deployment) -> None:
        plans = [plan(slug, deployment.signers) for slug in ("grocer", "fuel")]
        manifest = _deployer(deployment).deploy(plans, deployment.manifest_path)
        assert [entry.slug for entry in manifest.programmes] == ["grocer", "fuel"]
        assert Manifest.load(deployment.manifest_path) == manifest

    def test_interrupted_after_the_token__continues_with_its_roles(self, anvil: Anvil, tmp_path: Path) -> None:
        """The endpoint refuses after two transactions: the token is there, some of its roles are not."""
        deployment = deploy(anvil, tmp_path, slugs=())
        with StrictProxy(anvil.url) as proxy:
            client = ChainClient([proxy.url], attempts=1, timeout_seconds=60)
            deployer = _deployer(deployment, client)
            wanted = [plan("grocer", deployment.signers)]
            proxy.refuse_after = 2
            with pytest.raises(ChainError):
                deployer.deploy(wanted, deployment.manifest_path)
            token_before = Manifest.load(deployment.manifest_path).programme("grocer").token
            proxy.refuse_after = None
            manifest = deployer.deploy(wanted, deployment.manifest_path)
            client.close()
        assert manifest.programme("grocer").token == token_before
        verify_code(anvil.client, manifest)
        token = PointsToken(anvil.client, manifest.programmes[0].token_bytes)
        assert token.has_role(token.role("CUSTODIAN_ROLE"), deployment.accounts[2])

    def test_impossible_terms__refused_with_the_contracts_words(self, deployment: Deployment) -> None:
        terms = TERMS.model_copy(update={"epoch_length_seconds": 60})
        with pytest.raises(ContractRevertedError) as caught:
            _deployer(deployment).deploy([plan("odd", deployment.signers, terms)], deployment.manifest_path)
        assert caught.value.name == "InvalidTerms"

    def test_other_chain__refused(self, deployment: Deployment) -> None:
        with Anvil(timestamp=1_000_000_000) as other, pytest.raises(WrongChainError):
            _deployer(deployment, other.client).deploy([], deployment.manifest_path)

    def test_other_code_at_the_address__refused(self, deployment: Deployment) -> None:
        deployment.chain.rpc("anvil_setCode", deployment.manifest.programmes[0].token, "0x6001")
        with pytest.raises(ManifestError, match="not the one in the manifest"):
            _deployer(deployment).deploy([], deployment.manifest_path)


def _plans(deployment: Deployment) -> list[ProgrammePlan]:
    return [plan(slug, deployment.signers) for slug in ("grocer", "fuel")]


class TestDeployExchange:
    def test_fresh__roles_currency_and_periods_as_planned(self, exchange_deployment: Deployment) -> None:
        manifest, client = exchange_deployment.manifest, exchange_deployment.chain.client
        assert manifest.exchange is not None
        assert manifest.clearing is not None
        currency = manifest.clearing.currency
        assert (currency.symbol, currency.decimals, currency.code) == ("TUSD", 6, "USD")
        exchange = PointsExchange(client, manifest.exchange.address_bytes)
        assert exchange.notice_period_seconds() == manifest.exchange.notice_period_seconds == 3_600
        house = ClearingHouse(client, manifest.clearing.address_bytes)
        assert (house.open_cycle(), house.programmes(), house.is_settling()) == (1, [], False)
        for entry in manifest.programmes:
            token = PointsToken(client, entry.token_bytes)
            assert token.has_role(token.role("EXCHANGE_ROLE"), exchange.address)
            for role in (LANE_ROLE, TREASURER_ROLE, QUOTER_ROLE):
                assert token.has_role(role, exchange_deployment.accounts[1])
                assert not token.has_role(role, exchange_deployment.accounts[2])
        roles = PointsToken(client, house.address)
        assert roles.has_role(roles.role("EXCHANGE_ROLE"), exchange.address)
        roles = PointsToken(client, exchange.address)
        assert roles.has_role(roles.role("PAUSER_ROLE"), exchange_deployment.accounts[0])
        assert Manifest.load(exchange_deployment.manifest_path) == manifest

    def test_again__nothing_is_sent(self, exchange_deployment: Deployment) -> None:
        head = exchange_deployment.chain.client.block_number()
        again = _deployer(exchange_deployment).deploy(
            _plans(exchange_deployment), exchange_deployment.manifest_path, exchange_plan(exchange_deployment.signers)
        )
        assert again == exchange_deployment.manifest
        assert exchange_deployment.chain.client.block_number() == head

    def test_without_the_plan__what_is_there_stays_connected(self, exchange_deployment: Deployment) -> None:
        plans = [*_plans(exchange_deployment), plan("chemist", exchange_deployment.signers)]
        manifest = _deployer(exchange_deployment).deploy(plans, exchange_deployment.manifest_path)
        assert manifest.exchange == exchange_deployment.manifest.exchange
        assert manifest.exchange is not None
        token = PointsToken(exchange_deployment.chain.client, manifest.programme("chemist").token_bytes)
        assert token.has_role(token.role("EXCHANGE_ROLE"), manifest.exchange.address_bytes)

    @pytest.mark.parametrize("transactions", range(1, 20, 5))
    def test_interrupted__continues_to_the_same_roles(self, anvil: Anvil, tmp_path: Path, transactions: int) -> None:
        """The endpoint refuses after some transactions, wherever that is; the next run does what is missing."""
        deployment = deploy(anvil, tmp_path, slugs=())
        plans, exchange = _plans(deployment), exchange_plan(deployment.signers)
        with StrictProxy(anvil.url) as proxy:
            client = ChainClient([proxy.url], attempts=1, timeout_seconds=60)
            deployer = _deployer(deployment, client)
            proxy.refuse_after = transactions
            with pytest.raises(ChainError):
                deployer.deploy(plans, deployment.manifest_path, exchange)
            proxy.refuse_after = None
            before = Manifest.load(deployment.manifest_path)
            manifest = deployer.deploy(plans, deployment.manifest_path, exchange)
            client.close()
        assert manifest.exchange is not None
        assert before.exchange in {None, manifest.exchange}
        assert before.programmes == manifest.programmes[: len(before.programmes)]
        verify_code(anvil.client, manifest)
        for entry in manifest.programmes:
            token = PointsToken(anvil.client, entry.token_bytes)
            assert token.has_role(token.role("EXCHANGE_ROLE"), manifest.exchange.address_bytes)
            assert token.has_role(QUOTER_ROLE, deployment.accounts[1])

    def test_supply_cap_of_zero__deployed(self, deployment: Deployment) -> None:
        terms = TERMS.model_copy(update={"supply_cap_points": 0})
        manifest = _deployer(deployment).deploy(
            [plan("old-brand", deployment.signers, terms)], deployment.manifest_path
        )
        token = PointsToken(deployment.chain.client, manifest.programme("old-brand").token_bytes)
        assert token.terms().supply_cap_points == 0

    def test_currency_that_is_none__refused(self, deployment: Deployment) -> None:
        odd = replace(exchange_plan(deployment.signers), currency=deployment.accounts[5])
        with pytest.raises(ManifestError, match="no ERC-20"):
            _deployer(deployment).deploy([], deployment.manifest_path, odd)

    def test_token_from_before__refused(self, deployment: Deployment) -> None:
        """A token that cannot give a burnt swap back must not take part."""
        entry = deployment.manifest.programmes[0]
        old = entry.model_copy(update={"code_hash": "0x" + keccak(b"\x60\x01").hex()})
        deployment.manifest.model_copy(update={"programmes": (old,)}).save(deployment.manifest_path)
        deployment.chain.rpc("anvil_setCode", entry.token, "0x6001")
        with pytest.raises(ManifestError, match="before there was an exchange"):
            _deployer(deployment).deploy([], deployment.manifest_path, exchange_plan(deployment.signers))

    def test_other_code_of_the_exchange__refused(self, exchange_deployment: Deployment) -> None:
        assert exchange_deployment.manifest.exchange is not None
        exchange_deployment.chain.rpc("anvil_setCode", exchange_deployment.manifest.exchange.address, "0x6001")
        with pytest.raises(ManifestError, match="not the one in the manifest"):
            _deployer(exchange_deployment).deploy([], exchange_deployment.manifest_path)
