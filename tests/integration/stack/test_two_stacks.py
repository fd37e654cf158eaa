"""Two local stacks beside each other, opened and connected as `interpoints up --peer` does it; none serves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.chain.deploy_crosschain import ends_of
from backend.chain.manifest import Manifest
from backend.commands.common import CommandError
from backend.commands.stacking import connect_with
from backend.stack.local import LocalStack, StackOptions
from backend.stack.programmes_file import CrosschainDraft, ProgrammeDraft
from backend.stack.state import StateFolder

IDS = (31337, 1337)
HOMES = {"grocer": 31337, "fuel": 1337}
ATTESTERS = ("0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc", "0x976EA74026E726554dB657fA54763abd0C3a0aa9")


def _stack(folder: Path, chain_id: int) -> LocalStack:
    programmes = [
        ProgrammeDraft(slug=slug, name=slug, symbol=slug.upper(), home_chain_id=home if home != chain_id else 0)
        for slug, home in HOMES.items()
    ]
    options = StackOptions(
        programmes=programmes,
        crosschain=CrosschainDraft(attesters=ATTESTERS, threshold=2),
        chain_id=chain_id,
        api_port=0,
        keeps_chain=False,
    )
    return LocalStack(StateFolder(folder / str(chain_id) / "state"), options, lambda _: None)


def test_opened_at_once__connected_with_each_other(folder: Path) -> None:
    stacks, stopping = [_stack(folder, chain_id) for chain_id in IDS], threading.Event()

    def start(number: int) -> None:
        stacks[number].open()
        connect_with(stacks[number], stacks[1 - number].folder, stopping)

    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(start, range(2)))
        manifests = [Manifest.load(stack.folder.manifest) for stack in stacks]
    finally:
        for stack in stacks:
            stack.stop()
    for manifest, peer in zip(manifests, reversed(manifests), strict=True):
        (gateway, exchange), (theirs, their_exchange) = ends_of(manifest), ends_of(peer)
        assert [(each.chain_id, each.gateway) for each in gateway.remotes] == [(peer.chain_id, theirs.address)]
        assert [each.counterpart for each in exchange.links] == [their_exchange.address]
    assert [entry.slug for entry in manifests[0].programmes if entry.is_branch] == ["fuel"]
    assert [entry.slug for entry in manifests[1].programmes if entry.is_branch] == ["grocer"]


def test_peer_that_does_not_come__given_up_when_stopped(folder: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(CommandError, match="start it too"):
        connect_with(_stack(folder, 31337), StateFolder(folder / "nobody"), stopping)
