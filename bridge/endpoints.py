"""Questions to an endpoint whose answers may have any form: what cannot be read is an error, never a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from backend.chain.client import ChainClient, RpcBlock
from bridge.errors import MalformedAnswerError
from bridge.finality import Finality


def host_of(client: ChainClient) -> str:
    """Host and port of a client's first endpoint: paths of providers hold keys."""
    parsed = httpx.URL(client.urls[0])
    return f"{parsed.host}:{parsed.port}" if parsed.port else parsed.host


@contextmanager
def careful(client: ChainClient) -> Iterator[None]:
    """Errors that come of an answer's form become `MalformedAnswerError`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise MalformedAnswerError(host_of(client), f"{type(error).__name__}: {error}") from error


def tagged_block(client: ChainClient, tag: str) -> RpcBlock:
    """The block at a tag, with number and hash for sure. Errors: `MalformedAnswerError` also when there is none."""
    with careful(client):
        return _present(client.blocks([tag])[0], tag)


def final_and_block(client: ChainClient, finality: Finality, number: int) -> tuple[int, RpcBlock | None]:
    """Number of the newest final block, and block `number` if there is one. Errors: `MalformedAnswerError`."""
    with careful(client):
        tagged, block = client.blocks([finality.tag, number])
        found = None if block is None else _present(block, str(number))
        if found is not None and int(found["number"], 16) != number:
            raise ValueError(f"block {found['number']} instead of {number}")
        return finality.final_number(_present(tagged, finality.tag)), found


def _present(block: RpcBlock | None, what: str) -> RpcBlock:
    if block is None:
        raise ValueError(f"there is no block {what}")
    int(block["number"], 16)
    bytes.fromhex(block["hash"][2:])
    return block
