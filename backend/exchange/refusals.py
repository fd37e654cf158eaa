"""What the exchange's contracts refuse, as errors of the API: which class, and what to do about it."""

from __future__ import annotations

from typing import Final

from backend.chain.errors import ContractRevertedError
from backend.errors import InterpointsError
from backend.exchange import errors
from backend.exchange.deployment import Currency
from backend.exchange.settlement_money import format_units
from backend.points.errors import InsufficientPointsError, ReferenceReusedError

_NEW_QUOTE = "Ask the destination programme for a new quote, or swap without one."
_ASK_AGAIN = "Ask for a new price (POST /v1/quotes) and swap again under a new reference."
_WAIT = "Nothing was moved. Swap again under a new reference once it goes on."

_KINDS: Final[dict[str, tuple[type[InterpointsError], str]]] = {
    "BelowMinimum": (errors.BelowMinimumError, "Swap more points at once."),
    "BonusTooHigh": (errors.BonusTooHighError, _NEW_QUOTE),
    "DailyCapExceeded": (errors.DailyCapReachedError, "Swap fewer points now, or the rest later."),
    "DebitCapExceeded": (
        errors.DebitCapReachedError,
        "Swap fewer points, or wait until the source programme has posted collateral or got a credit line.",
    ),
    "ERC20InsufficientBalance": (InsufficientPointsError, "Swap fewer points."),
    "DeadlineTooFar": (errors.DeadlineTooFarError, "Name a deadline within seven days, or leave it out."),
    "EnforcedPause": (errors.ProgrammeNotActiveError, _WAIT),
    "ExpiryNotCarriable": (
        errors.ExpiryNotCarriableError,
        "Spend these points in their own programme; those that expire later can be swapped afterwards.",
    ),
    "InDefault": (errors.DebitCapReachedError, "The lane works again when the programme has paid what it owes."),
    "InsufficientOutput": (errors.OutputBelowMinimumError, "Lower `min_points_out`, or give more points."),
    "InvalidOrderSignature": (
        errors.OrderSignatureError,
        "Let the member's wallet sign what POST /v1/swaps/orders gives, on the exchange's network.",
    ),
    "InvalidQuoteSignature": (errors.QuoteSignatureError, _NEW_QUOTE),
    "InvalidSwapAmount": (errors.TooFewPointsError, "Swap more points, so that they come to at least one."),
    "LaneNotOpen": (errors.LaneStoppedError, "Choose another lane, or wait until the programmes agree again."),
    "NotJoined": (errors.DebitCapReachedError, "Both programmes must take part in the clearing first."),
    "NotLinked": (
        errors.NotLinkedError,
        "The operator links the two deployments (`interpoints deploy --peer`); swap under a new reference afterwards.",
    ),
    "ProgrammeNotActive": (errors.ProgrammeNotActiveError, _WAIT),
    "QuoteExceeded": (errors.QuoteExceededError, "Give fewer points, or ask for a larger quote."),
    "QuoteExpired": (errors.QuoteExpiredError, _NEW_QUOTE),
    "QuoteMismatch": (errors.QuoteMismatchError, _NEW_QUOTE),
    "QuoteUsed": (errors.QuoteUsedError, _NEW_QUOTE),
    "SupplyCapExceeded": (errors.SupplyCapReachedError, "Swap fewer points, or ask the destination programme."),
    "SwapExpired": (errors.DeadlinePastError, _ASK_AGAIN),
    "SwapRefUsed": (ReferenceReusedError, "The swap was carried out before; look it up instead of repeating it."),
}
_OTHERWISE = "Nothing was moved. Tell the operator the error's name."


def remedy(name: str) -> str:
    """What to do when the chain refuses a swap with the error `name`."""
    return _KINDS[name][1] if name in _KINDS else _OTHERWISE


def typed(error: ContractRevertedError, currency: Currency) -> InterpointsError:
    """The error of the API for what a contract refuses."""
    kind, advice = _KINDS.get(error.name, (errors.SwapRefusedError, _OTHERWISE))
    extensions: dict[str, str | int] = {"error": error.name}
    sentence = error.detail
    if error.name == "DebitCapExceeded":
        amount, available = (
            format_units(int(str(error.arguments[name])), currency.decimals) for name in ("amount", "available")
        )
        sentence = (
            f"The source programme may owe the destination {available} {currency.code} more now, and this swap comes to"
            f" {amount} {currency.code}."
        )
        extensions |= {"available_amount": available, "currency": currency.code}
    for argument, name in _NAMED.get(error.name, {}).items():
        extensions[name] = int(str(error.arguments[argument]))
    return kind(f"{sentence} {advice}", **extensions)


_NAMED: Final[dict[str, dict[str, str]]] = {
    "BelowMinimum": {"minimumIn": "minimum_points_in", "pointsIn": "points_in"},
    "BonusTooHigh": {"maxBonusBps": "max_bonus_bps"},
    "DailyCapExceeded": {"available": "available_points_out"},
    "ERC20InsufficientBalance": {"balance": "available_points"},
    "ExpiryNotCarriable": {"epoch": "epoch", "amount": "points"},
    "InsufficientOutput": {"pointsOut": "points_out"},
    "QuoteExceeded": {"maxIn": "max_points_in"},
}
"""Arguments that a caller can use, and what the API calls them."""
