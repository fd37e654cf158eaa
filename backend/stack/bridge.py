"""The bridge between two local stacks: three attesters, of which two must sign, and a relayer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from eth_utils.address import to_checksum_address

from backend.chain.signers import LOCAL_CHAIN_IDS, DevSigners
from backend.stack.local import RELAYER_ACCOUNT, LocalStack
from backend.stack.processes import ProcessTable, RunningProcess
from backend.stack.programmes_file import CrosschainDraft
from backend.stack.state import StateFolder, write_private
from backend.stack.waiting import free_port

ATTESTER_ACCOUNTS: Final = (5, 6, 7)
"""Of the local chains' well-known accounts, by number. An attester sends nothing, so a programme may have them too."""
THRESHOLD: Final = 2
COMMAND: Final = (sys.executable, "-m", "backend.cli", "bridge")
_POLL_SECONDS = 0.25


def local_crosschain() -> CrosschainDraft:
    """What the contracts of both stacks must be told for this bridge to carry their messages."""
    accounts = DevSigners(LOCAL_CHAIN_IDS[0]).addresses()
    attesters = tuple(to_checksum_address(accounts[number]) for number in ATTESTER_ACCOUNTS)
    return CrosschainDraft(attesters=attesters, threshold=THRESHOLD, rotation_delay_hours=1, notice_hours=1)


class LocalBridge:
    """Processes of the bridge, each with a folder and a configuration of its own below `folder`."""

    def __init__(self, folder: StateFolder, say: Callable[[str], None]) -> None:
        self.folder = folder
        self._say = say
        self._processes = ProcessTable(folder)
        self._running: dict[str, RunningProcess] = {}
        self._ports: dict[str, int] = {}

    @property
    def status_config(self) -> Path:
        """Configuration for `interpoints bridge status`."""
        return self._config("status")

    @property
    def attester_urls(self) -> list[str]:
        """Where the attesters serve their signatures."""
        return [self._url(_attester(number)) for number in range(len(ATTESTER_ACCOUNTS))]

    def claim(self) -> None:
        """Take the folder if there is one. Raises AlreadyRunningError."""
        self._processes.take_over(self._say)

    def start(self, stacks: Sequence[LocalStack]) -> None:
        """Start all roles between the chains of `stacks`, and wait until they answer. Raises StackError's family."""
        attesters = [_attester(number) for number in range(len(ATTESTER_ACCOUNTS))]
        self._say(f"starting the bridge: {len(attesters)} attesters, of which {THRESHOLD} must sign, and a relayer")
        chains = "".join(map(_chain_table, stacks))
        self._ports = {name: free_port() for name in (*attesters, "relayer")}
        self._write("status", chains)
        for name, account in zip(attesters, ATTESTER_ACCOUNTS, strict=True):
            key = f"[attest.key]\ndev_account = {account}\n"
            self._write(name, f"{chains}[attest]\nport = {self._ports[name]}\n{key}")
        listed = "".join(
            f"[[relay.attesters]]\nurl = '{url}'\naddress = '{address}'\n"
            for url, address in zip(self.attester_urls, local_crosschain().attesters, strict=True)
        )
        key = f"[relay.key]\ndev_account = {RELAYER_ACCOUNT}\n"
        self._write("relayer", f"{chains}[relay]\nport = {self._ports['relayer']}\nretry_seconds = 0.5\n{key}{listed}")
        for name in self._ports:
            self._start(name)
        for name in self._ports:
            self._await(name)

    def kill_attester(self, number: int) -> None:
        """End an attester as a power cut would."""
        process = self._running[_attester(number)]
        process.popen.kill()
        process.popen.wait()
        self._processes.stop(process)

    def revive_attester(self, number: int) -> None:
        """Start it again, with the journal that it left."""
        self._start(_attester(number))
        self._await(_attester(number))

    def check(self) -> None:
        """Raise ProcessFailedError when a process has ended."""
        self._processes.check()

    def stop(self) -> None:
        """End all, and let others use the folder."""
        self._processes.stop_all()
        self.folder.release()

    def _start(self, name: str) -> None:
        role = "relay" if name == "relayer" else "attest"
        self._running[name] = self._processes.start(name, [*COMMAND, role, "--config", str(self._config(name))])

    def _config(self, name: str) -> Path:
        return self.folder.root / f"{name}.toml"

    def _write(self, name: str, text: str) -> None:
        data = (self.folder.root / name).resolve()
        write_private(self._config(name), f"data_dir = '{data}'\nlog_level = 'WARNING'\n{text}")

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def _await(self, name: str) -> None:
        self._processes.await_ready(self._running[name], partial(_answers, f"{self._url(name)}/health"))


def _attester(number: int) -> str:
    return f"attester-{number + 1}"


def _chain_table(stack: LocalStack) -> str:
    chain_id = stack.options.chain_id
    return (
        f"[[chain]]\nname = 'chain-{chain_id}'\nchain_id = {chain_id}\nmanifest = '{stack.folder.manifest.resolve()}'\n"
        f"endpoints = ['{stack.chain_url}']\nrequire_independent = false\npoll_seconds = {_POLL_SECONDS}\n"
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
