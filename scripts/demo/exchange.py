"""Brands agree to exchange points, and households that shop at two of them do.

The data knows no swaps, so they follow fixed rules and each run is the same (docs/decisions/0002).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scripts.demo.api import Json
from scripts.demo.programmes import FUEL, PHARMACY, SUPERMARKET, DemoProgramme
from scripts.demo.replay import Replay

MOST_SWAPS = 100
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

    @property
    def crosses(self) -> bool:
        """Whether it leads to the other chain."""
        return self.source.chain_id != self.destination.chain_id


LANES = (
    LanePlan(FUEL, SUPERMARKET, (1, 2), 1),
    LanePlan(PHARMACY, SUPERMARKET, (1, 3), 2),
    LanePlan(SUPERMARKET, FUEL, (1, 10), 3),
    LanePlan(SUPERMARKET, PHARMACY, (1, 10), 5),
    LanePlan(PHARMACY, FUEL, (1, 4), 5),
)


@dataclass
class Exchange:
    """The brands' and households' part in exchanging. `homes`: the replay at each programme's home, by slug."""

    homes: Mapping[str, Replay]
    currency: str
    valid_until: str
    """Last second of the lanes' terms, RFC 3339."""
    most_swaps: int = MOST_SWAPS
    swaps: int = 0
    crossings: int = 0
    """Of the swaps, those to the other chain."""
    bonuses: int = 0
    too_few: int = 0
    """Households that had too few points to swap."""
    _lanes: dict[tuple[str, str], str] = field(default_factory=dict)

    def agree(self) -> None:
        """Each lane is proposed by its source and accepted by its destination, on the chains of both."""
        for step in (self._propose, self._accept):
            for plan in LANES:
                for site in self.ends(plan):
                    step(site, plan)
            self.settle()

    def ends(self, plan: LanePlan) -> list[Replay]:
        """Where a lane is agreed: at its source, and at its destination when that is on another chain."""
        return list(dict.fromkeys((self.homes[plan.source.slug], self.homes[plan.destination.slug])))

    def lane(self, plan: LanePlan) -> str:
        """Public id of an agreed lane."""
        return self._lanes[plan.source.slug, plan.destination.slug]

    def settle(self) -> None:
        """Waits until everything that was asked for is mined and indexed."""
        for site in dict.fromkeys(self.homes.values()):
            site.settle()

    def swap_all(self, plan: LanePlan) -> Iterator[int]:
        """Lets households swap on a lane; yields the number of swaps so far, after each."""
        households = self.households(plan)[:: plan.every]
        done = 0
        for number, household in enumerate(households):
            if done == self.most_swaps // len(LANES):
                break
            if self.swap(plan, household, with_bonus=number % BONUS_EVERY == 0) is not None:
                done += 1
                yield self.swaps
                if self.swaps % WAVE_SWAPS == 0:
                    self.settle()
        self.settle()

    def households(self, plan: LanePlan) -> list[str]:
        """Those that are customers of both brands, in a fixed order."""
        at_both = set(self.homes[plan.destination.slug].households_of()[plan.destination.slug])
        return [each for each in self.homes[plan.source.slug].households_of()[plan.source.slug] if each in at_both]

    def swap(self, plan: LanePlan, household: str, *, with_bonus: bool = False, again: str = "") -> str | None:
        """One household's swap; its id, or None when it has too few points. `again`: what tells it from another."""
        home = self.homes[plan.source.slug]
        who: dict[str, Json] = {"lane_id": self.lane(plan), "member_id": home.members[household]}
        name = f"{plan.source.slug}-{plan.destination.slug}-{household}{again}"
        seen = home.api.post("/v1/quotes", who | {"max_points_in": LEAST_POINTS}, f"look-{name}")
        available = seen["available_points"]
        assert isinstance(available, int)
        points = available * plan.share[0] // plan.share[1]
        if points < LEAST_POINTS:
            self.too_few += 1
            return None
        order: dict[str, Json] = who | {"max_points_in": points}
        if plan.crosses:
            self.crossings += 1
            order |= {"recipient": self.homes[plan.destination.slug].account(plan.destination.slug, household)}
        if with_bonus and plan.destination is SUPERMARKET:
            order |= {"quote_id": self._promise(plan, household, points, f"bonus-{name}")}
        offer = home.api.post("/v1/quotes", order, f"offer-{name}")
        order |= {"reference": f"swap-{name}", "min_points_out": offer["points_out"]}
        swap = home.api.post("/v1/swaps", order, name)
        self.swaps += 1
        return str(swap["id"])

    def _promise(self, plan: LanePlan, household: str, points: int, key: str) -> Json:
        """A bonus for the household; a brand of the other chain knows it by its account only."""
        home = self.homes[plan.source.slug]
        promise: dict[str, Json] = {"mode": "signed", "bonus_bps": BONUS_BPS, "max_points_in": points}
        whose: Json = home.account(plan.source.slug, household) if plan.crosses else home.members[household]
        promise |= {"lane_id": self.lane(plan), "account" if plan.crosses else "member_id": whose}
        self.bonuses += 1
        return home.api.post("/v1/quotes", promise, key)["id"]

    def _propose(self, site: Replay, plan: LanePlan) -> None:
        source, destination = plan.source.slug, plan.destination.slug
        proposal: dict[str, Json] = {
            "programme_id": site.programme_ids[source],
            "source": source,
            "destination": destination,
            "terms": self._terms(plan),
        }
        site.api.post("/v1/lanes", proposal, f"lane-{source}-{destination}")

    def _accept(self, site: Replay, plan: LanePlan) -> None:
        source, destination = plan.source.slug, plan.destination.slug
        lane = _lane(site, source, destination)
        proposals = lane["proposals"]
        assert isinstance(proposals, list)
        (proposal,) = proposals
        assert isinstance(proposal, dict)
        acceptance: dict[str, Json] = {
            "programme_id": site.programme_ids[destination],
            "terms_hash": proposal["terms_hash"],
        }
        site.api.post(f"/v1/lanes/{lane['id']}/accept", acceptance, f"accept-{source}-{destination}")
        self._lanes[source, destination] = str(lane["id"])

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


def _lane(site: Replay, source: str, destination: str) -> dict[str, Json]:
    lanes = site.api.get("/v1/lanes", limit=200)["data"]
    assert isinstance(lanes, list)
    for lane in lanes:
        assert isinstance(lane, dict)
        ends = [lane["source"], lane["destination"]]
        if [end["slug"] for end in ends if isinstance(end, dict)] == [source, destination]:
            return lane
    raise AssertionError(f"the lane from {source} to {destination} was proposed and is not listed")
