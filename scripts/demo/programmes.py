"""The three programmes of the demonstration, where they are at home, and which department of the shop is whose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from backend.chain.signers import LOCAL_CHAIN_IDS

DAY_SECONDS = 86_400
EPOCH_DAYS = 30
FIRST_DAY = datetime(2017, 1, 1, tzinfo=UTC)
"""First day of the data."""

FIRST_CHAIN, SECOND_CHAIN = LOCAL_CHAIN_IDS

PHARMACY_DEPARTMENTS = ("DRUG GM", "COSMETICS")
FUEL_DEPARTMENTS = ("FUEL",)


@dataclass(frozen=True)
class DemoProgramme:
    """One brand and its terms. The validities differ so that points expire within eight weeks and within the year."""

    slug: str
    name: str
    symbol: str
    colour: str
    validity_epochs: int
    clawback_epochs: int
    earn_points: int
    """Points for every `earn_per_minor` cents."""
    earn_per_minor: int
    return_period_days: int
    chain_id: int = FIRST_CHAIN
    """Chain where its points live; on the other one it has a branch."""


SUPERMARKET = DemoProgramme("supermarket", "Evergreen Market", "EVERGREEN", "#2f6b3c", 4, 2, 10, 100, 0)
PHARMACY = DemoProgramme("pharmacy", "Harbour Pharmacy", "HARBOUR", "#1f5f8b", 2, 1, 10, 100, 3)
FUEL = DemoProgramme("fuel", "Northway Fuel", "NORTHWAY", "#a8481f", 1, 1, 5, 100, 0, SECOND_CHAIN)
PROGRAMMES = (SUPERMARKET, PHARMACY, FUEL)


def programme_of(department: str | None) -> DemoProgramme:
    """The programme that sells a department. What is neither pharmacy nor fuel is the supermarket's."""
    if department in PHARMACY_DEPARTMENTS:
        return PHARMACY
    if department in FUEL_DEPARTMENTS:
        return FUEL
    return SUPERMARKET
