"""Deployment: resumable, checked, refused on another chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.chain.client import ChainClient
from backend.chain.deploy import Deployer, verify_code
from backend.chain.errors import ChainError, ContractRevertedError, ManifestError, WrongChainError
from backend.chain.manifest import Manifest
from backend.chain.points_token import PointsToken
from backend.chain.programme_registry import ProgrammeRegistry
from tests.support.anvil import TERMS, Anvil, Deployment, deploy, plan
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
            client = ChainClient([proxy.url], attempts=1, timeout_seconds=3)
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
