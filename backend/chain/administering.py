"""Sends the administrator's own transactions, one at a time, and waits for each: deployments and grants, no service."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import structlog
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.artifacts import load_artifact
from backend.chain.client import ChainClient, Json
from backend.chain.errors import (
    AlreadyKnownError,
    ChainError,
    ChainUnavailableError,
    ExecutionRevertedError,
    ManifestError,
)
from backend.chain.points_token import PointsToken, encode_grant_role
from backend.chain.reverts import revert_from_text
from backend.chain.signers import Signer, transaction_hash

log = structlog.get_logger(__name__)
_GAS_CAP = 16_777_216
"""EIP-7825: no transaction may ask for more."""


@dataclass(frozen=True, slots=True)
class Created:
    """A contract that has been deployed."""

    address: str
    code_hash: str
    block: int

    @property
    def address_bytes(self) -> bytes:
        """Its address as 20 bytes."""
        return bytes.fromhex(self.address[2:])


@dataclass
class Administrator:
    """Sends with `signer`. Errors: `ContractRevertedError`, `ChainUnavailableError`, the node's refusals."""

    client: ChainClient
    signer: Signer
    receipt_timeout_seconds: float = 120.0
    address: str = field(init=False)
    """The signer's account, 0x hex."""

    def __post_init__(self) -> None:
        self.address = to_checksum_address(self.signer.address)

    def create(self, contract: str, arguments: bytes = b"") -> Created:
        """Deploys a contract with the constructor's encoded arguments."""
        code = bytes.fromhex(load_artifact(contract).bytecode.removeprefix("0x"))
        receipt = self.send(None, code + arguments)
        address = receipt["contractAddress"]
        if not isinstance(address, str):
            raise ManifestError(f"{contract} was deployed but the receipt names no address.")
        log.info("contract_deployed", contract=contract, address=address)
        code_hash = "0x" + keccak(self.client.code(address)).hex()
        return Created(to_checksum_address(address), code_hash, int(str(receipt["blockNumber"]), 16))

    def grant(self, contract: bytes, role: str | bytes, account: bytes) -> None:
        """Gives `account` a role of `contract` unless it has it: an id, or the name of the contract's getter."""
        roles = PointsToken(self.client, contract)  # All our contracts have the same AccessControl functions.
        role_id = roles.role(role) if isinstance(role, str) else role
        if not roles.has_role(role_id, account):
            self.send(to_checksum_address(contract), encode_grant_role(role_id, account))

    def send(self, to: str | None, data: bytes) -> dict[str, Json]:
        """Sends one transaction and answers its receipt; no recipient: a deployment."""
        call: dict[str, Json] = {"from": self.address, "data": "0x" + data.hex()}
        if to is not None:
            call["to"] = to
        try:
            gas = int(str(self.client.call("eth_estimateGas", call)), 16)
        except ExecutionRevertedError as error:
            raise revert_from_text(error.data) from error
        base_fee = int(self.client.block("latest").get("baseFeePerGas", "0x0"), 16)
        tip = int(str(self.client.call("eth_maxPriorityFeePerGas")), 16)
        fields: dict[str, int | str] = {
            "type": 2,
            "chainId": self.client.chain_id(),
            "nonce": self.client.transaction_count(self.address, "pending"),
            "value": 0,
            "data": "0x" + data.hex(),
            "gas": min(gas + gas // 10, _GAS_CAP),
            "maxFeePerGas": 2 * base_fee + tip,
            "maxPriorityFeePerGas": tip,
        }
        raw = self.signer.sign_transaction(fields if to is None else {**fields, "to": to})
        refusal = self.client.send_raw(raw)
        if refusal is not None and not isinstance(refusal, AlreadyKnownError):
            raise refusal
        return self._await_receipt("0x" + transaction_hash(raw).hex())

    def _await_receipt(self, hash_text: str) -> dict[str, Json]:
        deadline = time.monotonic() + self.receipt_timeout_seconds
        while time.monotonic() < deadline:
            receipt = self.client.call("eth_getTransactionReceipt", hash_text)
            if isinstance(receipt, dict):
                if receipt["status"] != "0x1":
                    raise ChainError(f"The transaction {hash_text} failed.")
                return receipt
            time.sleep(0.05)
        raise ChainUnavailableError(
            f"The transaction {hash_text} was not mined in {self.receipt_timeout_seconds:.0f} s."
        )
