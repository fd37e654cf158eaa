"""Collects attesters' signatures over HTTP and believes none: each is recovered from the relayer's own digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from time import monotonic

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.chain.attested_gateway import AttesterSet, Route, batch_digest, batch_of, signer_of
from bridge.metrics import RELAY_ATTESTER_FAILURES, RELAY_BAD_SIGNATURES
from bridge.relay_store import BatchKey
from bridge.settings import AttesterEndpoint

log = structlog.get_logger(__name__)
_PAGE = 100
_PAGES_AT_A_TIME = 10
_REST_SECONDS = 5.0
"""An attester that failed is left alone for so long."""
_LONGEST_ANSWER_BYTES = 16_000_000
_MOST_ROUTES = 32
"""Threads for each attester: one that never ends an answer must not take those of others."""


class _Attestation(BaseModel):
    model_config = ConfigDict(strict=True)

    block_number: int
    root: str
    signature: str


class _Page(BaseModel):
    model_config = ConfigDict(strict=True)

    attestations: list[_Attestation] = Field(max_length=_PAGE)
    next_from_block: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A batch whose signatures are wanted."""

    key: BatchKey
    route: Route
    root: bytes


@dataclass
class Collector:
    """Asks the configured attesters, each in a thread of its own so that a slow one delays nobody else."""

    attesters: Sequence[AttesterEndpoint]
    timeout_seconds: float
    patience_seconds: float
    """How long a round waits for answers; later ones count in the next round."""
    signatures: dict[BatchKey, dict[bytes, bytes]] = field(init=False, default_factory=dict)
    """By batch and signer; all verified against the batch's own digest. In memory: they can be asked for again."""
    _pool: ThreadPoolExecutor = field(init=False)
    _asking: dict[str, Future[list[_Attestation]]] = field(init=False, default_factory=dict)
    _rest_until: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max(1, len(self.attesters)) * _MOST_ROUTES, "attesters")
        self._http = httpx.Client(timeout=self.timeout_seconds)

    def close(self) -> None:
        """Ends threads and connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def collect(self, wanted: Iterable[Wanted]) -> None:
        """Asks every attester for what it has not given yet, one route of each after the other."""
        by_route: dict[Route, dict[int, Wanted]] = {}
        for each in wanted:
            by_route.setdefault(each.route, {})[each.key.block_number] = each
        for route, batches in by_route.items():
            self._collect_route(route, batches)

    def forget(self, keys: Iterable[BatchKey]) -> None:
        """Signatures of batches that are settled."""
        for key in keys:
            self.signatures.pop(key, None)

    def choose(self, key: BatchKey, now: AttesterSet, later: AttesterSet | None) -> tuple[int, list[bytes]]:
        """How many valid signatures of the set in force there are, and as many as must be shown, by ascending signer.

        Members of the set that comes next are preferred: their signatures outlast the rotation.
        """
        held = {signer: each for signer, each in self.signatures.get(key, {}).items() if signer in now.attesters}
        lasting = later.attesters if later is not None else ()
        chosen = sorted(held, key=lambda signer: (signer not in lasting, signer))[: now.threshold]
        return len(held), [held[signer] for signer in sorted(chosen)]

    def _collect_route(self, route: Route, batches: Mapping[int, Wanted]) -> None:
        started: dict[str, AttesterEndpoint] = {}
        for attester in self.attesters:
            name = f"{attester.address} {route.source_chain} {route.destination_chain}"
            missing = [
                number
                for number, each in batches.items()
                if bytes.fromhex(attester.address[2:]) not in self.signatures.get(each.key, {})
            ]
            if not missing or self._rest_until.get(attester.address, 0.0) > monotonic():
                continue
            if name not in self._asking:
                self._asking[name] = self._pool.submit(self._ask, attester, route, min(missing), max(missing))
            started[name] = attester
        wait([self._asking[name] for name in started], timeout=self.patience_seconds)
        for name, attester in started.items():
            if self._asking[name].done():
                self._take(attester, self._asking.pop(name), batches)

    def _take(
        self, attester: AttesterEndpoint, answer: Future[list[_Attestation]], batches: Mapping[int, Wanted]
    ) -> None:
        try:
            found = answer.result()
        except (httpx.HTTPError, httpx.InvalidURL, ValidationError) as error:
            self._rest_until[attester.address] = monotonic() + _REST_SECONDS
            RELAY_ATTESTER_FAILURES.labels(attester.address).inc()
            log.warning("attester_failed", attester=attester.address, error=type(error).__name__)
            return
        for attestation in found:
            wanted = batches.get(attestation.block_number)
            if wanted is not None:
                self._verify(attester, attestation, wanted)

    def _verify(self, attester: AttesterEndpoint, attestation: _Attestation, wanted: Wanted) -> None:
        """Keeps a signature if it is the attester's, of exactly the batch that the relayer read itself."""
        account = bytes.fromhex(attester.address[2:])
        if account in self.signatures.get(wanted.key, {}):
            return
        digest = batch_digest(wanted.route, batch_of(wanted.route, wanted.key.block_number, wanted.root))
        try:
            signature = bytes.fromhex(attestation.signature.removeprefix("0x"))
            signer = signer_of(digest, signature)
        except ValueError:
            self._ignore(attester, wanted, "malformed")
            return
        if attestation.root.lower() != "0x" + wanted.root.hex():
            self._ignore(attester, wanted, "other_root")
        elif signer != account:
            self._ignore(attester, wanted, "other_signer")
        else:
            self.signatures.setdefault(wanted.key, {})[account] = signature

    def _ignore(self, attester: AttesterEndpoint, wanted: Wanted, reason: str) -> None:
        self._rest_until[attester.address] = monotonic() + _REST_SECONDS
        RELAY_BAD_SIGNATURES.labels(attester.address, reason).inc()
        log.warning(
            "attestation_ignored",
            attester=attester.address,
            reason=reason,
            source_chain=wanted.key.source_chain,
            destination_chain=wanted.key.destination_chain,
            block=wanted.key.block_number,
        )

    def _ask(self, attester: AttesterEndpoint, route: Route, first: int, last: int) -> list[_Attestation]:
        """Pages of one attester's attestations from block `first` to `last`, within bounds."""
        found: list[_Attestation] = []
        following: int | None = first
        for _ in range(_PAGES_AT_A_TIME):
            if following is None or following > last:
                break
            with self._http.stream(
                "GET",
                f"{attester.url.rstrip('/')}/v1/attestations",
                params={
                    "source_chain": route.source_chain,
                    "destination_chain": route.destination_chain,
                    "from_block": following,
                    "limit": _PAGE,
                },
            ) as response:
                response.raise_for_status()
                page = _Page.model_validate_json(_bounded(response, monotonic() + 2 * self.timeout_seconds))
            found += page.attestations
            following = page.next_from_block
        return found


def _bounded(response: httpx.Response, end: float) -> bytes:
    """The body, if it is neither too long nor drips past `end`. Errors: `httpx.DecodingError`, `httpx.ReadTimeout`."""
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if monotonic() > end:
            raise httpx.ReadTimeout("the answer drips")
        if len(body) > _LONGEST_ANSWER_BYTES:
            raise httpx.DecodingError("the answer is too long")
    return bytes(body)
