"""The exchange across chains side by side with its model, as `Market` does it for the exchange of one chain."""

from copy import deepcopy
from dataclasses import dataclass, field, replace

from tests.contracts.clearing_model import ClearingModel
from tests.contracts.crosschain_model import Arrival, CrosschainModel, Route
from tests.contracts.lane_model import price_of
from tests.contracts.model import PointsModel, ProgrammeTerms, RefusedError
from tests.contracts.support.crossing import REFUND, CrosschainSwap, Crossing, CrossLane, sent_swap
from tests.contracts.support.market import Market, SwapSums
from tests.contracts.support.messages import Message
from tests.contracts.support.outcomes import Log, logs
from tests.contracts.support.world import CALENDARS, CYCLE_SECONDS, NOTICE_SECONDS, PAYMENT_SECONDS, SUPPLY_CAP

OUTCOMES = ("none", "completed", "pending", "refunded")
REASONS = ("DeadlinePast", "LaneNotOpen", "PriceDiffers")


@dataclass
class ArrivalSums(SwapSums):
    """Settlements of the swaps that arrive, by their terms here, beside what the clearing house logs."""

    settlements: dict[str, tuple[str, int]] = field(default_factory=dict)

    def apply(self, listed: list[Log]) -> None:
        """Takes in the logs of one transaction."""
        for name, *values in listed:
            if name == "SwapMinted":
                lane, settlement = self.settlements[values[0]]
                self.by_swaps[lane] = self.by_swaps.get(lane, 0) + settlement
            elif name == "DebtBooked":
                lane, _ = self.settlements[values[4]]
                self.by_bookings[lane] = self.by_bookings.get(lane, 0) + values[3]


def crosschain_models(crossing: Crossing, now_seconds: int) -> CrosschainModel:
    """Models of a market in which nothing has happened yet."""
    points = {
        calendar.slug: PointsModel(
            ProgrammeTerms(calendar.epoch_seconds, calendar.validity_epochs, 0, SUPPLY_CAP), 0, now_seconds
        )
        for calendar in CALENDARS
    }
    closes_at = int(crossing.world.house.closesAt())
    clearing = ClearingModel(tuple(points), CYCLE_SECONDS, PAYMENT_SECONDS, closes_at=closes_at)
    model = CrosschainModel(points, clearing, NOTICE_SECONDS)
    model.at(now_seconds)
    return model


class CrossMarket(Market):
    """Operations on contracts and model; messages of the pretended chain wait here while the gateway keeps them."""

    model: CrosschainModel

    def __init__(self, crossing: Crossing, actors: dict[str, object], member_key: str, model: CrosschainModel):
        super().__init__(replace(crossing.world, exchange=crossing.exchange), actors, member_key, model)
        self.crossing = crossing
        self.sums = ArrivalSums()
        self.sent: dict[tuple[str, str], CrosschainSwap] = {}
        self.waiting: list[tuple[Message, Arrival | tuple[str, str]]] = []
        self.arrived: set[tuple[Route, int]] = set()
        self.last: object | None = None

    def copy(self) -> "CrossMarket":
        """The same market with a model of its own."""
        twin = CrossMarket(self.crossing, self.actors, self.member_key, deepcopy(self.model))
        twin.crossing.remote.nonces = iter(range(1_000, 10**9))
        return twin

    def lane(self, route: Route) -> CrossLane:
        """The lane at the contract."""
        return self.crossing.lane(*(self.programmes[slug] for slug in route))

    def both(self, call: object, rule: object) -> object | None:
        """As the market of one chain does it."""
        self.last = super().both(call, rule)
        return self.last

    def swap(self, route: Route, member: str, to: str, amounts: tuple[int, int], order: str, quote: object) -> None:
        """A swap that leaves."""
        super().swap(route, member, to, amounts, order, quote)
        if self.last is not None:
            swap = sent_swap(self.last)
            key = next(key for key, swap_id in self.swap_ids.items() if swap_id == swap.swap_id)
            departure = self.model.departures[key]
            assert (swap.number, dict(swap.lots)) == (departure.number, departure.lots)
            self.sent[key] = swap

    def arrive(self, arrival: Arrival, swap_id: str) -> None:
        """A swap comes in, and is minted, refused or kept."""
        lane = self.lane(arrival.route)
        terms = self.model.lane(*arrival.route).terms
        settlement = price_of(terms, arrival.points_in, arrival.bonus_bps).settlement if terms else 0
        self.sums.settlements[swap_id] = lane.id, settlement
        changes = {
            "swap_id": swap_id,
            "number": arrival.number,
            "bonus_bps": arrival.bonus_bps,
            "deadline": arrival.deadline,
            "lots": tuple(arrival.lots.items()),
        }
        swap = self.crossing.arriving(lane, arrival.to, arrival.points_in, arrival.points_out, **changes)
        self.arrived.add((arrival.route, arrival.number))
        self._deliver(self.crossing.message(swap), arrival)

    def give_back(self, key: tuple[str, str]) -> None:
        """The counterpart says that it refused a swap."""
        self._deliver(self.crossing.message(self.sent[key], REFUND), key)

    def retry(self, pick: int) -> None:
        """Somebody tries a kept message again."""
        entry = self.waiting[pick % len(self.waiting)]
        message, what = entry
        stranger = self.actors["stranger"]
        if self.both(lambda: self.crossing.retry(message, stranger), lambda: self._rule(what)) is not None:
            self.waiting.remove(entry)

    def pause_gateway(self, *, paused: bool) -> None:
        """Stops or resumes messages, where that changes anything."""
        if self.model.gateway_paused != paused:
            self.model.gateway_paused = paused
            getattr(self.crossing.gateway, "pause" if paused else "unpause")({"from": self.actors["pauser"]})
            self.model.at(self.clock.now_seconds)

    def halt(self, route: Route) -> None:
        """The guardian stops a lane on which something has been proposed."""
        guardian = {"from": self.actors["guardian"]}
        self.both(lambda: self.crossing.exchange.halt(self.lane(route).id, guardian), lambda: self.model.stop(*route))

    # ---- parts

    def _deliver(self, message: Message, what: Arrival | tuple[str, str]) -> None:
        """Delivers a message; what the model says about it must happen, at once or kept for later."""
        if self.model.gateway_paused:
            return
        self.model.at(self.model.now_seconds + 1)
        delivery = self.crossing.remote.delivery(message)
        self.clock.next_block_at(self.model.now_seconds)
        transaction = self.crossing.remote.deliver(delivery, self.crossing.relayer)
        self.sums.apply(logs(transaction))
        expected, outcome = [], None
        try:
            outcome = self._rule(what)
        except RefusedError as refused:
            expected = refused.reason.split("|")
            self.waiting.append((message, what))
        failed = [name for name, *_ in self.crossing.why(transaction)]
        assert failed == [name for name in failed if name in expected]
        assert len(failed) == bool(expected)
        refusals = [REASONS[log[4]] for log in logs(transaction, "SwapRefused")]
        assert refusals == ([outcome] if outcome in REASONS else [])

    def _rule(self, what: Arrival | tuple[str, str]) -> object:
        if not isinstance(what, Arrival):
            return self.model.give_back(what)
        if self.model.gateway_paused:
            raise RefusedError("EnforcedPause")
        return self.model.arrive(what)

    def _lanes(self) -> list[tuple[tuple[object, ...], object]]:
        asked, exchange = super()._lanes(), self.crossing.exchange
        for route in self.model.lanes:
            asked.append(((exchange, "sentCount", self.lane(route).id), self.model.sent_count(route)))
        for route, number in self.arrived:
            outcome = OUTCOMES.index(self.model.outcomes.get((route, number), "none"))
            asked.append(((exchange, "outcomeOf", self.lane(route).id, number), outcome))
        return asked
