"""Calls to brands' own systems: signed, bounded in time and size, and never taken for a no when nobody knows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx
from prometheus_client import Counter, Histogram

from backend.database import utc_now
from backend.partners.addresses import resolve
from backend.partners.errors import PartnerAddressError
from backend.partners.machine import Call
from backend.partners.secrets import signature_headers
from backend.partners.wire import MOST_ANSWER_BYTES, Answer, read_answer, system_error

CALLS = Counter("interpoints_partner_calls_total", "Calls to partners' systems", ["call", "outcome"])
SECONDS = Histogram("interpoints_partner_call_seconds", "How long calls to partners' systems took", ["call"])
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a partner takes calls."""

    base_url: str
    secret: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class CallResult:
    """What came of a call."""

    answer: Answer
    http_status: int | None
    duration_ms: int


class PartnerClient:
    """Makes calls, in the event loop that made it.

    No redirect is followed, no proxy taken from the environment, and no connection kept: a kept one could be used for
    another name at the same address.
    """

    def __init__(self, *, private_addresses: bool) -> None:
        self._private = private_addresses
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(follow_redirects=False, trust_env=False, limits=limits)

    async def close(self) -> None:
        """Ends the client."""
        await self._client.aclose()

    async def call(self, endpoint: Endpoint, call: Call, path: str, message_id: str, body: bytes) -> CallResult:
        """One call. Never raises for what the other side or the network does: that is a system error."""
        started = time.monotonic()
        status: int | None = None
        try:
            async with asyncio.timeout(endpoint.timeout_seconds):
                status, content = await self._send(endpoint, path, message_id, body)
            answer = read_answer(status, content)
        except TimeoutError:
            answer = system_error(f"no answer within {endpoint.timeout_seconds} seconds")
        except (httpx.HTTPError, httpx.InvalidURL, PartnerAddressError, TooLongError) as error:
            answer = system_error(f"{type(error).__name__}: {error}")
        seconds = time.monotonic() - started
        CALLS.labels(call, answer.outcome).inc()
        SECONDS.labels(call).observe(seconds)
        return CallResult(answer, status, round(seconds * 1000))

    async def _send(self, endpoint: Endpoint, path: str, message_id: str, body: bytes) -> tuple[int, bytes]:
        url = httpx.URL(endpoint.base_url + path)
        addresses = await resolve(url.host, url.port or _PORTS[url.scheme], private=self._private)
        headers = signature_headers(endpoint.secret, message_id, utc_now(), body) | {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "interpoints",
        }
        timeout, extensions = endpoint.timeout_seconds, {"sni_hostname": url.host}
        requests = [
            self._client.build_request(
                "POST", url.copy_with(host=each), content=body, headers=headers, timeout=timeout, extensions=extensions
            )
            for each in addresses
        ]
        response = await self._first_connected(requests)
        try:
            return response.status_code, await _read(response)
        finally:
            await response.aclose()

    async def _first_connected(self, requests: Sequence[httpx.Request]) -> httpx.Response:
        """Goes on to the next address only while no connection has come about, so nothing is sent twice."""
        for request in requests[:-1]:
            try:
                return await self._client.send(request, stream=True)
            except httpx.ConnectError:
                continue
        return await self._client.send(requests[-1], stream=True)


class TooLongError(Exception):
    """The answer is longer than any that the contract knows."""


async def _read(response: httpx.Response) -> bytes:
    content = b""
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > MOST_ANSWER_BYTES:
            raise TooLongError(f"the answer is longer than {MOST_ANSWER_BYTES} bytes")
    return content
