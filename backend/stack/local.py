"""The whole stack on one machine, in one folder: PostgreSQL, chain, contracts, tables, API and workers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.models import ApiKey
from backend.auth.service import create_key, hash_secret
from backend.chain.administering import Administrator
from backend.chain.client import ChainClient
from backend.chain.deploy import Deployer
from backend.chain.errors import ManifestError, WrongChainError
from backend.chain.manifest import Manifest
from backend.chain.models import Block
from backend.chain.settlement_currency import SettlementCurrency, encode_mint_test_dollars
from backend.chain.signers import LOCAL_CHAIN_IDS, DevSigners
from backend.database import make_engine, make_sessions, transaction
from backend.migrations.run import upgrade
from backend.programmes.service import sync_from_manifest
from backend.stack.anvil import anvil_command, chain_answers, find_anvil, keep_first_genesis
from backend.stack.errors import ChainLostError, StackError
from backend.stack.postgres import EmbeddedPostgres, stop_leftover
from backend.stack.processes import ProcessTable
from backend.stack.programmes_file import ClearingDraft, CrosschainDraft, ProgrammeDraft, plans
from backend.stack.state import StateFolder, write_private
from backend.stack.waiting import claim_port, free_port

WORKERS = ("intake,batch,clear,post,follow", "submit,index")
"""Roles of each worker process: two, for the two cores of a small machine."""
ONE_WORKER = (",".join(WORKERS),)
"""All roles in one process, where two stacks share the machine."""
PURSE_TEST_DOLLARS = 1_000_000
"""What a treasurer of a local stack gets, when its purse is empty at the start."""
RELAYER_ACCOUNT = 8
"""Of the local chains' well-known accounts, by its number: no programme of a stack with a bridge has it."""
SAMPLE_LINKS = "sample-links.json"
"""File in the state folder whose member links the start page shows."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class StackOptions:
    """How a local stack differs from another."""

    programmes: Sequence[ProgrammeDraft]
    clearing: ClearingDraft | None = ClearingDraft()  # noqa: RUF009 - frozen
    """Exchange and clearing house; None: neither."""
    crosschain: CrosschainDraft | None = None
    """Gateway and crosschain exchange; None: neither."""
    chain_id: int = LOCAL_CHAIN_IDS[0]
    """One of the local chains' ids: stacks that are connected have one each."""
    api_port: int = 8000
    """0 picks a free one."""
    chain_port: int = 0
    chain_start_timestamp: int | None = None
    """Unix seconds at which the chain's clock starts; None: now."""
    block_seconds: int | None = None
    """A block comes this often even when nobody sends anything, so that points mature, holds end and blocks become
    final on a quiet chain; None: only with transactions, for who moves the clock himself."""
    workers: Sequence[str] = WORKERS
    """Roles of each worker process."""
    keeps_chain: bool = True
    """Whether the chain is saved when the stack stops, to go on next time."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further INTERPOINTS_* variables."""


@dataclass
class LocalStack:
    """Start it, use the addresses, stop it."""

    folder: StateFolder
    options: StackOptions
    say: Say
    api_url: str = ""
    chain_url: str = ""
    database_url: str = ""
    operator_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self._processes = ProcessTable(self.folder)
        self._postgres = EmbeddedPostgres(self.folder.postgres)
        self._environment: dict[str, str] = {}
        self._api_port = self._chain_port = 0
        self._anvil = Path()
        self.started = False
        """Whether there is something to stop."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Settings of the stack's processes."""
        return self._environment

    def start(self, *, fresh: bool = False) -> None:
        """Start everything. Raises StackError's family; what was started then is to be ended by `stop`."""
        self.claim()
        self.open(fresh=fresh)
        self.serve()

    def claim(self) -> None:
        """Take the folder if there is one, and see that the ports are free and anvil is there. Raises as `start`.

        Nothing is changed, and no folder is made for a start that is refused.
        """
        self._processes.take_over(self.say)
        self._anvil = find_anvil()
        self._api_port = claim_port(self.options.api_port, "--port")
        self._chain_port = claim_port(self.options.chain_port, "--chain-port")
        self.api_url, self.chain_url = f"http://127.0.0.1:{self._api_port}", f"http://127.0.0.1:{self._chain_port}"

    def _check_chain_id(self) -> None:
        if not self.folder.manifest.exists():
            return
        kept = Manifest.load(self.folder.manifest).chain_id
        if kept != self.options.chain_id:
            raise StackError(
                f"{self.folder.root} holds the stack of chain {kept}, not of {self.options.chain_id}: name the first "
                "folder of the two with --state, and start both with --two-chains."
            )

    def open(self, *, fresh: bool = False) -> None:
        """Start PostgreSQL and the chain of a claimed stack, with contracts and tables; raises as `start`."""
        self.folder.acquire()
        if fresh:
            stop_leftover(self.folder.postgres)
            self.folder.clear()
        self._check_chain_id()
        self.say("starting PostgreSQL")
        self.started = True
        self._postgres.start()
        self.database_url = self._postgres.database_url("interpoints")
        self.say("starting the local chain")
        self._start_chain()
        is_new = not self.folder.manifest.exists()
        self.say(f"{'deploying contracts and creating' if is_new else 'checking contracts and'} tables")
        manifest = self._deploy()
        upgrade(self.database_url)
        self._prepare_database(manifest)

    def connect(self, peers: Sequence[Manifest]) -> None:
        """Connect an open stack's contracts with those of stacks of other chains, in this one direction.

        Services read the manifest when they start: do it before `serve`. Raises `ManifestError` when it cannot be.
        """
        client = ChainClient([self.chain_url])
        try:
            signers = DevSigners(client.chain_id())
            Deployer(client, signers.signer(signers.addresses()[0])).connect(self.folder.manifest, peers)
        finally:
            client.close()

    def serve(self) -> None:
        """Start the services of an open stack; raises as `start`."""
        self._write_environment()
        self.say("starting the API and the workers")
        self._start_services()

    def check(self) -> None:
        """Raise ProcessFailedError or PostgresEndedError when a process has ended."""
        self._processes.check()
        self._postgres.check()

    def stop(self) -> None:
        """End everything, in order; the folder can then be used again."""
        self._processes.stop_all()
        self._postgres.stop()
        self.folder.release()

    def _start_chain(self) -> None:
        self.folder.chain.mkdir(parents=True, exist_ok=True)
        state_file = self.folder.chain / "state.json" if self.options.keeps_chain else None
        if state_file is not None:
            keep_first_genesis(state_file)
        options = self.options
        command = anvil_command(
            self._anvil,
            self._chain_port,
            state_file,
            options.chain_start_timestamp,
            options.block_seconds,
            chain_id=options.chain_id,
        )
        # anvil keeps files below its home folder; they belong into ours.
        home = {"HOME": str(self.folder.chain.resolve())}
        chain = self._processes.start("chain", command, home)
        self._processes.await_ready(chain, lambda: chain_answers(self.chain_url))

    def _deploy(self) -> Manifest:
        client = ChainClient([self.chain_url])
        try:
            signers = DevSigners(client.chain_id())
            admin, *others = signers.addresses()
            clearing = self.options.clearing
            # The last account has no part in any programme: four pairs come before it, or three and the relayer's.
            pairs = others[: RELAYER_ACCOUNT - 1] if self.options.crosschain else others
            manifest = Deployer(client, signers.signer(admin)).deploy(
                plans(self.options.programmes, pairs),
                self.folder.manifest,
                clearing.plan(others[-1]) if clearing else None,
                self.options.crosschain.plan() if self.options.crosschain else None,
            )
            if clearing is not None and clearing.currency is None:
                _fill_purses(Administrator(client, signers.signer(admin)), manifest)
            return manifest
        except WrongChainError as error:
            raise ChainLostError(self.folder.root) from error
        except ManifestError as error:
            raise StackError(f"{error} Or begin anew with --fresh.") from error
        finally:
            client.close()

    def _prepare_database(self, manifest: Manifest) -> None:
        engine = make_engine(self.database_url, pool_size=1)
        profiles = {draft.slug: draft.profile() for draft in self.options.programmes}
        try:
            with transaction(make_sessions(engine)) as session:
                self._check_chain_is_not_behind(session)
                sync_from_manifest(session, manifest, profiles)
                self.operator_key = self._operator_key(session)
        finally:
            engine.dispose()

    def _check_chain_is_not_behind(self, session: Session) -> None:
        newest = session.scalar(select(Block).order_by(Block.number.desc()).limit(1))
        if newest is None:
            return
        client = ChainClient([self.chain_url])
        try:
            (found,) = client.blocks([newest.number])
        finally:
            client.close()
        if found is None or bytes.fromhex(found["hash"][2:]) != newest.hash:
            raise ChainLostError(self.folder.root)

    def _operator_key(self, session: Session) -> str:
        """The operator's key of this stack: made once, kept beside the other secrets of the folder."""
        path = self.folder.root / "operator-key"
        if path.exists():
            text = path.read_text()
            if session.scalar(select(ApiKey.id).where(ApiKey.secret_hash == hash_secret(text))):
                return text
        _, text = create_key(session, programme_id=None, name="local stack")
        write_private(path, text)
        return text

    def _write_environment(self) -> None:
        self._environment = {
            "INTERPOINTS_DATABASE_URL": self.database_url,
            "INTERPOINTS_SECRET_KEY": self.folder.secret("secret_key"),
            "INTERPOINTS_MANIFEST_PATH": str(self.folder.manifest.resolve()),
            "INTERPOINTS_RPC_URLS": json.dumps([self.chain_url]),
            "INTERPOINTS_PUBLIC_RPC_URL": self.chain_url,
            "INTERPOINTS_PUBLIC_URL": self.api_url,
            "INTERPOINTS_API_PORT": str(self._api_port),
            "INTERPOINTS_SAMPLE_LINKS_PATH": str((self.folder.root / SAMPLE_LINKS).resolve()),
            **self.options.settings,
        }
        lines = "".join(f"{name}='{value}'\n" for name, value in self._environment.items())
        write_private(self.folder.root / "environment", lines)

    def _start_services(self) -> None:
        """All at once, since each takes a while to load; then wait for each."""
        command = [sys.executable, "-m", "backend.cli"]
        waiting = [(self._processes.start("api", [*command, "api"], self._environment), f"{self.api_url}/health")]
        for number, roles in enumerate(self.options.workers, 1):
            port = free_port()
            environment = {**self._environment, "INTERPOINTS_METRICS_PORT": str(port)}
            process = self._processes.start(f"worker-{number}", [*command, "worker", "--roles", roles], environment)
            waiting.append((process, f"http://127.0.0.1:{port}/health"))
        for process, url in waiting:
            self._processes.await_ready(process, partial(_answers, url))


def _fill_purses(administrator: Administrator, manifest: Manifest) -> None:
    """Give test dollars to treasurers that have none: a local stack's brands have play money to post and pay with."""
    if manifest.clearing is None:
        return
    currency = SettlementCurrency(administrator.client, manifest.clearing.currency.address_bytes)
    for treasurer in sorted({entry.treasurer for entry in manifest.programmes}):
        account = bytes.fromhex(treasurer[2:])
        if not currency.balance_of(account):
            amount = PURSE_TEST_DOLLARS * 10**manifest.clearing.currency.decimals
            administrator.send(manifest.clearing.currency.address, encode_mint_test_dollars(account, amount))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
