"""Signed, expiring texts: the member link that a brand hands out, and the session that a member gets for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from itsdangerous import BadData, URLSafeSerializer
from itsdangerous.encoding import base64_decode, base64_encode

from backend.auth.errors import LinkInvalidError
from backend.database import utc_now
from backend.settings import Settings

SESSION_COOKIE = "interpoints_session"
"""Name of the cookie that carries a member's session."""
EVERYWHERE = "*"
"""A link of the operator: its member may link a wallet in every programme."""
NOWHERE = ""
"""A session that was opened by a wallet links no other."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A signed text for a member, and when it ends (wall clock).

    `wallets_in` says where its bearer may link a wallet: in the programme of that id, EVERYWHERE or NOWHERE. A brand
    that can sign its members in must not be able to carry their points of other brands away.
    """

    text: str
    member_id: str
    expires_at: datetime
    wallets_in: str


class MemberTokens:
    """Issues and reads member links and member sessions."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.secret_key.get_secret_value()
        self._link = URLSafeSerializer(secret, salt="interpoints.member-link")
        self._session = URLSafeSerializer(secret, salt="interpoints.member-session")
        self._session_seconds = settings.member_session_seconds

    def issue_link(self, member_id: str, valid_seconds: int, wallets_in: str = EVERYWHERE) -> SignedToken:
        """The signed part of a link that signs `member_id` in for `valid_seconds` from now."""
        return _sign(self._link, member_id, valid_seconds, wallets_in)

    def read_link(self, text: str) -> SignedToken:
        """The member of a link. Raises LinkInvalidError when it is expired or not ours."""
        return _read(self._link, text)

    def issue_session(self, member_id: str, wallets_in: str = NOWHERE) -> SignedToken:
        """A session token, to be sent as bearer or as the cookie `interpoints_session`."""
        return _sign(self._session, member_id, self._session_seconds, wallets_in, prefix="ims_")

    def open_link(self, text: str) -> SignedToken:
        """The session that a link opens, with the link's rights. Raises LinkInvalidError."""
        link = self.read_link(text)
        return self.issue_session(link.member_id, link.wallets_in)

    def read_session(self, text: str) -> SignedToken:
        """The member of a session. Raises LinkInvalidError when it is expired or not ours."""
        return _read(self._session, text.removeprefix("ims_"))


def _sign(
    serializer: URLSafeSerializer, member_id: str, seconds: int, wallets_in: str, prefix: str = ""
) -> SignedToken:
    expires_at = (utc_now() + timedelta(seconds=seconds)).replace(microsecond=0)
    text = serializer.dumps([member_id, int(expires_at.timestamp()), wallets_in])
    assert isinstance(text, str)
    return SignedToken(prefix + text, member_id, expires_at, wallets_in)


def _read(serializer: URLSafeSerializer, text: str) -> SignedToken:
    try:
        member_id, expires, wallets_in = serializer.loads(text)
        # The last character of a signature has bits that no decoder reads: of a token there is one text, not four.
        signature = text.rpartition(".")[2]
        if base64_encode(base64_decode(signature)).decode() != signature:
            raise BadData("not as it was written")
    except (BadData, ValueError, TypeError) as error:
        raise LinkInvalidError("This link or session was not issued by us; ask the brand for a new link.") from error
    expires_at = datetime.fromtimestamp(expires, UTC)
    if utc_now() >= expires_at:
        raise LinkInvalidError("This link or session has expired; ask the brand for a new link.")
    return SignedToken(text, member_id, expires_at, wallets_in)
