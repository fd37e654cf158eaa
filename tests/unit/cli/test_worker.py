from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from backend.chain.errors import ChainError
from backend.chain.notifications import WorkWaiter
from backend.commands.common import CommandError
from backend.commands.serving import parse_roles
from backend.worker import Role, RoleLoop, Worker


def _loop(step: Callable[[], bool], stopping: threading.Event, closed: list[str]) -> RoleLoop:
    # No server listens there: the waiter answers that nothing came, at once.
    waiter = WorkWaiter("postgresql+psycopg://nobody@/none?host=/nonexistent", ())
    return RoleLoop(Role.BATCH, step, waiter, 0.01, stopping, lambda: closed.append("closed"))


class TestRoleLoop:
    def test_works_until_told_to_stop__and_gives_back_what_it_holds(self) -> None:
        stopping, closed = threading.Event(), list[str]()
        left = [True, True, False]

        def step() -> bool:
            if len(left) == 1:
                stopping.set()
            return left.pop(0)

        _loop(step, stopping, closed).run()
        assert left == []
        assert closed == ["closed"]

    def test_failed_step__is_tried_again_and_reported_meanwhile(self) -> None:
        stopping, closed = threading.Event(), list[str]()
        problems: list[str | None] = []
        outcomes: list[Exception | None] = [ChainError("the endpoint is away"), None]

        def step() -> bool:
            problems.append(loop.problem())
            outcome = outcomes.pop(0)
            if outcome is not None:
                raise outcome
            stopping.set()
            return True

        loop = _loop(step, stopping, closed)
        loop.run()
        assert problems == [None, "the endpoint is away"]
        assert loop.problem() is None
        assert closed == ["closed"]


class TestWorker:
    def test_stop__waits_for_the_step_under_way(self) -> None:
        stopping, closed = threading.Event(), list[str]()
        begun, release = threading.Event(), threading.Event()

        def step() -> bool:
            begun.set()
            release.wait()
            return True

        worker = Worker([_loop(step, stopping, closed)], stopping)
        worker.start()
        assert begun.wait(60)
        assert not worker.stop(deadline_seconds=0.05)
        release.set()
        assert worker.stop(deadline_seconds=60)
        assert closed == ["closed"]


class TestParseRoles:
    def test_names__become_roles_once(self) -> None:
        assert parse_roles("index, submit,index") == [Role.INDEX, Role.SUBMIT]

    @pytest.mark.parametrize("text", ["", " , ", "dance"])
    def test_none_or_unknown__is_refused(self, text: str) -> None:
        with pytest.raises(CommandError):
            parse_roles(text)
