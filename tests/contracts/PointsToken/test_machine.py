"""The token beside a plain-Python model of it, under any sequence of operations and any passing of time.

After every rule the two must agree on every lot of every account and hold, on the supply of every epoch, and on what
can still be refunded; and a replay of the logs alone must have arrived at the same lots. LARGE=1 draws far more.
"""

from itertools import count
from typing import ClassVar

import pytest
from brownie import chain, history
from brownie.exceptions import VirtualMachineError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.contracts.model import PointsModel, ProgrammeTerms
from tests.contracts.support.clock import DAY_SECONDS, EPOCH_SECONDS, Clock
from tests.contracts.support.examples import examples
from tests.contracts.support.outcomes import logs
from tests.contracts.support.points import credit, ref
from tests.contracts.support.questions import answers
from tests.contracts.support.replay import Replay

CAP = 1_000
CLAWBACK_EPOCHS = 2
MAX_HOLD_SECONDS = 90 * DAY_SECONDS
WALLETS = ("alice", "bob")
MEMBERS = (*WALLETS, "managed member")

MEMBER = st.sampled_from(MEMBERS)
WALLET = st.sampled_from(WALLETS)
AMOUNT = st.integers(1, 150)
PERCENT = st.one_of(st.just(100), st.integers(1, 110))
AGE = st.integers(-1, 8)
REF = st.integers(0, 40)
PICK = st.integers(0, 1_000)
SECONDS = st.one_of(st.integers(1, 3_600), st.integers(1, 3 * EPOCH_SECONDS))
EPOCHS = st.sampled_from((1, 1, 1, 1, 2, 3, 6, 7, 60))
LOTS = st.dictionaries(st.integers(0, 6), st.integers(1, 100), min_size=1, max_size=3)
CREDITS = st.lists(st.tuples(st.sampled_from(MEMBERS), st.integers(1, 80)), min_size=1, max_size=6)
OPERATOR = st.sampled_from(("issuer", "custodian"))
ANYONE = st.sampled_from(("issuer", "custodian", "stranger"))
BURN = st.sampled_from(("crosschainBurn", "crosschainBurnLots"))


def portion(whole, percent):
    """A part of what there is, at least one point; over 100 percent asks for too much."""
    return max(1, whole * percent // 100)


class PointsMachine(RuleBasedStateMachine):
    """Rules draw actors and shares of what they have; refs come from small pools, so that some are used twice."""

    token = None
    validity = 0
    member_key = ""
    actors: ClassVar[dict] = {}

    def __init__(self):
        super().__init__()
        chain.revert()
        history.clear()
        self.addresses = {name: str(self.actors[name]) for name in WALLETS}
        self.addresses["managed member"] = str(self.token.managedAccount(self.member_key))
        self.clock = Clock()
        terms = ProgrammeTerms(EPOCH_SECONDS, self.validity, CLAWBACK_EPOCHS, CAP)
        self.model = PointsModel(terms, MAX_HOLD_SECONDS, now_seconds=self.clock.now_seconds)
        self.replay = Replay(EPOCH_SECONDS, self.validity)
        self.redeemed_lots = {}
        self.hold_accounts = {}
        self.fresh = count(1)
        for _ in range(3):
            self.go_to(self.model.now_seconds + EPOCH_SECONDS)
            self.issue_listed(f"opening {next(self.fresh)}", [(account, 60) for account in self.addresses.values()])

    # ---- earning

    @rule(member=MEMBER, amount=AMOUNT, number=REF)
    def issue(self, member, amount, number):
        account, order = self.addresses[member], ref(f"issuer {number}")
        self.both("issuer", "issue", (account, amount, order), self.model.issue, (account, amount, order))

    @rule(drawn=CREDITS, number=REF)
    def issue_batch(self, drawn, number):
        self.issue_listed(f"issuer {number}", [(self.addresses[member], amount) for member, amount in drawn])

    @rule(member=MEMBER, age=AGE, amount=AMOUNT, number=REF)
    def clawback(self, member, age, amount, number):
        account, epoch = self.addresses[member], self.model.epoch - age
        order = ref(f"issuer {number}")
        arguments = (account, epoch, amount, order)
        self.both("issuer", "clawback", arguments, self.model.clawback, arguments)

    # ---- moving

    @rule(sender=WALLET, recipient=MEMBER, percent=PERCENT)
    def transfer(self, sender, recipient, percent):
        source, target = self.addresses[sender], self.addresses[recipient]
        amount = self.model.balance_of(source) * percent // 100
        self.both(sender, "transfer", (target, amount), self.model.transfer, (source, target, amount))

    @rule(sender=WALLET, recipient=MEMBER, age=AGE, percent=PERCENT)
    def transfer_at_epoch(self, sender, recipient, age, percent):
        source, target, epoch = self.addresses[sender], self.addresses[recipient], self.model.epoch - age
        amount = self.model.lots_of(source).get(epoch, 0) * percent // 100
        rule = (source, target, epoch, amount)
        self.both(sender, "transferAtEpoch", (epoch, target, amount), self.model.transfer_at_epoch, rule)

    @rule(wallet=WALLET)
    def move_to_wallet(self, wallet):
        source, target = self.addresses["managed member"], self.addresses[wallet]
        arguments = (self.member_key, target)
        self.both("custodian", "moveToWallet", arguments, self.model.move_all, (source, target))

    # ---- spending

    @rule(member=MEMBER, percent=PERCENT, number=REF)
    def redeem(self, member, percent, number):
        account, order = self.addresses[member], ref(f"order {number}")
        amount = portion(self.model.balance_of(account), percent)
        caller, name, arguments = self.spending(member, "redeem", (amount, order))
        burned = self.both(caller, name, arguments, self.model.redeem, (account, amount, order))
        if burned is not None:
            self.redeemed_lots[account, order] = burned

    @precondition(lambda self: self.redeemed_lots)
    @rule(pick=PICK, percent=PERCENT)
    def refund(self, pick, percent):
        account, order = self.picked(self.redeemed_lots, pick)
        amount = portion(self.model.refundable_of(account, order), percent)
        lots = sorted(self.redeemed_lots[account, order].items())
        self.both("issuer", "refund", (order, account, lots, amount), self.model.refund, (account, order, amount))

    @rule(member=MEMBER, percent=PERCENT, number=REF, seconds=SECONDS)
    def hold(self, member, percent, number, seconds):
        account, order = self.addresses[member], ref(f"order {number}")
        amount = portion(self.model.balance_of(account), percent)
        deadline = self.model.now_seconds + seconds
        caller, name, arguments = self.spending(member, "hold", (amount, order, deadline))
        if self.both(caller, name, arguments, self.model.hold, (account, amount, order, deadline)) is None:
            return
        self.hold_accounts[account, order] = str(self.token.holdAccountOf(account, order))

    @precondition(lambda self: self.hold_accounts)
    @rule(pick=PICK, percent=PERCENT, operator=OPERATOR)
    def capture(self, pick, percent, operator):
        account, order = self.picked(self.hold_accounts, pick)
        amount = portion(sum(self.model.lots_of_hold(account, order).values()), percent)
        burned = self.both(operator, "capture", (account, order, amount), self.model.capture, (account, order, amount))
        if burned is not None:
            self.redeemed_lots[account, order] = burned

    @precondition(lambda self: self.hold_accounts)
    @rule(pick=PICK, caller=ANYONE)
    def release(self, pick, caller):
        account, order = self.picked(self.hold_accounts, pick)

        def release():
            return self.model.release(account, order, privileged=caller != "stranger")

        self.both(caller, "release", (account, order), release, ())

    # ---- exchange

    @rule(member=MEMBER, amount=AMOUNT)
    def crosschain_mint(self, member, amount):
        account = self.addresses[member]
        rule = (account, amount, ref(f"mint {next(self.fresh)}"))
        self.both("exchange", "crosschainMint", (account, amount), self.model.issue, rule)

    @rule(member=MEMBER, ages=LOTS)
    def crosschain_mint_lots(self, member, ages):
        account = self.addresses[member]
        lots = {self.model.epoch - age: amount for age, amount in ages.items()}
        arguments = (account, sorted(lots.items()))
        self.both("exchange", "crosschainMintLots", arguments, self.model.mint_lots, (account, lots))

    @rule(member=MEMBER, percent=PERCENT, name=BURN)
    def crosschain_burn(self, member, percent, name):
        account = self.addresses[member]
        amount = portion(self.model.balance_of(account) // 2, percent)
        self.both("exchange", name, (account, amount), self.model.burn, (account, amount))

    # ---- time

    @rule(seconds=SECONDS)
    def pass_seconds(self, seconds):
        self.go_to(self.model.now_seconds + seconds)

    @rule(epochs=EPOCHS)
    def pass_epochs(self, epochs):
        self.go_to(self.model.now_seconds + epochs * EPOCH_SECONDS + 1)

    @rule()
    def expire(self):
        accounts = [*self.addresses.values(), *self.hold_accounts.values()]
        self.both("stranger", "expire", (accounts,), dict, ())

    # ---- what must agree

    @invariant()
    def lots_supply_and_orders_agree(self):
        accounts = [*self.addresses.values(), *self.hold_accounts.values()]
        expected_lots = [self.model.lots_of(account) for account in self.addresses.values()]
        expected_lots += [self.model.lots_of_hold(*order) for order in self.hold_accounts]
        epochs = [self.model.epoch - age for age in range(-1, self.validity + 3)]
        supply = self.model.supply_by_epoch()
        expected = [("totalSupply", self.model.total_supply())]
        questions = [("totalSupply",)]
        for account, lots in zip(accounts, expected_lots, strict=True):
            questions += [("lotsOf", account), ("balanceOf", account)]
            expected += [("lotsOf", tuple(lots.items())), ("balanceOf", sum(lots.values()))]
            assert self.replay.lots_of(account, self.model.now_seconds) == lots
        for epoch in epochs:
            questions.append(("totalSupplyAtEpoch", epoch))
            expected.append(("totalSupplyAtEpoch", supply.get(epoch, 0)))
        for order in self.redeemed_lots:
            questions.append(("refundableOf", *order))
            expected.append(("refundableOf", self.model.refundable_of(*order)))
        for order in self.hold_accounts:
            hold = self.model.holds.get(order)
            questions.append(("holdOf", *order))
            expected.append(("holdOf", (hold.amount_points, hold.deadline_seconds) if hold else (0, 0)))
        names = [question[0] for question in questions]
        assert list(zip(names, answers(self.token, questions), strict=True)) == expected

    # ---- parts

    def spending(self, member, name, arguments):
        """Caller, function and arguments with which a member spends: a wallet itself, a managed account by its key."""
        if member in WALLETS:
            return member, name, arguments
        return "custodian", f"{name}Managed", (self.member_key, *arguments)

    def issue_listed(self, batch, listed):
        words = [credit(*credited) for credited in listed]
        self.both("issuer", "issueBatch", (ref(batch), words), self.model.issue_batch, (ref(batch), listed))

    @staticmethod
    def picked(orders, number):
        return list(orders)[number % len(orders)]

    def go_to(self, seconds):
        self.clock.go_to(seconds)
        self.model.now_seconds = seconds

    def both(self, caller, name, arguments, rule, rule_arguments):
        """The same operation on model and token: both do it, or both refuse for the same reason; the model's answer."""
        self.model.now_seconds += 1
        self.clock.next_block_at(self.model.now_seconds)
        answers_of_model = []
        expected = self.model.refusal(lambda: answers_of_model.append(rule(*rule_arguments)))
        transaction, actual = self.sent(caller, name, arguments)
        assert (name, actual) == (name, expected)
        if transaction is None:
            return None
        self.replay.apply(self.model.now_seconds, logs(transaction))
        return True if answers_of_model[0] is None else answers_of_model[0]

    def sent(self, caller, name, arguments):
        """The transaction, or the name of the custom error that it reverted with."""
        try:
            return getattr(self.token, name)(*arguments, {"from": self.actors[caller]}), None
        except VirtualMachineError as failure:
            return None, str(failure.revert_msg).split(":")[0]


@pytest.mark.spec("PT-136", "PT-135", "EL-5", "EL-6")
@pytest.mark.parametrize("validity", [1, 5])
def test_machine(deploy, validity, member_key, alice, bob, issuer, custodian, exchange, mallory):
    class Machine(PointsMachine):
        pass

    Machine.token = deploy(validity=validity, clawback_window=CLAWBACK_EPOCHS, cap=CAP)
    Machine.validity, Machine.member_key = validity, member_key
    Machine.actors = {
        "alice": alice,
        "bob": bob,
        "issuer": issuer,
        "custodian": custodian,
        "exchange": exchange,
        "stranger": mallory,
    }
    assert Machine.token.MAX_HOLD_DURATION() == MAX_HOLD_SECONDS
    chain.snapshot()
    bounds = settings(max_examples=examples(15), stateful_step_count=45, deadline=None, database=None)
    run_state_machine_as_test(Machine, settings=bounds)
