"""Programmes: taken over from the deployment manifest, and what of them can change afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from backend.chain.manifest import Manifest, ProgrammeEntry
from backend.database import new_id, utc_now
from backend.errors import InvalidRequestError
from backend.hexes import parse_address
from backend.programmes.errors import ProgrammeMismatchError
from backend.programmes.models import Programme
from backend.programmes.repository import find_by_slug
from backend.programmes.schemas import ProgrammeUpdate


@dataclass(frozen=True, slots=True)
class ProgrammeProfile:
    """What the chain does not know of a programme: `earn_points` for every `earn_per_minor` minor units, and so on."""

    currency: str = "USD"
    earn_points: int = 1
    earn_per_minor: int = 100
    return_period_seconds: int = 0
    colour: str = "#2f5d50"


_DEFAULT_PROFILE = ProgrammeProfile()


def sync_from_manifest(
    session: Session, manifest: Manifest, profiles: Mapping[str, ProgrammeProfile] | None = None
) -> list[Programme]:
    """Adds the manifest's programmes that are not known yet; `profiles` by slug apply to new ones only.

    Answers all programmes of the manifest. Raises ProgrammeMismatchError when a known one has another token.
    """
    profiles = profiles or {}
    return [
        _sync_one(session, manifest.chain_id, entry, profiles.get(entry.slug, _DEFAULT_PROFILE))
        for entry in manifest.programmes
    ]


def _sync_one(session: Session, chain_id: int, entry: ProgrammeEntry, profile: ProgrammeProfile) -> Programme:
    known = find_by_slug(session, entry.slug)
    if known is not None:
        if (known.chain_id, known.token) != (chain_id, entry.token_bytes):
            raise ProgrammeMismatchError(
                f"The programme {entry.slug} has another token in this database than in the manifest;"
                " use the database of this deployment."
            )
        known.issuer = parse_address(entry.issuer)
        known.custodian = parse_address(entry.custodian)
        known.treasurer = parse_address(entry.treasurer or entry.issuer)
        known.quoter = parse_address(entry.quoter or entry.issuer)
        known.home_chain_id = entry.home_chain_id or chain_id
        return known
    programme = Programme(
        id=new_id("prg"),
        slug=entry.slug,
        name=entry.name,
        symbol=entry.symbol,
        currency=profile.currency,
        colour=profile.colour,
        chain_id=chain_id,
        home_chain_id=entry.home_chain_id or chain_id,
        token=entry.token_bytes,
        epoch_length_seconds=entry.terms.epoch_length_seconds,
        validity_epochs=entry.terms.validity_epochs,
        clawback_epochs=entry.terms.clawback_epochs,
        transferable=entry.terms.transferable,
        earn_points=profile.earn_points,
        earn_per_minor=profile.earn_per_minor,
        return_period_seconds=profile.return_period_seconds,
        issuer=parse_address(entry.issuer),
        custodian=parse_address(entry.custodian),
        treasurer=parse_address(entry.treasurer or entry.issuer),
        quoter=parse_address(entry.quoter or entry.issuer),
        created_at=utc_now(),
    )
    session.add(programme)
    session.flush()
    return programme


def update_programme(session: Session, programme: Programme, change: ProgrammeUpdate) -> Programme:
    """Applies `change` to events from now on; accruals that exist keep their points and maturity."""
    if change.earning_rule is not None:
        per_minor = change.earning_rule.per.minor(programme.currency)
        if per_minor == 0:
            raise InvalidRequestError("`earning_rule.per` must be more than nothing.")
        programme.earn_points = change.earning_rule.points
        programme.earn_per_minor = per_minor
    if change.return_period_seconds is not None:
        programme.return_period_seconds = change.return_period_seconds
    if change.colour is not None:
        programme.colour = change.colour
    session.flush()
    return programme
