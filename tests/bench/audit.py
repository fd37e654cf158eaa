"""Events replayed and accounts checked a second by the audit, beside web3.py; its memory at a million events."""

from __future__ import annotations

import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
from web3 import Web3
from web3.contract import Contract

from backend.audit.balances import BalanceReader
from backend.audit.service import run_audit
from backend.audit.spool import open_spool
from backend.chain.artifacts import load_artifact
from backend.chain.encoding import receipts_root
from backend.chain.event_types import Lot
from backend.chain.points_token import PointsToken, encode_issue_batch
from tests.bench import synthetic
from tests.bench.support import send_all
from tests.bench.table import Row
from tests.support.anvil import Anvil, Deployment, deploy

_RUNS = 3
_EVENTS = 60_000
_PEER_BLOCKS = 3
_ACCOUNTS = 15_000
_PEER_ACCOUNTS = 100
_CREDITS = 600


def _median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(_RUNS))


def _replay_rate() -> float:
    """Events a second from the endpoint's JSON to lots and judgements, receipts roots included."""
    answers = [orjson.dumps(receipts) for receipts in synthetic.blocks(_EVENTS)]
    with open_spool() as spool:
        judge = synthetic.rules(spool)
        started = time.perf_counter()
        count = 0
        for answer in answers:
            receipts = orjson.loads(answer)
            receipts_root(receipts)
            count += synthetic.replay(judge, receipts)
        return count / (time.perf_counter() - started)


def _contract(deployment: Deployment) -> Contract:
    web3 = Web3(Web3.HTTPProvider(deployment.chain.url))
    address = Web3.to_checksum_address(deployment.token)
    return web3.eth.contract(address=address, abi=load_artifact("PointsToken").raw_abi())


def _web3_event_rate(contract: Contract) -> float:
    """Transfer logs a second that web3.py fetches and decodes; nothing is verified or replayed."""
    head = contract.w3.eth.block_number
    started = time.perf_counter()
    events: Sequence[object] = contract.events.Transfer.get_logs(from_block=head - _PEER_BLOCKS + 1, to_block=head)
    return len(events) / (time.perf_counter() - started)


def _credit(deployment: Deployment) -> list[bytes]:
    """Gives many accounts a lot each."""
    accounts = [secrets.token_bytes(20) for _ in range(_ACCOUNTS)]
    parts = [accounts[at : at + _CREDITS] for at in range(0, _ACCOUNTS, _CREDITS)]
    calls = [encode_issue_batch(secrets.token_bytes(32), [(account, 7) for account in part]) for part in parts]
    send_all(deployment, deployment.accounts[1], calls)
    return accounts


def _balance_rate(deployment: Deployment, accounts: Sequence[bytes]) -> float:
    """Accounts a second whose lots and balance the audit compares."""
    client = deployment.chain.client
    head = client.block("latest")
    number, timestamp = int(head["number"], 16), int(head["timestamp"], 16)
    epoch = PointsToken(client, deployment.token).current_epoch(number)
    reader = BalanceReader(client, deployment.token, number, timestamp)
    started = time.perf_counter()
    differences = list(reader.differences(accounts, lambda _, __: [Lot(epoch, 7)], lambda _: None))
    seconds = time.perf_counter() - started
    assert not differences
    return len(accounts) / seconds


def _web3_balance_rate(contract: Contract, accounts: Sequence[bytes]) -> float:
    """Accounts a second by one `lotsOf` call of web3.py each."""
    texts = [Web3.to_checksum_address(account) for account in accounts[:_PEER_ACCOUNTS]]
    started = time.perf_counter()
    for text in texts:
        contract.functions.lotsOf(text).call()
    return len(texts) / (time.perf_counter() - started)


def _whole_rate(deployment: Deployment) -> float:
    """Logs a second of a whole audit of a real chain: blocks, receipts, replay, accounts, supply."""
    report = run_audit(deployment.chain.client, deployment.manifest, to_block="latest")
    assert report.passed
    return report.logs / report.seconds


def _peak_mib(events: int) -> float:
    arguments = [sys.executable, "-m", "tests.bench.synthetic", str(events)]
    return float(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)


def run() -> list[Row]:
    """The rows on the audit."""
    with tempfile.TemporaryDirectory() as folder, Anvil() as chain:
        deployment = deploy(chain, Path(folder))
        accounts = _credit(deployment)
        contract = _contract(deployment)
        decoded = _median(lambda: _web3_event_rate(contract))
        peer, whole_reach = "web3.py get_logs, decoding only", f"{_ACCOUNTS:,} accounts included"
        return [
            Row("logs verified, replayed, judged", "events/s", _median(_replay_rate), decoded, peer, "≥ 40,000"),
            Row(
                "a whole audit of a real chain",
                "events/s",
                _median(lambda: _whole_rate(deployment)),
                decoded,
                peer,
                whole_reach,
            ),
            Row(
                "lots and balance of accounts compared",
                "accounts/s",
                _median(lambda: _balance_rate(deployment, accounts)),
                _median(lambda: _web3_balance_rate(contract, accounts)),
                "web3.py, one call each",
                "≥ 15,000",
            ),
            Row(
                "peak memory, 1,000,000 events",
                "MiB",
                _peak_mib(1_000_000),
                _peak_mib(100_000),
                "100,000 events",
                "flat",
            ),
        ]
