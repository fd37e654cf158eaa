"""Errors about points."""

from __future__ import annotations

from backend.errors import ConflictError, InvalidRequestError, NotFoundError


class EventNotFoundError(NotFoundError):
    """No such event, or none that the caller may see."""


class ReferenceReusedError(ConflictError):
    """The reference stands for something else already."""

    slug = "reference-reused"
    title = "The reference stands for something else"


class InsufficientPointsError(ConflictError):
    """The member cannot spend that much; `available_points` says how much they can."""

    slug = "insufficient-points"
    title = "Not enough points"


class SignatureRequiredError(ConflictError):
    """The member holds their points in a wallet, so only the wallet's signature can spend them."""

    slug = "signature-required"
    title = "The wallet has to sign"


class StateConflictError(ConflictError):
    """The step does not follow from the present state; `state` says which that is."""

    slug = "wrong-state"
    title = "Not possible in this state"


class RefundExceedsRedemptionError(ConflictError):
    """More would be refunded than is left of the redemption; `refundable_points` says how much is."""

    slug = "refund-exceeds-redemption"
    title = "More than is left to refund"


class ReturnExceedsEventError(ConflictError):
    """More would be returned than is left of the purchase; `returnable_amount` says how much is."""

    slug = "return-exceeds-event"
    title = "More than was bought"


class UploadFormatError(InvalidRequestError):
    """An upload that cannot be read at all."""

    slug = "upload-format"
    title = "The upload cannot be read"
