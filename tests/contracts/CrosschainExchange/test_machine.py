"""One end of the exchange across chains beside a plain-Python model, under any sequence of events and any waits.

The other end is whatever it likes to be: swaps arrive in any order, twice, late, at wrong prices and with used numbers,
and refunds come for what was sent, again and again. LARGE=1 draws far more.
"""

from dataclasses import replace
from itertools import count

import pytest
from brownie import chain, history
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.contracts.crosschain_model import Arrival
from tests.contracts.exchange_model import QuoteModel
from tests.contracts.lane_model import LaneTerms, price_of
from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.crossmarket import CrossMarket, crosschain_models
from tests.contracts.support.examples import examples
from tests.contracts.support.points import ref

OUT = (("grocer", "fuel"), ("pharmacy", "fuel"))
INTO = (("fuel", "grocer"), ("fuel", "pharmacy"))
MEMBERS = ("alice", "bob", "dora", "member")
MONEY = 10**12

ROUTE = st.sampled_from((*OUT, *INTO))
MEMBER = st.sampled_from(MEMBERS)
PICK = st.integers(0, 1_000)
POINTS = st.one_of(st.integers(10, 120), st.integers(1, 120))
SWAPS = st.lists(st.tuples(st.sampled_from(OUT), MEMBER, POINTS), min_size=1, max_size=4)
SECONDS = st.one_of(st.integers(1, 3_600), st.integers(3_600, 12 * DAY_SECONDS), st.just(40 * DAY_SECONDS))
TERMS = st.builds(
    LaneTerms,
    rate_numerator=st.integers(1, 3),
    rate_denominator=st.integers(1, 4),
    fee_bps=st.sampled_from((0, 150)),
    max_bonus_bps=st.sampled_from((0, 2_500)),
    minimum_in=st.sampled_from((1, 5)),
    daily_cap_out=st.sampled_from((30, 120, 10_000)),
    valid_until=st.sampled_from((30 * DAY_SECONDS, 365 * DAY_SECONDS)),
    settlement_price=st.sampled_from((0, 1_500_000, 8_000_000)),
    carry_expiry=st.booleans(),
    posted=st.just(False),
)
ARRIVAL = st.fixed_dictionaries(
    {
        "route": st.sampled_from(INTO),
        "member": MEMBER,
        "points": POINTS,
        "bonus": st.sampled_from((0, 0, 0, 2_500, 2_500, 2_501)),
        "off": st.sampled_from((0, 0, 0, 0, 0, 1, -1)),
        "seconds": st.sampled_from((3_600, DAY_SECONDS, DAY_SECONDS, 1, 0)),
        "ages": st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True),
        "number": st.one_of(st.none(), st.none(), st.integers(1, 6)),
        "missing": st.sampled_from((0, 0, 0, 0, 0, 1)),
    }
)
ARRIVALS = st.lists(ARRIVAL, min_size=1, max_size=4)
PAUSE = st.tuples(st.sampled_from(("exchange", "gateway", "grocer", "pharmacy")), st.sampled_from((True, False, False)))


def open_market(crossing, actors, member_key, now_seconds):
    """Members of the programmes here have points, fuel has some collateral, and all lanes are open."""
    market = CrossMarket(crossing, actors, member_key, crosschain_models(crossing, now_seconds))
    usual = LaneTerms(1, 2, 100, 2_500, 1, 300, now_seconds + 300 * DAY_SECONDS, 8_000_000, True, False)
    for route, terms in zip(
        (*OUT, *INTO),
        (usual, replace(usual, carry_expiry=False), usual, replace(usual, carry_expiry=False, settlement_price=0)),
        strict=True,
    ):
        market.propose(route, route[0], terms)
        market.accept(route, route[1], terms)
    market.world.fund(market.treasurer("fuel"), MONEY)
    market.model.at(market.clock.now_seconds)
    market.clear("deposit", market.model.clearing.deposit, market.treasurer("fuel"), "fuel", 900)
    for slug in ("grocer", "pharmacy"):
        for member in MEMBERS:
            market.issue(slug, member, 300, f"opening {member}")
    market.compare()
    return market


class CrosschainMachine(RuleBasedStateMachine):
    """Numbers of arrivals come from a small pool as often as from a fresh count, so that some come twice."""

    opened: CrossMarket

    def __init__(self):
        super().__init__()
        chain.revert()
        history.clear()
        self.market = self.opened.copy()
        self.fresh = count(1)
        self.numbers = count(100)

    @property
    def model(self):
        return self.market.model

    # ---- lanes

    @rule(route=ROUTE, side=st.integers(0, 1), terms=TERMS)
    def agree(self, route, side, terms):
        offered = replace(terms, valid_until=self.model.now_seconds + terms.valid_until)
        self.market.propose(route, route[side], offered)
        self.market.accept(route, route[1 - side], offered)

    @rule(route=ROUTE, how=st.sampled_from((0, 1, 2)))
    def stop(self, route, how):
        if how == 2:
            self.market.halt(route)
        else:
            self.market.stop(route, route[how])

    # ---- what leaves, arrives and comes back

    @rule(swaps=SWAPS, bonus=st.sampled_from((None, None, 1_000)))
    def leave(self, swaps, bonus):
        for route, member, points in swaps:
            quote = None if bonus is None else self.quote(route, member, bonus)
            self.market.swap(route, member, member, (points, 0), f"fresh {next(self.fresh)}", quote)

    @rule(arrivals=ARRIVALS)
    def arrive(self, arrivals):
        for drawn in arrivals:
            self.arrive_one(drawn)

    @rule(arrivals=ARRIVALS, swaps=SWAPS, seconds=SECONDS, tries=st.lists(PICK, min_size=1, max_size=4))
    def stopped_for_a_while(self, arrivals, swaps, seconds, tries):
        """Swaps leave; then everything stops, messages come all the same, and afterwards what waited is tried again."""
        self.leave(swaps, None)
        self.market.pause_exchange(paused=True)
        self.arrive(arrivals)
        self.pass_seconds(seconds)
        self.market.pause_exchange(paused=False)
        for pick in tries:
            if self.market.waiting:
                self.market.retry(pick)
            if self.market.sent:
                self.give_back(pick)

    def arrive_one(self, drawn):
        model, route = self.model, drawn["route"]
        terms = model.lane(*route).terms
        price = price_of(terms, drawn["points"], drawn["bonus"])
        number = drawn["number"] or next(self.numbers)
        epoch = model.programmes[route[0]].epoch
        arrival = Arrival(
            route=route,
            number=number,
            to=self.market.account(drawn["member"], route[1]),
            points_in=price.points_in,
            points_out=max(0, price.points_out + drawn["off"]),
            bonus_bps=drawn["bonus"],
            deadline=model.now_seconds + drawn["seconds"],
            lots=spread(
                [epoch - age for age in sorted(drawn["ages"], reverse=True)], price.points_in - drawn["missing"]
            ),
        )
        self.market.arrive(arrival, ref(f"there {next(self.fresh)}"))

    @precondition(lambda self: self.market.sent)
    @rule(pick=PICK)
    def give_back(self, pick):
        sent = list(self.market.sent)
        self.market.give_back(sent[pick % len(sent)])

    @precondition(lambda self: self.market.waiting)
    @rule(pick=PICK)
    def retry(self, pick):
        self.market.retry(pick)

    @precondition(lambda self: self.market.waiting)
    @rule(pick=PICK, offset=st.integers(0, 1))
    def retry_at_the_deadline(self, pick, offset):
        _, what = self.market.waiting[pick % len(self.market.waiting)]
        if isinstance(what, Arrival) and what.deadline + offset - 1 > self.model.now_seconds:
            self.market.go_to(what.deadline + offset - 1)
        self.market.retry(pick)

    # ---- time, money and stops

    @rule(seconds=SECONDS)
    def pass_seconds(self, seconds):
        self.market.go_to(self.model.now_seconds + seconds)

    @rule(amount=st.integers(1, 500))
    def deposit(self, amount):
        market = self.market
        market.clear("deposit", self.model.clearing.deposit, market.treasurer("fuel"), "fuel", amount)

    @rule(pause=PAUSE)
    def pause(self, pause):
        which, paused = pause
        if which == "exchange":
            self.market.pause_exchange(paused=paused)
        elif which == "gateway":
            self.market.pause_gateway(paused=paused)
        else:
            self.market.pause_token(which, paused=paused)

    # ---- what must agree

    @invariant()
    def contracts_and_model_agree(self):
        self.market.compare()

    # ---- parts

    def quote(self, route, member, bonus_bps):
        lane = self.model.lane(*route)
        account = self.market.account(member, route[0])
        number = next(self.fresh)
        return QuoteModel(ref(f"quote {number}"), route, lane.version, account, 1_000, bonus_bps, 2**40)


def spread(epochs, points):
    """Points over lots, the rest in the last one."""
    share = points // len(epochs)
    return dict.fromkeys(epochs[:-1], share) | {epochs[-1]: points - share * (len(epochs) - 1)}


@pytest.mark.spec("CX-80", "CX-60")
def test_machine(crossing, alice, bob, pauser, guardian, mallory, member_key, clock):
    class Machine(CrosschainMachine):
        pass

    actors = {"alice": alice, "bob": bob, "pauser": pauser, "guardian": guardian, "stranger": mallory}
    Machine.opened = open_market(crossing, actors, member_key, clock.now_seconds)
    chain.snapshot()
    bounds = settings(max_examples=examples(13), stateful_step_count=20, deadline=None, database=None)
    run_state_machine_as_test(Machine, settings=bounds)
