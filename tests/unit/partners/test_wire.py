"""What an answer means, and that the contract is whole."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backend.partners.machine import Call, Outcome
from backend.partners.wire import (
    MAX_REASON_LENGTH,
    Answer,
    PostingMessage,
    RetryMessage,
    SwapFacts,
    encode,
    openapi,
    path_of,
    read_answer,
)

YES = b'{"outcome": "succeeded", "reference": "TX-1", "more": {"is": "ignored"}}'
NO = b'{"outcome": "failed", "reason": "member_unknown"}'


def posting() -> PostingMessage:
    return PostingMessage(
        id="pst_1",
        member_reference="C-1",
        points=5,
        occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        swap=SwapFacts(id="swp_1", hash="0x" + "ab" * 32, source="fuel"),
    )


class TestReadAnswer:
    @pytest.mark.parametrize("outcome", list(Outcome))
    def test_success_status__says_what_the_body_says(self, outcome: Outcome) -> None:
        assert read_answer(200, b'{"outcome": "%s"}' % outcome.value.encode()).outcome is outcome

    def test_reference_and_reason__are_taken_over(self) -> None:
        assert read_answer(200, YES) == Answer(outcome=Outcome.SUCCEEDED, reference="TX-1")
        assert read_answer(201, NO).reason == "member_unknown"

    @pytest.mark.parametrize("status", [400, 404, 409, 422])
    def test_4xx__is_a_no_only_if_it_says_so(self, status: int) -> None:
        assert read_answer(status, NO).outcome is Outcome.FAILED
        assert read_answer(status, YES).outcome is Outcome.SYSTEM_ERROR
        assert read_answer(status, b"").outcome is Outcome.SYSTEM_ERROR

    @pytest.mark.parametrize("status", [100, 301, 307, 500, 502, 503])
    @pytest.mark.parametrize("body", [YES, NO, b""])
    def test_other_statuses__say_nothing(self, status: int, body: bytes) -> None:
        assert read_answer(status, body).outcome is Outcome.SYSTEM_ERROR

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'"failed"',
            b"{}",
            b'{"outcome": null}',
            b'{"outcome": "FAILED"}',
            b'{"outcome": "failed"',
            b'{"outcome": "failed", "reason": 5}',
            b'{"outcome": "failed", "reason": "\\ud800"}',
            b'{"outcome": "succeeded", "reference": "' + b"x" * 129 + b'"}',
            b"\xff\xfe",
            b"[" * 50_000,
        ],
    )
    def test_garbage__is_never_a_no(self, body: bytes) -> None:
        assert read_answer(200, body).outcome is Outcome.SYSTEM_ERROR

    def test_stranger_text__is_cut_and_cleaned(self) -> None:
        reason = read_answer(200, b'{"outcome": "failed", "reason": "a\\u0000\\n' + b"x" * 600 + b'"}').reason
        assert reason is not None
        assert len(reason) == MAX_REASON_LENGTH
        assert reason.isprintable()


class TestContract:
    def test_openapi__names_the_five_calls(self) -> None:
        document = openapi()
        assert list(document["paths"]) == [
            "/member-validations",
            "/postings",
            "/transfers",
            "/postings/{id}/retry",
            "/postings/{id}/reversal",
        ]
        assert set(document["components"]["schemas"]) >= {"Answer", "PostingMessage", "ReversalMessage"}

    def test_retry__carries_the_first_request(self) -> None:
        message = RetryMessage(id="pst_1", original=posting())
        assert RetryMessage.model_validate_json(encode(message)).original == posting()
        assert path_of(Call.RETRY, "pst_1") == "/postings/pst_1/retry"
