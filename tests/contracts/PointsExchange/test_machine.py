"""Three programmes beside plain-Python models, under any sequence of operations and any passing of time.

After every rule contracts and models must agree on all points, lanes, caps, swaps, debts, bounds and claims; positions
add up to zero, and the debts follow from the logs of swaps alone. LARGE=1 draws far more.
"""

from dataclasses import replace
from itertools import count

import pytest
from brownie import chain, history
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.contracts.exchange_model import QuoteModel
from tests.contracts.lane_model import LaneTerms
from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.examples import examples
from tests.contracts.support.market import Market
from tests.contracts.support.points import ref

SLUGS = ("grocer", "fuel", "pharmacy")
ROUTES = (
    ("grocer", "fuel"),
    ("fuel", "grocer"),
    ("grocer", "pharmacy"),
    ("fuel", "pharmacy"),
    ("pharmacy", "grocer"),
)
MEMBERS = ("alice", "bob", "dora", "member")
MONEY = 10**12

OPEN_ROUTES = ROUTES[:4]

ROUTE = st.sampled_from(ROUTES)
SLUG = st.sampled_from(SLUGS)
MEMBER = st.sampled_from(MEMBERS)
SIDE = st.integers(0, 1)
PICK = st.integers(0, 1_000)
ORDER = st.integers(0, 30)
POINTS = st.one_of(st.integers(1, 12), st.integers(1, 150))
AMOUNT = st.one_of(st.integers(1, 100), st.integers(1, 1_000))
SWAPS = st.lists(st.tuples(st.sampled_from(OPEN_ROUTES), MEMBER, st.integers(1, 60)), min_size=1, max_size=4)
SECONDS = st.one_of(st.integers(1, 3_600), st.integers(3_600, 12 * DAY_SECONDS), st.just(40 * DAY_SECONDS))
TERMS = st.builds(
    LaneTerms,
    rate_numerator=st.integers(1, 3),
    rate_denominator=st.integers(1, 4),
    fee_bps=st.sampled_from((0, 0, 150, 3_333)),
    max_bonus_bps=st.sampled_from((0, 2_500, 10_000)),
    minimum_in=st.sampled_from((1, 1, 5)),
    daily_cap_out=st.sampled_from((30, 120, 10_000)),
    valid_until=st.sampled_from((DAY_SECONDS, 30 * DAY_SECONDS, 365 * DAY_SECONDS)),
    settlement_price=st.sampled_from((0, 1, 1_500_000, 8_000_000)),
    carry_expiry=st.booleans(),
    posted=st.sampled_from((False, False, True)),
)
QUOTE = st.fixed_dictionaries(
    {
        "number": st.integers(0, 12),
        "bonus_bps": st.sampled_from((500, 2_500, 2_500, 2_501)),
        "max_in": st.sampled_from((20, 1_000, 1_000)),
        "version": st.sampled_from((0, 0, 0, 0, 1)),
        "seconds": st.sampled_from((3_600, 3_600, 1, 0)),
        "genuine": st.sampled_from((True, True, True, True, False)),
    }
)
ENDINGS = st.sampled_from(("confirmPosted", "refundPending"))
CYCLE_CALLS = st.sampled_from(("closeCycle", "settleCycle", "enforce", "distribute", "pay", "payFromCollateral"))
PAUSE = st.tuples(st.sampled_from(("exchange", *SLUGS)), st.sampled_from((True, False, False)))


def open_market(world, actors, member_key):
    """Everybody has points, money and some collateral; three lanes are open, one of them posted."""
    market = Market(world, actors, member_key)
    for slug in SLUGS:
        world.fund(market.treasurer(slug), MONEY)
    market.model.at(market.clock.now_seconds)
    now = market.model.now_seconds
    usual = LaneTerms(1, 2, 100, 2_500, 1, 500, now + 300 * DAY_SECONDS, 8_000_000, True, False)
    for route, terms in zip(
        OPEN_ROUTES,
        (
            usual,
            replace(usual, rate_numerator=3, rate_denominator=2, carry_expiry=False),
            replace(usual, posted=True, carry_expiry=False),
            replace(usual, rate_numerator=1, rate_denominator=1, settlement_price=2_000_001),
        ),
        strict=True,
    ):
        market.propose(route, route[0], terms)
        market.accept(route, route[1], terms)
    for slug in SLUGS:
        market.clear("deposit", market.model.clearing.deposit, market.treasurer(slug), slug, 300)
        for member in MEMBERS:
            market.issue(slug, member, 250, f"opening {member}")
        for debtor in SLUGS:
            if debtor != slug:
                lend = market.model.clearing.set_line
                market.clear("setCreditLine", lend, market.treasurer(slug), slug, debtor, 400)
    market.compare()
    return market


class ExchangeMachine(RuleBasedStateMachine):
    """Rules draw routes, members and amounts; refs and quote ids come from small pools, so that some are used twice."""

    opened: Market

    def __init__(self):
        super().__init__()
        chain.revert()
        history.clear()
        self.market = self.opened.copy()
        self.fresh = count(1)

    @property
    def clearing(self):
        return self.market.model.clearing

    # ---- points and lanes

    @rule(slug=SLUG, member=MEMBER, amount=POINTS)
    def issue(self, slug, member, amount):
        self.market.issue(slug, member, amount, f"issued {next(self.fresh)}")

    @rule(route=ROUTE, side=SIDE, terms=TERMS, changed=st.sampled_from((False, False, False, True)))
    def agree(self, route, side, terms, changed):
        offered = replace(terms, valid_until=self.market.model.now_seconds + terms.valid_until)
        self.market.propose(route, route[side], offered)
        self.market.accept(route, route[1 - side], replace(offered, fee_bps=1) if changed else offered)

    @rule(route=st.sampled_from(OPEN_ROUTES), side=SIDE)
    def stop(self, route, side):
        self.market.stop(route, route[side])

    # ---- swaps

    @rule(swaps=SWAPS)
    def swap_several(self, swaps):
        for route, member, points in swaps:
            self.market.swap(route, member, member, (points, 0), f"fresh {next(self.fresh)}", None)

    @rule(route=ROUTE, member=MEMBER, to=MEMBER, points=POINTS, percent=st.integers(0, 60), order=ORDER)
    def swap_under_a_used_ref(self, route, member, to, points, percent, order):
        self.market.swap(route, member, to, (points, points * percent // 100), f"order {order}", None)

    @rule(route=st.sampled_from(OPEN_ROUTES), member=MEMBER, points=st.integers(1, 30), drawn=QUOTE)
    def swap_with_a_quote(self, route, member, points, drawn):
        quote = self.quote(route, member, drawn)
        self.market.swap(route, member, member, (points, 1), f"fresh {next(self.fresh)}", quote)

    @rule(route=st.sampled_from(OPEN_ROUTES), member=MEMBER, beyond=SIDE)
    def swap_all(self, route, member, beyond):
        source = self.market.model.programmes[route[0]]
        balance = source.balance_of(self.market.account(member, route[0]))
        self.market.swap(route, member, member, (balance + beyond, 0), f"fresh {next(self.fresh)}", None)

    @precondition(lambda self: self.market.shown)
    @rule(pick=PICK, how=ENDINGS, by_destination=st.sampled_from((True, True, False)))
    def end(self, pick, how, by_destination):
        waiting = list(self.market.shown)
        self.market.end(how, waiting[pick % len(waiting)], by_destination=by_destination)

    # ---- money

    @rule(slug=SLUG, amount=AMOUNT)
    def deposit(self, slug, amount):
        self.clear("deposit", self.clearing.deposit, slug, slug, amount)

    @rule(slug=SLUG, amount=AMOUNT)
    def withdraw(self, slug, amount):
        self.market.withdraw(slug, amount)

    @rule(route=ROUTE, amount=st.one_of(st.just(0), AMOUNT))
    def set_line(self, route, amount):
        debtor, creditor = route
        self.clear("setCreditLine", self.clearing.set_line, creditor, creditor, debtor, amount)

    @rule(swaps=SWAPS, paying=st.sets(SLUG), between=SWAPS)
    def whole_cycle(self, swaps, paying, between):
        """Swaps, a close, more swaps; some pay, the others are enforced, and whoever had to pay after that as well."""
        self.swap_several(swaps)
        self.pass_to(self.clearing.closes_at)
        self.call("closeCycle", "grocer", 0)
        self.swap_several(between)
        for slug in sorted(paying):
            self.call("pay", slug, self.clearing.outstanding(slug))
        for _ in SLUGS:
            self.pass_to(self.clearing.payment_deadline + 1)
            for slug in SLUGS:
                if self.clearing.outstanding(slug):
                    self.call("enforce", slug, 0)
        self.call("settleCycle", "fuel", 0)

    @rule(name=CYCLE_CALLS, slug=SLUG, amount=AMOUNT)
    def call(self, name, slug, amount):
        model = self.clearing
        rule_of_model, arguments = {
            "closeCycle": (model.close, ()),
            "settleCycle": (model.settle, ()),
            "enforce": (model.enforce, (slug,)),
            "distribute": (model.distribute, (slug,)),
            "pay": (model.pay, (slug, amount)),
            "payFromCollateral": (model.pay_from_collateral, (slug, amount)),
        }[name]
        self.clear(name, rule_of_model, slug, *arguments)

    # ---- time and stops

    @rule(seconds=SECONDS)
    def pass_seconds(self, seconds):
        self.market.go_to(self.market.model.now_seconds + seconds)

    @rule(offset=st.integers(-1, 1), late=st.booleans(), slug=SLUG)
    def pass_to_a_border(self, offset, late, slug):
        self.pass_to((self.clearing.payment_deadline if late else self.clearing.closes_at) + offset)
        self.call("enforce" if late else "closeCycle", slug, 0)

    @rule(pause=PAUSE)
    def pause(self, pause):
        which, paused = pause
        if which == "exchange":
            self.market.pause_exchange(paused=paused)
        else:
            self.market.pause_token(which, paused=paused)

    # ---- what must agree

    @invariant()
    def contracts_and_models_agree(self):
        self.market.compare()

    # ---- parts

    def clear(self, name, rule_of_model, sender, *arguments):
        self.market.clear(name, rule_of_model, self.market.treasurer(sender), *arguments)

    def pass_to(self, seconds):
        """Goes to a second just before the next transaction's, unless it is past."""
        if seconds - 1 > self.market.model.now_seconds:
            self.market.go_to(seconds - 1)

    def quote(self, route, member, drawn):
        if drawn is None:
            return None
        model = self.market.model
        return QuoteModel(
            quote_id=ref(f"quote {drawn['number']}"),
            lane=route,
            version=model.lane(*route).version + drawn["version"],
            account=self.market.account(member, route[0]),
            max_in=drawn["max_in"],
            bonus_bps=drawn["bonus_bps"],
            expires_at=model.now_seconds + drawn["seconds"],
            genuine=drawn["genuine"],
        )


@pytest.mark.spec("CH-71", "CH-72", "CH-73", "CH-23", "EX-83", "EX-44")
def test_machine(world, alice, bob, pauser, mallory, member_key):
    class Machine(ExchangeMachine):
        pass

    actors = {"alice": alice, "bob": bob, "pauser": pauser, "stranger": mallory}
    Machine.opened = open_market(world, actors, member_key)
    chain.snapshot()
    # Hypothesis keeps the first ten of a run short.
    bounds = settings(max_examples=examples(22), stateful_step_count=30, deadline=None, database=None)
    run_state_machine_as_test(Machine, settings=bounds)
