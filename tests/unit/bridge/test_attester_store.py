"""What an attester binds itself to: one message under a nonce, one root for a block, for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.chain.attested_gateway import Message, Route, message_id
from bridge import attester_store
from bridge.errors import EquivocationError
from bridge.journal import Journal
from bridge.source_blocks import SourceBatch

ROUTE = Route(1, b"\x01" * 20, 2, b"\x02" * 20)


def _batch(block_number: int, *nonces: int, payload: bytes = b"x") -> SourceBatch:
    messages = tuple(Message(nonce, b"\x03" * 20, b"\x04" * 20, payload) for nonce in nonces)
    ids = tuple(message_id(ROUTE, message) for message in messages)
    return SourceBatch(ROUTE, block_number, bytes([block_number]) * 32, messages, ids)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path, "attest", attester_store.TABLES)
    yield journal
    journal.close()


def _record(journal: Journal, *batches: SourceBatch) -> None:
    with journal.transaction() as transaction:
        for batch in batches:
            attester_store.record(transaction, batch)


def _sign(journal: Journal, mark: bytes = b"s" * 65) -> None:
    found = attester_store.unsigned(journal, 1, 100)
    with journal.transaction() as transaction:
        attester_store.store_signatures(transaction, [(each, mark) for each in found])


class TestRecord:
    def test_record__twice__once(self, journal: Journal) -> None:
        _record(journal, _batch(5, 1, 2))
        _record(journal, _batch(5, 1, 2), _batch(6, 3))
        found = attester_store.unsigned(journal, 1, 100)
        assert [(each.block_number, len(each.message_ids)) for each in found] == [(5, 2), (6, 1)]
        assert attester_store.signed(journal, ROUTE, 0, 100) == []

    @pytest.mark.parametrize(
        "other",
        [
            _batch(5, 1, 2, payload=b"another payload"),
            _batch(5, 1),
            replace(_batch(5, 1, 2), block_hash=b"\x09" * 32),
            _batch(7, 2, payload=b"the second once more, in another block"),
        ],
        ids=["payload", "fewer messages", "block hash", "nonce in another block"],
    )
    def test_record__another_content__refused_whole(self, journal: Journal, other: SourceBatch) -> None:
        _record(journal, _batch(5, 1, 2))
        _sign(journal)
        with pytest.raises(EquivocationError):
            _record(journal, _batch(6, 3), other)
        assert [each.block_number for each in attester_store.signed(journal, ROUTE, 0, 100)] == [5]
        assert attester_store.unsigned(journal, 1, 100) == []

    def test_store_signatures__of_another_root__changes_nothing(self, journal: Journal) -> None:
        _record(journal, _batch(5, 1))
        (found,) = attester_store.unsigned(journal, 1, 100)
        with journal.transaction() as transaction:
            attester_store.store_signatures(transaction, [(replace(found, root=b"\x09" * 32), b"s" * 65)])
        assert attester_store.signed(journal, ROUTE, 0, 100) == []


class TestSupersede:
    def test_supersede__blocks_above__kept_aside_and_free_again(self, journal: Journal) -> None:
        _record(journal, _batch(5, 1), _batch(6, 2))
        _sign(journal)
        with journal.transaction() as transaction:
            attester_store.supersede(transaction, 1, source_chain=1, after=5)
        _record(journal, _batch(6, 2, payload=b"as it is now"))
        assert [each.block_number for each in attester_store.signed(journal, ROUTE, 0, 100)] == [5]
        kept = journal.query("SELECT block_number, signature FROM superseded WHERE halt_id = 1")
        assert [(row["block_number"], row["signature"]) for row in kept] == [(6, b"s" * 65)]

    def test_supersede__of_another_chain__untouched(self, journal: Journal) -> None:
        _record(journal, _batch(5, 1))
        with journal.transaction() as transaction:
            attester_store.supersede(transaction, 1, source_chain=2, after=-1)
        assert len(attester_store.unsigned(journal, 1, 100)) == 1
