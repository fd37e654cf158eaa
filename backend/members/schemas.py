"""Members as the API speaks of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from backend.bodies import Body
from backend.hexes import AddressText, address_text
from backend.members.models import Enrolment, Member

Reference = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A brand's own number for something."""
IdText = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[0-9a-zA-Z_-]+$")]
"""An id of ours."""


class MemberEnrol(Body):
    """Makes a person a member of a programme."""

    reference: Reference = Field(description="The brand's own customer number")
    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    member_id: IdText | None = Field(
        default=None, description="An existing person who joins this programme too; only the operator may say so"
    )


class EnrolmentRead(BaseModel):
    """A member of one programme."""

    id: str
    programme_id: str
    reference: str
    account: AddressText = Field(description="Where points are credited: the managed account, or the linked wallet")
    managed_account: AddressText
    wallet: AddressText | None
    wallet_linked_at: datetime | None
    joined_at: datetime

    @classmethod
    def of(cls, enrolment: Enrolment) -> EnrolmentRead:
        """From its row."""
        return cls(
            id=enrolment.id,
            programme_id=enrolment.programme_id,
            reference=enrolment.reference,
            account=address_text(enrolment.account),
            managed_account=address_text(enrolment.managed_account),
            wallet=address_text(enrolment.wallet) if enrolment.wallet else None,
            wallet_linked_at=enrolment.wallet_linked_at,
            joined_at=enrolment.joined_at,
        )


class MemberRead(BaseModel):
    """A person, with the enrolments that the caller may see."""

    id: str
    created_at: datetime
    enrolments: list[EnrolmentRead]

    @classmethod
    def of(cls, member: Member, enrolments: Sequence[Enrolment]) -> MemberRead:
        """From its rows."""
        return cls(id=member.id, created_at=member.created_at, enrolments=[EnrolmentRead.of(row) for row in enrolments])


class BulkEnrolment(BaseModel):
    """What became of one line of a bulk enrolment."""

    programme_id: str
    reference: str
    member_id: str
    enrolment_id: str


class BulkEnrolled(BaseModel):
    """What became of a bulk enrolment, line by line in the order given."""

    enrolled_count: int = Field(description="Lines that made a new member or enrolment")
    existing_count: int = Field(description="Lines that were known already")
    members: list[BulkEnrolment]


class LinkCreate(Body):
    """Asks for a member link."""

    valid_seconds: int = Field(default=86_400, ge=60, le=2_592_000, description="How long the link works")


class LinkRead(BaseModel):
    """A link that signs the member in on the member page."""

    url: str
    link_token: str = Field(description="The signed part, for POST /v1/sessions")
    expires_at: datetime


class WalletChallengeCreate(Body):
    """Asks for a message to be signed by a wallet."""

    address: AddressText = Field(description="The wallet's address")


class WalletChallengeRead(BaseModel):
    """A Sign-In with Ethereum message (EIP-4361), to be signed as it is by personal_sign."""

    message: str
    nonce: str
    expires_at: datetime


class WalletProof(Body):
    """A signed challenge."""

    message: str = Field(max_length=4096, description="The challenge's message, unchanged")
    signature: str = Field(
        pattern=r"^0x([0-9a-fA-F]{2})*$", max_length=8194, description="By personal_sign, or ERC-1271's"
    )


class WalletLink(BaseModel):
    """A wallet linked to one enrolment."""

    programme_id: str
    enrolment_id: str
    operation_id: str | None = Field(description="Moves the points; null when there were none to move")


class WalletLinked(BaseModel):
    """A linked wallet. From now on points are credited there and only the wallet can spend them."""

    wallet: AddressText
    links: list[WalletLink]
