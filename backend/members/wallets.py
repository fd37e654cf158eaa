"""A member's own wallet: proved by Sign-In with Ethereum, then the points move there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.crypto import keccak
from pydantic import ValidationError
from siwe import InvalidSignature, SiweMessage, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from backend.chain.client import ChainClient
from backend.chain.errors import ExecutionRevertedError
from backend.chain.models import LotBalance, Operation
from backend.database import utc_now
from backend.errors import ConflictError
from backend.hexes import address_text, parse_address
from backend.members.errors import SignInError, WalletTakenError
from backend.members.models import Enrolment, SignInChallenge
from backend.members.moving import move_points
from backend.members.repository import enrolments_of, lock_enrolment, members_with_wallet
from backend.programmes.models import Programme

CHALLENGE_SECONDS = 600
_STATEMENT_LINK = "Link this wallet to your points. They move there, and from then on only this wallet can spend them."
_STATEMENT_SIGN_IN = "Sign in to see your points."
_VALID_SIGNATURE = bytes.fromhex("1626ba7e")
"""Selector and answer of ERC-1271's isValidSignature(bytes32,bytes)."""
_LONGEST_SIGNATURE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Challenge:
    """A message to be signed as it is, by personal_sign."""

    message: str
    nonce: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Site:
    """Where members sign in; the message names it, so that no other site can use the signature."""

    url: str
    chain_id: int

    @property
    def domain(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc


def create_challenge(
    session: Session, site: Site, address: str, *, member_id: str | None = None, programme_id: str | None = None
) -> Challenge:
    """A message for `address` to sign: to be linked to a member, or without one to sign in."""
    now = utc_now().replace(microsecond=0)
    session.execute(delete(SignInChallenge).where(SignInChallenge.expires_at < now - timedelta(days=1)))
    nonce, expires_at = secrets.token_hex(16), now + timedelta(seconds=CHALLENGE_SECONDS)
    wallet = parse_address(address)
    session.add(
        SignInChallenge(
            nonce=nonce, address=wallet, member_id=member_id, programme_id=programme_id, expires_at=expires_at
        )
    )
    session.flush()
    message = SiweMessage(
        domain=site.domain,
        address=address_text(wallet),
        statement=_STATEMENT_LINK if member_id is not None else _STATEMENT_SIGN_IN,
        uri=site.url,
        version="1",
        chain_id=site.chain_id,
        nonce=nonce,
        issued_at=_rfc3339(now),
        expiration_time=_rfc3339(expires_at),
    )
    return Challenge(message.prepare_message(), nonce, expires_at)


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def check_proof(session: Session, chain: ChainClient, site: Site, message: str, signature: str) -> SignInChallenge:
    """The challenge that the wallet has signed, used up by this. Raises SignInError.

    Wallets with a key are checked here; others are asked by ERC-1271.
    """
    try:
        parsed = SiweMessage.from_message(message)
    except (ValueError, ValidationError, KeyError, AttributeError, TypeError) as error:
        raise SignInError("The message is not one of ours; ask for a new one.") from error
    if parsed.prepare_message() != message:
        raise SignInError("The message was changed; sign it exactly as it was given.")
    query = select(SignInChallenge).where(SignInChallenge.nonce == parsed.nonce).with_for_update()
    challenge = session.scalar(query)
    if challenge is None or challenge.used_at is not None:
        raise SignInError("The message was not given by us or was used before; ask for a new one.")
    if challenge.address != parse_address(parsed.address) or parsed.chain_id != site.chain_id:
        raise SignInError("The message was given for another wallet or chain.")
    try:
        parsed.verify(signature, domain=site.domain, nonce=challenge.nonce, timestamp=utc_now())
    except (InvalidSignature, BadSignature) as error:  # The latter: as long as a key's, but no key signs so.
        if not _contract_agrees(chain, challenge.address, message, signature):
            raise SignInError("The signature is not this wallet's.") from error
    except VerificationError as error:
        raise SignInError("The message has expired or is for another site; ask for a new one.") from error
    challenge.used_at = utc_now()
    session.flush()
    return challenge


def _contract_agrees(chain: ChainClient, wallet: bytes, message: str, signature: str) -> bool:
    """Asks a contract wallet whether the signature is its own."""
    raw = bytes.fromhex(signature[2:])
    if len(raw) > _LONGEST_SIGNATURE_BYTES:
        return False
    signable = encode_defunct(text=message)
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    data = _VALID_SIGNATURE + digest + (64).to_bytes(32, "big") + len(raw).to_bytes(32, "big") + raw
    address = address_text(wallet)
    try:
        if not chain.code(address):
            return False
        answer = chain.eth_call(address, data + bytes(-len(raw) % 32))
    except ExecutionRevertedError:
        return False
    return answer[:4] == _VALID_SIGNATURE and len(answer) == 32


def link_wallet(
    session: Session, challenge: SignInChallenge, request_id: str
) -> list[tuple[Enrolment, Operation | None]]:
    """Links the proved wallet to the member's enrolments and moves their points.

    Linking the same wallet again changes nothing. Raises WalletTakenError when the wallet is another member's or the
    member has another wallet.
    """
    member_id = challenge.member_id
    if member_id is None:
        raise SignInError("This message was signed to sign in, not to link a wallet.")
    _lock_wallet(session, challenge.address)
    if members_with_wallet(session, challenge.address) - {member_id}:
        raise WalletTakenError("This wallet is linked to another member.")
    enrolments = [
        lock_enrolment(session, enrolment.id) for enrolment in enrolments_of(session, member_id, challenge.programme_id)
    ]
    if not enrolments:
        raise ConflictError("The member is not enrolled in any programme in which the wallet could be linked.")
    if any(enrolment.wallet not in (None, challenge.address) for enrolment in enrolments):
        raise WalletTakenError("The member has linked another wallet.")
    return [(enrolment, _link(session, enrolment, challenge.address, request_id)) for enrolment in enrolments]


def _link(session: Session, enrolment: Enrolment, wallet: bytes, request_id: str) -> Operation | None:
    if enrolment.wallet == wallet:
        return None
    enrolment.wallet = enrolment.account = wallet
    enrolment.wallet_linked_at = utc_now()
    programme = session.get_one(Programme, enrolment.programme_id)
    has_points = session.scalar(
        select(func.count())
        .select_from(LotBalance)
        .where(
            LotBalance.token == programme.token,
            LotBalance.account == enrolment.managed_account,
            LotBalance.points > 0,
        )
    )
    session.flush()
    return move_points(session, programme, enrolment, request_id) if has_points else None


def member_of_wallet(session: Session, wallet: bytes) -> str:
    """The member who has linked this wallet. Raises SignInError."""
    members: Sequence[str] = sorted(members_with_wallet(session, wallet))
    if not members:
        raise SignInError("No member has linked this wallet; open the link of your brand first.")
    return members[0]


def _lock_wallet(session: Session, wallet: bytes) -> None:
    """Links of one wallet happen one after the other."""
    number = int.from_bytes(hashlib.sha256(wallet).digest()[:8], "big", signed=True)
    session.execute(select(func.pg_advisory_xact_lock(number)))
