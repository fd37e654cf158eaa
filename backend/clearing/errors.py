"""Errors of the clearing. Each detail says what to do."""

from __future__ import annotations

from backend.errors import ConflictError, InvalidRequestError, NotFoundError


class ClearingNotDeployedError(NotFoundError):
    """The deployment has no clearing house, so there are neither positions nor cycles."""

    slug = "clearing-not-deployed"
    title = "There is no clearing house here"


class CycleNotFoundError(NotFoundError):
    """There is no such cycle (yet)."""


class NotJoinedError(ConflictError):
    """The programme does not take part in the clearing; `programme_id` says which."""

    slug = "not-joined"
    title = "The programme does not take part in the clearing"


class AlreadyJoinedError(ConflictError):
    """The programme takes part already."""

    slug = "already-joined"
    title = "The programme takes part already"


class HouseFullError(ConflictError):
    """No further programme can take part in this clearing house."""

    slug = "house-full"
    title = "The clearing house is full"


class SamePartyError(InvalidRequestError):
    """A programme can neither owe itself nor give itself a credit line."""

    slug = "same-party"
    title = "Two programmes are needed"


class AmountError(InvalidRequestError):
    """The amount is nothing, or more than can be booked."""

    slug = "clearing-amount"
    title = "Not an amount that can be booked"


class FundsMissingError(ConflictError):
    """The treasurer's account holds less of the currency; `available_amount` says how much there is."""

    slug = "funds-missing"
    title = "The treasurer's account holds too little"


class CollateralInUseError(ConflictError):
    """Collateral covers what is owed, and `leaving_amount` is taken by orders under way; `available_amount` is free."""

    slug = "collateral-in-use"
    title = "The collateral is in use"


class CreditLineInUseError(ConflictError):
    """What the partner owes on the line is not covered otherwise; `least_amount` says how low the line can go now."""

    slug = "credit-line-in-use"
    title = "The credit line is in use"


class InDefaultError(ConflictError):
    """The programme is in default; `claims_amount` says what it has to pay to end that."""

    slug = "in-default"
    title = "The programme is in default"


class PaymentOutstandingError(ConflictError):
    """The programme has not paid what it owes in the closed cycle; `outstanding_amount` says how much."""

    slug = "payment-outstanding"
    title = "A payment is outstanding"


class NothingToPayError(ConflictError):
    """Nothing is owed in a closed cycle (any more), or payments under way pay it all."""

    slug = "nothing-to-pay"
    title = "There is nothing to pay"


class OverpaidError(ConflictError):
    """More than is owed in the closed cycle and not being paid; `outstanding_amount` says how much is."""

    slug = "overpaid"
    title = "More than is owed"


class DeadlineNotPastError(ConflictError):
    """Debtors still have time to pay; `payment_deadline` says until when."""

    slug = "deadline-not-past"
    title = "There is still time to pay"


class CycleStillOpenError(ConflictError):
    """The cycle has not been closed; `closes_at` says when it can be."""

    slug = "cycle-still-open"
    title = "The cycle is still open"


class NothingToDistributeError(ConflictError):
    """The programme is not in default, or has no money that claims could be paid from."""

    slug = "nothing-to-distribute"
    title = "There is nothing to distribute"


class DisputeReferenceReusedError(ConflictError):
    """The reference stands for another dispute already; `dispute_id` says which."""

    slug = "reference-reused"
    title = "The reference stands for something else"
