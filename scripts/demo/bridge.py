"""The bridge between the demonstration's chains: three attesters, of which two must sign, and a relayer."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from eth_utils.address import to_checksum_address

from backend.chain.signers import create_keystore
from backend.stack.local import LocalStack
from backend.stack.processes import ProcessTable, RunningProcess
from backend.stack.state import StateFolder, write_private
from backend.stack.waiting import free_port, wait_until

ATTESTERS = 3
THRESHOLD = 2
_RELAYER_ACCOUNT = 7
"""Of the local chains' accounts, by its number: no programme uses it."""
_POLL_SECONDS = 0.25
_COMMAND = (sys.executable, "-m", "backend.cli", "bridge")
_CATCH_UP_SECONDS = 60.0


class BridgeBehindError(Exception):
    """An attester that came back did not catch up."""


@dataclass(frozen=True)
class _Attester:
    address: str
    keystore: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Bridge:
    """Processes of the bridge, each with a folder, a key and a configuration of its own."""

    def __init__(self, folder: StateFolder, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._table = ProcessTable(folder)
        self._attesters: list[_Attester] = []
        self._running: dict[str, RunningProcess] = {}
        self._chains = ""
        self._routes: list[tuple[int, int]] = []

    @property
    def attesters(self) -> tuple[str, ...]:
        """Their accounts."""
        return tuple(attester.address for attester in self._attesters)

    def prepare(self) -> None:
        """Take the folder, end what a killed run left there, and make the attesters' keys."""
        self._folder.acquire()
        ended = self._table.end_leftovers()
        if ended:
            self._say(f"ended what a killed run left behind: {', '.join(ended)}")
        self._folder.clear()
        keys, password = self._folder.root / "keys", secrets.token_urlsafe(24)
        write_private(self._password_file, password)
        for _ in range(ATTESTERS):
            address = to_checksum_address(create_keystore(keys, password))
            self._attesters.append(_Attester(address, keys / f"{address.lower()}.json", free_port()))

    def start(self, stacks: Sequence[LocalStack]) -> None:
        """Start all roles between the chains of `stacks`, and wait until they answer."""
        self._say(f"starting the bridge: {ATTESTERS} attesters, of which {THRESHOLD} must sign, and a relayer")
        self._chains = "".join(map(_chain_table, stacks))
        ids = [stack.options.chain_id for stack in stacks]
        self._routes = [(source, destination) for source in ids for destination in ids if source != destination]
        relayer_port = free_port()
        ports = {self._attest(number): attester.port for number, attester in enumerate(self._attesters)}
        ports[self._relay(relayer_port)] = relayer_port
        for name, port in ports.items():
            self._await(name, port)

    def check(self) -> None:
        """Raise ProcessFailedError when a process has ended."""
        self._table.check()

    def kill_attester(self, number: int) -> None:
        """End an attester as a power cut would."""
        process = self._running[f"attester-{number + 1}"]
        process.popen.kill()
        process.popen.wait()
        self._table.stop(process)

    def revive_attester(self, number: int) -> None:
        """Start it again, with the journal that it left."""
        self._await(self._attest(number), self._attesters[number].port)

    def await_same_signatures(self) -> int:
        """Wait until all attesters have signed the same messages; how many. Raises BridgeBehindError."""
        signed: list[set[str]] = []

        def same() -> bool:
            signed[:] = [self._signed(attester) for attester in self._attesters]
            return all(each == signed[0] for each in signed)

        if not wait_until(same, _CATCH_UP_SECONDS, poll_seconds=0.3):
            raise BridgeBehindError(f"An attester has not caught up within {_CATCH_UP_SECONDS:.0f} seconds.")
        return len(signed[0])

    def status(self) -> str:
        """What `interpoints bridge status` prints."""
        config = self._write_config("status", "")
        done = subprocess.run(
            [*_COMMAND, "status", "--config", str(config)], capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def stop(self) -> None:
        """End all, and let others use the folder."""
        self._table.stop_all()
        self._folder.release()

    @property
    def _password_file(self) -> Path:
        return self._folder.root / "password"

    def _attest(self, number: int) -> str:
        name, attester = f"attester-{number + 1}", self._attesters[number]
        section = (
            f"[attest]\nport = {attester.port}\n[attest.key]\nkeystore = '{attester.keystore.resolve()}'\n"
            f"password_file = '{self._password_file.resolve()}'\n"
        )
        return self._start(name, "attest", section)

    def _relay(self, port: int) -> str:
        section = f"[relay]\nport = {port}\nretry_seconds = 0.5\n[relay.key]\ndev_account = {_RELAYER_ACCOUNT}\n"
        for attester in self._attesters:
            section += f"[[relay.attesters]]\nurl = '{attester.url}'\naddress = '{attester.address}'\n"
        return self._start("relayer", "relay", section)

    def _start(self, name: str, role: str, section: str) -> str:
        config = self._write_config(name, section)
        self._running[name] = self._table.start(name, [*_COMMAND, role, "--config", str(config)])
        return name

    def _write_config(self, name: str, section: str) -> Path:
        path = self._folder.root / f"{name}.toml"
        data = (self._folder.root / name).resolve()
        write_private(path, f"data_dir = '{data}'\nlog_level = 'WARNING'\n{self._chains}{section}")
        return path

    def _await(self, name: str, port: int) -> None:
        self._table.await_ready(self._running[name], partial(_answers, f"http://127.0.0.1:{port}/health"))

    def _signed(self, attester: _Attester) -> set[str]:
        found: set[str] = set()
        for source, destination in self._routes:
            from_block: int | None = 0
            while from_block is not None:
                query = {"source_chain": source, "destination_chain": destination, "from_block": from_block}
                answer = (
                    httpx.get(f"{attester.url}/v1/attestations", params=query, timeout=10).raise_for_status().json()
                )
                found |= {message for each in answer["attestations"] for message in each["message_ids"]}
                from_block = answer["next_from_block"]
        return found


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
