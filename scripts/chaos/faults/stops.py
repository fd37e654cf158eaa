"""Pauses, stopped lanes, caps and clocks: swaps wait, or come back with their original expiry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from scripts.chaos import flows
from scripts.chaos.rig import NotSurvivedError, Rig
from scripts.chaos.scenario import Scenario
from scripts.chaos.town import ADMIN, FINALITY_BLOCKS, PAUSE, UNPAUSE, Place
from tests.support.anvil import DAY
from tests.support.market import TERMS

_HOUR = 3_600


def _paused(which: Callable[[Rig], tuple[Place, bytes]], rig: Rig) -> None:
    """Paused while swaps are under way; afterwards each of them is minted once."""
    rig.start()
    for points in (1_000, 700):
        rig.town.out.swap(points)
    place, contract = which(rig)
    place.send(ADMIN, contract, PAUSE)
    rig.blocks(FINALITY_BLOCKS + 15)
    if place is rig.town.away and rig.check().minted:
        raise NotSurvivedError("something was minted while paused")
    place.send(ADMIN, contract, UNPAUSE)
    if rig.converge().minted != 2:
        raise NotSurvivedError("unpausing did not drain exactly once")


def _paused_past_the_deadline(rig: Rig) -> None:
    """The destination stays paused beyond the deadline: the swap comes back."""
    rig.start()
    away = rig.town.away
    away.send(ADMIN, away.exchange.address, PAUSE)
    rig.town.out.swap(1_000, seconds=120)
    rig.until(lambda: away.failures() > 0, "the message was not delivered")
    away.anvil.jump(200)
    _expect(rig, minted=0, refunded=1)


def _paused_both_ways(rig: Rig) -> None:
    """A refused swap whose refund finds its source's gateway paused."""
    rig.start()
    home = rig.town.home
    flows.too_late(rig, rig.town.out)
    home.send(ADMIN, home.gateway.address, PAUSE)
    rig.blocks(FINALITY_BLOCKS + 15)
    home.send(ADMIN, home.gateway.address, UNPAUSE)
    _expect(rig, minted=0, refunded=1)


def _stopped(rig: Rig) -> None:
    """The destination stops the lane while swaps are under way: they come back with their original expiry."""
    rig.start()
    town = rig.town
    member = town.home.member(0)
    token = town.world.first.token(town.home.slug)
    before = token.lots_of(member)
    # More than the older lot holds: lots of two epochs travel.
    town.out.swap(150_000)
    town.out.swap(1_000)
    town.out.stop(town.away)
    _expect(rig, minted=0, refunded=2)
    if token.lots_of(member) != before:
        raise NotSurvivedError("the lots that came back are not those that were given")


def _stopped_at_source(rig: Rig) -> None:
    """The source stops the lane: what is under way is minted all the same."""
    rig.start()
    rig.town.out.swap(1_000)
    rig.town.out.stop(rig.town.home)
    _expect(rig, minted=1, refunded=0)


def _changed_terms(rig: Rig) -> None:
    """The destination has other terms when the swap arrives."""
    rig.start()
    town = rig.town
    town.out.swap(1_000)
    town.out.agree(town.away, replace(TERMS, rate_numerator=2))
    _expect(rig, minted=0, refunded=1)


def _daily_cap(rig: Rig) -> None:
    """The lane's cap is reached at the destination; a day later there is room again."""
    rig.start()
    town = rig.town
    for place in town.places:
        town.out.agree(place, replace(TERMS, daily_cap_out=40_000))
    # The source counts too, so the second swap can only be sent when its window has moved on.
    town.out.swap(100_000, member=0, seconds=6 * DAY)
    rig.converge()
    town.home.anvil.jump(2 * DAY)
    town.out.swap(100_000, member=1, seconds=6 * DAY)
    rig.until(lambda: town.away.failures() > 0, "the cap was not reached")
    rig.blocks(10)
    town.away.anvil.jump(2 * DAY)
    _expect(rig, minted=2, refunded=0)


def _clock(ahead: int, rig: Rig) -> None:
    """One chain's clock is an hour off; swaps with deadlines nearer and further than that go both ways."""
    rig.start()
    town = rig.town
    town.away.anvil.jump(ahead)
    town.out.swap(1_000, seconds=_HOUR // 2)
    town.out.swap(1_000, seconds=2 * _HOUR)
    town.back.swap(1_000, seconds=_HOUR // 2)
    town.back.swap(1_000, seconds=2 * _HOUR)
    # From the chain behind, a deadline in half an hour is past already at the other.
    _expect(rig, minted=3, refunded=1)


def _home_ahead(rig: Rig) -> None:
    """As before, the other chain."""
    rig.town.home.anvil.jump(_HOUR)
    rig.start()
    town = rig.town
    town.back.swap(1_000, seconds=_HOUR // 2)
    town.out.swap(1_000, seconds=_HOUR // 2)
    _expect(rig, minted=1, refunded=1)


def _to_the_second(late: int, rig: Rig) -> None:
    """The delivery is mined in the last second of the deadline, or in the first after it."""
    rig.start()
    town, away = rig.town, rig.town.away
    deadline = max(place.now() for place in town.places) + 600
    town.out.swap(1_000, seconds=deadline - town.home.now())
    away.anvil.automine(False)
    town.home.anvil.mine(FINALITY_BLOCKS)
    rig.until(lambda: away.pooled() > 0, "no delivery was sent", mining=False)
    away.anvil.set_next_timestamp(deadline + late)
    away.anvil.mine(1)
    away.anvil.automine(True)
    _expect(rig, minted=1 - late, refunded=late)


def _refund_races(rig: Rig) -> None:
    """The deadline passes while the message fails, is retried, and somebody else retries too."""
    rig.start()
    rig.crew.other_relayer.start()
    town, away = rig.town, rig.town.away
    away.send(ADMIN, away.exchange.address, PAUSE)
    for member in range(3):
        town.out.swap(1_000, member=member, seconds=100)
    rig.until(lambda: away.failures() == 3, "the messages were not delivered")
    away.anvil.jump(200)
    away.send(ADMIN, away.exchange.address, UNPAUSE)
    _expect(rig, minted=0, refunded=3)


def _expect(rig: Rig, *, minted: int, refunded: int) -> None:
    verdict = rig.converge()
    if (verdict.minted, verdict.refunded) != (minted, refunded):
        found = f"{verdict.minted} minted and {verdict.refunded} refunded"
        raise NotSurvivedError(f"{found} instead of {minted} and {refunded}")


def scenarios() -> list[Scenario]:
    """What stops swaps on purpose."""
    pauses: list[tuple[str, str, Callable[[Rig], tuple[Place, bytes]]]] = [
        ("source-gateway", "the source's gateway", lambda rig: (rig.town.home, rig.town.home.gateway.address)),
        ("source-exchange", "the source's exchange", lambda rig: (rig.town.home, rig.town.home.exchange.address)),
        ("gateway", "the destination's gateway", lambda rig: (rig.town.away, rig.town.away.gateway.address)),
        ("exchange", "the destination's exchange", lambda rig: (rig.town.away, rig.town.away.exchange.address)),
        ("token", "the destination's token", lambda rig: (rig.town.away, rig.town.away.token)),
    ]
    found = [
        Scenario(f"pause/{name}", f"{what} is paused in mid-flight, then unpaused", partial(_paused, which))
        for name, what, which in pauses
    ]
    return [
        *found,
        Scenario("pause/past-the-deadline", "the destination is paused beyond the deadline", _paused_past_the_deadline),
        Scenario("pause/refund", "the source's gateway is paused while a refund comes back", _paused_both_ways),
        Scenario("lane/stopped", "the destination stops the lane in mid-flight", _stopped, quick=True),
        Scenario("lane/stopped-at-source", "the source stops the lane in mid-flight", _stopped_at_source),
        Scenario("lane/changed", "the destination's terms change in mid-flight", _changed_terms),
        Scenario("lane/daily-cap", "the lane's cap is reached, a day later there is room", _daily_cap),
        Scenario("clock/destination-ahead", "the destination's clock is an hour ahead", partial(_clock, _HOUR)),
        Scenario("clock/source-ahead", "the source's clock is an hour ahead", _home_ahead),
        Scenario("clock/last-second", "delivered in the last second of the deadline", partial(_to_the_second, 0)),
        Scenario("clock/a-second-late", "delivered in the first second after the deadline", partial(_to_the_second, 1)),
        Scenario("clock/refund-races", "deadlines pass while two relayers retry", _refund_races),
    ]
