from __future__ import annotations

import pytest

from backend.chain.errors import (
    AlreadyKnownError,
    AnswerTooLargeError,
    ExecutionRevertedError,
    FeeTooLowError,
    InsufficientFundsError,
    MethodNotFoundError,
    NodeError,
    NonceTooHighError,
    NonceTooLowError,
    OutOfGasError,
    PoolFullError,
    RateLimitedError,
    ReplacementUnderpricedError,
    TransactionInvalidError,
    node_error,
)

PHRASES = [
    # geth
    (-32000, "already known", AlreadyKnownError),
    (-32000, "nonce too low: address 0xabc, tx: 3 state: 5", NonceTooLowError),
    (-32000, "replacement transaction underpriced", ReplacementUnderpricedError),
    (-32000, "transaction underpriced: gas tip cap 0, minimum needed 1", FeeTooLowError),
    (-32000, "max fee per gas less than block base fee: address 0xabc, maxFeePerGas: 1, baseFee: 7", FeeTooLowError),
    (-32000, "insufficient funds for gas * price + value: balance 0, tx cost 1", InsufficientFundsError),
    (-32000, "txpool is full", PoolFullError),
    (-32000, "exceeds block gas limit", TransactionInvalidError),
    (-32000, "intrinsic gas too low: gas 100, minimum needed 21000", TransactionInvalidError),
    (3, "execution reverted: custom error", ExecutionRevertedError),
    (-32000, "gas required exceeds allowance (100000)", OutOfGasError),
    # anvil
    (-32003, "nonce too low", NonceTooLowError),
    (-32000, "transaction already imported", AlreadyKnownError),
    (-32003, "Insufficient funds for gas * price + value", InsufficientFundsError),
    (-32003, "Out of gas: gas required exceeds allowance: 30000", OutOfGasError),
    # nethermind
    (-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 3", NonceTooLowError),
    (-32010, "AlreadyKnown", AlreadyKnownError),
    (-32010, "ReplacementNotAllowed", ReplacementUnderpricedError),
    (-32010, "InsufficientFunds, Account balance: 0, cumulative cost: 1", InsufficientFundsError),
    (-32010, "NonceGap, Future nonce. Expected nonce: 5", NonceTooHighError),
    (-32010, "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1", FeeTooLowError),
    # erigon and besu
    (-32000, "could not replace existing tx", ReplacementUnderpricedError),
    (-32000, "fee cap less than block base fee", FeeTooLowError),
    (-32001, "Nonce too low", NonceTooLowError),
    (-32004, "Upfront cost exceeds account balance", InsufficientFundsError),
    # providers
    (-32005, "daily request count exceeded, request rate limited", RateLimitedError),
    (429, "Your app has exceeded its compute units per second capacity", RateLimitedError),
    (-32602, "query returned more than 10000 results", AnswerTooLargeError),
    (-32601, "the method eth_getBlockReceipts does not exist/is not available", MethodNotFoundError),
    (-32603, "something nobody has seen before", NodeError),
]


@pytest.mark.parametrize(("code", "message", "kind"), PHRASES)
def test_node_error__phrase_of_a_node__typed(code: int, message: str, kind: type[NodeError]) -> None:
    error = node_error(code, message, "0x")
    assert type(error) is kind
    assert (error.code, error.detail, error.data) == (code, message, "0x")


def test_node_error__unknown_text__code_decides() -> None:
    assert type(node_error(3, "?")) is ExecutionRevertedError
    assert type(node_error(-32601, "?")) is MethodNotFoundError


def test_recoverable__only_what_later_can_help() -> None:
    assert NonceTooLowError.recoverable
    assert InsufficientFundsError.recoverable
    assert not TransactionInvalidError.recoverable
    assert not ExecutionRevertedError.recoverable
