"""Lanes replayed from made-up logs, and when a full cap frees."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.exchange_types import LaneTerms
from backend.chain.lane_pricing import BUCKET_SECONDS, window_out
from backend.chain.points_exchange import terms_hash
from backend.errors import NotFoundError
from backend.exchange.identifiers import lane_text, parse_lane, programme_key, slug_of
from backend.exchange.lanes import LaneEvent, LaneState, frees_at, replay

LANE = b"\x11" * 32
MARKET, FUEL = programme_key("market"), programme_key("fuel")
TERMS = LaneTerms(1, 2, 0, 2_000, 10, 1_000, 10_000, 5_000, carry_expiry=True, posted=False)
CHEAPER = replace(TERMS, fee_bps=100)


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


class Logs:
    """Logs of one lane, one a second from 100 on."""

    def __init__(self) -> None:
        self.events: list[LaneEvent] = []

    def add(self, name: str, **payload: Any) -> Logs:
        at = 100 + len(self.events)
        self.events.append(LaneEvent(name, LANE, payload, at, at, bytes(32), 0))
        return self

    def proposed(self, terms: LaneTerms, proposer: bytes = MARKET) -> Logs:
        sides = {"source": hexed(MARKET), "destination": hexed(FUEL), "proposer": hexed(proposer)}
        return self.add("LaneProposed", terms=asdict(terms), **sides)

    def withdrawn(self, proposer: bytes = MARKET) -> Logs:
        return self.add("ProposalWithdrawn", proposer=hexed(proposer))

    def agreed(self, version: int, terms: LaneTerms, notice: int = 0) -> Logs:
        effective_from = 100 + len(self.events) + notice
        return self.add("LaneAgreed", version=version, effective_from=effective_from, terms=asdict(terms))

    def stopped(self) -> Logs:
        return self.add("LaneStopped", programme_id=hexed(FUEL))

    def at(self, timestamp: int) -> LaneState:
        return replay(self.events, timestamp)[LANE]


class TestReplay:
    def test_proposal__replaces_the_same_programmes_and_is_found_by_its_hash(self) -> None:
        lane = Logs().proposed(TERMS).proposed(CHEAPER).proposed(TERMS, FUEL).at(200)
        assert lane.proposals == {MARKET: CHEAPER, FUEL: TERMS}
        assert lane.proposal_with(terms_hash(CHEAPER), MARKET) == CHEAPER
        assert lane.proposal_with(terms_hash(TERMS), MARKET) is None
        assert (lane.state(200), lane.is_open(200)) == ("proposed", False)

    def test_agreement__ends_both_proposals_and_holds_until_its_last_second(self) -> None:
        lane = Logs().proposed(TERMS).proposed(CHEAPER, FUEL).agreed(1, TERMS).at(200)
        assert (lane.proposals, lane.present and lane.present.version) == ({}, 1)
        assert (lane.state(10_000), lane.state(10_001)) == ("open", "ended")

    def test_change__comes_into_force_after_its_notice(self) -> None:
        logs = Logs().proposed(TERMS).agreed(1, TERMS).proposed(CHEAPER).agreed(2, CHEAPER, notice=60)
        before, after = logs.at(162), logs.at(163)
        assert (before.present and before.present.terms, before.coming and before.coming.version) == (TERMS, 2)
        assert (after.present and after.present.terms, after.coming) == (CHEAPER, None)

    def test_change_that_comes_while_another_is_announced__takes_its_place(self) -> None:
        logs = Logs().proposed(TERMS).agreed(1, TERMS).agreed(2, CHEAPER, notice=60).agreed(3, TERMS, notice=60)
        present = logs.at(500).present
        assert present is not None
        assert (present.version, present.terms) == (3, TERMS)

    def test_stop__ends_terms_coming_ones_and_proposals(self) -> None:
        logs = Logs().proposed(TERMS).agreed(1, TERMS).proposed(CHEAPER).agreed(2, CHEAPER, notice=60)
        lane = logs.proposed(TERMS).stopped().at(500)
        assert (lane.state(500), lane.coming, lane.proposals) == ("stopped", None, {})
        again = logs.proposed(CHEAPER).agreed(3, CHEAPER).at(500)
        assert (again.state(500), again.present and again.present.version) == ("open", 3)

    def test_withdrawn__leaves_nothing(self) -> None:
        assert Logs().proposed(TERMS).withdrawn().at(200).state(200) == "withdrawn"


class TestFreesAt:
    def test_room_now__is_now(self) -> None:
        assert frees_at({}, 0, 77) == 77
        assert frees_at({0: 5}, 5, 77) == 77

    def test_more_than_the_cap__is_never(self) -> None:
        assert frees_at({0: 5}, -1, 77) is None

    @given(
        volumes=st.dictionaries(st.integers(100, 104), st.integers(1, 50), min_size=1),
        cap=st.integers(0, 120),
        wanted=st.integers(1, 120),
    )
    def test_moment__is_the_first_with_room(self, volumes: dict[int, int], cap: int, wanted: int) -> None:
        now = 104 * BUCKET_SECONDS + 9
        free = frees_at(volumes, cap - wanted, now)
        if wanted > cap:
            assert free is None
            return
        assert free is not None
        assert window_out(volumes, free) + wanted <= cap
        if free > now:
            assert window_out(volumes, free - 1) + wanted > cap


class TestIdentifiers:
    def test_programme__is_its_slug_in_32_bytes(self) -> None:
        assert (len(MARKET), slug_of(MARKET)) == (32, "market")

    @pytest.mark.parametrize("text", ["lan_", "lan_" + "1" * 63, "lan_" + "G" * 64, "x" * 68])
    def test_lane__is_read_back_or_not_there(self, text: str) -> None:
        assert parse_lane(lane_text(LANE)) == LANE
        with pytest.raises(NotFoundError):
            parse_lane(text)
