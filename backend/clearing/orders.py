"""What a treasurer asks of the house: each is checked against the present state, and becomes an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from backend.auth.errors import ForbiddenError
from backend.chain import outbox
from backend.chain.clearing_house import (
    encode_deposit,
    encode_distribute,
    encode_enforce,
    encode_join,
    encode_pay,
    encode_pay_from_collateral,
    encode_set_credit_line,
    encode_withdraw,
)
from backend.chain.client import ChainClient
from backend.chain.models import Operation
from backend.chain.programme_registry import programme_id as on_chain_id
from backend.chain.settlement_currency import SettlementCurrency, encode_approve
from backend.clearing import errors
from backend.clearing.money import signed_text
from backend.clearing.reading import ClearingReader
from backend.clearing.statements import rfc3339
from backend.clearing.under_way import UnderWay, to_be_collected
from backend.exchange.settlement_money import SettlementMoney
from backend.points.clock import to_time
from backend.programmes.models import Programme

MAX_AMOUNT: Final = 2**112 - 1
"""Most that the house books at once."""
MAX_PROGRAMMES: Final = 32


@dataclass(frozen=True, slots=True)
class Order:
    """Operations that were asked for, in order."""

    operation: Operation
    approval: Operation | None = None


class Treasury:
    """Asks the house for things in the name of programmes. Nothing is sent unless the session commits."""

    def __init__(
        self, session: Session, chain: ChainClient, reader: ClearingReader, under_way: UnderWay, request_id: str
    ) -> None:
        """`under_way` is that of the programme which asks."""
        self._session = session
        self._chain = chain
        self._reader = reader
        self._under_way = under_way
        self._request_id = request_id
        self._house = reader.clearing.house
        self._state = reader.clearing.state

    def join(self, programme: Programme) -> Order:
        """Takes part. Raises AlreadyJoinedError, HouseFullError."""
        try:
            self._reader.joined(programme)
        except errors.NotJoinedError:
            pass
        else:
            raise errors.AlreadyJoinedError(f"The programme {programme.slug} takes part in the clearing already.")
        if len(self._state.programmes) >= MAX_PROGRAMMES:
            raise errors.HouseFullError(f"{MAX_PROGRAMMES} programmes take part already; no further one can.")
        return Order(self._ask("join_clearing", programme, encode_join(on_chain_id(programme.slug))))

    def deposit(self, programme: Programme, amount: SettlementMoney) -> Order:
        """Posts collateral with the treasurer's money. Raises NotJoinedError, AmountError, FundsMissingError."""
        on_chain = self._reader.joined(programme)
        units = self._units(amount)
        approval = self._approve(programme, units)
        return Order(self._ask("deposit", programme, encode_deposit(on_chain, units)), approval)

    def withdraw(self, programme: Programme, amount: SettlementMoney) -> Order:
        """Takes collateral out, to the treasurer's account.

        Raises NotJoinedError, AmountError, InDefaultError, PaymentOutstandingError, CollateralInUseError.
        """
        on_chain = self._reader.joined(programme)
        units = self._units(amount)
        self._check_not_in_default(programme, on_chain)
        outstanding = self._state.outstanding(on_chain)
        if outstanding:
            first = "wait for the payments under way"
            if self._under_way.paying < outstanding:
                first = "POST /v1/clearing/payments first"
            raise errors.PaymentOutstandingError(
                f"{self._text(outstanding)} of the closed cycle is still to pay: {first}.",
                outstanding_amount=self._amount(outstanding),
            )
        self._check_free(units, self._state.free(on_chain))
        return Order(self._ask("withdraw", programme, encode_withdraw(on_chain, programme.treasurer, units)))

    def pay(self, programme: Programme, amount: SettlementMoney | None, source: str) -> Order:
        """Pays what is due, with the treasurer's money or from collateral; everything outstanding without an amount.

        Raises NotJoinedError, InDefaultError, NothingToPayError, AmountError, OverpaidError, CollateralInUseError,
        FundsMissingError.
        """
        on_chain = self._reader.joined(programme)
        self._check_not_in_default(programme, on_chain)
        outstanding = self._state.outstanding(on_chain)
        if not outstanding:
            raise errors.NothingToPayError(self._nothing_to_pay(programme))
        paying = self._under_way.paying
        left = max(0, outstanding - paying)
        if not left:
            raise errors.NothingToPayError(f"Payments under way pay all of the {self._text(outstanding)} that is due.")
        units = left if amount is None else self._units(amount)
        if units > left:
            also = f" besides {self._text(paying)} of payments under way" if paying else ""
            raise errors.OverpaidError(
                f"{self._text(left)} is still to pay{also}, not {self._text(units)}.",
                outstanding_amount=self._amount(left),
            )
        if source == "collateral":
            self._check_free(units, self._state.free_of_open(on_chain))
            return Order(self._ask("pay_from_collateral", programme, encode_pay_from_collateral(on_chain, units)))
        approval = self._approve(programme, units)
        return Order(self._ask("pay", programme, encode_pay(on_chain, units)), approval)

    def set_credit_line(self, programme: Programme, partner: Programme, amount: SettlementMoney) -> Order:
        """Lets a partner owe up to `amount` without collateral.

        Raises SamePartyError, NotJoinedError, AmountError, InDefaultError, CreditLineInUseError.
        """
        if partner.id == programme.id:
            raise errors.SamePartyError("A programme cannot give itself a credit line.")
        creditor, debtor = self._reader.joined(programme), self._reader.joined(partner)
        units = self._units(amount, least=0)
        line = self._state.credit_line(creditor, debtor)
        if units > line:
            self._check_not_in_default(programme, creditor)
        least = self._least_line(creditor, debtor)
        if units < min(line, least):
            raise errors.CreditLineInUseError(
                f"{partner.slug} owes on this line and has no collateral to cover it: it can go down to"
                f" {self._text(min(line, least))} now, or further once the partner has posted collateral or paid.",
                least_amount=self._amount(min(line, least)),
            )
        data = encode_set_credit_line(creditor, debtor, units)
        return Order(self._ask("set_credit_line", programme, data, subject=partner.id))

    def enforce(self, debtor: Programme) -> tuple[Order, str]:
        """Has the collateral of a late debtor pay, or declares its default; answers which of the two it would be now.

        Raises NotJoinedError, NothingToPayError, DeadlineNotPastError.
        """
        on_chain = self._reader.joined(debtor)
        outstanding = self._state.outstanding(on_chain)
        if not outstanding:
            raise errors.NothingToPayError(self._nothing_to_pay(debtor))
        deadline = self._state.payment_deadline
        if self._reader.clearing.timestamp <= deadline:
            until = rfc3339(to_time(deadline))
            raise errors.DeadlineNotPastError(
                f"{debtor.slug} has until {until} to pay (chain time); enforce afterwards.", payment_deadline=until
            )
        outcome = "collateral" if outstanding <= self._state.free_of_open(on_chain) else "default"
        operation = self._ask("enforce", None, encode_enforce(on_chain), subject=debtor.id)
        return Order(operation), outcome

    def distribute(self, debtor: Programme, asking: Programme | None) -> Order:
        """Pays claims from the collateral of a programme in default. Without `asking` the operator asks.

        Raises NotJoinedError, NothingToDistributeError, ForbiddenError.
        """
        on_chain = self._reader.joined(debtor)
        if on_chain not in self._state.defaulted:
            raise errors.NothingToDistributeError(f"{debtor.slug} is not in default.")
        if asking is not None and asking.id != debtor.id and not self._state.claim(on_chain_id(asking.slug), on_chain):
            raise ForbiddenError(f"{asking.slug} has no claim on {debtor.slug}.")
        if not any(self._state.shares_of_claims(on_chain).values()):
            raise errors.NothingToDistributeError(
                f"{debtor.slug} has no collateral that its claims could be paid from; try again when money has come in."
            )
        return Order(self._ask("distribute", asking, encode_distribute(on_chain), subject=debtor.id, by_keeper=True))

    # ---- parts

    def _units(self, amount: SettlementMoney, least: int = 1) -> int:
        units = amount.units(self._house.currency)
        if not least <= units <= MAX_AMOUNT:
            raise errors.AmountError(f"{amount.amount} {amount.currency} cannot be booked.")
        return units

    def _text(self, units: int) -> str:
        return self._reader.text(units)

    def _amount(self, units: int) -> str:
        return signed_text(units, self._house.currency)

    def _nothing_to_pay(self, programme: Programme) -> str:
        settling = self._reader.clearing.settling
        if settling is None:
            return (
                "No cycle is being settled, so nothing is due; what is owed in the open cycle is paid after its close."
            )
        return f"{programme.slug} has nothing (more) to pay in cycle {settling}."

    def _check_not_in_default(self, programme: Programme, on_chain: bytes) -> None:
        if on_chain in self._state.defaulted:
            claims = self._state.standing_of(on_chain).claims
            raise errors.InDefaultError(
                f"{programme.slug} is in default: deposit {self._text(claims)} and have it distributed to end that.",
                claims_amount=self._amount(claims),
            )

    def _check_free(self, units: int, free: int) -> None:
        leaving = self._under_way.leaving
        left = max(0, free - leaving)
        if units > left:
            also = f", besides {self._text(leaving)} that orders under way take" if leaving else ""
            raise errors.CollateralInUseError(
                f"{self._text(left)} of the collateral is free{also}; the rest covers what is owed: take less,"
                " or ask partners for credit lines.",
                available_amount=self._amount(left),
                leaving_amount=self._amount(leaving),
            )

    def _least_line(self, creditor: bytes, debtor: bytes) -> int:
        """How low the line can go so that what is owed stays covered."""
        open_amount, closed_amount = self._state.owed(debtor, creditor)
        line = self._state.credit_line(creditor, debtor)
        cover = self._state.collateral[debtor] + self._state.paid.get(debtor, 0) - self._state.reserved.get(debtor, 0)
        spare = cover - self._state.standing_of(debtor).uncovered
        by_both = min(line, max(0, open_amount + closed_amount)) - spare
        by_open = min(line, max(0, open_amount)) - self._state.free_of_open(debtor)
        return max(0, by_both, by_open)

    def _approve(self, programme: Programme, units: int) -> Operation:
        """Lets the house collect `units`, and what earlier orders of the treasurer have still to collect."""
        waiting = to_be_collected(self._session, self._house, programme.treasurer)
        currency = SettlementCurrency(self._chain, self._house.currency_address)
        available = max(0, currency.balance_of(programme.treasurer) - waiting)
        if units > available:
            raise errors.FundsMissingError(
                f"The treasurer's account holds {self._text(available)} that is not spoken for; send it"
                f" {self._text(units - available)} more.",
                available_amount=self._amount(available),
            )
        data = encode_approve(self._house.address, units + waiting)
        return self._ask("approve", programme, data, target=self._house.currency_address)

    def _ask(
        self,
        kind: str,
        programme: Programme | None,
        data: bytes,
        *,
        subject: str | None = None,
        target: bytes | None = None,
        by_keeper: bool = False,
    ) -> Operation:
        """Asks as the programme's treasurer; as the keeper for what anyone may do."""
        treasurer = programme.treasurer if programme is not None and not by_keeper else self._house.keeper
        return outbox.enqueue(
            self._session,
            kind=kind,
            programme_id=programme.id if programme is not None else None,
            chain_id=self._house.chain_id,
            signer=treasurer,
            target=target or self._house.address,
            data=data,
            subject=subject,
            request_id=self._request_id,
        )
