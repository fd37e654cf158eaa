"""Credits a second on a chain with 1 s blocks of 60 M gas, from the durable request to mined and indexed.

Beside it: a script that mints one at a time with web3.py, and one that pipelines single mints with a local nonce.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from eth_account import Account
from hexbytes import HexBytes
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker
from web3 import Web3
from web3.contract import Contract
from web3.types import Nonce, TxParams, Wei

from backend.chain.artifacts import load_artifact
from backend.chain.indexer import Indexer
from backend.chain.models import Operation
from backend.chain.outbox import enqueue
from backend.chain.points_token import encode_issue_batch
from backend.chain.submitter import Submitter
from backend.database import make_engine, make_sessions, transaction
from tests.bench.support import bench_database
from tests.bench.table import Row
from tests.support.anvil import Anvil, Deployment, deploy

_BLOCK_GAS = 60_000_000
_EXISTING_CREDITS = 1_300
"""Six of these batches fill a block."""
_NEW_CREDITS = 590
"""Four of these do."""
_KEY = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
"""anvil's third account."""


class _Bench:
    def __init__(self, deployment: Deployment, sessions: sessionmaker[Session]) -> None:
        self.deployment = deployment
        self.sessions = sessions
        self.client = deployment.chain.client
        self.issuer = deployment.accounts[1]
        self.submitter = Submitter(sessions, self.client, deployment.signers.signer(self.issuer), 31337)
        self.indexer = Indexer(sessions, self.client, deployment.manifest)

    def submit_all(self, batches: Sequence[Sequence[tuple[bytes, int]]], gas_a_credit: int) -> tuple[float, float]:
        """Credits a second from the commit of the request to mined in the index, and the share of block gas used."""
        first = self.client.block_number() + 1
        started = time.perf_counter()
        for batch in batches:
            with transaction(self.sessions) as session:
                enqueue(
                    session,
                    kind="issue_batch",
                    programme_id=None,
                    chain_id=31337,
                    signer=self.issuer,
                    target=self.deployment.token,
                    data=encode_issue_batch(secrets.token_bytes(32), batch),
                    gas_limit=60_000 + gas_a_credit * len(batch),
                )
        waiting = select(func.count()).select_from(Operation).where(Operation.state.in_(("pending", "sent")))
        while True:
            self.submitter.run_once()
            self.indexer.run_once()
            with transaction(self.sessions) as session:
                if not session.scalar(waiting):
                    break
        seconds = time.perf_counter() - started
        return sum(map(len, batches)) / seconds, self._gas_share(first)

    def _gas_share(self, first: int) -> float:
        """Share of the gas used between the first and the last block that hold anything; those two are not full."""
        blocks = self.client.blocks(range(first, self.client.block_number() + 1))
        used = [int(block["gasUsed"], 16) for block in blocks if block is not None]
        busy = [index for index, gas in enumerate(used) if gas]
        full = used[busy[0] + 1 : busy[-1]]
        return sum(full) / (_BLOCK_GAS * max(len(full), 1))


def _one_at_a_time(web3: Web3, contract: Contract, mints: int) -> float:
    """The script everybody writes first: build, sign, send, wait."""
    account = Account.from_key(_KEY)
    started = time.perf_counter()
    for _ in range(mints):
        call = contract.functions.issue(Web3.to_checksum_address(secrets.token_bytes(20)), 5, secrets.token_bytes(32))
        nonce = web3.eth.get_transaction_count(account.address)
        signed = account.sign_transaction(call.build_transaction({"from": account.address, "nonce": nonce}))
        web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(signed.raw_transaction))
    return mints / (time.perf_counter() - started)


def _pipelined(web3: Web3, contract: Contract, mints: int) -> float:
    """The same with a local nonce and no waiting in between."""
    account = Account.from_key(_KEY)
    nonce = web3.eth.get_transaction_count(account.address)
    fees: TxParams = {"from": account.address, "gas": 90_000, "chainId": 31337}
    fees |= {"maxFeePerGas": Wei(10**11), "maxPriorityFeePerGas": Wei(10**9)}
    started = time.perf_counter()
    hash_ = HexBytes(bytes(32))
    for offset in range(mints):
        call = contract.functions.issue(Web3.to_checksum_address(secrets.token_bytes(20)), 5, secrets.token_bytes(32))
        signed = account.sign_transaction(call.build_transaction({**fees, "nonce": Nonce(nonce + offset)}))
        hash_ = web3.eth.send_raw_transaction(signed.raw_transaction)
    web3.eth.wait_for_transaction_receipt(hash_, timeout=120)
    return mints / (time.perf_counter() - started)


def _peers(deployment: Deployment) -> tuple[float, float]:
    web3 = Web3(Web3.HTTPProvider(deployment.chain.url))
    address = Web3.to_checksum_address(deployment.token)
    contract = web3.eth.contract(address=address, abi=load_artifact("PointsToken").raw_abi())
    admin = deployment.signers.signer(deployment.accounts[0])
    role = contract.functions.ISSUER_ROLE().call()
    grant = contract.encode_abi("grantRole", [role, Account.from_key(_KEY).address])
    nonce = web3.eth.get_transaction_count(Web3.to_checksum_address(admin.address))
    raw = admin.sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": nonce,
            "to": address,
            "value": 0,
            "data": grant,
            "gas": 200_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 10**9,
        }
    )
    web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(raw))
    return _one_at_a_time(web3, contract, 5), _pipelined(web3, contract, 1_500)


def run() -> list[Row]:
    """The rows on credits a second."""
    with tempfile.TemporaryDirectory() as folder, Anvil(gas_limit=_BLOCK_GAS) as chain, bench_database() as url:
        deployment = deploy(chain, Path(folder))
        chain.rpc("evm_setIntervalMining", 1)
        engine = make_engine(url)
        bench = _Bench(deployment, make_sessions(engine))
        accounts = [secrets.token_bytes(20) for _ in range(_NEW_CREDITS * 24)]
        parts = range(0, len(accounts), _NEW_CREDITS)
        new = [[(account, 7) for account in accounts[start : start + _NEW_CREDITS]] for start in parts]
        new_rate, new_share = bench.submit_all(new, 24_900)
        existing = [[(secrets.choice(accounts), 7) for _ in range(_EXISTING_CREDITS)] for _ in range(72)]
        rate, share = bench.submit_all(existing, 7_600)
        naive, pipelined = _peers(deployment)
        engine.dispose()
    return [
        Row(
            "credits to existing holders, request to mined",
            "credits/s",
            rate,
            naive,
            "web3.py, one at a time",
            "≥ 5,000",
        ),
        Row(
            "credits to existing holders, request to mined",
            "credits/s",
            rate,
            pipelined,
            "web3.py, pipelined",
            "≥ 5,000",
        ),
        Row("credits to new holders, request to mined", "credits/s", new_rate, pipelined, "web3.py, pipelined", ""),
        Row("share of block gas used, existing holders", "", share, None, "", "≥ 0.9"),
        Row("share of block gas used, new holders", "", new_share, None, "", "≥ 0.9"),
    ]
