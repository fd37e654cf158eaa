"""Calls over real connections: whatever goes wrong is unknown, never a no."""

from __future__ import annotations

import asyncio
import socket

import pytest

from backend.partners.client import CallResult, Endpoint, PartnerClient
from backend.partners.machine import Call, Outcome
from backend.partners.secrets import new_secret
from backend.partners.wire import MemberValidation, PostingMessage, encode, path_of
from tests.support.partner_server import Behaviour, PartnerServer
from tests.unit.partners.test_wire import posting

UNKNOWN = [
    Behaviour.BARE_404,
    Behaviour.SYSTEM_ERROR,
    Behaviour.DONE_500,
    Behaviour.SAYS_SYSTEM_ERROR,
    Behaviour.HANG,
    Behaviour.LOST,
    Behaviour.CUT,
    Behaviour.GARBAGE,
    Behaviour.TOO_LONG,
    Behaviour.REDIRECT,
]


def call(url: str, secret: str, message: PostingMessage, *, private: bool = True, timeout: float = 30) -> CallResult:
    """One posting call with a client of its own."""

    async def run() -> CallResult:
        client = PartnerClient(private_addresses=private)
        try:
            path = path_of(Call.POST, message.id)
            endpoint = Endpoint(url, secret, timeout)
            return await client.call(endpoint, Call.POST, path, f"{message.id}_1", encode(message))
        finally:
            await client.close()

    return asyncio.run(run())


class TestCall:
    def test_yes__is_signed_for_and_carried_out(self) -> None:
        secret = new_secret()
        with PartnerServer(secret) as server:
            result = call(server.url, secret, posting())
            assert (result.answer.outcome, result.answer.reference, result.http_status) == (
                Outcome.SUCCEEDED,
                "TX-1",
                200,
            )
            assert (server.calls, server.book.entries) == ([("posting", "pst_1")], {"pst_1": [5]})

    @pytest.mark.parametrize("behaviour", [Behaviour.FAIL, Behaviour.FAIL_4XX])
    def test_no__is_a_no(self, behaviour: Behaviour) -> None:
        secret = new_secret()
        with PartnerServer(secret) as server:
            server.script("C-1", behaviour)
            answer = call(server.url, secret, posting()).answer
            assert (answer.outcome, answer.reason) == (Outcome.FAILED, "member_unknown")

    @pytest.mark.parametrize("behaviour", UNKNOWN)
    def test_anything_unclear__is_unknown(self, behaviour: Behaviour) -> None:
        secret = new_secret()
        with PartnerServer(secret) as server:
            server.script("C-1", behaviour)
            assert call(server.url, secret, posting(), timeout=0.5).answer.outcome is Outcome.SYSTEM_ERROR

    def test_redirect__is_not_followed(self) -> None:
        secret = new_secret()
        with PartnerServer(secret) as server:
            server.script("C-1", Behaviour.REDIRECT)
            call(server.url, secret, posting())
            assert server.calls == [("posting", "pst_1")]

    def test_wrong_secret__is_refused_there_and_unknown_here(self) -> None:
        with PartnerServer(new_secret()) as server:
            assert call(server.url, new_secret(), posting()).answer.outcome is Outcome.SYSTEM_ERROR
            assert (server.refused_signatures, server.calls) == (1, [])

    def test_nobody_listens__is_unknown(self) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            result = call(f"http://127.0.0.1:{silent.getsockname()[1]}", new_secret(), posting())
        assert (result.answer.outcome, result.http_status) == (Outcome.SYSTEM_ERROR, None)

    def test_listens_and_never_speaks__ends_at_the_time_out(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            answer = call(url, new_secret(), posting(), timeout=0.2).answer
        assert answer.outcome is Outcome.SYSTEM_ERROR
        assert "0.2 seconds" in (answer.reason or "")

    def test_loopback__is_not_called_unless_the_operator_says_so(self) -> None:
        secret = new_secret()
        with PartnerServer(secret) as server:
            answer = call(server.url, secret, posting(), private=False).answer
            assert answer.outcome is Outcome.SYSTEM_ERROR
            assert "public internet" in (answer.reason or "")
            assert server.calls == []

    def test_name_that_leads_inside__is_not_called(self) -> None:
        # The name is checked by what it resolves to, not by how it looks.
        with PartnerServer() as server:
            url = server.url.replace("127.0.0.1", "localhost")
            answer = call(url, new_secret(), posting(), private=False).answer
            assert "public internet" in (answer.reason or "")
            assert (server.calls, server.refused_signatures) == ([], 0)

    def test_validation__says_yes_or_no_and_changes_nothing(self) -> None:
        secret = new_secret()

        async def ask(url: str, member: str) -> Outcome:
            client = PartnerClient(private_addresses=True)
            message = MemberValidation(id="val_1", member_reference=member, facts={"family_name": "Lovelace"})
            path = path_of(Call.VALIDATE, message.id)
            result = await client.call(Endpoint(url, secret, 30), Call.VALIDATE, path, message.id, encode(message))
            await client.close()
            return result.answer.outcome

        with PartnerServer(secret) as server:
            server.book.members = {"C-1"}
            assert asyncio.run(ask(server.url, "C-1")) is Outcome.SUCCEEDED
            assert asyncio.run(ask(server.url, "C-2")) is Outcome.FAILED
            assert server.book.entries == {}
