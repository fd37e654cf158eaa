"""A thin JSON-RPC client: typed answers, several endpoints with fail-over, bounded retries, batches.

Reads are retried; a transaction is offered to one endpoint after the other until one takes a decision, which is safe
because the same bytes are the same transaction everywhere.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypedDict, TypeVar, cast

import httpx
import orjson
import structlog

from backend.chain.errors import (
    ChainUnavailableError,
    MethodNotFoundError,
    NodeError,
    RateLimitedError,
    WrongChainError,
    node_error,
)

log = structlog.get_logger(__name__)
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
T = TypeVar("T")
_MAX_BODY_BYTES = 1_000_000
"""Larger batches are split: nodes bound a request's size."""
_CHAIN_ID = b'{"jsonrpc":"2.0","id":0,"method":"eth_chainId","params":[]}'


class RpcLog(TypedDict):
    """A log as nodes spell it; numbers and bytes as 0x hex."""

    address: str
    topics: list[str]
    data: str
    blockNumber: str
    blockHash: str
    transactionHash: str
    transactionIndex: str
    logIndex: str


class RpcReceipt(TypedDict, total=False):
    """A transaction receipt as nodes spell it."""

    transactionHash: str
    transactionIndex: str
    blockHash: str
    blockNumber: str
    type: str
    status: str
    cumulativeGasUsed: str
    gasUsed: str
    logsBloom: str
    logs: list[RpcLog]


class RpcBlock(TypedDict, total=False):
    """A block with the hashes of its transactions, as nodes spell it."""

    hash: str
    parentHash: str
    number: str
    timestamp: str
    baseFeePerGas: str
    gasLimit: str
    gasUsed: str
    logsBloom: str
    receiptsRoot: str
    transactions: list[str]


class RpcTransaction(TypedDict, total=False):
    """A transaction as nodes spell it."""

    hash: str
    nonce: str
    input: str
    to: str | None
    blockNumber: str | None
    blockHash: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """One JSON-RPC request."""

    method: str
    params: tuple[Json, ...] = ()


@dataclass(slots=True)
class _Endpoint:
    url: str
    checked: bool = False
    wrong_chain: int | None = None
    rest_until: float = 0.0
    """Monotonic time before which others are preferred."""


@dataclass(slots=True)
class ChainClient:
    """JSON-RPC on `urls`, in order of preference.

    With `expected_chain_id`, an endpoint of another chain is never used. `attempts` bounds the rounds over endpoints.
    """

    urls: Sequence[str]
    expected_chain_id: int | None = None
    timeout_seconds: float = 10.0
    attempts: int = 4
    backoff_seconds: float = 0.1
    max_batch: int = 200
    max_answer_bytes: int | None = None
    """Larger answers are refused while they arrive; for endpoints of others."""
    _endpoints: list[_Endpoint] = field(init=False)
    _http: httpx.Client = field(init=False)
    _last_used: _Endpoint | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if not self.urls:
            raise ValueError("at least one endpoint is needed")
        self._endpoints = [_Endpoint(url) for url in self.urls]
        headers = {"content-type": "application/json"}
        self._http = httpx.Client(timeout=self.timeout_seconds, headers=headers, verify=_trusted())

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    # Questions

    def chain_id(self) -> int:
        """Chain id."""
        return int(self._text("eth_chainId"), 16)

    def genesis_hash(self) -> str:
        """Hash of block 0, 0x hex."""
        return self.block(0)["hash"]

    def block_number(self) -> int:
        """Number of the head."""
        return int(self._text("eth_blockNumber"), 16)

    def block(self, number: int | str) -> RpcBlock:
        """A block by number or tag. Errors: `NodeError` when there is none."""
        found = self.blocks([number])[0]
        if found is None:
            raise NodeError(f"The endpoint has no block {number}.")
        return found

    def blocks(self, numbers: Iterable[int | str]) -> list[RpcBlock | None]:
        """Blocks by number or tag; None where the endpoint has none."""
        requests = [Request("eth_getBlockByNumber", (_block_tag(number), False)) for number in numbers]
        return [cast("RpcBlock | None", answer) for answer in self.batch(requests)]

    def block_receipts(self, blocks: Sequence[RpcBlock]) -> list[list[RpcReceipt] | None]:
        """All receipts of each block, asked for by block hash; None where the endpoint no longer has the block."""
        try:
            answers = self.batch([Request("eth_getBlockReceipts", (block["hash"],)) for block in blocks])
        except MethodNotFoundError:
            return [self._receipts_one_by_one(block) for block in blocks]
        return [cast("list[RpcReceipt] | None", answer) for answer in answers]

    def receipts(self, hashes: Sequence[str]) -> list[RpcReceipt | None]:
        """Receipts by transaction hash; None where not mined (or not known to this endpoint)."""
        answers = self.batch([Request("eth_getTransactionReceipt", (value,)) for value in hashes])
        return [cast("RpcReceipt | None", answer) for answer in answers]

    def transaction(self, transaction_hash: str) -> RpcTransaction | None:
        """A transaction by hash, pooled or mined."""
        return cast("RpcTransaction | None", self.call("eth_getTransactionByHash", transaction_hash))

    def get_logs(self, addresses: Sequence[str], **where: str) -> list[RpcLog]:
        """Raw logs of `addresses`; `where` is `blockHash=` or `fromBlock=` and `toBlock=`."""
        return cast("list[RpcLog]", self.call("eth_getLogs", {"address": list(addresses), **where}))

    def transaction_count(self, address: str, block: str = "latest") -> int:
        """Number of nonces `address` has used at `block`."""
        return int(self._text("eth_getTransactionCount", address, block), 16)

    def balance(self, address: str, block: str = "latest") -> int:
        """Wei of `address`."""
        return int(self._text("eth_getBalance", address, block), 16)

    def code(self, address: str, block: str = "latest") -> bytes:
        """Code at `address`."""
        return bytes.fromhex(self._text("eth_getCode", address, block)[2:])

    def eth_call(self, to: str, data: bytes, *, sender: str | None = None, block: str | int = "latest") -> bytes:
        """Result of a call. Errors: `ExecutionRevertedError` with the revert bytes."""
        params: dict[str, Json] = {"to": to, "data": "0x" + data.hex()}
        if sender is not None:
            params["from"] = sender
        return bytes.fromhex(self._text("eth_call", params, _block_tag(block))[2:])

    # Transactions

    def send_raw(self, raw: bytes, *, everywhere: bool = False) -> NodeError | None:
        """Offers one signed transaction; see `send_raw_many`."""
        return self.send_raw_many([raw], everywhere=everywhere)[0]

    def send_raw_many(self, raws: Sequence[bytes], *, everywhere: bool = False) -> list[NodeError | None]:
        """Offers signed transactions, in order; for each the refusal, or None when it was taken.

        With `everywhere` all endpoints get them and the kindest answer counts. Errors: `ChainUnavailableError` when
        no endpoint answered - each may have been taken all the same.
        """
        requests = [Request("eth_sendRawTransaction", ("0x" + raw.hex(),)) for raw in raws]
        verdicts: list[NodeError | None] | None = None
        for endpoint in self._usable():
            try:
                answers = self._post_chunks(endpoint, requests)
            except (httpx.HTTPError, RateLimitedError, WrongChainError) as error:
                self._rest(endpoint, error)
                continue
            found = [answer if isinstance(answer, NodeError) else None for answer in answers]
            if verdicts is not None:
                found = [None if old is None else new for old, new in zip(verdicts, found, strict=True)]
            verdicts = found
            if not everywhere:
                break
        if verdicts is None:
            raise ChainUnavailableError("No endpoint answered when transactions were sent; they may have been taken.")
        return verdicts

    # Plumbing

    def call(self, method: str, *params: Json) -> Json:
        """One request. Errors: the typed `NodeError`, or `ChainUnavailableError`."""
        return self.batch([Request(method, params)])[0]

    def batch(self, requests: Sequence[Request]) -> list[Json]:
        """Requests in one or more HTTP batches, answered in order; raises the first error."""
        answers = self.try_batch(requests)
        for answer in answers:
            if isinstance(answer, NodeError):
                raise answer
        return cast("list[Json]", answers)

    def try_batch(self, requests: Sequence[Request]) -> list[Json | NodeError]:
        """Like `batch`, with errors in their places. Retried within bounds; errors: `ChainUnavailableError`."""
        if not requests:
            return []
        return self._with_failover(lambda endpoint: self._post_chunks(endpoint, requests))

    def _with_failover(self, ask: Callable[[_Endpoint], T]) -> T:
        last: Exception | None = None
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.backoff_seconds * 2 ** (attempt - 1))
            for endpoint in self._usable():
                try:
                    return ask(endpoint)
                except (httpx.HTTPError, RateLimitedError, WrongChainError) as error:
                    self._rest(endpoint, error)
                    last = error
        if isinstance(last, WrongChainError):
            raise last
        # Providers' addresses hold keys, and httpx names the whole address of a request that was refused.
        why = f"HTTP status {last.response.status_code}" if isinstance(last, httpx.HTTPStatusError) else str(last)
        raise ChainUnavailableError(f"None of {len(self.urls)} endpoints answered: {why}.") from last

    def prefer_another(self) -> None:
        """The endpoint that answered last is not to be believed for a while: others, if any, are asked first."""
        if self._last_used is not None:
            self._rest(self._last_used, ValueError("unbelievable answer"))

    def _usable(self) -> list[_Endpoint]:
        """Endpoints in order, resting ones last: when all rest, one is tried all the same."""
        now = time.monotonic()
        return sorted(self._endpoints, key=lambda endpoint: endpoint.rest_until > now)

    def _rest(self, endpoint: _Endpoint, error: Exception) -> None:
        endpoint.rest_until = time.monotonic() + 5.0
        endpoint.checked = False
        log.warning("endpoint_failed", endpoint=_host(endpoint.url), error=type(error).__name__)

    def _post_chunks(self, endpoint: _Endpoint, requests: Sequence[Request]) -> list[Json | NodeError]:
        if self.expected_chain_id is not None and not endpoint.checked:
            answer = self._post(endpoint, [_CHAIN_ID])[0]
            if not isinstance(answer, str) or int(answer, 16) != self.expected_chain_id:
                raise WrongChainError(f"The endpoint at {_host(endpoint.url)}", self.expected_chain_id, str(answer))
            endpoint.checked = True
        answers: list[Json | NodeError] = []
        bodies: list[bytes] = []
        size = 0
        for request in requests:
            body = orjson.dumps(
                {"jsonrpc": "2.0", "id": len(bodies), "method": request.method, "params": list(request.params)}
            )
            if bodies and (len(bodies) == self.max_batch or size + len(body) > _MAX_BODY_BYTES):
                answers += self._post(endpoint, bodies)
                body = body.replace(b'"id":%d,' % len(bodies), b'"id":0,', 1)
                bodies, size = [], 0
            bodies.append(body)
            size += len(body)
        return answers + self._post(endpoint, bodies)

    def _post(self, endpoint: _Endpoint, bodies: Sequence[bytes]) -> list[Json | NodeError]:
        """Posts requests whose ids count from 0."""
        content = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
        self._last_used = endpoint
        with self._http.stream("POST", endpoint.url, content=content) as response:
            if response.status_code == 429:
                raise RateLimitedError("Too many requests.", 429)
            response.raise_for_status()
            answer_body = _read(response, self.max_answer_bytes)
        try:
            parsed = orjson.loads(answer_body)
        except orjson.JSONDecodeError as error:
            raise httpx.DecodingError(f"{_host(endpoint.url)} did not answer with JSON") from error
        by_id = {answer.get("id"): answer for answer in (parsed if isinstance(parsed, list) else [parsed])}
        return [_result(by_id.get(at, by_id.get(None))) for at in range(len(bodies))]

    def _text(self, method: str, *params: Json) -> str:
        answer = self.call(method, *params)
        if not isinstance(answer, str):
            raise NodeError(f"{method} answered {type(answer).__name__} instead of text.")
        return answer

    def _receipts_one_by_one(self, block: RpcBlock) -> list[RpcReceipt] | None:
        found = self.receipts(block["transactions"])
        whole = [receipt for receipt in found if receipt is not None and receipt["blockHash"] == block["hash"]]
        return whole if len(whole) == len(found) else None


def _result(answer: object) -> Json | NodeError:
    """The result or typed error in one JSON-RPC answer. Errors: `RateLimitedError`, `httpx.DecodingError`."""
    if not isinstance(answer, dict):
        raise httpx.DecodingError("an answer is missing in the batch")
    error = answer.get("error")
    if error is None:
        return cast("Json", answer.get("result"))
    data = error.get("data")
    if isinstance(data, dict):  # Some nodes nest the revert bytes.
        data = data.get("data")
    typed = node_error(
        int(error.get("code", 0)), str(error.get("message", "")), data if isinstance(data, str) else None
    )
    if isinstance(typed, RateLimitedError):
        raise typed
    return typed


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates to trust, read once a process: that takes longer than many requests."""
    return httpx.create_ssl_context()


def _read(response: httpx.Response, most_bytes: int | None) -> bytes:
    if most_bytes is None:
        return response.read()
    found = bytearray()
    for chunk in response.iter_bytes():
        found += chunk
        if len(found) > most_bytes:
            raise httpx.DecodingError(f"the answer has more than {most_bytes} bytes")
    return bytes(found)


def _block_tag(block: int | str) -> str:
    return hex(block) if isinstance(block, int) else block


def _host(url: str) -> str:
    """Host and port only: paths of providers hold keys."""
    parsed = httpx.URL(url)
    return f"{parsed.host}:{parsed.port}" if parsed.port else parsed.host
