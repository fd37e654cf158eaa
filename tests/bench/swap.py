"""Swaps a second on a chain with 1 s blocks of 60 M gas, from the durable request to mined and indexed, and their gas.

Beside it: the script that burns, waits, and mints, two transactions a swap, with web3.py. It has no rate, no cap, no
expiry carried over and no debt between the brands; its mints go to the wind when it stops in between.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from pathlib import Path
from statistics import mean

from eth_account import Account
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker
from web3 import Web3
from web3.contract import Contract

from backend.chain.administering import Administrator
from backend.chain.artifacts import load_artifact
from backend.chain.clearing_house import encode_deposit, encode_join
from backend.chain.exchange_types import LaneTerms, SwapRequest
from backend.chain.indexer import Indexer
from backend.chain.models import Operation, TransactionAttempt
from backend.chain.outbox import enqueue
from backend.chain.points_exchange import encode_accept, encode_propose, encode_swap_managed, lane_id
from backend.chain.points_token import encode_issue_batch, managed_account
from backend.chain.programme_registry import programme_id
from backend.chain.sending import SubmitterConfig
from backend.chain.settlement_currency import encode_approve, encode_mint_test_dollars
from backend.chain.submitter import Submitter
from backend.database import make_engine, make_sessions, transaction
from tests.bench.support import bench_database
from tests.bench.table import Row
from tests.support.anvil import Anvil, Deployment, deploy

_BLOCK_GAS = 60_000_000
_SWAPS = 1_200
_NAIVE_SWAPS = 5
_WINDOW = 512
"""INTERPOINTS_SUBMIT_WINDOW here: more than a block takes."""
_POINTS = 100
_COLLATERAL = 10**12
_KEY = "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"
"""anvil's sixth account: the naive script's own, with EXCHANGE_ROLE of both tokens."""


class _Bench:
    def __init__(self, deployment: Deployment, sessions: sessionmaker[Session]) -> None:
        self.deployment = deployment
        self.sessions = sessions
        self.client = deployment.chain.client
        self.source, self.destination = (programme_id(entry.slug) for entry in deployment.manifest.programmes)
        self.custodian = deployment.accounts[2]
        self.keys = [secrets.token_bytes(32) for _ in range(_SWAPS)]
        signer = deployment.signers.signer(self.custodian)
        self.submitter = Submitter(sessions, self.client, signer, 31337, SubmitterConfig(window=_WINDOW))
        self.indexer = Indexer(sessions, self.client, deployment.manifest)

    def prepare(self) -> None:
        """Opens a lane, posts collateral, and gives every member points, 600 a batch."""
        manifest, signers = self.deployment.manifest, self.deployment.signers
        assert manifest.exchange is not None
        assert manifest.clearing is not None
        treasurer = Administrator(self.client, signers.signer(self.deployment.accounts[1]))
        house, currency = manifest.clearing.address, manifest.clearing.currency.address
        terms = LaneTerms(2, 1, 500, 2_500, 1, 10**12, 2**40, 10**9, carry_expiry=True, posted=False)
        exchange = manifest.exchange.address
        treasurer.send(exchange, encode_propose(self.source, self.destination, self.source, terms))
        treasurer.send(exchange, encode_accept(self.source, self.destination, self.destination, terms))
        treasurer.send(currency, encode_mint_test_dollars(treasurer.signer.address, _COLLATERAL))
        treasurer.send(currency, encode_approve(bytes.fromhex(house[2:]), _COLLATERAL))
        for programme in (self.source, self.destination):
            treasurer.send(house, encode_join(programme))
        treasurer.send(house, encode_deposit(self.source, _COLLATERAL))
        for entry in manifest.programmes:
            given = [(managed_account(entry.token_bytes, key), 2 * _POINTS) for key in self.keys]
            for start in range(0, len(given), 600):
                batch = given[start : start + 600]
                treasurer.send(entry.token, encode_issue_batch(secrets.token_bytes(32), batch))
        while self.indexer.run_once():
            pass

    def swap_all(self) -> tuple[float, float]:
        """Swaps a second from the commit of the first request to the last mined in the index, and gas a swap."""
        manifest = self.deployment.manifest
        assert manifest.exchange is not None
        lane = lane_id(31337, self.source, self.destination)
        token = manifest.programmes[1].token_bytes
        started = time.perf_counter()
        for key in self.keys:
            request = SwapRequest(lane, managed_account(token, key), _POINTS, 1, secrets.token_bytes(32), 2**40)
            with transaction(self.sessions) as session:
                enqueue(
                    session,
                    kind="swap",
                    programme_id=None,
                    chain_id=31337,
                    signer=self.custodian,
                    target=bytes.fromhex(manifest.exchange.address[2:]),
                    data=encode_swap_managed(key, request),
                )
        waiting = select(func.count()).select_from(Operation).where(Operation.state.in_(("pending", "sent")))
        while True:
            self.submitter.run_once()
            self.indexer.run_once()
            with transaction(self.sessions) as session:
                if not session.scalar(waiting):
                    break
        seconds = time.perf_counter() - started
        with transaction(self.sessions) as session:
            used = list(
                session.scalars(select(TransactionAttempt.gas_used).where(TransactionAttempt.succeeded.is_(True)))
            )
        if len(used) != _SWAPS:
            raise RuntimeError(f"{_SWAPS - len(used)} swaps did not happen")
        return _SWAPS / seconds, mean(gas for gas in used if gas is not None)


def _burn_wait_mint(deployment: Deployment, holder: bytes) -> tuple[float, float]:
    """The naive way: swaps a second, and gas of both transactions together."""
    web3 = Web3(Web3.HTTPProvider(deployment.chain.url))
    naive = Account.from_key(_KEY)
    admin = Administrator(deployment.chain.client, deployment.signers.signer(deployment.accounts[0]))
    tokens: list[Contract] = []
    for entry in deployment.manifest.programmes:
        admin.grant(entry.token_bytes, "EXCHANGE_ROLE", bytes.fromhex(naive.address[2:]))
        address = Web3.to_checksum_address(entry.token_bytes)
        tokens.append(web3.eth.contract(address=address, abi=load_artifact("PointsToken").raw_abi()))
    member = Web3.to_checksum_address(holder)
    gas = 0
    started = time.perf_counter()
    for _ in range(_NAIVE_SWAPS):
        for call in (tokens[0].functions.crosschainBurn(member, 10), tokens[1].functions.crosschainMint(member, 19)):
            nonce = web3.eth.get_transaction_count(naive.address)
            signed = naive.sign_transaction(call.build_transaction({"from": naive.address, "nonce": nonce}))
            receipt = web3.eth.wait_for_transaction_receipt(web3.eth.send_raw_transaction(signed.raw_transaction))
            gas += receipt["gasUsed"]
    return _NAIVE_SWAPS / (time.perf_counter() - started), gas / _NAIVE_SWAPS


def run() -> list[Row]:
    """The rows on swaps."""
    with tempfile.TemporaryDirectory() as folder, Anvil(gas_limit=_BLOCK_GAS) as chain, bench_database() as url:
        deployment = deploy(chain, Path(folder), ("fuel", "grocer"), with_exchange=True)
        engine = make_engine(url)
        bench = _Bench(deployment, make_sessions(engine))
        bench.prepare()
        chain.rpc("evm_setIntervalMining", 1)
        rate, gas = bench.swap_all()
        holder = managed_account(deployment.manifest.programmes[0].token_bytes, bench.keys[0])
        naive_rate, naive_gas = _burn_wait_mint(deployment, holder)
        engine.dispose()
    peer = "web3.py: burn, wait, mint"
    return [
        Row("managed swaps, request to mined and indexed", "swaps/s", rate, naive_rate, peer, ""),
        Row("gas a swap, debt, cap and expiry included", "gas", gas, naive_gas, peer, ""),
    ]
