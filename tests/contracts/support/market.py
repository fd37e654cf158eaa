"""Three programmes side by side with their models: every operation is done to both, and both must agree.

Where the models refuse, the contracts must revert with one of the reasons that the models give; where they do not,
the contracts must do it. Debts are also summed from the logs of swaps alone.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from brownie.exceptions import VirtualMachineError
from eth_account.signers.local import LocalAccount

from tests.contracts.clearing_model import ClearingModel
from tests.contracts.exchange_model import ExchangeModel, QuoteModel
from tests.contracts.lane_model import LaneTerms
from tests.contracts.model import PointsModel, ProgrammeTerms, RefusedError
from tests.contracts.support.clock import Clock
from tests.contracts.support.lanes import NO_QUOTE, NO_TERMS, NOTHING_NEXT, Lane, Programme, order_fields, swap_id
from tests.contracts.support.outcomes import Log, logs
from tests.contracts.support.points import ref
from tests.contracts.support.questions import answers_of_all
from tests.contracts.support.signing import member_wallet
from tests.contracts.support.world import CALENDARS, CYCLE_SECONDS, NOTICE_SECONDS, PAYMENT_SECONDS, SUPPLY_CAP, World

Route = tuple[str, str]
STATUSES = ("none", "completed", "pending", "refunded")


@dataclass
class SwapSums:
    """What programmes owe each other by the logs of swaps: the settlement of each that was minted or posted."""

    burnt: dict[str, tuple[str, int]] = field(default_factory=dict)
    by_swaps: dict[str, int] = field(default_factory=dict)
    by_bookings: dict[str, int] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)

    def apply(self, listed: Sequence[Log]) -> None:
        """Takes in the logs of one transaction."""
        for log in listed:
            name, *values = log
            if name == "SwapBurnt":
                self.burnt[values[0]] = values[1], values[6][3]
            elif name in ("SwapMinted", "SwapPosted"):
                lane, settlement = self.burnt[values[0]]
                self.by_swaps[lane] = self.by_swaps.get(lane, 0) + settlement
            elif name == "DebtBooked":
                self._book(values[4], values[3])
            elif name == "ReservationEnded" and values[2]:
                self._book(values[0], values[1])

    def _book(self, swap: str, amount: int) -> None:
        lane = self.burnt[swap][0]
        self.by_bookings[lane] = self.by_bookings.get(lane, 0) + amount

    def agree(self) -> bool:
        """Whether the house has booked what the swaps say, lane by lane."""
        priced = {lane: amount for lane, amount in self.by_swaps.items() if amount}
        return priced == self.by_bookings


def models_of(world: World, clock: Clock) -> ExchangeModel:
    """Models of a market in which nothing has happened yet."""
    slugs = tuple(calendar.slug for calendar in CALENDARS)
    points = {
        calendar.slug: PointsModel(
            ProgrammeTerms(calendar.epoch_seconds, calendar.validity_epochs, 0, SUPPLY_CAP), 0, clock.now_seconds
        )
        for calendar in CALENDARS
    }
    clearing = ClearingModel(slugs, CYCLE_SECONDS, PAYMENT_SECONDS, closes_at=int(world.house.closesAt()))
    model = ExchangeModel(points, clearing, NOTICE_SECONDS)
    model.at(clock.now_seconds)
    return model


class Market:
    """Operations on contracts and models. Wallets `alice` and `bob` send, `dora` signs, `member` has no wallet."""

    def __init__(self, world: World, actors: dict[str, object], member_key: str, model: ExchangeModel | None = None):
        self.world, self.actors, self.member_key = world, actors, member_key
        self.clock = Clock()
        self.model = model or models_of(world, self.clock)
        self.programmes = {programme.slug: programme for programme in world.programmes}
        self.keys: dict[str, LocalAccount] = {"dora": member_wallet("dora")}
        self.sums = SwapSums()
        self.swap_ids: dict[tuple[str, str], str] = {}
        self.shown: dict[tuple[str, str], tuple[object, ...]] = {}
        self.managed = {
            slug: str(programme.token.managedAccount(member_key)) for slug, programme in self.programmes.items()
        }

    def copy(self) -> "Market":
        """The same market with models of its own, for an example that begins where this one is."""
        return Market(self.world, self.actors, self.member_key, deepcopy(self.model))

    # ---- who and where

    def account(self, member: str, programme: str) -> str:
        """Address of a member at a programme."""
        if member == "member":
            return self.managed[programme]
        return self.keys[member].address if member in self.keys else str(self.actors[member])

    def lane(self, route: Route) -> Lane:
        """The lane at the contract."""
        return Lane(self.world.exchange, self.programmes[route[0]], self.programmes[route[1]])

    def treasurer(self, slug: str) -> object:
        """Who handles the money of a programme."""
        return self.programmes[slug].treasurer

    # ---- operations

    def go_to(self, seconds: int) -> None:
        """Lets time pass."""
        self.clock.go_to(seconds)
        self.model.at(seconds)

    def both(self, call: Callable[[], object], rule: Callable[[], object]) -> object | None:
        """Does it to the contracts and to the models; the transaction, or nothing when both refuse."""
        self.model.at(self.model.now_seconds + 1)
        self.clock.next_block_at(self.model.now_seconds)
        expected = []
        try:
            rule()
        except RefusedError as refused:
            expected = refused.reason.split("|")
        transaction, actual = self._sent(call)
        assert actual in (expected or [None])
        if transaction is not None:
            self.sums.apply(logs(transaction))
        return transaction

    def issue(self, slug: str, member: str, amount: int, order: str) -> None:
        """New points."""
        programme, account = self.programmes[slug], self.account(member, slug)
        self.both(
            lambda: programme.token.issue(account, amount, ref(order), {"from": programme.issuer}),
            lambda: self._unless_paused(slug, lambda: self.model.programmes[slug].issue(account, amount, ref(order))),
        )

    def propose(self, route: Route, proposer: str, terms: LaneTerms) -> None:
        """One side offers terms."""
        lane, programme = self.lane(route), self.programmes[proposer]
        self.both(
            lambda: lane.propose(terms, programme),
            lambda: self.model.propose(*route, proposer, terms),
        )

    def accept(self, route: Route, acceptor: str, terms: LaneTerms) -> None:
        """The other side accepts terms, perhaps others than were offered."""
        lane, programme = self.lane(route), self.programmes[acceptor]
        self.both(lambda: lane.accept(terms, programme), lambda: self.model.accept(*route, acceptor, terms))

    def stop(self, route: Route, by: str) -> None:
        """One side stops a lane on which something has been proposed."""
        self.both(lambda: self.lane(route).stop(self.programmes[by]), lambda: self.model.stop(*route))

    def swap(self, route: Route, member: str, to: str, amounts: tuple[int, int], order: str, quote: object) -> None:
        """A swap in the member's own way; `amounts` are most in and fewest out, `quote` a QuoteModel or nothing."""
        account, receiver = self.account(member, route[0]), self.account(to, route[1])
        deadline = self.model.now_seconds + 3_600
        request = (self.lane(route).id, receiver, *amounts, ref(order), deadline)
        signed = self._quote(quote) if isinstance(quote, QuoteModel) else NO_QUOTE
        transaction = self.both(
            lambda: self._send_swap(route, member, request, signed),
            lambda: self.model.swap(route, account, receiver, ref(order), (*amounts, deadline), quote),
        )
        if transaction is None:
            return
        key = account, ref(order)
        self.swap_ids[key] = swap_id(self.world.exchange, account, ref(order))
        waits = logs(transaction, "SwapPending")
        if waits:
            self.shown[key] = waits[0][3]

    def end(self, how: str, key: tuple[str, str], *, by_destination: bool) -> None:
        """`confirmPosted` or `refundPending` of a swap that waits or waited."""
        issuer = self.programmes[self.model.pending[key].lane[1]].issuer
        sender = {"from": issuer if by_destination else self.actors["stranger"]}
        rule = {
            "confirmPosted": lambda: self._confirm(key, by_destination=by_destination),
            "refundPending": lambda: self.model.refund(key, by_destination=by_destination),
        }[how]
        call = getattr(self.world.exchange, how)
        self.both(lambda: call(self.swap_ids[key], self.shown[key], sender), rule)

    def pause_exchange(self, *, paused: bool) -> None:
        """Stops or resumes swaps, where that changes anything."""
        if self.model.paused != paused:
            self.model.paused = paused
            getattr(self.world.exchange, "pause" if paused else "unpause")({"from": self.actors["pauser"]})
            self.model.at(self.clock.now_seconds)

    def pause_token(self, slug: str, *, paused: bool) -> None:
        """Stops or resumes a programme's points, where that changes anything."""
        if (slug in self.model.paused_tokens) != paused:
            (self.model.paused_tokens.add if paused else self.model.paused_tokens.discard)(slug)
            programme = self.programmes[slug]
            getattr(programme.token, "pause" if paused else "unpause")({"from": programme.pauser})
            self.model.at(self.clock.now_seconds)

    def clear(self, name: str, rule: Callable[..., object], sender: object, *arguments: object) -> None:
        """An operation of the clearing house; programmes are named by their slugs."""
        told = [self.programmes[part].id if part in self.programmes else part for part in arguments]
        amounts_and_slugs = [part for part in arguments if isinstance(part, str | int)]
        self.both(
            lambda: getattr(self.world.house, name)(*told, {"from": sender}),
            lambda: rule(*amounts_and_slugs),
        )

    def withdraw(self, slug: str, amount: int) -> None:
        """Money goes to the treasurer."""
        treasurer = self.treasurer(slug)
        self.both(
            lambda: self.world.house.withdraw(self.programmes[slug].id, treasurer, amount, {"from": treasurer}),
            lambda: self.model.clearing.withdraw(slug, amount),
        )

    # ---- what must agree

    def compare(self) -> None:
        """Asks the contracts for everything and compares it with the models; checks what must hold at every moment."""
        expected = [*self._points(), *self._lanes(), *self._debts()]
        answered = answers_of_all([question for question, _ in expected])
        for (question, answer), actual in zip(expected, answered, strict=True):
            assert (question[1:], actual) == (question[1:], answer)
        clearing = self.model.clearing
        assert sum(clearing.open_of(slug) for slug in self.programmes) == 0
        assert sum(clearing.due_of(slug) for slug in self.programmes) == 0
        assert all(clearing.is_covered(slug) for slug in self.programmes)
        assert self.sums.agree()

    def _points(self) -> list[tuple[tuple[object, ...], object]]:
        asked = []
        for slug, programme in self.programmes.items():
            points = self.model.programmes[slug]
            asked.append(((programme.token, "totalSupply"), points.total_supply()))
            for account in self._holders(slug):
                asked.append(((programme.token, "lotsOf", account), tuple(points.lots_of(account).items())))
        return asked

    def _holders(self, slug: str) -> list[str]:
        return [self.account(member, slug) for member in ("alice", "bob", "dora", "member")]

    def _lanes(self) -> list[tuple[tuple[object, ...], object]]:
        exchange, now = self.world.exchange, self.model.now_seconds
        asked = []
        for route, lane in self.model.lanes.items():
            at_contract = self.lane(route)
            if lane.terms is None and not lane.proposals:
                continue
            coming = (lane.agreements, lane.next_from, lane.next_terms.struct) if lane.next_terms else NOTHING_NEXT
            terms = lane.terms.struct if lane.terms else NO_TERMS
            told = (*at_contract.ends, lane.version, lane.is_open(now), terms, *coming)
            asked.append(((exchange, "laneOf", at_contract.id), told))
            asked.append(((exchange, "availableOut", at_contract.id), lane.available_out(now)))
        for key, number in self.swap_ids.items():
            asked.append(((exchange, "statusOf", number), STATUSES.index(self.model.statuses[key])))
        return asked

    def _debts(self) -> list[tuple[tuple[object, ...], object]]:
        house, clearing = self.world.house, self.model.clearing
        asked = [((self.world.currency, "balanceOf", house.address), clearing.money())]
        asked.append(((house, "openCycle"), clearing.cycle))
        asked.append(((house, "closesAt"), clearing.closes_at))
        asked.append(((house, "paymentDeadline"), clearing.payment_deadline))
        for one, programme in self.programmes.items():
            asked.append(((house, "standingOf", programme.id), clearing.standing(one)))
            asked.append(((house, "withdrawable", programme.id), clearing.withdrawable(one)))
            for other in clearing.others(one):
                pair = (programme.id, self.programmes[other].id)
                debts = tuple(clearing.net(owed, one, other) for owed in (clearing.owed_open, clearing.owed_closed))
                asked.append(((house, "owedOf", *pair), debts))
                asked.append(((house, "availableTo", *pair), clearing.available(one, other)))
                asked.append(((house, "claimOf", *pair), clearing.claims.get((other, one), 0)))
        return asked

    # ---- parts

    @staticmethod
    def _sent(call: Callable[[], object]) -> tuple[object | None, str | None]:
        """The transaction, or the name of the custom error that it reverted with."""
        try:
            return call(), None
        except VirtualMachineError as failure:
            return None, str(failure.revert_msg).split(":")[0]

    def _unless_paused(self, slug: str, rule: Callable[[], object]) -> None:
        if slug in self.model.paused_tokens:
            raise RefusedError("EnforcedPause|RefAlreadyUsed|SupplyCapExceeded")
        rule()

    def _confirm(self, key: tuple[str, str], *, by_destination: bool) -> None:
        if not by_destination:
            raise RefusedError("NotAuthorized|PendingMismatch")
        self.model.confirm(key)

    def _send_swap(self, route: Route, member: str, request: tuple[object, ...], quote: tuple[object, ...]) -> object:
        exchange = self.world.exchange
        if member == "member":
            custodian = self.programmes[route[0]].custodian
            return exchange.swapManaged(self.member_key, request, quote, {"from": custodian})
        if member in self.keys:
            fields = order_fields(self.keys[member].address, request, quote[0])
            signature = self.world.domain.sign(self.keys[member], "Swap", *fields)
            sender = {"from": self.actors["stranger"]}
            return exchange.swapWithSignature(self.keys[member].address, request, quote, signature, sender)
        return exchange.swap(request, quote, {"from": self.actors[member]})

    def _quote(self, quote: QuoteModel) -> tuple[object, ...]:
        destination: Programme = self.programmes[quote.lane[1]]
        signer = destination.quoter if quote.genuine else member_wallet("thief")
        fields = (
            quote.quote_id,
            self.lane(quote.lane).id,
            quote.version,
            quote.account,
            quote.max_in,
            quote.bonus_bps,
            quote.expires_at,
        )
        return (*fields, destination.quoter.address, self.world.domain.sign(signer, "Quote", *fields))
