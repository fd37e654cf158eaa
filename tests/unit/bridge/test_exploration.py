"""Every order of events in a small world: nothing is minted twice or lost, and every swap ends well.

The numbers of states are exact: they change when the machine or the world does, and are then to be looked at.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from bridge.messages import Action, Arrival, MessageState, Signing, decide
from tests.unit.bridge.exploration import Exploration
from tests.unit.bridge.model import Rules, World

ONE_MESSAGE = World(contents=2)
"""Two contents for one nonce, three attesters of which one is lied to, two relayers, every step by itself."""
STOLEN_KEY = World(contents=2, stolen=True)
TWO_MESSAGES = World(nonces=2, attesters=2, relayers=1, coarse=True)
"""The third attester is offline for good; strangers deliver too."""
TWO_MESSAGES_LIED_TO = World(nonces=2, attesters=3, relayers=1, coarse=True)


@pytest.mark.parametrize(
    ("world", "states", "steps"),
    [
        pytest.param(ONE_MESSAGE, 215_640, 2_025_882, id="one message"),
        pytest.param(STOLEN_KEY, 47_886, 410_878, id="one message, a stolen key"),
        pytest.param(TWO_MESSAGES, 110_682, 981_642, id="two messages"),
    ],
)
def test_every_order_of_events_ends_minted_or_refunded(world: World, states: int, steps: int) -> None:
    found = Exploration(world).run()
    print(f"{found.states} states, {found.steps} steps, {found.terminal} of them ends")
    assert (found.wrong, found.path) == ("", ())
    assert (found.states, found.steps) == (states, steps)


if os.environ.get("LARGE") == "1":

    def test_two_messages_and_an_attester_that_is_lied_to() -> None:
        found = Exploration(TWO_MESSAGES_LIED_TO).run()
        assert (found.wrong, found.states, found.steps) == ("", 890_280, 9_279_696)


def _forgets_early(state: MessageState, now: float) -> Action:
    return Action.FORGET if state.arrival is Arrival.TAKEN else decide(state, now)


def _gives_up(state: MessageState, now: float) -> Action:
    return Action.FORGET if state.arrival is Arrival.FAILED else decide(state, now)


def _never_halts(recorded: bytes | None, wanted: bytes) -> Signing:
    return Signing.RECORD if recorded is None else Signing.AGAIN


BROKEN = [
    ("gateway forgets what it has seen", Rules(gateway_looks_at_seen=False), {"minted_twice", "executed twice"}),
    ("one signature is enough", Rules(threshold=1), {"minted_otherwise"}),
    (
        "attesters sign before finality",
        Rules(attesters_wait_for_finality=False),
        {"two contents signed under one nonce", "minted_without_burn", "minted_otherwise"},
    ),
    ("the journal is lost in a crash", Rules(journal_on_disk=False), {"two contents signed under one nonce"}),
    ("the journal is not compared", Rules(judge=_never_halts), {"two contents signed under one nonce"}),
    ("broadcast before it is stored", Rules(store_before_broadcast=False), {"broadcast, but not in the store"}),
    ("a message is forgotten before its block is final", Rules(decide=_forgets_early), {"stuck"}),
    ("a failed message is given up", Rules(decide=_gives_up), {"stuck"}),
    (
        "the source refunds by itself after the deadline",
        Rules(source_refunds_by_itself=True),
        {"refunded_without_refusal"},
    ),
]


@pytest.mark.parametrize(("rules", "expected"), [pytest.param(r, e, id=name) for name, r, e in BROKEN])
def test_a_broken_rule_is_found(rules: Rules, expected: set[str]) -> None:
    found = Exploration(replace(ONE_MESSAGE, relayers=1, rules=rules)).run()
    assert found.wrong in expected, "\n".join((found.wrong, *found.path))
