"""The attester over HTTP: relayers come here for signatures. Anyone may ask; signatures are meant to be public."""

from __future__ import annotations

import threading
from typing import Annotated

import structlog
from eth_utils.address import to_checksum_address
from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from bridge import attester_store
from bridge.attester import ROLE, Attester, open_attester
from bridge.attester_store import Attestation
from bridge.errors import BridgeError
from bridge.http import HttpServer, role_app
from bridge.logging import configure_logging
from bridge.process import run_role
from bridge.settings import BridgeSettings

log = structlog.get_logger(__name__)
MOST_AT_ONCE = 200
_MOST_NUMBER = (1 << 63) - 1


class UnknownRouteError(BridgeError):
    """The attester does not serve this pair of chains."""

    status = 404
    slug = "unknown-route"
    title = "No such route"


class SignedBatch(BaseModel):
    """One signature: by the attester, over the batch of a block's messages for one chain."""

    block_number: int
    block_hash: str
    root: str
    message_ids: list[str]
    signature: str


class Attestations(BaseModel):
    """Signatures of a route, in order of their blocks."""

    attester: str
    source_chain: int
    source_gateway: str
    destination_chain: int
    destination_gateway: str
    attestations: list[SignedBatch]
    next_from_block: int | None = Field(description="Where to go on when this is not all; null when it is")
    through_block: int = Field(description="Source block up to which everything was read; -1 before the first")


def attester_app(attester: Attester) -> FastAPI:
    """The attester's application."""
    app = role_app(ROLE, attester.readiness)

    @app.get("/v1/attestations")
    def get_attestations(
        source_chain: Annotated[int, Query(ge=1, le=_MOST_NUMBER)],
        destination_chain: Annotated[int, Query(ge=1, le=_MOST_NUMBER)],
        from_block: Annotated[int, Query(ge=0, le=_MOST_NUMBER)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 100,
    ) -> Attestations:
        """Signatures from a source block on. A halted attester serves none: what it signed may have vanished."""
        route = attester.route(source_chain, destination_chain)
        if route is None or source_chain == destination_chain:
            raise UnknownRouteError(
                f"This attester does not serve messages from {source_chain} to {destination_chain}."
            )
        attester.check_serving()
        through_block = attester.through_block(source_chain)
        found = attester_store.signed(attester.journal, route, from_block, limit)
        return Attestations(
            attester=to_checksum_address(attester.address),
            source_chain=source_chain,
            source_gateway=to_checksum_address(route.source_gateway),
            destination_chain=destination_chain,
            destination_gateway=to_checksum_address(route.destination_gateway),
            attestations=[_signed_batch(each) for each in found],
            next_from_block=found[-1].block_number + 1 if len(found) == limit else None,
            through_block=through_block,
        )

    return app


def _signed_batch(attestation: Attestation) -> SignedBatch:
    assert attestation.signature is not None
    return SignedBatch(
        block_number=attestation.block_number,
        block_hash="0x" + attestation.block_hash.hex(),
        root="0x" + attestation.root.hex(),
        message_ids=["0x" + each.hex() for each in attestation.message_ids],
        signature="0x" + attestation.signature.hex(),
    )


def run(settings: BridgeSettings, stopping: threading.Event) -> None:
    """Attests and serves until told to stop."""
    configure_logging(settings.log_level)
    attester = open_attester(settings)
    attester.stopping = stopping
    poll_seconds = min(chain.poll_seconds for chain in settings.chain)
    try:
        with HttpServer(attester_app(attester), settings.attest.host, settings.attest.port) as server:
            log.info("serving", url=server.url, attester=to_checksum_address(attester.address))
            run_role(ROLE, attester.step, poll_seconds, stopping)
    finally:
        attester.close()
