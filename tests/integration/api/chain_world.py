"""The API's world with a real chain behind it and the workers stepped by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.chain.indexer import build_indexer
from backend.chain.submitter import Submitter
from backend.points.batches import Batcher
from backend.points.settlement import Settler
from tests.integration.api.world import World
from tests.support.anvil import Deployment

_MOST_STEPS = 300


@dataclass
class ChainWorld(World):
    """Programmes deployed on an anvil; `step` lets the workers do what there is to do."""

    deployment: Deployment = None  # type: ignore[assignment]  # dataclasses want a default after defaults
    submitters: tuple[Submitter, ...] = ()

    def __post_init__(self) -> None:
        manifest = self.deployment.manifest
        self.indexer = build_indexer(self.settings, self.sessions, self.deployment.chain.client, manifest)
        self.batcher = Batcher(self.sessions, self.settings)
        self.settler = Settler(self.sessions, retry_seconds=0)

    def step(self) -> None:
        """Runs the workers until nothing is left to do at this head."""
        for _ in range(_MOST_STEPS):
            works: list[Callable[[], int | bool]] = [self.batcher.run_once, self.settler.run_once]
            works += [self._submit, self.indexer.run_once]
            done = [work() for work in works]
            if not any(done):
                return
        raise AssertionError("the workers never come to rest")

    def _submit(self) -> int:
        """One pass of every submitter; what they send is in a block then."""
        with self.deployment.chain.one_block():
            return sum(submitter.run_once() for submitter in self.submitters)

    def finalise(self) -> None:
        """Runs the workers and mines until everything so far is final."""
        self.step()
        self.deployment.chain.mine(10)
        self.step()

    def jump(self, days: int) -> None:
        """Moves chain time on and lets the projection follow."""
        self.deployment.chain.jump(days * 86_400)
        self.step()

    def credited(self, amount: str = "100.00") -> dict[str, Any]:
        """A member with points on the chain."""
        member = self.enrol()
        self.earn(member, amount)
        self.finalise()
        return member

    def balance(self, member: dict[str, Any], **params: Any) -> dict[str, Any]:
        """The member's balance in the market."""
        response = self.till.get(f"/v1/members/{member['id']}/balances", params=params)
        assert response.status_code == 200, response.text
        balance: dict[str, Any] = response.json()["data"][0]
        return balance

    def redeem(self, member: dict[str, Any], points: int, **changes: Any) -> Any:
        """Asks to spend points; answers the response."""
        body = {"member_id": member["id"], "reference": f"red-{next(self.numbers)}", "points": points} | changes
        return self.till.post("/v1/redemptions", body)
