"""Asks the chain, before anything is written, whether it would refuse a swap. It has the last word all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import structlog
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from backend.chain.client import ChainClient
from backend.chain.errors import ChainError, ChainUnavailableError, ExecutionRevertedError, NodeError
from backend.chain.exchange_types import Quote, SwapRequest
from backend.chain.points_exchange import encode_swap, encode_swap_with_signature, swap_typed_data
from backend.chain.reverts import revert_from_text
from backend.chain.typed_data import TypedData
from backend.errors import InterpointsError
from backend.exchange.deployment import Exchange
from backend.exchange.errors import OrderSignatureError, WrongNetworkError
from backend.exchange.refusals import typed
from backend.hexes import address_text

log = structlog.get_logger(__name__)
_KNOWN_CHAINS = (1, 10, 56, 100, 137, 324, 1337, 8453, 31337, 42161, 43114, 59144, 84532, 421614, 11155111)
"""Networks that wallets are often on, to tell an order that was signed for another one."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A swap to be tried without being sent."""

    account: bytes
    request: SwapRequest
    quote: Quote
    signature: bytes | None = None
    """The wallet's; without one it is tried as if the account itself swapped: the rules are the custodian's too."""


def refusal_by_chain(chain: ChainClient, exchange: Exchange, trial: Trial) -> InterpointsError | None:
    """Why the chain would refuse the swap in its newest block; None when it would not.

    Raises ChainUnavailableError when the chain does not say: a node's own words can name addresses that hold keys.
    """
    sender: str | None = None
    if trial.signature is None:
        data, sender = encode_swap(trial.request, trial.quote), address_text(trial.account)
    else:
        data = encode_swap_with_signature(trial.account, trial.request, trial.signature, trial.quote)
    try:
        swapped = chain.eth_call(address_text(exchange.address), data, sender=sender)
    except ExecutionRevertedError as error:
        revert = revert_from_text(error.data)
        if revert.name == "InvalidOrderSignature" and trial.signature is not None:
            return _diagnose(exchange, trial, trial.signature)
        return typed(revert, exchange.currency)
    except (ChainError, ValueError) as error:  # ValueError: an answer that is no hex.
        raise _untold(error) from error
    if not swapped:  # The exchange always returns something. A node that does not know it yet has no code to run.
        raise _untold(NodeError("The result is empty."))
    return None


def _untold(error: Exception) -> ChainUnavailableError:
    log.warning("swap_not_tried", error=type(error).__name__)
    return ChainUnavailableError("The chain did not say whether it would take the swap. Ask again later.")


def refusal_if_it_answers(chain: ChainClient, exchange: Exchange, trial: Trial) -> InterpointsError | None:
    """As `refusal_by_chain` for a swap that will be sent: a chain that does not answer has its say then."""
    try:
        return refusal_by_chain(chain, exchange, trial)
    except ChainUnavailableError:
        return None


def check_network(exchange: Exchange, chain_id: int | None) -> None:
    """Raises WrongNetworkError for what was signed for another chain."""
    if chain_id not in (None, exchange.chain_id):
        raise _wrong_network(exchange, chain_id or 0)


def _wrong_network(exchange: Exchange, chain_id: int) -> WrongNetworkError:
    return WrongNetworkError(
        f"The order was signed for chain {chain_id} and the exchange is on chain {exchange.chain_id}. Switch the wallet"
        " to that network, and let it sign what POST /v1/swaps/orders gives.",
        expected_chain_id=exchange.chain_id,
        found_chain_id=chain_id,
    )


def _diagnose(exchange: Exchange, trial: Trial, signature: bytes) -> InterpointsError:
    """Why a signature is not the wallet's: for another network, or over something else."""
    for chain_id in _KNOWN_CHAINS:
        message = swap_typed_data(
            exchange=exchange.address,
            chain_id=chain_id,
            account=trial.account,
            request=trial.request,
            quote_id=trial.quote.quote_id,
        )
        if chain_id != exchange.chain_id and signer_of(message, signature) == trial.account:
            return _wrong_network(exchange, chain_id)
    return OrderSignatureError(
        "The signature is not the wallet's over this order. Let it sign what POST /v1/swaps/orders gives, and send the"
        " same lane, points, quote, ref and deadline with the signature."
    )


def signer_of(message: TypedData, signature: bytes) -> bytes | None:
    """The account whose key signed the typed data; None when the signature is not even one."""
    try:
        signable = encode_typed_data(full_message=cast("dict[str, Any]", message))
        text = Account.recover_message(signable, signature=signature)
    except (BadSignature, ValidationError, ValueError):
        return None
    return bytes.fromhex(text[2:])
