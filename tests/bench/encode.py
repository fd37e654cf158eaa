"""Processor time a credit on the client: calldata by hand and one signature a batch, beside web3.py and eth_abi."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable

from eth_abi.abi import encode
from web3 import Web3

from backend.chain.artifacts import load_artifact
from backend.chain.points_token import encode_issue_batch, selector
from backend.chain.signers import DevSigners
from tests.bench.table import Row

_CREDITS = 1_000
_RUNS = 7


def _microseconds(work: Callable[[], object], runs: int = _RUNS) -> float:
    """Median processor time a credit."""
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds) * 1e6 / _CREDITS


def run() -> list[Row]:
    """The rows on the client's processor time."""
    batch_id = secrets.token_bytes(32)
    credited = [(secrets.token_bytes(20), 1 + secrets.randbelow(1 << 40)) for _ in range(_CREDITS)]
    words = [int.from_bytes(account, "big") << 96 | points for account, points in credited]
    source = DevSigners(31337)
    signer = source.signer(source.addresses()[1])
    contract = Web3().eth.contract(abi=load_artifact("PointsToken").raw_abi())
    fields: dict[str, int | str] = {"type": 2, "chainId": 31337, "nonce": 0, "to": "0x" + "11" * 20, "value": 0}
    fields |= {"gas": 10_000_000, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}

    def sign_batch() -> bytes:
        data = encode_issue_batch(batch_id, credited)
        return signer.sign_transaction({**fields, "data": "0x" + data.hex()})

    by_hand = encode_issue_batch(batch_id, credited)
    by_library = selector("issueBatch(bytes32,uint256[])") + encode(["bytes32", "uint256[]"], [batch_id, words])
    if by_hand != by_library or contract.encode_abi("issueBatch", [batch_id, words]) != "0x" + by_hand.hex():
        raise AssertionError("the encoders differ")
    encoding = _microseconds(lambda: encode_issue_batch(batch_id, credited))
    web3 = _microseconds(lambda: contract.encode_abi("issueBatch", [batch_id, words]), 3)
    eth_abi = _microseconds(lambda: encode(["bytes32", "uint256[]"], [batch_id, words]), 3)
    return [
        Row("client CPU a credit, encoding", "µs", encoding, web3, "web3.py contract object", "≤ 2 µs"),
        Row("client CPU a credit, encoding", "µs", encoding, eth_abi, "eth_abi", "byte-identical"),
        Row(
            "client CPU a credit, encoding and signing",
            "µs",
            _microseconds(sign_batch),
            web3,
            "web3.py, encoding",
            "≤ 2 µs",
        ),
    ]
