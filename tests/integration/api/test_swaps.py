"""Swaps, from the request to the points at the other programme."""

from __future__ import annotations

from tests.integration.api.exchange_world import ExchangeWorld


class TestSwap:
    def test_swap__burns_here_and_mints_there(self, exchange_world: ExchangeWorld) -> None:
        world = exchange_world
        lane = world.open_lane(world.pharmacy, world.other_till)
        member = world.swapper()
        response = world.swap(lane, member, 41)
        assert response.status_code == 202, response.text
        swap = response.json()
        assert (swap["state"], swap["expected_points_in"], swap["expected_points_out"]) == ("pending", 40, 20)
        world.finalise()
        done = world.till.get(f"/v1/swaps/{swap['id']}").json()
        assert done["state"] == "completed", done
        assert (done["points_in"], done["points_out"]) == (40, 20)
        assert (world.points_at(member, world.market), world.points_at(member, world.pharmacy)) == (60, 20)
        assert done["settlement"] == {"amount": "0.10", "currency": "USD"}
