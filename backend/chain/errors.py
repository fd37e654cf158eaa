"""Errors of everything that talks to a chain, and the one table that turns what nodes say into them.

`recoverable` says whether trying again later can help without anybody doing anything.
"""

from __future__ import annotations

import re
from typing import ClassVar

from backend.errors import InterpointsError


class ChainError(InterpointsError):
    """Base of the errors of this package."""

    status = 502
    slug = "chain-error"
    title = "The chain answered with an error"
    recoverable: ClassVar[bool] = True


class ChainUnavailableError(ChainError):
    """No endpoint answered within the bound of attempts. Nothing is known about what was asked."""

    status = 503
    slug = "chain-unavailable"
    title = "The chain cannot be reached"


class WrongChainError(ChainError):
    """An endpoint, a manifest or the database belongs to another chain."""

    slug = "wrong-chain"
    title = "This is another chain"
    recoverable = False

    def __init__(self, what: str, expected: int | str, found: int | str) -> None:
        super().__init__(f"{what} belongs to chain {found}, expected {expected}.")
        self.expected = expected
        self.found = found


class UnverifiedBlockError(ChainError):
    """What an endpoint said about a block contradicts the block's own hash, receipts root or bloom."""

    slug = "unverified-block"
    title = "An endpoint's answer does not match the block"

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"Block {number}: {what}; the endpoint's answer was not used.")
        self.number = number
        self.what = what


class ReorganisedError(ChainError):
    """Blocks changed between two questions; asking again gives the present ones."""

    slug = "reorganised"
    title = "The chain was reorganised meanwhile"


class IndexerHaltedError(ChainError):
    """A reorganisation went past finality. A person must look; `interpoints db rebuild` starts over."""

    slug = "indexer-halted"
    title = "The indexer has stopped"
    recoverable = False


class SubmitterHaltedError(ChainError):
    """The chain has used nonces of a signer that this database does not know: an old backup, or a second sender."""

    slug = "submitter-halted"
    title = "The submitter has stopped"
    recoverable = False

    def __init__(self, signer: str, next_nonce: int, chain_nonce: int) -> None:
        super().__init__(
            f"{signer} has used {chain_nonce} nonces on chain but {next_nonce} here. Either this database was restored"
            " from an old backup or somebody else sends with this key. Nothing is signed until a person has looked."
        )
        self.signer = signer
        self.next_nonce = next_nonce
        self.chain_nonce = chain_nonce


class SignerError(ChainError):
    """A signer is missing, refuses, or signed something else than it was given."""

    slug = "signer-error"
    title = "The signer cannot sign"
    recoverable = False


class ManifestError(ChainError):
    """The deployment manifest is missing, malformed or does not match the chain."""

    slug = "manifest-error"
    title = "The deployment manifest cannot be used"
    recoverable = False


class ContractRevertedError(ChainError):
    """A contract refused. `name` is its custom error, `arguments` the error's values by name."""

    status = 409
    slug = "contract-reverted"
    title = "The contract refused"
    recoverable = False

    def __init__(self, name: str, arguments: dict[str, object], detail: str) -> None:
        super().__init__(detail, error=name)
        self.name = name
        self.arguments = arguments


class NodeError(ChainError):
    """A JSON-RPC error that has no class of its own."""

    slug = "node-error"
    title = "The node refused"

    def __init__(self, message: str, code: int = 0, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class MethodNotFoundError(NodeError):
    """The endpoint does not offer this method."""

    recoverable = False


class RateLimitedError(NodeError):
    """Too many requests; later is fine."""


class AnswerTooLargeError(NodeError):
    """The endpoint wants a smaller range."""


class ExecutionRevertedError(NodeError):
    """A call reverted; `data` holds the revert bytes as 0x hex, if the node gave them."""

    recoverable = False


class OutOfGasError(NodeError):
    """A call needs more gas than it was given."""


class TransactionRefusedError(NodeError):
    """Base of refusals to take a transaction into the pool."""


class AlreadyKnownError(TransactionRefusedError):
    """The pool has this very transaction: as good as accepted."""


class NonceTooLowError(TransactionRefusedError):
    """The nonce has been mined. By which of our hashes must be looked up: this is no verdict."""


class NonceTooHighError(TransactionRefusedError):
    """Earlier nonces are missing in this node's pool."""


class ReplacementUnderpricedError(TransactionRefusedError):
    """The pool has another transaction under this nonce and the new fee is not enough higher."""


class FeeTooLowError(TransactionRefusedError):
    """Below the base fee or the node's minimum."""


class InsufficientFundsError(TransactionRefusedError):
    """The signer cannot pay for it now."""


class PoolFullError(TransactionRefusedError):
    """The node takes no more for the moment."""


class TransactionInvalidError(TransactionRefusedError):
    """These bytes can never be mined (too much gas, too large, bad signature, ...)."""

    recoverable = False


_TABLE: tuple[tuple[type[NodeError], tuple[str, ...]], ...] = (
    # Phrases of geth, anvil (reth, revm), nethermind, erigon and besu; the first match counts.
    (
        AlreadyKnownError,
        ("already known", "already imported", "alreadyknown", "known transaction", "already in (the )?(mem)?pool"),
    ),
    (
        ReplacementUnderpricedError,
        (
            "replacement transaction underpriced",
            "replacement ?not ?allowed",
            "could not replace",
            "underpriced replacement",
            "transaction_replacement_underpriced",
            "replacement underpriced",
        ),
    ),
    (
        NonceTooLowError,
        ("nonce too low", "old ?nonce", "nonce_too_low", "nonce is too low", "below confirmed nonce"),
    ),
    (
        NonceTooHighError,
        (
            "nonce too high",
            "nonce ?gap",
            "nonce_too_high",
            "nonce is too high",
            "gapped-nonce",
            "too far in the future",
        ),
    ),
    (
        InsufficientFundsError,
        (
            "insufficient ?funds",
            "upfront cost exceeds",
            "insufficient balance for",
            "upfront_cost_exceeds_balance",
            "not enough funds",
            "insufficient sender balance",
        ),
    ),
    (
        FeeTooLowError,
        (
            "max fee per gas less than block base fee",
            "fee ?cap too low",
            "fee cap less than",
            "transaction underpriced",
            "gas price below",
            "feetoolow",
            "gas_price_too_low",
            "maxfeepergas too low",
            "miner premium",
            "tip cap .* (too low|below)",
            "effective priority fee per gas too low",
        ),
    ),
    (
        PoolFullError,
        (
            "txpool is full",
            "pool is full",
            "transaction pool limit",
            "too many pending",
            "account limit exceeded",
            "txpool_full",
        ),
    ),
    (
        TransactionInvalidError,
        (
            "exceeds block gas limit",
            "gas limit too high",
            "exceeds maximum gas",
            "gas limit is greater",
            "intrinsic gas",
            "oversized data",
            "invalid (sender|signature|transaction|chain id)",
            "exceeds transaction gas",
            "gaslimitexceeded",
            "transaction type not supported",
            "max initcode",
            "rlp:",
            "typed transaction too short",
            "tip higher than fee cap",
        ),
    ),
    (OutOfGasError, ("out ?of ?gas", "oog$", "gas required exceeds")),
    (ExecutionRevertedError, ("execution reverted", "vm execution error", "revert")),
    (RateLimitedError, ("rate limit", "too many requests", "exceeded .*(capacity|quota|compute)", "request limit")),
    (
        AnswerTooLargeError,
        ("query returned more than", "response (size )?(is )?too (large|big)", "block range", r"more than \d+ results"),
    ),
    (
        MethodNotFoundError,
        ("method not found", "method .*(does not exist|not (available|supported|whitelisted))", "unsupported method"),
    ),
)
_PATTERNS = tuple((re.compile("|".join(phrases)), kind) for kind, phrases in _TABLE)
_CODES: dict[int, type[NodeError]] = {
    -32601: MethodNotFoundError,
    -32005: RateLimitedError,
    429: RateLimitedError,
    3: ExecutionRevertedError,
}


def node_error(code: int, message: str, data: str | None = None) -> NodeError:
    """The typed error for a JSON-RPC error object. Texts come before codes, which nodes use loosely."""
    text = message.lower()
    for pattern, kind in _PATTERNS:
        if pattern.search(text):
            return kind(message, code, data)
    return _CODES.get(code, NodeError)(message, code, data)
