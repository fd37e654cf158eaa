"""Brands agree to exchange points, and households that shop at two of them do.

The data knows no swaps, so they follow fixed rules and each run is the same (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scripts.demo.api import DemoApi, Json
from scripts.demo.programmes import FUEL, PHARMACY, SUPERMARKET, DemoProgramme

MOST_SWAPS = 150
"""Swaps of a run at most: enough to see netting, short enough to wait for."""
LEAST_POINTS = 40
"""Who has fewer to give keeps them."""
BONUS_EVERY = 4
"""One household in so many is promised a transfer bonus before it swaps to groceries."""
BONUS_BPS = 2_000
FEE_BPS = 500
DAILY_CAP_POINTS = 1_000_000
WAVE_SWAPS = 50
"""After so many swaps the chain catches up, so that the pages show them one after the other."""

VALUE_OF_A_MILLION = {SUPERMARKET.slug: 1_000, PHARMACY.slug: 1_000, FUEL.slug: 2_000}
"""What a million points of each brand buy, in dollars: what partners pay each other for them."""


@dataclass(frozen=True)
class LanePlan:
    """A direction, and which share of their points households give."""

    source: DemoProgramme
    destination: DemoProgramme
    share: tuple[int, int]
    every: int
    """One household in so many wants this swap."""


LANES = (
    LanePlan(FUEL, SUPERMARKET, (1, 2), 1),
    LanePlan(PHARMACY, SUPERMARKET, (1, 3), 2),
    LanePlan(SUPERMARKET, FUEL, (1, 10), 3),
    LanePlan(SUPERMARKET, PHARMACY, (1, 10), 5),
    LanePlan(PHARMACY, FUEL, (1, 4), 5),
)


@dataclass
class Exchange:
    """The brands' and households' part in exchanging. `programme_ids` by slug, `members` by household."""

    api: DemoApi
    programme_ids: dict[str, str]
    members: dict[str, str]
    currency: str
    valid_until: str
    """Last second of the lanes' terms, RFC 3339."""
    settle: Callable[[], None]
    """Waits until everything that was asked for is mined and indexed."""
    swaps: int = 0
    bonuses: int = 0
    too_few: int = 0
    """Households that had too few points to swap."""
    _lanes: dict[tuple[str, str], str] = field(default_factory=dict)

    def agree(self) -> None:
        """Each lane is proposed by its source and accepted by its destination."""
        for plan in LANES:
            source, destination = plan.source.slug, plan.destination.slug
            proposal: dict[str, Json] = {
                "programme_id": self.programme_ids[source],
                "source": source,
                "destination": destination,
                "terms": self._terms(plan),
            }
            proposed = self.api.post("/v1/lanes", proposal, f"lane-{source}-{destination}")
            self.settle()
            lane_id = self._lane_id(source, destination)
            acceptance: dict[str, Json] = {
                "programme_id": self.programme_ids[destination],
                "terms_hash": proposed["terms_hash"],
            }
            self.api.post(f"/v1/lanes/{lane_id}/accept", acceptance, f"accept-{source}-{destination}")
            self._lanes[source, destination] = lane_id
        self.settle()

    def swap_all(self, households_of: dict[str, list[str]]) -> Iterator[int]:
        """Lets households swap, lane after lane; yields the number of swaps so far, after each.

        `households_of`: the members of each programme by slug, in a fixed order.
        """
        share = MOST_SWAPS // len(LANES)
        for plan in LANES:
            both = set(households_of[plan.destination.slug])
            households = [each for each in households_of[plan.source.slug] if each in both]
            wanting = households[:: plan.every]
            done = 0
            for number, household in enumerate(wanting):
                if done == share:
                    break
                if self._swap(plan, household, with_bonus=number % BONUS_EVERY == 0):
                    done += 1
                    yield self.swaps
                    if self.swaps % WAVE_SWAPS == 0:
                        self.settle()
        self.settle()

    def _terms(self, plan: LanePlan) -> dict[str, Json]:
        values = VALUE_OF_A_MILLION
        return {
            "rate": {"points_out": values[plan.source.slug], "points_in": values[plan.destination.slug]},
            "fee_bps": FEE_BPS,
            "max_bonus_bps": BONUS_BPS,
            "minimum_points_in": 10,
            "daily_cap_points_out": DAILY_CAP_POINTS,
            "valid_until": self.valid_until,
            "settlement_price": {"amount": f"{values[plan.destination.slug]}.00", "currency": self.currency},
            "expiry": "carried",
        }

    def _lane_id(self, source: str, destination: str) -> str:
        lanes = self.api.get("/v1/lanes", limit=200)["data"]
        assert isinstance(lanes, list)
        for lane in lanes:
            assert isinstance(lane, dict)
            ends = [lane["source"], lane["destination"]]
            if [end["slug"] for end in ends if isinstance(end, dict)] == [source, destination]:
                return str(lane["id"])
        raise AssertionError(f"the lane from {source} to {destination} was proposed and is not listed")

    def _swap(self, plan: LanePlan, household: str, *, with_bonus: bool) -> bool:
        """One household's swap; False when it has too few points."""
        lane_id = self._lanes[plan.source.slug, plan.destination.slug]
        who: dict[str, Json] = {"lane_id": lane_id, "member_id": self.members[household]}
        name = f"{plan.source.slug}-{plan.destination.slug}-{household}"
        seen = self.api.post("/v1/quotes", who | {"max_points_in": LEAST_POINTS}, f"look-{name}")
        available = seen["available_points"]
        assert isinstance(available, int)
        points = available * plan.share[0] // plan.share[1]
        if points < LEAST_POINTS:
            self.too_few += 1
            return False
        order = who | {"max_points_in": points}
        if with_bonus and plan.destination is SUPERMARKET:
            promise: dict[str, Json] = {"mode": "signed", "bonus_bps": BONUS_BPS}
            quote = self.api.post("/v1/quotes", order | promise, f"bonus-{name}")
            order |= {"quote_id": quote["id"]}
            self.bonuses += 1
        offer = self.api.post("/v1/quotes", order, f"offer-{name}")
        self.api.post("/v1/swaps", order | {"reference": f"swap-{name}", "min_points_out": offer["points_out"]}, name)
        self.swaps += 1
        return True
