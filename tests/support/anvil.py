"""A real anvil for tests, on a port of its own, and the contracts deployed on it.

Use in a conftest: `from tests.support.anvil import anvil, deployment`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

import pytest

from backend.chain.client import ChainClient, Json
from backend.chain.deploy import Deployer, ExchangePlan, ProgrammePlan
from backend.chain.manifest import Manifest, TermsEntry
from backend.chain.signers import DevSigners
from backend.stack.anvil import find_anvil

_LISTENING = re.compile(rb"Listening on [0-9.]+:(\d+)")
_PATIENCE_SECONDS = 60.0


class Anvil:
    """An anvil process: `with Anvil() as chain: ...`. Mines each transaction by itself unless told otherwise.

    That goes on beside its answers: one of ten is not in a block yet when the next question comes. Wait for the receipt
    of what is sent, or send it in `one_block`.
    """

    def __init__(
        self,
        *,
        timestamp: int | None = None,
        slots_in_an_epoch: int = 4,
        block_time_seconds: float | None = None,
        mining: bool = True,
        gas_limit: int = 60_000_000,
        options: Sequence[str] = (),
    ) -> None:
        self._arguments = [str(find_anvil()), "--port", "0", "--host", "127.0.0.1", "--gas-limit", str(gas_limit)]
        self._arguments += ["--slots-in-an-epoch", str(slots_in_an_epoch), *options]
        if timestamp is not None:
            self._arguments += ["--timestamp", str(timestamp)]
        if block_time_seconds is not None:
            self._arguments += ["--block-time", str(block_time_seconds)]
        elif not mining:
            self._arguments += ["--no-mining"]
        self._mines_by_itself = mining and block_time_seconds is None

    def __enter__(self) -> Anvil:
        # anvil keeps some state below its home folder; give it one that goes away.
        self._home = tempfile.mkdtemp(prefix="interpoints-anvil-")
        environment = {"HOME": self._home, "PATH": "/usr/local/bin:/usr/bin:/bin", "NO_COLOR": "1"}
        self._process = subprocess.Popen(
            self._arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        self.port = self._read_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = ChainClient([self.url], timeout_seconds=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_port(self) -> int:
        output = self._process.stdout
        assert output is not None
        seen = b""
        for line in output:
            seen += line
            found = _LISTENING.search(line)
            if found:
                # Nobody reads on, and a full pipe would stop the process.
                self._reader = threading.Thread(target=output.read, daemon=True)
                self._reader.start()
                return int(found.group(1))
        raise RuntimeError(f"anvil did not start: {seen.decode()}")

    def stop(self) -> None:
        """Ends the process."""
        self.client.close()
        self._process.kill()
        self._process.wait()
        self._reader.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self._home, ignore_errors=True)

    # Controls

    def rpc(self, method: str, *params: Json) -> Json:
        """One JSON-RPC request."""
        return self.client.call(method, *params)

    def mine(self, blocks: int = 1, interval_seconds: int | None = None) -> None:
        """Mines blocks, `interval_seconds` apart."""
        params: list[Json] = [hex(blocks)]
        if interval_seconds is not None:
            params.append(hex(interval_seconds))
        self.rpc("anvil_mine", *params)

    def automine(self, on: bool) -> None:
        """Mines each transaction by itself, or only when told."""
        self.rpc("evm_setAutomine", on)
        self._mines_by_itself = on

    @contextmanager
    def one_block(self) -> Iterator[None]:
        """What is sent inside is mined when it ends, in one block, unless this chain mines only when told.

        Left to itself, anvil may also let a transaction lie that comes while the one before it is being mined.
        """
        if not self._mines_by_itself:
            yield
            return
        self.rpc("evm_setAutomine", False)
        try:
            yield
        finally:
            if self._ready_transactions():
                self.rpc("evm_mine")
            self.rpc("evm_setAutomine", True)

    def _ready_transactions(self) -> int:
        """How many transactions of the pool could be mined now, or are being mined."""
        return int(cast("dict[str, str]", self.rpc("txpool_status"))["pending"], 16)

    def jump(self, seconds: int) -> None:
        """Moves chain time on and mines a block."""
        self.rpc("evm_increaseTime", hex(seconds))
        self.rpc("evm_mine")

    def set_next_timestamp(self, timestamp: int) -> None:
        """Time of the next block, Unix seconds."""
        self.rpc("evm_setNextBlockTimestamp", hex(timestamp))

    def reorganise(self, depth: int, transactions: Sequence[tuple[str, int]] = ()) -> None:
        """Replaces the last `depth` blocks; `transactions` are raw bytes and their block's offset from the fork."""
        self.rpc("anvil_reorg", depth, [[raw, offset] for raw, offset in transactions])

    def set_balance(self, address: bytes, wei: int) -> None:
        """Sets an account's wei."""
        self.rpc("anvil_setBalance", "0x" + address.hex(), hex(wei))

    def set_base_fee(self, wei: int) -> None:
        """Base fee of the next block."""
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))

    def drop_all_transactions(self) -> None:
        """Empties the pool."""
        self.rpc("anvil_dropAllTransactions")

    def snapshot(self) -> str:
        """Remembers the present state."""
        return cast("str", self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Goes back to a remembered state (once).

        Not before anvil is done with the last block: a moment after it has told of that block's transactions it takes
        them out of the pool, by sender and nonce, and would take those with the same nonces that come after this.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._mines_by_itself and self._ready_transactions():
            if time.monotonic() > deadline:
                raise TimeoutError("transactions lie in the pool")
            threading.Event().wait(0.01)
        self.rpc("evm_revert", snapshot)


@dataclass(frozen=True)
class Deployment:
    """Contracts on an anvil. Account 0 is admin, 1 issues, 2 is custodian, further ones are strangers and members."""

    chain: Anvil
    manifest: Manifest
    manifest_path: Path
    signers: DevSigners

    @property
    def accounts(self) -> Sequence[bytes]:
        """Addresses of the local chain's accounts."""
        return self.signers.addresses()

    @property
    def token(self) -> bytes:
        """Token of the first programme."""
        return self.manifest.programmes[0].token_bytes


DAY = 86_400
START = 1_700_000_000 // (30 * DAY) * (30 * DAY) + 5 * DAY
"""Time of a chain's first block where a test must run the same way on every day: soon after an epoch of 30 days, and a
bucket of a lane's volume, have begun."""
TERMS = TermsEntry(
    epoch_length_seconds=30 * DAY,
    validity_epochs=4,
    clawback_epochs=1,
    supply_cap_points=10**12,
    transferable=True,
)


def plan(slug: str, signers: DevSigners, terms: TermsEntry = TERMS) -> ProgrammePlan:
    """A programme to deploy, with issuer and custodian as in `Deployment`."""
    issuer, custodian = signers.addresses()[1:3]
    name = slug.replace("-", " ").title()
    return ProgrammePlan(slug=slug, name=name, symbol=slug[:4].upper(), terms=terms, issuer=issuer, custodian=custodian)


def exchange_plan(signers: DevSigners) -> ExchangePlan:
    """An exchange with test dollars, cycles of a week and notice of an hour; the last account is the keeper."""
    return ExchangePlan(
        keeper=signers.addresses()[-1], cycle_seconds=7 * DAY, payment_seconds=2 * DAY, notice_period_seconds=3_600
    )


def deploy(
    chain: Anvil,
    folder: Path,
    slugs: Sequence[str] = ("grocer",),
    terms: TermsEntry = TERMS,
    *,
    with_exchange: bool = False,
) -> Deployment:
    """Deploys a registry and a token per slug; exchange and clearing house only when asked."""
    signers = DevSigners(chain.client.chain_id())
    path = folder / "manifest.json"
    deployer = Deployer(chain.client, signers.signer(signers.addresses()[0]))
    exchange = exchange_plan(signers) if with_exchange else None
    manifest = deployer.deploy([plan(slug, signers, terms) for slug in slugs], path, exchange)
    return Deployment(chain, manifest, path, signers)


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """A chain of its own for the test; final is 8 blocks below the head."""
    with Anvil(timestamp=START) as chain:
        yield chain


@pytest.fixture
def deployment(anvil: Anvil, tmp_path: Path) -> Deployment:
    """A registry and one programme, `grocer`, on the test's chain."""
    return deploy(anvil, tmp_path)


@pytest.fixture
def exchange_deployment(anvil: Anvil, tmp_path: Path) -> Deployment:
    """Two programmes, `grocer` and `fuel`, with exchange and clearing house, on the test's chain."""
    return deploy(anvil, tmp_path, ("grocer", "fuel"), with_exchange=True)
