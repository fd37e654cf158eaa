"""Events a second from a real chain into PostgreSQL, beside web3.py's event decoding alone."""

from __future__ import annotations

import secrets
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from web3 import Web3

from backend.chain.artifacts import load_artifact
from backend.chain.indexer import Indexer
from backend.chain.points_token import encode_issue_batch
from backend.chain.rebuild import rebuild_projection
from backend.database import make_engine, make_sessions
from tests.bench.support import bench_database, send_all
from tests.bench.table import Row
from tests.support.anvil import Anvil, Deployment, deploy

_ACCOUNTS = 2_000
_BATCHES = 40
_CREDITS = 1_000
_PEER_BLOCKS = 3
_RUNS = 3


def _issue(deployment: Deployment) -> int:
    """Batches to the same accounts again and again; answers the number of logs."""
    accounts = [secrets.token_bytes(20) for _ in range(_ACCOUNTS)]
    calls = []
    for batch in range(_BATCHES):
        start = batch * _CREDITS // 2 % _ACCOUNTS
        credited = [(account, 1 + batch) for account in (accounts + accounts)[start : start + _CREDITS]]
        # New holders cost more: the first batches are sent in halves.
        parts = (credited[: _CREDITS // 2], credited[_CREDITS // 2 :]) if batch < 8 else (credited,)
        calls += [encode_issue_batch(secrets.token_bytes(32), part) for part in parts]
    send_all(deployment, deployment.accounts[1], calls)
    return _BATCHES * _CREDITS + len(calls)


def _index(deployment: Deployment, url: str) -> list[float]:
    """Seconds of each run over the whole chain."""
    seconds = []
    engine = make_engine(url)
    sessions = make_sessions(engine)
    for _ in range(_RUNS):
        indexer = Indexer(sessions, deployment.chain.client, deployment.manifest)
        started = time.perf_counter()
        rebuild_projection(sessions, indexer, deployment.manifest.chain_id)
        seconds.append(time.perf_counter() - started)
    engine.dispose()
    return seconds


def _web3_decoding(deployment: Deployment) -> float:
    """Events a second of web3.py fetching and decoding Transfer logs, written nowhere."""
    web3 = Web3(Web3.HTTPProvider(deployment.chain.url))
    address = Web3.to_checksum_address(deployment.token)
    contract = web3.eth.contract(address=address, abi=load_artifact("PointsToken").raw_abi())
    head = web3.eth.block_number
    rates = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        events: Sequence[object] = contract.events.Transfer.get_logs(from_block=head - _PEER_BLOCKS + 1, to_block=head)
        rates.append(len(events) / (time.perf_counter() - started))
    return statistics.median(rates)


def run() -> list[Row]:
    """The row on indexing."""
    with tempfile.TemporaryDirectory() as folder, Anvil() as chain, bench_database() as url:
        deployment = deploy(chain, Path(folder))
        events = _issue(deployment)
        seconds = _index(deployment, url)
        peer = _web3_decoding(deployment)
    ours = events / statistics.median(seconds)
    name = f"indexing {events:,} logs of batches, verified, into PostgreSQL"
    return [Row(name, "events/s", ours, peer, "web3.py get_logs, decoding only", "≥ 20,000")]
