"""Exchange and clearing on a real chain: all well, and each lie caught by the check that is there for it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import cast

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from backend.audit.html import money, render
from backend.audit.report import Report
from backend.audit.service import run_audit
from backend.audit.transactions import RawTransaction, call_of, encode_transaction, transactions_root
from backend.chain import points_exchange as px
from backend.chain import points_token as pt
from backend.chain.clearing_house import ClearingHouse
from backend.chain.client import ChainClient, Json
from backend.chain.exchange_types import SwapRequest
from backend.chain.manifest import Manifest
from backend.chain.settlement_currency import SettlementCurrency
from backend.chain.words import address_word, hash_word, number_word, selector
from tests.integration.audit.proxy import Alter, lying_endpoint
from tests.integration.audit.test_lies import failed, word
from tests.integration.audit.trade import (
    ADMIN,
    AIRLINE,
    DOLLAR,
    FUEL,
    GROCER,
    RELAYER,
    STRANGER,
    TERMS,
    Trade,
)
from tests.unit.audit import trade as made_up

OTHER_HASH = "0x" + "ab" * 32


def audit(trading: Trade, manifest: Manifest | None = None) -> Report:
    return run_audit(trading.chain.client, manifest or trading.manifest, to_block="latest")


def audit_through(trading: Trade, alter: Alter) -> Report:
    with lying_endpoint(trading.chain.url, alter) as url:
        client = ChainClient([url])
        report = run_audit(client, trading.manifest, to_block="latest")
        client.close()
        return report


def test_audit__everything_swapped_and_settled__passes_and_counts(trading: Trade) -> None:
    report = audit(trading)
    assert failed(report) == {}
    examined = {check.id: check.examined for check in report.checks}
    assert {name: examined[name] for name in ("lanes", "swaps", "quotes", "orders")} == {
        "lanes": 13,
        "swaps": 16,
        "quotes": 2,
        "orders": 32,
    }
    assert [finding for check in report.checks for finding in check.findings] == []
    there, back, posted = report.lanes
    assert (there.source, there.destination, there.version, there.open, there.swaps) == ("grocer", "fuel", 3, True, 11)
    assert (back.points_in, back.points_out, back.settlement) == (301, 148, 1_480_000)
    assert (posted.swaps, posted.pending, posted.posted, posted.refunded) == (4, 1, 1, 2)
    grocer, fuel, airline = report.positions
    assert (grocer.in_default, grocer.claims, grocer.cap) == (True, 35_790_000, 0)
    assert (fuel.credit_given, airline.collateral) == (400 * DOLLAR, 1_002_950_000)
    assert sum(position.net for position in report.positions) == 0


def test_audit__each_block__as_it_was_then(trading: Trade) -> None:
    """The answers of house and tokens follow the replay all along, not only at the end."""
    for block in range(trading.deployed_block, trading.chain.client.block_number(), 7):
        assert failed(run_audit(trading.chain.client, trading.manifest, to_block=block)) == {}


def test_audit__without_exchange_in_the_manifest__old_checks_only(trading: Trade) -> None:
    manifest = trading.manifest.model_copy(update={"exchange": None, "clearing": None})
    report = audit(trading, manifest)
    assert set(failed(report)) == {"roles"}  # The manifest does not account for theirs.
    assert {"swaps", "positions"}.isdisjoint(check.id for check in report.checks)


def test_page__lanes_and_positions__in_words(trading: Trade) -> None:
    page = render(audit(trading))
    for text in ("grocer → fuel", "3:2 less 1.5 %", "1 waiting", "Who owes whom", "in default, 35.79 claimed"):
        assert text in page


@pytest.mark.parametrize(
    ("amount", "decimals", "text"),
    [(1_234_567, 6, "1.23"), (-5, 1, "−0.50"), (0, 6, "0.00"), (12_345, 0, "12\u202f345"), (99, 4, "0.00")],
)
def test_money__digits(amount: int, decimals: int, text: str) -> None:
    assert money(amount, decimals) == text


# ---- the manifest


@pytest.mark.parametrize(
    ("part", "changes", "found"),
    [
        ("exchange", {"code_hash": OTHER_HASH}, {"code"}),
        ("exchange", {"notice_period_seconds": 7_200}, {"code", "lanes"}),
        ("clearing", {"code_hash": OTHER_HASH}, {"code"}),
        ("clearing", {"payment_seconds": 60}, {"code", "clearing"}),
        ("clearing", {"admin": "0x" + "77" * 20}, {"roles"}),
    ],
)
def test_manifest__another_term__found(trading: Trade, part: str, changes: dict[str, object], found: set[str]) -> None:
    entry = getattr(trading.manifest, part).model_copy(update=changes)
    assert (
        found <= set(failed(audit(trading, trading.manifest.model_copy(update={part: entry})))) <= found | {"positions"}
    )


def test_manifest__another_currency__code_and_positions(trading: Trade) -> None:
    assert trading.manifest.clearing is not None
    currency = trading.manifest.clearing.currency.model_copy(update={"address": "0x" + "77" * 20})
    entry = trading.manifest.clearing.model_copy(update={"currency": currency})
    found = failed(audit(trading, trading.manifest.model_copy(update={"clearing": entry})))
    assert set(found) == {"code", "positions"}
    assert "currency" in found["positions"]


def test_manifest__another_quoter__roles(trading: Trade) -> None:
    entries = list(trading.manifest.programmes)
    entries[1] = entries[1].model_copy(update={"quoter": entries[1].issuer})
    found = failed(audit(trading, trading.manifest.model_copy(update={"programmes": tuple(entries)})))
    assert set(found) == {"roles"}
    assert "fuel: QUOTER_ROLE" in found["roles"]


# ---- the contracts


@pytest.mark.parametrize("contract", ["exchange", "clearing"])
def test_code__swapped__code(trading: Trade, contract: str) -> None:
    address = getattr(trading.manifest, contract).address
    code = trading.chain.client.code(address)
    trading.chain.rpc("anvil_setCode", address, "0x" + (code[:-1] + bytes((code[-1] ^ 1,))).hex())
    trading.chain.mine()
    assert set(failed(audit(trading))) == {"code"}


def test_code__notice_done_away_with__lanes(trading: Trade) -> None:
    """An exchange whose terms change at once: its code differs in a constant, and what it then does is found too."""
    exchange = "0x" + trading.exchange.hex()
    code = trading.chain.client.code(exchange)
    notice = number_word(3_600)
    assert notice in code
    trading.chain.rpc("anvil_setCode", exchange, "0x" + code.replace(notice, number_word(0)).hex())
    trading.agree(GROCER, FUEL, replace(TERMS, fee_bps=9_000))
    found = failed(audit(trading))
    assert set(found) == {"code", "lanes"}
    assert "a notice of 0 s instead of 3600 s" in found["lanes"]


def test_role__second_exchange_on_a_token__legs(trading: Trade) -> None:
    token, stranger = trading.tokens[FUEL], trading.accounts[STRANGER]
    trading.send(ADMIN, token, pt.encode_grant_role(keccak(text="EXCHANGE_ROLE"), stranger))
    mint = selector("crosschainMint(address,uint256)") + address_word(stranger) + number_word(1_000)
    trading.send(STRANGER, token, mint)
    found = failed(audit(trading))
    assert set(found) == {"roles", "legs"}
    assert f"1000 points by 0x{stranger.hex()}, who is not the exchange" in found["legs"]


def test_role__second_exchange_at_the_house__debts(trading: Trade) -> None:
    trading.send(ADMIN, trading.house, pt.encode_grant_role(keccak(text="EXCHANGE_ROLE"), trading.accounts[STRANGER]))
    book = selector("book(bytes32,bytes32,uint256,bytes32)")
    words = hash_word(FUEL) + hash_word(AIRLINE) + number_word(5 * DOLLAR) + b"\x0e" * 32
    trading.send(STRANGER, trading.house, book + words)
    found = failed(audit(trading))
    assert set(found) == {"roles", "debts"}


def test_role__stranger_opens_a_lane__roles(trading: Trade) -> None:
    for token in trading.tokens.values():
        trading.send(ADMIN, token, pt.encode_grant_role(px.LANE_ROLE, trading.accounts[STRANGER]))
    trading.send(STRANGER, trading.exchange, px.encode_propose(FUEL, AIRLINE, FUEL, TERMS))
    assert set(failed(audit(trading))) == {"roles"}


def test_storage__money_gone__positions(trading: Trade) -> None:
    currency = SettlementCurrency(trading.chain.client, trading.currency)
    money = currency.balance_of(trading.house)
    slot = keccak(address_word(trading.house) + number_word(0))
    trading.chain.rpc("anvil_setStorageAt", "0x" + trading.currency.hex(), "0x" + slot.hex(), word(money - 1))
    trading.chain.mine()
    assert currency.balance_of(trading.house) == money - 1
    found = failed(audit(trading))
    assert set(found) == {"positions"}
    assert f"the house holds {money - 1}, collateral and payments come to {money}" in found["positions"]


def test_storage__collateral_out_of_nothing__positions(trading: Trade) -> None:
    """Each word of the airline's account is tried until the house answers with more collateral."""
    house = ClearingHouse(trading.chain.client, trading.house)
    honest = house.standing_of(AIRLINE)
    for slot, value in _account_words(trading):
        trading.chain.rpc("anvil_setStorageAt", "0x" + trading.house.hex(), slot, word(value + DOLLAR))
        trading.chain.mine()
        if house.standing_of(AIRLINE) != honest:
            break
        trading.chain.rpc("anvil_setStorageAt", "0x" + trading.house.hex(), slot, word(value))
    found = failed(audit(trading))
    assert set(found) == {"positions"}
    assert found["positions"].startswith("airline: replayed")


def _account_words(trading: Trade) -> list[tuple[str, int]]:
    """Storage words of the airline's account that are not zero."""
    words = []
    for mapping in range(12):
        start = int.from_bytes(keccak(hash_word(AIRLINE) + number_word(mapping)))
        for offset in range(6):
            slot = "0x" + (start + offset).to_bytes(32).hex()
            value = int(str(trading.chain.rpc("eth_getStorageAt", "0x" + trading.house.hex(), slot, "latest")), 16)
            words += [(slot, value)] if value else []
    return words


# ---- the endpoint


def _altered(answer: Json, change: dict[str, Json]) -> Json:
    block = cast("dict[str, list[dict[str, Json]]]", deepcopy(answer))
    block["transactions"][0] |= change
    return cast("Json", block)


@pytest.mark.parametrize("field", ["input", "to", "value"])
def test_endpoint__alters_a_call__receipts(trading: Trade, field: str) -> None:
    changes: dict[str, dict[str, Json]] = {
        "input": {"input": "0x12345678"},
        "to": {"to": "0x" + "77" * 20},
        "value": {"value": "0x1"},
    }
    last = hex(trading.chain.client.block_number())
    trading.agree(FUEL, AIRLINE, replace(TERMS, posted=True, carry_expiry=False))

    def alter(method: str, params: list[Json], result: Json) -> Json:
        if method == "eth_getBlockByNumber" and params[1] is True and int(str(params[0]), 16) > int(last, 16):
            return _altered(result, changes[field])
        return result

    found = failed(audit_through(trading, alter))
    assert "the transactions do not hash to the block's transactions root" in found["receipts"]


def test_endpoint__answers_another_position__positions(trading: Trade) -> None:
    standing_of = "0x" + (selector("standingOf(bytes32)") + hash_word(FUEL)).hex()

    def alter(method: str, params: list[Json], result: Json) -> Json:
        if method == "eth_call" and isinstance(params[0], dict) and params[0].get("data") == standing_of:
            return word(10**6) + str(result)[66:]
        return result

    found = failed(audit_through(trading, alter))
    assert set(found) == {"positions"}
    assert "they add up to 1000000 on the chain" in found["positions"]


def test_endpoint__hides_a_debt__receipts(trading: Trade) -> None:
    booked = "0x" + keccak(text="DebtBooked(uint256,bytes32,bytes32,uint256,bytes32)").hex()

    def alter(method: str, params: list[Json], result: Json) -> Json:
        if method != "eth_getBlockReceipts":
            return result
        receipts = cast("list[dict[str, list[dict[str, list[str]]]]]", deepcopy(result))
        for receipt in receipts:
            receipt["logs"] = [log for log in receipt["logs"] if log["topics"][0] != booked]
        return cast("Json", receipts)

    assert {"receipts", "debts", "positions"} <= set(failed(audit_through(trading, alter)))


# ---- signatures, which need a chain that says who has code


def test_order__signed_by_another__orders(trading: Trade) -> None:
    with made_up.market(trading.chain.client) as market:
        market.agree()
        swap = made_up.swap(account=made_up.HOLDER)
        request = SwapRequest(made_up.LANE, made_up.BOB, 100, 1, b"\x01" * 32, made_up.NOW + 60)
        typed = px.swap_typed_data(
            exchange=made_up.EXCHANGE, chain_id=made_up.CHAIN_ID, account=made_up.HOLDER, request=request
        )
        signature = made_up.SIGNERS.signer(made_up.STRANGER).sign_typed_data(typed)
        data = px.encode_swap_with_signature(made_up.HOLDER, request, signature)
        market.play(swap)
        market.orders.judge(made_up.call(made_up.STRANGER, data), [swap.burnt, swap.ending], made_up.NOW)
        assert market.failed == {"orders": [f"the signature is not that of 0x{made_up.HOLDER.hex()}"]}


def test_order__of_a_contract_wallet__notice(trading: Trade) -> None:
    """A wallet that accepts every signature: only the exchange, which asked it, can have judged this one."""
    wallet = b"\xca" * 20
    trading.chain.rpc("anvil_setCode", "0x" + wallet.hex(), "0x631626ba7e60e01b60005260206000f3")
    trading.issue(FUEL, wallet, 500)
    trading.agree(FUEL, AIRLINE, replace(TERMS, posted=True))
    request = trading.request(FUEL, AIRLINE, wallet, 200)
    trading.send(RELAYER, trading.exchange, px.encode_swap_with_signature(wallet, request, b"\x01" * 65))
    report = audit(trading)
    assert failed(report) == {}
    (notice,) = report.check("orders").findings
    assert "1 are of contract wallets" in notice.detail


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_transactions__of_each_type__hash_to_the_root(trading: Trade, kind: int) -> None:
    account = Account.from_key("0x" + "51" * 32)
    trading.chain.set_balance(bytes.fromhex(account.address[2:]), 10**20)
    fees = {"gasPrice": 10**11} if kind < 2 else {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
    fields: dict[str, object] = {"to": account.address, "value": 7, "data": b"\x01\x02", "gas": 200_000, "nonce": 0}
    fields |= {"chainId": trading.manifest.chain_id, **fees}
    if kind:
        fields |= {"type": kind, "accessList": [{"address": account.address, "storageKeys": ["0x" + "0a" * 32]}]}
    if kind == 4:
        authorization = {"chainId": trading.manifest.chain_id, "address": account.address, "nonce": 1}
        fields["authorizationList"] = [account.sign_authorization(authorization)]
    raw = account.sign_transaction(fields).raw_transaction
    trading.chain.rpc("eth_sendRawTransaction", "0x" + raw.hex())
    trading.chain.mine()
    block = cast("dict[str, list[RawTransaction]]", trading.chain.rpc("eth_getBlockByNumber", "latest", True))
    (transaction,) = block["transactions"]
    assert encode_transaction(transaction) == raw
    assert transactions_root([transaction]) == cast("str", block["transactionsRoot"])
    assert call_of(transaction).sender == bytes.fromhex(account.address[2:])
