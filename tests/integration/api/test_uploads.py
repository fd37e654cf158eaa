"""Bulk uploads of events and the intake worker."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from backend.points.intake import IntakeWorker
from backend.points.models import Accrual, EarnEvent, IntakeRow
from tests.integration.api.world import World, problem

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "reference": f"b-{number}",
        "member_reference": "card",
        "amount": "12.90",
        "occurred_at": "2017-02-01T10:00:00Z",
        **changes,
    }


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in rows)


def upload(world: World, body: bytes, headers: dict[str, str] = NDJSON, key: str | None = None) -> httpx.Response:
    return world.till.request("POST", "/v1/events/uploads", key=key, content=body, headers=headers)


def work(world: World, chunk_rows: int = 10_000) -> None:
    worker = IntakeWorker(world.sessions, chunk_rows)
    for _ in range(1000):
        if not worker.run_once():
            return
    raise AssertionError("the intake worker never ends")


def outcome(world: World, response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 202, response.text
    return dict(world.till.get(response.headers["location"]).json())


class TestCreateUpload:
    def test_anonymous__is_refused(self, world: World) -> None:
        response = world.anonymous.request("POST", "/v1/events/uploads", content=lines(row(1)), headers=NDJSON)
        problem(response, 401, "unauthenticated")

    def test_rows__become_events_by_the_rule(self, world: World) -> None:
        world.enrol(reference="card")
        response = upload(world, lines(row(1), row(2, amount="0.99", kind="visit", location="store 7", channel="web")))
        assert outcome(world, response)["state"] == "processing"
        work(world)
        done = outcome(world, response)
        assert (done["state"], done["accepted_count"], done["processed_count"]) == ("completed", 2, 2)
        events = world.till.get("/v1/events").json()["data"]
        assert [(e["reference"], e["kind"], e["location"], e["accrual"]["points"]) for e in events] == [
            ("b-2", "visit", "store 7", 0),
            ("b-1", "purchase", None, 12),
        ]

    def test_csv__in_any_order_of_columns(self, world: World) -> None:
        world.enrol(reference="card")
        body = 'occurred_at,reference,member_reference,amount,location\n2017-02-01T10:00:00Z,b-1,card,3.50,"Main, 1"\n'
        response = upload(world, body.encode(), CSV)
        work(world)
        assert outcome(world, response)["rejected_count"] == 0
        assert world.till.get("/v1/events").json()["data"][0]["location"] == "Main, 1"

    def test_csv_without_its_columns__is_refused(self, world: World) -> None:
        problem(upload(world, b"reference,amount\n1,2\n", CSV), 422, "upload-format")

    def test_another_type__is_refused(self, world: World) -> None:
        problem(upload(world, b"x", {"Content-Type": "application/pdf"}), 422, "upload-format")

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"amount": "12.999"}, "invalid_amount"),
            ({"amount": "-1.00"}, "invalid_amount"),
            ({"amount": "99999999999.00"}, "invalid_amount"),
            ({"occurred_at": "2017-02-01T10:00:00"}, "invalid_time"),
            ({"occurred_at": "2017-02-31T10:00:00Z"}, "invalid_time"),
            ({"member_reference": "nobody"}, "unknown_member"),
            ({"kind": "Purchase!"}, "invalid_kind"),
            ({"reference": "x" * 65}, "invalid_reference"),
            ({"location": "x" * 65}, "invalid_location"),
            ({"amount": 12.9}, "malformed"),
            ({"amount": None}, "malformed"),
            ({"reference": "a\0b"}, "malformed"),
        ],
    )
    def test_bad_row__is_rejected_with_its_reason_and_the_others_go_on(
        self, world: World, change: dict[str, Any], reason: str
    ) -> None:
        world.enrol(reference="card")
        response = upload(world, lines(row(1), row(2, **change), row(3)))
        work(world)
        done = outcome(world, response)
        assert (done["state"], done["rejected_count"]) == ("completed", 1)
        rejections = world.till.get(response.headers["location"] + "/rejections").json()["data"]
        assert [(entry["line_number"], entry["reason"]) for entry in rejections] == [(2, reason)]
        assert len(world.till.get("/v1/events").json()["data"]) == 2

    def test_known_rows__are_duplicates_or_conflicts(self, world: World) -> None:
        world.enrol(reference="card")
        upload(world, lines(row(1)))
        work(world)
        response = upload(world, lines(row(1), row(2), row(2), row(2, amount="9.00"), row(1, amount="9.00")))
        work(world)
        done = outcome(world, response)
        assert (done["duplicate_count"], done["rejected_count"], done["processed_count"]) == (2, 2, 5)
        with world.sessions() as session:
            assert session.scalar(select(func.count()).select_from(Accrual)) == 2

    def test_same_key__is_taken_in_once(self, world: World) -> None:
        world.enrol(reference="card")
        first, again = (upload(world, lines(row(1)), key="k") for _ in range(2))
        assert again.json() == first.json()
        assert again.headers["idempotency-replayed"] == "true"
        problem(upload(world, lines(row(2)), key="k"), 422, "idempotency-key-reused")
        with world.sessions() as session:
            assert session.scalar(select(func.count()).select_from(IntakeRow)) == 1

    def test_body_that_breaks_off__leaves_nothing(self, world: World) -> None:
        def body() -> Iterator[bytes]:
            yield lines(*(row(number) for number in range(5000)))
            yield b"x" * 20_000

        problem(upload(world, body()), 422, "upload-format")  # type: ignore[arg-type]
        with world.sessions() as session:
            assert session.scalar(select(func.count()).select_from(IntakeRow)) == 0

    def test_other_programme__does_not_see_it(self, world: World) -> None:
        response = upload(world, lines(row(1)))
        problem(world.other_till.get(response.headers["location"]), 404, "not-found")


class TestIntakeWorker:
    def test_chunks__add_up_to_the_whole(self, world: World) -> None:
        world.enrol(reference="card")
        response = upload(world, lines(*(row(number) for number in range(25))))
        worker = IntakeWorker(world.sessions, 10)
        assert [worker.run_once() for _ in range(4)] == [True, True, True, False]
        assert outcome(world, response)["processed_count"] == 25

    def test_two_workers__take_each_row_once(self, world: World) -> None:
        world.enrol(reference="card")
        for part in range(4):
            upload(world, lines(*(row(part * 100 + number) for number in range(100))))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: work(world, 30), range(2)))
        with world.sessions() as session:
            assert session.scalar(select(func.count()).select_from(EarnEvent)) == 400
            assert session.scalar(select(func.sum(Accrual.points))) == 4800


def test_parser__memory_is_flat_in_the_number_of_rows() -> None:
    from backend.points.upload_format import JsonLines, UploadParser

    chunk = lines(*(row(number) for number in range(500)))

    def peak(chunks: int) -> int:
        parser = UploadParser("upl_1", JsonLines())
        tracemalloc.start()
        for _ in range(chunks):
            parser.feed(chunk)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes

    assert peak(200) < peak(10) * 1.5
