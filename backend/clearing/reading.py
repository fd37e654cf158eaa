"""A house with names to its programmes and words to its numbers; positions as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.chain.programme_registry import programme_id as on_chain_id
from backend.clearing.deployment import house_of
from backend.clearing.errors import NotJoinedError
from backend.clearing.money import SignedMoney, signed_text
from backend.clearing.repository import Clearing, load_clearing
from backend.clearing.schemas import (
    ClearingRead,
    CurrencyRead,
    ExposureRead,
    PartnerPositionRead,
    PartyRead,
    PositionRead,
)
from backend.exchange.settlement_money import SettlementMoney
from backend.hexes import address_text
from backend.points.clock import to_time
from backend.programmes.models import Programme
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class Use:
    """What is owed a partner, and the most that may be."""

    owed: int
    limit: int

    @property
    def percent(self) -> float | None:
        """Of the limit; None when nothing may be owed."""
        return round(100 * self.owed / self.limit, 2) if self.limit else None


NO_USE = Use(0, 0)


@dataclass(frozen=True, slots=True)
class ClearingReader:
    """Says what is known of a house."""

    clearing: Clearing
    programmes: dict[bytes, Programme]
    """Those of this installation, by their ids on chain."""

    # ---- words

    def money(self, units: int) -> SettlementMoney:
        """An amount that is not negative."""
        return SettlementMoney.of_units(units, self.clearing.house.currency)

    def signed(self, units: int) -> SignedMoney:
        """An amount with its sign."""
        return SignedMoney.of_units(units, self.clearing.house.currency)

    def text(self, units: int) -> str:
        """An amount and its currency, for sentences."""
        return f"{signed_text(units, self.clearing.house.currency)} {self.clearing.house.currency.code}"

    def party(self, programme: bytes) -> PartyRead:
        """A programme's id and slug."""
        row = self.programmes.get(programme)
        slug = row.slug if row is not None else programme.rstrip(b"\0").decode("ascii", "replace")
        return PartyRead(programme_id=row.id if row is not None else None, slug=slug)

    def joined(self, programme: Programme) -> bytes:
        """The id on chain of a programme that takes part. Raises NotJoinedError."""
        found = on_chain_id(programme.slug)
        if found not in self.clearing.state.collateral:
            raise NotJoinedError(
                f"The programme {programme.slug} does not take part in the clearing; POST /v1/clearing/joins first.",
                programme_id=programme.id,
            )
        return found

    # ---- numbers

    def use_of(self, debtor: bytes, creditor: bytes) -> Use:
        """What a programme owes a partner, against what it may owe it."""
        owed = max(0, sum(self.clearing.state.owed(debtor, creditor)))
        return Use(owed, owed + self.clearing.state.available_to(debtor, creditor))

    def highest_use(self, programme: bytes) -> Use:
        """Towards the partner where what may be owed is nearest to used up."""
        uses = [self.use_of(programme, other) for other in self.clearing.state.programmes if other != programme]
        return max(uses, key=lambda use: use.percent or 0, default=NO_USE)

    # ---- resources

    def house(self) -> ClearingRead:
        """The house."""
        clearing, house, state = self.clearing, self.clearing.house, self.clearing.state
        return ClearingRead(
            address=address_text(house.address),
            chain_id=house.chain_id,
            currency=CurrencyRead(
                code=house.currency.code,
                symbol=house.currency_symbol,
                decimals=house.currency.decimals,
                address=address_text(house.currency_address),
            ),
            open_cycle=state.open_cycle,
            closes_at=_time(state.closes_at),
            settling_cycle=clearing.settling,
            payment_deadline=_time(state.payment_deadline or None),
            cycle_seconds=house.cycle_seconds,
            payment_seconds=house.payment_seconds,
            programmes=[self.party(each) for each in state.programmes],
            block_number=clearing.block_number,
            as_of=to_time(clearing.timestamp),
        )

    def positions(self) -> list[PositionRead]:
        """Every programme's, in order of joining."""
        return [self.position(each) for each in self.clearing.state.programmes]

    def position(self, programme: bytes) -> PositionRead:
        """One programme's, with the pairs it is part of."""
        state = self.clearing.state
        standing = state.standing_of(programme)
        others = [each for each in state.programmes if each != programme]
        return PositionRead(
            **self.party(programme).model_dump(),
            open=self.signed(standing.open),
            due=self.signed(standing.due),
            paid=self.money(standing.paid),
            outstanding=self.money(state.outstanding(programme)),
            collateral=self.money(standing.collateral),
            reserved=self.money(standing.reserved),
            withdrawable=self.money(state.withdrawable(programme)),
            exposure=ExposureRead(
                uncovered=self.money(standing.uncovered),
                uncovered_open=self.money(standing.uncovered_open),
                cover=self.money(standing.collateral + standing.paid - standing.reserved),
                used_percent=self.highest_use(programme).percent,
            ),
            claims=self.money(standing.claims),
            in_default=standing.in_default,
            partners=[self._partner(programme, other) for other in others],
            block_number=self.clearing.block_number,
            as_of=to_time(self.clearing.timestamp),
        )

    def _partner(self, programme: bytes, partner: bytes) -> PartnerPositionRead:
        state = self.clearing.state
        open_amount, due_amount = state.owed(partner, programme)
        return PartnerPositionRead(
            **self.party(partner).model_dump(),
            open=self.signed(open_amount),
            due=self.signed(due_amount),
            credit_line_given=self.money(state.credit_line(programme, partner)),
            credit_line_received=self.money(state.credit_line(partner, programme)),
            available=self.money(state.available_to(programme, partner)),
            used_percent=self.use_of(programme, partner).percent,
            claim=self.money(state.claim(programme, partner)),
            claimed=self.money(state.claim(partner, programme)),
        )


def read_clearing(session: Session, settings: Settings) -> ClearingReader:
    """The house of this deployment now. Raises ClearingNotDeployedError and UnavailableError."""
    clearing = load_clearing(session, house_of(settings))
    return ClearingReader(clearing, find_programmes(session, clearing.house.chain_id, clearing.state.programmes))


def find_programmes(session: Session, chain_id: int, ids: Sequence[bytes]) -> dict[bytes, Programme]:
    """The programmes that this installation knows, by their ids on chain."""
    slugs = [each.rstrip(b"\0").decode("ascii", "replace") for each in ids]
    rows = session.scalars(select(Programme).where(Programme.chain_id == chain_id, Programme.slug.in_(slugs)))
    return {on_chain_id(row.slug): row for row in rows}


def _time(timestamp: int | None) -> datetime | None:
    return None if timestamp is None else to_time(timestamp)
