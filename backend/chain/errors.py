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


class ChainUnavailable(ChainError):
    """No endpoint answered within the bound of attempts. Nothing is known about what was asked."""

    status = 503
    slug = "chain-unavailable"
    title = "The chain cannot be reached"


class WrongChain(ChainError):
    """An endpoint, a manifest or the database belongs to another chain."""

    slug = "wrong-chain"
    title = "This is another chain"
    recoverable = False

    def __init__(self, what: str, expected: int | str, found: int | str) -> None:
        super().__init__(f"{what} belongs to chain {found}, expected {expected}.")
        self.expected = expected
        self.found = found


class UnverifiedBlock(ChainError):
    """What an endpoint said about a block contradicts the block's own hash, receipts root or bloom."""

    slug = "unverified-block"
    title = "An endpoint's answer does not match the block"

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"Block {number}: {what}; the endpoint's answer was not used.")
        self.number = number
        self.what = what


class ReorganisedMeanwhile(ChainError):
    """Blocks changed between two questions; asking again gives the present ones."""

    slug = "reorganised"
    title = "The chain was reorganised meanwhile"


class IndexerHalted(ChainError):
    """A reorganisation went past finality. A person must look; `interpoints db rebuild` starts over."""

    slug = "indexer-halted"
    title = "The indexer has stopped"
    recoverable = False


class SubmitterHalted(ChainError):
    """The chain has used nonces of a signer that this database does not know: an old backup, or a second installation."""

    slug = "submitter-halted"
    title = "The submitter has stopped"
    recoverable = False

    def __init__(self, signer: str, next_nonce: int, chain_nonce: int) -> None:
        super().__init__(
            f"{signer} has used {chain_nonce} nonces on chain but {next_nonce} here. Either this database was restored from"
            " an old backup or somebody else sends with this key. Nothing is signed until a person has looked."
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


class ContractReverted(ChainError):
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


class MethodNotFound(NodeError):
    """The endpoint does not offer this method."""

    recoverable = False


class RateLimited(NodeError):
    """Too many requests; later is fine."""


class AnswerTooLarge(NodeError):
    """The endpoint wants a smaller range."""


class ExecutionReverted(NodeError):
    """A call reverted; `data` holds the revert bytes as 0x hex, if the node gave them."""

    recoverable = False


class TransactionRefused(NodeError):
    """Base of refusals to take a transaction into the pool."""


class AlreadyKnown(TransactionRefused):
    """The pool has this very transaction: as good as accepted."""


class NonceTooLow(TransactionRefused):
    """The nonce has been mined. By which of our hashes must be looked up: this is no verdict."""


class NonceTooHigh(TransactionRefused):
    """Earlier nonces are missing in this node's pool."""


class ReplacementUnderpriced(TransactionRefused):
    """The pool has another transaction under this nonce and the new fee is not enough higher."""


class FeeTooLow(TransactionRefused):
    """Below the base fee or the node's minimum."""


class InsufficientFunds(TransactionRefused):
    """The signer cannot pay for it now."""


class PoolFull(TransactionRefused):
    """The node takes no more for the moment."""


class TransactionInvalid(TransactionRefused):
    """These bytes can never be mined (too much gas, too large, bad signature, ...)."""

    recoverable = False


_TABLE: tuple[tuple[str, type[NodeError]], ...] = (
    # Phrases of geth, anvil (reth, revm), nethermind, erigon and besu; the first match counts.
    (r"already known|already imported|alreadyknown|known transaction|already in (the )?(mem)?pool", AlreadyKnown),
    (r"replacement transaction underpriced|replacementnotallowed|replacement not allowed|could not replace", ReplacementUnderpriced),
    (r"underpriced replacement|transaction_replacement_underpriced|replacement underpriced", ReplacementUnderpriced),
    (r"nonce too low|oldnonce|old nonce|nonce_too_low|nonce is too low|below confirmed nonce", NonceTooLow),
    (r"nonce too high|noncegap|nonce gap|nonce_too_high|nonce is too high|gapped-nonce|too far in the future", NonceTooHigh),
    (r"insufficient funds|insufficientfunds|upfront cost exceeds|insufficient balance for", InsufficientFunds),
    (r"upfront_cost_exceeds_balance|not enough funds|insufficient sender balance", InsufficientFunds),
    (r"max fee per gas less than block base fee|feecap too low|fee cap less than", FeeTooLow),
    (r"transaction underpriced|gas price below|feetoolow|gas_price_too_low|maxfeepergas too low|miner premium", FeeTooLow),
    (r"tip cap .* (too low|below)|gas tip cap|effective priority fee per gas too low", FeeTooLow),
    (r"txpool is full|pool is full|transaction pool limit|too many pending|account limit exceeded|txpool_full", PoolFull),
    (r"exceeds block gas limit|gas limit too high|exceeds maximum gas|gas limit is greater|intrinsic gas", TransactionInvalid),
    (r"oversized data|invalid (sender|signature|transaction|chain id)|exceeds transaction gas|gaslimitexceeded", TransactionInvalid),
    (r"transaction type not supported|max initcode|rlp:|typed transaction too short|tip higher than fee cap", TransactionInvalid),
    (r"execution reverted|vm execution error|reverted|revert", ExecutionReverted),
    (r"rate limit|too many requests|exceeded .*(capacity|quota|compute)|request limit", RateLimited),
    (r"query returned more than|response (size )?(is )?too (large|big)|block range|range too|more than \d+ results", AnswerTooLarge),
    (r"method not found|method .*(does not exist|not (available|supported|whitelisted))|unsupported method", MethodNotFound),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern), kind) for pattern, kind in _TABLE)
_CODES: dict[int, type[NodeError]] = {
    -32601: MethodNotFound,
    -32005: RateLimited,
    429: RateLimited,
    3: ExecutionReverted,
}


def node_error(code: int, message: str, data: str | None = None) -> NodeError:
    """The typed error for a JSON-RPC error object. Texts come before codes, which nodes use loosely."""
    text = message.lower()
    for pattern, kind in _PATTERNS:
        if pattern.search(text):
            return kind(message, code, data)
    return _CODES.get(code, NodeError)(message, code, data)
