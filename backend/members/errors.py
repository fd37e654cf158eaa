"""Errors about members."""

from __future__ import annotations

from backend.errors import ConflictError, InvalidRequestError, NotFoundError


class MemberNotFoundError(NotFoundError):
    """No such member, or none that the caller may see."""


class ReferenceTakenError(ConflictError):
    """The brand's reference belongs to another member."""

    slug = "reference-taken"
    title = "The reference belongs to another member"


class AlreadyEnrolledError(ConflictError):
    """The person is a member of this programme under another reference."""

    slug = "already-enrolled"
    title = "The person is a member already"


class WalletTakenError(ConflictError):
    """The wallet is linked to another member, or the member to another wallet."""

    slug = "wallet-taken"
    title = "The wallet or the member is linked already"


class SignInError(InvalidRequestError):
    """A Sign-In with Ethereum message that does not hold."""

    slug = "sign-in-refused"
    title = "The signed message does not hold"


class BranchError(ConflictError):
    """The programme's points live on the chain `home_chain_id`; here it has a branch, which issues none."""

    slug = "branch"
    title = "The programme is at home elsewhere"
