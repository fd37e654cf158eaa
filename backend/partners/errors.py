"""Errors about partner systems."""

from __future__ import annotations

from backend.errors import ConflictError, InterpointsError, InvalidRequestError, NotFoundError


class PartnerSystemNotFoundError(NotFoundError):
    """The programme has not said where its own points system is."""


class PartnerSystemInUseError(ConflictError):
    """Postings or transfers under way still have to be asked about in this system; `open_count` says how many."""

    slug = "partner-system-in-use"
    title = "The partner system is still needed"


class PartnerAddressError(InvalidRequestError):
    """The address may not be called: not HTTPS, or not on the public internet."""

    slug = "partner-address-refused"
    title = "This address may not be called"


class PartnerSecretError(InterpointsError):
    """The stored secret of a partner system cannot be read."""

    status = 500
    slug = "partner-secret-unreadable"
    title = "The partner system's secret cannot be read"


class PostingStateError(ConflictError):
    """The posting or transfer is past what was asked; `state` says where it is."""

    slug = "posting-state"
    title = "The posting is in another state"
