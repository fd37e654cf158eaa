"""What the package relies on in third-party software, pinned: a change there fails here first."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import orjson
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address

from backend.chain import points_token
from backend.chain.client import Json, RpcBlock
from backend.chain.encoding import Header, Receipt, header_hash, receipts_root
from backend.chain.errors import (
    AlreadyKnownError,
    ExecutionRevertedError,
    NodeError,
    NonceTooLowError,
    OutOfGasError,
    SignerError,
)
from backend.chain.exchange_types import NO_QUOTE
from backend.chain.fees import base_fee_of_next
from backend.chain.notifications import OUTBOX, WorkWaiter, notify
from backend.chain.points_exchange import quote_typed_data
from backend.chain.reverts import revert_from_text
from backend.chain.signers import RemoteSigner, transaction_hash
from backend.database import transaction
from tests.integration.chain.service import Service


def _raw_transfer(service: Service, nonce: int, **fields: int) -> bytes:
    signer = service.deployment.signers.signer(service.deployment.accounts[5])
    base: dict[str, int | str] = {"type": 2, "chainId": 31337, "nonce": nonce, "value": 0, "data": "0x"}
    base |= {"to": to_checksum_address(signer.address), "gas": 21_000}
    base |= {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
    return signer.sign_transaction({**base, **fields})


class TestNode:
    def test_send_raw__hash_is_keccak_of_the_bytes(self, service: Service) -> None:
        raw = _raw_transfer(service, 0)
        assert service.chain.rpc("eth_sendRawTransaction", "0x" + raw.hex()) == "0x" + transaction_hash(raw).hex()

    def test_send_raw__again__already_known_or_nonce_too_low(self, service: Service) -> None:
        service.chain.automine(False)
        raw = _raw_transfer(service, 0)
        assert service.client.send_raw(raw) is None
        assert isinstance(service.client.send_raw(raw), AlreadyKnownError)
        service.chain.mine(1)
        assert isinstance(service.client.send_raw(raw), NonceTooLowError)

    def test_reverted_call__error_carries_the_bytes(self, service: Service) -> None:
        data = points_token.encode_issue(secrets.token_bytes(20), 1, secrets.token_bytes(32))
        with pytest.raises(ExecutionRevertedError) as caught:
            service.client.eth_call(service.entry.token, data, sender=to_checksum_address(bytes(range(20))))
        assert revert_from_text(caught.value.data).name == "AccessControlUnauthorizedAccount"

    def test_call_with_too_little_gas__out_of_gas(self, service: Service) -> None:
        data = points_token.encode_issue(secrets.token_bytes(20), 1, secrets.token_bytes(32))
        call = {"from": to_checksum_address(service.issuer), "to": service.entry.token, "data": "0x" + data.hex()}
        with pytest.raises(OutOfGasError):
            service.client.call("eth_call", {**call, "gas": hex(45_000)}, "latest")

    def test_call_on_a_block_by_hash__its_state__an_unknown_one_refused(self, service: Service) -> None:
        client = service.client
        before = client.block("latest")["hash"]
        account = secrets.token_bytes(20)
        service.ask_issue(account, 5)
        service.submit()
        balance_of = "0x70a08231" + bytes(12).hex() + account.hex()
        call: dict[str, Json] = {"to": service.entry.token, "data": balance_of}
        assert int(str(client.call("eth_call", call, {"blockHash": before})), 16) == 0
        assert int(str(client.call("eth_call", call, "latest")), 16) == 5
        with pytest.raises(NodeError):
            client.call("eth_call", call, {"blockHash": "0x" + "12" * 32})

    def test_finalized__two_epochs_behind_the_head(self, service: Service) -> None:
        service.chain.mine(20)
        head = service.client.block_number()
        assert int(service.client.block("finalized")["number"], 16) == head - 8

    def test_block__hash_receipts_root_and_next_base_fee_follow_from_the_fields(self, service: Service) -> None:
        service.chain.automine(False)
        credited = [(secrets.token_bytes(20), 5) for _ in range(150)]
        for _ in range(3):
            service.ask("issue_batch", points_token.encode_issue_batch(secrets.token_bytes(32), credited))
        service.submit()
        service.chain.mine(2)
        head = service.client.block_number()
        block, after = (cast("RpcBlock", each) for each in service.client.blocks([head - 1, head]))
        receipts = service.client.block_receipts([block])[0]
        assert receipts is not None
        assert len(receipts) == 3
        assert header_hash(cast("Header", block)) == block["hash"]
        assert receipts_root(cast("list[Receipt]", receipts)) == block["receiptsRoot"]
        assert base_fee_of_next(block) == int(after["baseFeePerGas"], 16)


class TestContracts:
    def test_derived_addresses__those_of_the_contract(self, service: Service) -> None:
        token, key, ref = service.entry.token_bytes, secrets.token_bytes(32), secrets.token_bytes(32)
        account = points_token.managed_account(token, key)
        asked = service.client.eth_call(service.entry.token, points_token.selector("managedAccount(bytes32)") + key)
        assert asked[12:] == account
        held = points_token.selector("holdAccountOf(address,bytes32)") + bytes(12) + account + ref
        asked = service.client.eth_call(service.entry.token, held)
        assert asked[12:] == points_token.hold_account(token, account, ref)

    def test_orders__signed_by_a_wallet__accepted_by_the_contract(self, service: Service) -> None:
        wallet = Account.create()
        account = bytes.fromhex(wallet.address[2:])
        service.ask_issue(account, 100)
        service.finish()
        now = int(service.client.block("latest")["timestamp"], 16)
        refs = [secrets.token_bytes(32), secrets.token_bytes(32)]
        redeem = points_token.redeem_order(
            token=service.entry.token_bytes,
            name=service.entry.name,
            chain_id=31337,
            account=account,
            points=30,
            ref=refs[0],
            deadline=now + 3600,
        )
        hold = points_token.hold_order(
            token=service.entry.token_bytes,
            name=service.entry.name,
            chain_id=31337,
            account=account,
            points=20,
            ref=refs[1],
            hold_deadline=now + 7200,
            deadline=now + 3600,
        )
        signatures = [
            bytes(Account.sign_message(encode_typed_data(full_message=order), wallet.key).signature)
            for order in (redeem, hold)
        ]
        data = points_token.encode_redeem_with_signature(account, 30, refs[0], now + 3600, signatures[0])
        service.ask("redeem", data, service.custodian)
        order = (account, 20, refs[1], now + 7200, now + 3600, signatures[1])
        service.ask("hold", points_token.encode_hold_with_signature(*order), service.custodian)
        service.finish()
        assert {operation.state for operation in service.operations()} == {"final"}
        assert service.token.balance_of(account) == 50
        assert service.token.refundable_of(account, refs[0]) == 30
        assert service.token.hold_of(account, refs[1]) == points_token.Hold(20, now + 7200)


class TestNotifications:
    def test_notify__committed__wakes_a_listener(self, service: Service, database_url: str) -> None:
        waiter = WorkWaiter(database_url, [OUTBOX])
        assert waiter.wait_for_work(60)  # The first look is always worth it.
        assert not waiter.wait_for_work(0.05)
        with transaction(service.sessions) as session:
            notify(session, OUTBOX)
        assert waiter.wait_for_work(60)
        waiter.close()


class _RemoteSignerServer(ThreadingHTTPServer):
    key = "0x" + "42" * 32
    change: str | None = None


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = cast("_RemoteSignerServer", self.server)
        request = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match request["method"], *request["params"]:
            case "eth_signTransaction", fields:
                signed = self._transaction(server, fields)
            case "eth_signTypedData_v4", _address, typed:
                signed = self._typed_data(server, typed)
            case other:
                raise AssertionError(f"unexpected: {other}")
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": "0x" + signed.hex()})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def _transaction(server: _RemoteSignerServer, fields: dict[str, str]) -> bytes:
        fields = {name: value for name, value in fields.items() if name != "from"}
        if server.change is not None:
            fields[server.change] = "0x1"
        return bytes(Account.sign_transaction(fields, server.key).raw_transaction)

    @staticmethod
    def _typed_data(server: _RemoteSignerServer, typed: dict[str, dict[str, object]]) -> bytes:
        if server.change is not None:
            typed["message"][server.change] = 9
        return bytes(Account.sign_message(encode_typed_data(full_message=typed), server.key).signature)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Tests keep quiet."""


_QUOTE = quote_typed_data(exchange=bytes(range(20)), chain_id=31337, quote=replace(NO_QUOTE, bonus_bps=500))
_FIELDS: dict[str, int | str] = {
    "type": 2,
    "chainId": 31337,
    "nonce": 4,
    "to": "0x" + "11" * 20,
    "value": 0,
    "data": "0x1234",
    "gas": 50_000,
    "maxFeePerGas": 10,
    "maxPriorityFeePerGas": 1,
}


class TestRemoteSigner:
    @pytest.fixture
    def server(self) -> Iterator[_RemoteSignerServer]:
        server = _RemoteSignerServer(("127.0.0.1", 0), _Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        server.server_close()
        thread.join()

    def test_honest__signed_bytes(self, server: _RemoteSignerServer) -> None:
        account = Account.from_key(server.key)
        signer = RemoteSigner(f"http://127.0.0.1:{server.server_address[1]}", bytes.fromhex(account.address[2:]))
        raw = signer.sign_transaction(_FIELDS)
        assert raw == bytes(account.sign_transaction(_FIELDS).raw_transaction)

    @pytest.mark.parametrize("change", ["nonce", "gas", "maxFeePerGas"])
    def test_changes_the_transaction__refused(self, server: _RemoteSignerServer, change: str) -> None:
        server.change = change
        account = Account.from_key(server.key)
        signer = RemoteSigner(f"http://127.0.0.1:{server.server_address[1]}", bytes.fromhex(account.address[2:]))
        with pytest.raises(SignerError, match=change):
            signer.sign_transaction(_FIELDS)

    def test_signs_with_another_key__refused(self, server: _RemoteSignerServer) -> None:
        signer = RemoteSigner(f"http://127.0.0.1:{server.server_address[1]}", bytes(range(20)))
        with pytest.raises(SignerError, match="another key"):
            signer.sign_transaction(_FIELDS)

    def test_honest__signature_over_typed_data(self, server: _RemoteSignerServer) -> None:
        account = Account.from_key(server.key)
        signer = RemoteSigner(f"http://127.0.0.1:{server.server_address[1]}", bytes.fromhex(account.address[2:]))
        signature = signer.sign_typed_data(_QUOTE)
        assert Account.recover_message(encode_typed_data(full_message=_QUOTE), signature=signature) == account.address

    def test_signs_another_quote__refused(self, server: _RemoteSignerServer) -> None:
        server.change = "bonusBps"
        account = Account.from_key(server.key)
        signer = RemoteSigner(f"http://127.0.0.1:{server.server_address[1]}", bytes.fromhex(account.address[2:]))
        with pytest.raises(SignerError, match="something else"):
            signer.sign_typed_data(_QUOTE)
