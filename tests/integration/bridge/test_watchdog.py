"""The watchdog stops a lane over which something was minted that nobody has burnt, and no other."""

from __future__ import annotations

from fastapi.testclient import TestClient

from backend.chain.exchange_types import SwapStatus
from bridge.metrics import REGISTRY
from bridge.watchdog import Watchdog, watch_app
from tests.integration.bridge.relaying import Bridge
from tests.support.two_chains import ATTESTERS, LANES


def look(bridge: Bridge, watchdog: Watchdog, rounds: int = 1) -> None:
    """What is on the chains becomes final and is looked at."""
    for _ in range(rounds):
        for side in bridge.world.sides:
            side.finalise()
        while watchdog.step():
            pass
        bridge.mined()


def open_lanes(bridge: Bridge, at: str) -> set[tuple[str, str]]:
    """Lanes that are open on the chain where `at` is at home."""
    exchange = bridge.world.home(at).exchange
    return {lane for lane in LANES if exchange.lane_of(bridge.world.lane(*lane)).open}


def findings(watchdog: Watchdog) -> list[str]:
    return [row["kind"] for row in watchdog.journal.query("SELECT kind FROM watch_findings ORDER BY kind")]


def test_honest_swaps_are_only_counted(bridge: Bridge) -> None:
    world, relayer, watchdog = bridge.world, bridge.relayer(), bridge.watchdog(patience_seconds=0)
    bridge.swaps_in_one_block(3)
    world.swap("fuel", "grocer", 500)
    look(bridge, watchdog)
    assert watchdog.report().in_flight == 4
    bridge.converge(relayer)
    world.swap("grocer", "fuel", 1_000)
    world.second.chain.jump(3_700)
    bridge.converge(relayer)
    look(bridge, watchdog, rounds=2)
    report = watchdog.report()
    sums = next(lane for lane in report.lanes if lane.source == "grocer" and lane.destination == "fuel")
    assert (sums.sent, sums.minted, sums.refused, sums.refunded, sums.in_flight) == (4, 3, 1, 1, 0)
    assert (report.violations, findings(watchdog), watchdog.book.swaps, watchdog.book.messages) == ([], [], {}, {})
    assert open_lanes(bridge, "grocer") == open_lanes(bridge, "fuel") == set(LANES)


def test_a_forged_mint_stops_its_lane_at_both_ends(bridge: Bridge) -> None:
    watchdog = bridge.watchdog(patience_seconds=0)
    bridge.world.swap("grocer", "fuel")
    look(bridge, watchdog)
    bridge.forge("grocer", "fuel", 77, 300, *ATTESTERS[:2])
    assert bridge.outcome("grocer", "fuel", 77) is SwapStatus.COMPLETED
    look(bridge, watchdog, rounds=2)
    others = set(LANES) - {("grocer", "fuel")}
    assert open_lanes(bridge, "fuel") == open_lanes(bridge, "grocer") == others
    assert "minted_without_burn" in findings(watchdog)
    assert REGISTRY.get_sample_value("interpoints_bridge_watch_violations")
    answer = TestClient(watch_app(watchdog)).get("/v1/status").json()
    assert [each["kinds"] for each in answer["violations"]] == [["minted_without_burn"]]
    # What was under way comes back.
    bridge.converge(bridge.relayer())
    assert bridge.outcome("grocer", "fuel", 1) is SwapStatus.REFUNDED


def test_a_lane_agreed_anew_is_not_stopped_for_what_was_known(bridge: Bridge) -> None:
    watchdog = bridge.watchdog(patience_seconds=0)
    bridge.forge("grocer", "fuel", 77, 300, *ATTESTERS[:2])
    look(bridge, watchdog, rounds=3)
    bridge.world.agree("grocer", "fuel")
    look(bridge, watchdog, rounds=2)
    assert open_lanes(bridge, "fuel") == set(LANES)
    bridge.forge("grocer", "fuel", 78, 300, *ATTESTERS[:2])
    look(bridge, watchdog, rounds=2)
    assert ("grocer", "fuel") not in open_lanes(bridge, "fuel")


def test_a_mint_whose_burn_the_own_node_does_not_show_yet_is_given_time(bridge: Bridge) -> None:
    world, watchdog = bridge.world, bridge.watchdog(patience_seconds=60)
    world.second.chain.jump(10_000)  # Its clock is ahead: the source's never says that it is as late.
    bridge.forge("grocer", "fuel", 77, 300, *ATTESTERS[:2])
    look(bridge, watchdog)
    assert findings(watchdog) == []
    bridge.seconds += 60
    look(bridge, watchdog, rounds=2)
    assert findings(watchdog)[0] == "minted_without_burn"
    assert ("grocer", "fuel") not in open_lanes(bridge, "fuel")


def test_a_restart_remembers_what_was_read_and_what_is_to_be_stopped(bridge: Bridge) -> None:
    watchdog = bridge.watchdog(key={}, patience_seconds=0)
    bridge.world.swap("grocer", "fuel")
    bridge.forge("grocer", "fuel", 77, 300, *ATTESTERS[:2])
    look(bridge, watchdog, rounds=2)
    before = watchdog.report()
    assert open_lanes(bridge, "fuel") == set(LANES)  # Without a key it only warns.
    watchdog.close()
    watchdog = bridge.watchdog(patience_seconds=0)
    after = watchdog.report()
    assert (after.lanes, after.routes, after.violations) == (before.lanes, before.routes, before.violations)
    look(bridge, watchdog)
    assert ("grocer", "fuel") not in open_lanes(bridge, "fuel")
