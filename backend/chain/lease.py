"""One submitter per signer: a lease in the signer's row, by the database's clock, checked again under the row's
lock."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.models import SignerAccount
from backend.database import transaction


class LeaseLostError(Exception):
    """Another submitter holds the lease now; whatever was prepared must be thrown away."""


@dataclass
class Lease:
    """The right to send with one account. `holder` names this process in the table."""

    sessions: sessionmaker[Session]
    chain_id: int
    address: bytes
    seconds: float
    holder: str = field(default_factory=lambda: secrets.token_hex(8))

    def exists(self) -> bool:
        """Whether the account is known to the database."""
        with transaction(self.sessions) as session:
            return session.get(SignerAccount, (self.chain_id, self.address)) is not None

    def introduce(self, next_nonce: int) -> None:
        """Makes the account known, with the nonce that the chain expects next; no effect when it is."""
        row = insert(SignerAccount).values(chain_id=self.chain_id, address=self.address, next_nonce=next_nonce)
        with transaction(self.sessions) as session:
            session.execute(row.on_conflict_do_nothing())

    def take(self) -> bool:
        """Takes or prolongs the lease; False while another holds it."""
        free = or_(
            SignerAccount.leased_by.is_(None),
            SignerAccount.leased_by == self.holder,
            SignerAccount.leased_until < func.now(),
        )
        taken = (
            update(SignerAccount)
            .where(SignerAccount.chain_id == self.chain_id, SignerAccount.address == self.address, free)
            .values(leased_by=self.holder, leased_until=func.now() + timedelta(seconds=self.seconds))
            .returning(SignerAccount.next_nonce)
        )
        with transaction(self.sessions) as session:
            return session.execute(taken).first() is not None

    def lock(self, session: Session) -> SignerAccount:
        """Locks the account until the transaction ends. Errors: `LeaseLostError`.

        The lock makes the lease safe against clocks: whoever signs has it, and has seen what others signed before.
        """
        found = session.execute(
            select(SignerAccount)
            .where(SignerAccount.chain_id == self.chain_id, SignerAccount.address == self.address)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).scalar_one()
        if found.leased_by != self.holder:
            raise LeaseLostError
        return found

    def give_up(self) -> None:
        """Ends the lease early, so that the next process need not wait."""
        with transaction(self.sessions) as session:
            session.execute(
                update(SignerAccount)
                .where(
                    SignerAccount.chain_id == self.chain_id,
                    SignerAccount.address == self.address,
                    SignerAccount.leased_by == self.holder,
                )
                .values(leased_by=None, leased_until=None)
            )
