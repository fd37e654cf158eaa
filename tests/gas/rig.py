"""A token on a real chain, and how much gas each thing done to it uses.

Everything that gas depends on is fixed: time, accounts, refs, amounts. A figure therefore comes out the same each time.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from eth_typing import ChecksumAddress, HexStr
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractConstructor, ContractFunction

from tests.support.anvil import Anvil

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "backend" / "chain" / "artifacts"
DOUBLES = ROOT / ".build" / "contracts-testing"
DAY_SECONDS = 86_400
START_TIMESTAMP = 20_000 * DAY_SECONDS + DAY_SECONDS // 2
SUPPLY_CAP_POINTS = 10**12
TRANSACTION_GAS_CAP = 16_777_216
"""Most gas a transaction may have (EIP-7825)."""
Terms = tuple[int, int, int, int, bool]
Rows = dict[str, float]


def holder(number: int) -> ChecksumAddress:
    """An address that looks like any other, for receivers that never sign."""
    return Web3.to_checksum_address(Web3.keccak(text=f"holder {number}")[:20])


def pack(accounts: Sequence[ChecksumAddress], amount: int = 250) -> list[int]:
    """Credits of a batch: address and amount in one word each."""
    return [(int(account, 16) << 96) | amount for account in accounts]


class Rig:
    """One chain with the clock in our hands."""

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.web3 = Web3(Web3.HTTPProvider(chain.url, request_kwargs={"timeout": 60}))
        self.accounts = [Web3.to_checksum_address(account) for account in self.web3.eth.accounts]
        self.admin = self.accounts[0]
        self._refs = 0

    def ref(self) -> bytes:
        """A fresh ref that shares its storage word with no other."""
        self._refs += 1
        return bytes(Web3.keccak(text=f"ref {self._refs}"))

    def token(self, validity: int) -> Contract:
        """A new token with every role at the admin."""
        terms: Terms = (DAY_SECONDS, validity, 2, SUPPLY_CAP_POINTS, True)
        token = self.deploy(SHIPPED / "PointsToken.json", "Gas Points", "GAS", terms, self.admin, 0)
        self.grant_roles(token)
        return token

    def ref_free_token(self, validity: int) -> Contract:
        """The same with an issue that needs no ref."""
        terms: Terms = (DAY_SECONDS, validity, 2, SUPPLY_CAP_POINTS, True)
        token = self.deploy(DOUBLES / "RefFreePoints.json", terms, self.admin)
        self.grant_roles(token)
        return token

    def plain_token(self) -> Contract:
        """OpenZeppelin's token."""
        return self.deploy(DOUBLES / "PlainPoints.json")

    def grant_roles(self, token: Contract) -> None:
        """All roles to the admin."""
        for role in ("ISSUER_ROLE", "CUSTODIAN_ROLE", "EXCHANGE_ROLE"):
            self.gas(token.functions.grantRole(Web3.keccak(text=role), self.admin))

    def deploy(self, artifact: Path, *arguments: object) -> Contract:
        """A new contract."""
        found = json.loads(artifact.read_text())
        factory = self.web3.eth.contract(abi=found["abi"], bytecode=HexStr(found["bytecode"]))
        receipt = self._send(factory.constructor(*arguments), self.admin, TRANSACTION_GAS_CAP)
        self.deployment_gas = receipt[1]
        return self.web3.eth.contract(address=receipt[2], abi=found["abi"])

    def gas(self, call: ContractFunction, sender: ChecksumAddress | None = None) -> int:
        """Gas used by a transaction, which must succeed."""
        status, used, _ = self._send(call, sender or self.admin, TRANSACTION_GAS_CAP)
        assert status == 1, f"{call.fn_name} reverted"
        return used

    def fits(self, call: ContractFunction) -> bool:
        """Whether a transaction succeeds within the cap on a transaction's gas. Leaves no trace."""
        before = self.chain.snapshot()
        status, _, _ = self._send(call, self.admin, TRANSACTION_GAS_CAP)
        self.chain.revert(before)
        return status == 1

    def _send(
        self, call: ContractFunction | ContractConstructor, sender: ChecksumAddress, gas_limit: int
    ) -> tuple[int, int, ChecksumAddress]:
        with self.chain.one_block():
            sent = call.transact({"from": sender, "gas": gas_limit})
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, timeout=60, poll_latency=0.01)
        return receipt["status"], receipt["gasUsed"], cast("ChecksumAddress", receipt.get("contractAddress"))

    def jump(self, seconds: int) -> None:
        """Moves on, with a block of its own."""
        self.chain.set_next_timestamp(self.web3.eth.get_block("latest")["timestamp"] + seconds)
        self.chain.rpc("evm_mine")

    def next_epoch(self, epochs: int = 1) -> None:
        """Moves on by whole epochs."""
        self.jump(epochs * DAY_SECONDS)

    def align(self) -> None:
        """Moves on to an epoch that has the first lane of a word, so that lots lie in the same lanes each time."""
        epoch = self.web3.eth.get_block("latest")["timestamp"] // DAY_SECONDS
        if epoch % 5:
            self.next_epoch(5 - epoch % 5)

    def storage_slots(self, token: Contract) -> int:
        """How many storage slots of a contract are in use."""
        packed = cast("str", self.chain.rpc("anvil_dumpState"))
        raw = bytes.fromhex(packed.removeprefix("0x"))
        state = json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        storage = next(v for k, v in state["accounts"].items() if k.lower() == token.address.lower())["storage"]
        return sum(1 for value in storage.values() if int(value, 16) != 0)
