"""Policies, rate limits, tokens and cursors."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.auth.callers import ANONYMOUS, Caller, CallerKind
from backend.auth.errors import ForbiddenError, LinkInvalidError, RateLimitedError, UnauthenticatedError
from backend.auth.policies import Policy
from backend.auth.rate_limits import RateLimiter
from backend.auth.scopes import Scope
from backend.auth.sessions import MemberTokens
from backend.errors import InvalidRequestError, NotFoundError
from backend.pagination import decode_cursor, encode_cursor
from backend.settings import Settings

BASE64URL = string.ascii_letters + string.digits + "-_"
SETTINGS = Settings.model_validate(
    {
        "database_url": "postgresql+psycopg://",
        "secret_key": "a secret that only these tests know",
        "manifest_path": Path("m"),
        "rpc_urls": ["http://127.0.0.1:1"],
    }
)
TILL = Caller(CallerKind.PROGRAMME, "key_1", "prg_1", scopes=frozenset({Scope.EVENTS_WRITE}))


class TestPolicy:
    def test_check__lets_nobody_in_by_default(self) -> None:
        for caller in (TILL, Caller(CallerKind.MEMBER, member_id="mem_1")):
            with pytest.raises(ForbiddenError):
                Policy().check(caller)
        with pytest.raises(UnauthenticatedError):
            Policy().check(ANONYMOUS)

    def test_check__wants_the_scope(self) -> None:
        Policy(scope=Scope.EVENTS_WRITE).check(TILL)
        with pytest.raises(ForbiddenError):
            Policy(scope=Scope.POINTS_SPEND).check(TILL)


class TestCaller:
    def test_programme__is_the_keys_own_or_what_the_operator_names(self) -> None:
        operator = Caller(CallerKind.OPERATOR)
        assert (TILL.programme(None), TILL.programme("prg_1"), operator.programme("prg_2")) == (
            "prg_1",
            "prg_1",
            "prg_2",
        )
        with pytest.raises(NotFoundError):
            TILL.programme("prg_2")
        with pytest.raises(InvalidRequestError):
            operator.programme(None)


class TestRateLimiter:
    def test_take__refills_with_time_and_counts_each_key_apart(self) -> None:
        limiter = RateLimiter(per_second=2, burst=3)
        for _ in range(3):
            limiter.take("a", 100.0)
        with pytest.raises(RateLimitedError):
            limiter.take("a", 100.0)
        limiter.take("b", 100.0)
        limiter.take("a", 100.5)
        with pytest.raises(RateLimitedError):
            limiter.take("a", 100.9)


class TestMemberTokens:
    def test_link_and_session__are_not_each_other(self) -> None:
        tokens = MemberTokens(SETTINGS)
        link, session = tokens.issue_link("mem_1", 60), tokens.issue_session("mem_1")
        assert (tokens.read_link(link.text).member_id, tokens.read_session(session.text).member_id) == (
            "mem_1",
            "mem_1",
        )
        for read, text in ((tokens.read_session, link.text), (tokens.read_link, session.text.removeprefix("ims_"))):
            with pytest.raises(LinkInvalidError):
                read(text)

    def test_read__refuses_each_with_one_character_changed(self) -> None:
        tokens = MemberTokens(SETTINGS)
        text = tokens.issue_link("mem_1", 60).text
        changed = {
            text[:place] + other + text[place + 1 :]
            for place in range(len(text))
            # All of them in the last place, where some differ only in bits that a decoder leaves out.
            for other in (BASE64URL if place == len(text) - 1 else "A.~")
        } - {text}
        assert len(changed) >= 2 * (len(text) - 1) + 63
        for each in changed:
            with pytest.raises(LinkInvalidError, match="not issued"):
                tokens.read_link(each)
        assert tokens.read_link(text).member_id == "mem_1"

    def test_read__refuses_expired_ones(self) -> None:
        tokens = MemberTokens(SETTINGS)
        with pytest.raises(LinkInvalidError, match="expired"):
            tokens.read_link(tokens.issue_link("mem_1", -1).text)

    @given(st.text(max_size=50))
    def test_read__refuses_anything_else(self, text: str) -> None:
        with pytest.raises(LinkInvalidError):
            MemberTokens(SETTINGS).read_link(text)


class TestCursor:
    @given(st.text(max_size=40).filter(lambda text: "\0" not in text), st.integers(0, 2**62))
    def test_encode__comes_back(self, text: str, number: int) -> None:
        assert decode_cursor(encode_cursor([text, number]), str, int) == [text, number]

    @given(st.text(max_size=40))
    def test_decode__refuses_what_is_not_ours(self, text: str) -> None:
        try:
            found: Any = decode_cursor(text, str, int)
        except InvalidRequestError:
            return
        assert [type(part) for part in found] == [str, int]

    def test_decode__refuses_another_lists(self) -> None:
        with pytest.raises(InvalidRequestError):
            decode_cursor(encode_cursor([1]), str)
