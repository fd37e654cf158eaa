"""Each kind of lie is caught by the check that is there for it, and the finding names it."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import pytest
from eth_utils.crypto import keccak

from backend.audit.report import Report
from backend.audit.service import run_audit
from backend.chain import points_token as pt
from backend.chain.client import ChainClient, Json
from backend.chain.manifest import Manifest
from backend.chain.points_token import selector
from tests.integration.audit.history import History
from tests.integration.audit.proxy import Alter, UnknownMethodError, lying_endpoint

OTHER_HASH = "0x" + "ab" * 32
STRANGER = 8


def audit(history: History, manifest: Manifest | None = None) -> Report:
    return run_audit(history.chain.client, manifest or history.deployment.manifest, to_block="latest")


def audit_through(history: History, alter: Alter) -> Report:
    with lying_endpoint(history.chain.url, alter) as url:
        client = ChainClient([url])
        report = run_audit(client, history.deployment.manifest, to_block="latest")
        client.close()
        return report


def failed(report: Report) -> dict[str, str]:
    """All details of each failed check, by its id."""
    return {
        check.id: " | ".join(f"{each.subject}: {each.detail}" for each in check.findings if each.severity == "failure")
        for check in report.checks
        if not check.passed
    }


def doctored(history: History, **changes: object) -> Manifest:
    """The manifest with the first programme's entry changed."""
    manifest = history.deployment.manifest
    entry = manifest.programmes[0].model_copy(update=changes)
    return manifest.model_copy(update={"programmes": (entry, *manifest.programmes[1:])})


def word(value: int) -> str:
    return "0x" + value.to_bytes(32).hex()


def test_audit__nothing_wrong__passes_and_counts(history: History) -> None:
    report = audit(history)
    assert failed(report) == {}
    grocer, fuel = report.programmes
    assert (grocer.issued, grocer.redeemed, grocer.refunded, grocer.clawed_back) == (9_614, 2_325, 670, 101)
    assert (grocer.exchanged_in, grocer.exchanged_out) == (43, 1_016)
    assert grocer.expired > 0
    assert grocer.held == 5
    assert grocer.live == history.reader.total_supply()
    assert fuel.live == 0
    idle = {check.id for check in report.checks if not check.examined}
    assert idle == {"pauses"}


def test_audit__any_block__as_it_was_then(history: History) -> None:
    whole = audit(history)
    half = run_audit(history.chain.client, history.deployment.manifest, to_block=whole.to_block // 2)
    assert failed(half) == {}
    assert half.logs < whole.logs


# ---- the manifest


def test_manifest__other_chain_id__chain(history: History) -> None:
    manifest = history.deployment.manifest.model_copy(update={"chain_id": 1})
    found = failed(audit(history, manifest))
    assert "the manifest says 1, the endpoint 31337" in found["chain"]


def test_manifest__other_genesis__chain(history: History) -> None:
    manifest = history.deployment.manifest.model_copy(update={"genesis_hash": OTHER_HASH})
    assert set(failed(audit(history, manifest))) == {"chain"}


def test_manifest__other_code_hash__code(history: History) -> None:
    found = failed(audit(history, doctored(history, code_hash=OTHER_HASH)))
    assert OTHER_HASH in found["code"]
    assert set(found) == {"code", "registry"}


def test_manifest__other_token_address__code_and_registry(history: History) -> None:
    found = failed(audit(history, doctored(history, token=history.deployment.manifest.programmes[1].token)))
    assert "the manifest says" in found["registry"]
    assert "grocer" in found["code"]


def test_manifest__address_without_code__code(history: History) -> None:
    found = failed(audit(history, doctored(history, token="0x" + "77" * 20)))
    assert {"code", "registry", "terms", "roles", "supply"} <= set(found)


@pytest.mark.parametrize(
    ("term", "value", "said"),
    [
        ("validity_epochs", 5, "validity: the manifest says 5, the chain 4"),
        ("clawback_epochs", 9, "clawback window: the manifest says 9, the chain 1"),
        ("epoch_length_seconds", 86_400, "epoch length: the manifest says 86400, the chain 2592000"),
        ("supply_cap_points", 77, "supply cap at deployment: the manifest says 77, the chain 1000000000000"),
        ("transferable", False, "transferable: the manifest says False, the chain True"),
    ],
)
def test_manifest__other_terms__terms(history: History, term: str, value: int, said: str) -> None:
    terms = history.deployment.manifest.programmes[0].terms.model_copy(update={term: value})
    found = failed(audit(history, doctored(history, terms=terms)))
    assert said in found["terms"]
    assert ("code" in found) == (term != "supply_cap_points")


def test_manifest__other_issuer__roles(history: History) -> None:
    stranger = "0x" + history.deployment.accounts[STRANGER].hex()
    found = failed(audit(history, doctored(history, issuer=stranger)))
    assert set(found) == {"roles"}
    assert "whom the manifest does not name" in found["roles"]
    assert "who does not hold it" in found["roles"]


# ---- the chain


def test_code__swapped__code(history: History) -> None:
    code = history.chain.client.code(history.deployment.manifest.programmes[0].token)
    # The supply cap's error selector is as good a place as any for a change of one byte.
    at = code.index(selector("SupplyCapExceeded(uint256,uint256)"))
    swapped = code[:at] + b"\xff" + code[at + 1 :]
    history.chain.rpc("anvil_setCode", "0x" + history.token.hex(), "0x" + swapped.hex())
    history.chain.mine()
    found = failed(audit(history))
    assert set(found) == {"code"}
    assert "is not what PointsToken's sources compile to" in found["code"]
    assert "0x" + keccak(swapped).hex() in found["code"]


def test_code__swapped_and_manifest_follows__sources_differ(history: History) -> None:
    code = history.chain.client.code(history.deployment.manifest.programmes[0].token)
    swapped = code[:-1] + bytes((code[-1] ^ 1,))
    history.chain.rpc("anvil_setCode", "0x" + history.token.hex(), "0x" + swapped.hex())
    history.chain.mine()
    found = failed(audit(history, doctored(history, code_hash="0x" + keccak(swapped).hex())))
    assert "is not what PointsToken's sources compile to" in found["code"]


def test_storage__points_out_of_nothing__accounts(history: History) -> None:
    account = history.accounts[7]
    slot = history.chain.client.eth_call(
        "0x" + history.token.hex(), selector("lotSlotOf(address)") + bytes(12) + account
    )
    epoch = history.reader.current_epoch()
    forged = epoch << 240 | 1_000_000 << (48 * (epoch % 5))
    history.chain.rpc("anvil_setStorageAt", "0x" + history.token.hex(), "0x" + slot.hex(), word(forged))
    history.chain.mine()
    found = failed(audit(history))
    assert set(found) == {"accounts"}
    assert "0x" + account.hex() in found["accounts"]
    assert f"1000000 of epoch {epoch}" in found["accounts"]


def test_storage__role_without_a_log__roles(history: History) -> None:
    """The issuer's grant is undone in storage only."""
    token, issuer = "0x" + history.token.hex(), history.deployment.accounts[1]
    role = history.reader.role("ISSUER_ROLE")
    slots = [keccak(bytes(12) + issuer + keccak(role + slot.to_bytes(32))) for slot in range(16)]
    held = [
        slot
        for slot in slots
        if int(str(history.chain.rpc("eth_getStorageAt", token, "0x" + slot.hex(), "latest")), 16)
    ]
    assert len(held) == 1
    history.chain.rpc("anvil_setStorageAt", token, "0x" + held[0].hex(), word(0))
    history.chain.mine()
    found = failed(audit(history))
    assert set(found) == {"roles"}
    assert "the logs say otherwise" in found["roles"]


def test_role__granted_to_a_stranger__roles(history: History) -> None:
    role, stranger = history.reader.role("ISSUER_ROLE"), history.deployment.accounts[STRANGER]
    history.admin(pt.encode_grant_role(role, stranger))
    found = failed(audit(history))
    assert set(found) == {"roles"}
    assert "ISSUER_ROLE" in found["roles"]


# ---- the endpoint


def without_logs(answer: Json) -> Json:
    receipts = deepcopy(cast("list[dict[str, list[Json]]]", answer))
    for receipt in receipts:
        receipt["logs"] = []
    return cast("Json", receipts)


def test_endpoint__drops_logs__receipts(history: History) -> None:
    report = audit_through(
        history, lambda method, _, result: without_logs(result) if method == "eth_getBlockReceipts" else result
    )
    found = failed(report)
    assert "logs are missing or altered" in found["receipts"]
    assert "accounts" not in found or "replayed no points" in found["accounts"]


def test_endpoint__drops_one_block_of_logs_and_the_bloom__headers(history: History) -> None:
    """A block claimed to be empty must claim an empty bloom, and then its hash no longer follows."""

    def alter(method: str, params: list[Json], result: Json) -> Json:
        if method == "eth_getBlockByNumber" and isinstance(result, dict) and result["number"] == "0x14":
            return {**result, "logsBloom": "0x" + "00" * 256}
        return result

    found = failed(audit_through(history, alter))
    assert "block 20: its hash does not follow from its fields" in found["headers"]


def test_endpoint__alters_an_amount__receipts_and_accounts(history: History) -> None:
    transfer = "0x" + keccak(text="Transfer(address,address,uint256)").hex()

    def alter(method: str, params: list[Json], result: Json) -> Json:
        if method != "eth_getBlockReceipts":
            return result
        receipts = deepcopy(cast("list[dict[str, list[dict[str, Json]]]]", result))
        for receipt in receipts:
            for log in receipt["logs"]:
                if cast("list[str]", log["topics"])[0] == transfer and log["data"] == word(250):
                    log["data"] = word(251)
        return cast("Json", receipts)

    found = failed(audit_through(history, alter))
    assert "receipts" in found
    assert "0x" + history.accounts[0].hex() in found["accounts"] + found.get("redemptions", "")


def test_endpoint__answers_another_balance__accounts(history: History) -> None:
    def alter(method: str, params: list[Json], result: Json) -> Json:
        # The only call of the audit with a state override is the one for accounts.
        if method == "eth_call" and len(params) == 3 and isinstance(result, str):
            return result[: 66 + 62] + "ff" + result[66 + 64 :]
        return result

    found = failed(audit_through(history, alter))
    assert set(found) == {"accounts"}
    assert "a balance of" in found["accounts"]


def test_endpoint__another_history__headers(history: History) -> None:
    def alter(method: str, params: list[Json], result: Json) -> Json:
        if method == "eth_getBlockByNumber" and isinstance(result, dict) and result["number"] == "0x14":
            return {**result, "parentHash": OTHER_HASH}
        return result

    found = failed(audit_through(history, alter))
    assert "block 20: does not name the block before as its parent" in found["headers"]


def test_endpoint__without_state_overrides__same_result(history: History) -> None:
    def alter(method: str, params: list[Json], result: Json) -> Json:
        return "0x" if method == "eth_call" and len(params) == 3 else result

    report = audit_through(history, alter)
    assert failed(report) == {}
    assert report.check("accounts").examined > 8


def test_endpoint__without_block_receipts__one_by_one(history: History) -> None:
    def alter(method: str, params: list[Json], result: Json) -> Json:
        if method == "eth_getBlockReceipts":
            raise UnknownMethodError
        return result

    report = audit_through(history, alter)
    assert failed(report) == {}
