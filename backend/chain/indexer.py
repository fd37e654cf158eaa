"""Follows the chain: blocks by parent hash, logs out of verified receipts, one database transaction a
step, the cursor last."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.blocks import BlockSource
from backend.chain.client import ChainClient, RpcBlock
from backend.chain.crashpoints import crash_point
from backend.chain.errors import IndexerHaltedError, NodeError, WrongChainError
from backend.chain.manifest import Manifest
from backend.chain.metrics import (
    EVENTS_INDEXED,
    FINAL_BLOCK,
    HEAD_BLOCK,
    INDEX_LAG_BLOCKS,
    INDEXED_BLOCK,
    INDEXER_HALTED,
    REORG_DEPTH_BLOCKS,
    REORGS,
)
from backend.chain.models import Block, Cursor
from backend.chain.notifications import BLOCKS, OPERATIONS, notify
from backend.chain.projection import Projection, decode_blocks
from backend.chain.reconcile import find_mined, ours_among, settle_final, settle_mined
from backend.chain.reorg import common_ancestor, rewind, undo_from
from backend.database import transaction
from backend.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IndexerConfig:
    """Bounds of a step. `finality_blocks` replaces the `finalized` tag on chains that have none."""

    finality_blocks: int | None = None
    max_blocks: int = 200
    gas_at_a_time: int = 60_000_000


@dataclass(frozen=True, slots=True)
class _Position:
    next_block: int
    finalized_block: int
    last_hash: bytes | None


class Indexer:
    """Keeps one chain's projection."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        client: ChainClient,
        manifest: Manifest,
        config: IndexerConfig | None = None,
    ) -> None:
        self._sessions = sessions
        self._client = client
        self._manifest = manifest
        self._chain_id = manifest.chain_id
        self._config = config or IndexerConfig()
        self._source = BlockSource(client, list(manifest.contracts), self._config.gas_at_a_time)
        self._projection = Projection(manifest)
        self._started = False

    def run_once(self) -> int:
        """One step forwards or back; answers the number of blocks, 0 when up to date (or the endpoint is behind).

        Errors: `WrongChainError`, `IndexerHaltedError` (a person must look), `UnverifiedBlockError`,
        `ReorganisedError`, `ChainUnavailableError`, `LedgerError`. After each the next step starts from the cursor.
        """
        if not self._started:
            self.start()
        position = self._position()
        head = self._client.block("latest")
        head_number = int(head["number"], 16)
        self._measure(head_number, position)
        known = min(head_number, position.next_block - 1)
        if not self._still_there(head, known):
            return self._undo(known)
        if head_number < position.next_block:
            # Nothing new - or the endpoint has fallen behind, which is no reason to undo anything.
            return self._finalise(position, self._final_number(head_number))
        return self._forward(position, head_number)

    def start(self) -> None:
        """Makes sure that database, manifest and endpoint are of one chain. Errors: `WrongChainError`."""
        self._manifest.check_chain(self._client)
        genesis_hash = bytes.fromhex(self._manifest.genesis_hash[2:])
        first = min(self._manifest.contracts.values(), default=0)
        with transaction(self._sessions) as session:
            fresh = insert(Cursor).values(
                chain_id=self._chain_id, genesis_hash=genesis_hash, next_block=first, finalized_block=0, tokens=[]
            )
            session.execute(fresh.on_conflict_do_nothing())
            cursor = self._lock(session)
            if cursor.genesis_hash != genesis_hash:
                found = f"with genesis 0x{cursor.genesis_hash.hex()}"
                raise WrongChainError("The database", f"with genesis {self._manifest.genesis_hash}", found)
            self._cover_contracts(session, cursor)
        self._started = True

    def _cover_contracts(self, session: Session, cursor: Cursor) -> None:
        """Goes back to the deployment of contracts that the projection does not know yet."""
        contracts = self._manifest.contracts
        missing = [address for address in contracts if address not in cursor.tokens]
        if missing:
            first = min(contracts[address] for address in missing)
            if first < cursor.next_block:
                rewind(session, self._chain_id, first)
                cursor.next_block = first
            cursor.tokens = [*cursor.tokens, *missing]

    # Forwards

    def _forward(self, position: _Position, head_number: int) -> int:
        last = min(head_number, position.next_block + self._config.max_blocks - 1)
        headers = self._source.headers(position.next_block, last, position.last_hash)
        headers = headers[: self._source.weigh(headers)]
        if not headers:
            return 0
        with transaction(self._sessions) as session:
            ours = ours_among(session, headers)
        blocks = self._source.with_receipts(headers, ours)
        events = decode_blocks(blocks, self._manifest.contracts)
        with transaction(self._sessions) as session:
            mined = find_mined(session, self._client, blocks, ours)
        final = max(position.finalized_block, self._final_number(head_number))
        crash_point("indexer.before_write")
        with transaction(self._sessions) as session:
            cursor = self._lock(session)
            if cursor.next_block != position.next_block:
                return 0  # Another indexer was here first.
            count = self._projection.write(session, blocks, events)
            settle_mined(session, self._chain_id, mined)
            session.flush()
            settled = settle_final(session, self._chain_id, min(final, blocks[-1].number))
            crash_point("indexer.before_cursor")
            cursor.next_block = blocks[-1].number + 1
            cursor.finalized_block = final
            notify(session, BLOCKS)
            if mined or settled:
                notify(session, OPERATIONS)
            session.flush()
            crash_point("indexer.before_commit")
        crash_point("indexer.after_commit")
        EVENTS_INDEXED.inc(count)
        self._measure(head_number, _Position(blocks[-1].number + 1, final, None))
        return len(blocks)

    def _finalise(self, position: _Position, final: int) -> int:
        """Finality can move on although the head does not."""
        if final <= position.finalized_block:
            return 0
        with transaction(self._sessions) as session:
            cursor = self._lock(session)
            cursor.finalized_block = max(cursor.finalized_block, final)
            if settle_final(session, self._chain_id, min(cursor.finalized_block, cursor.next_block - 1)):
                notify(session, OPERATIONS)
        return 0

    # Backwards

    def _still_there(self, head: RpcBlock, number: int) -> bool:
        """Whether the endpoint still has the stored block `number`, at most its head."""
        with transaction(self._sessions) as session:
            stored = session.scalar(select(Block.hash).where(Block.chain_id == self._chain_id, Block.number == number))
        if stored is None:
            return True
        block = head if int(head["number"], 16) == number else self._client.blocks([number])[0]
        # An endpoint that does not know the block says nothing; one that knows another says it is gone.
        return block is None or block["hash"] == "0x" + stored.hex()

    def _undo(self, known: int) -> int:
        with transaction(self._sessions) as session:
            cursor = self._lock(session)
            ancestor = common_ancestor(session, self._client, self._chain_id, known)
            floor = ancestor if ancestor is not None else -1
            depth = cursor.next_block - 1 - floor
            if floor < min(cursor.finalized_block, cursor.next_block - 1):
                cursor.halted_reason = (
                    f"The chain was reorganised below its final block {cursor.finalized_block}, down to {floor}."
                    " Nothing is indexed until a person has looked; `interpoints db rebuild` starts over."
                )
            else:
                undo_from(session, self._chain_id, floor + 1)
                crash_point("indexer.before_undo_cursor")
                cursor.next_block = floor + 1
                notify(session, BLOCKS)
                notify(session, OPERATIONS)
            reason = cursor.halted_reason
        crash_point("indexer.after_undo")
        if reason is not None:
            INDEXER_HALTED.set(1)
            log.error("indexer_halted", reason=reason)
            raise IndexerHaltedError(reason)
        REORGS.inc()
        REORG_DEPTH_BLOCKS.observe(depth)
        log.warning("reorganisation_undone", depth=depth, ancestor=floor)
        return depth

    # Parts

    def _position(self) -> _Position:
        with transaction(self._sessions) as session:
            cursor = session.get_one(Cursor, self._chain_id)
            if cursor.halted_reason is not None:
                INDEXER_HALTED.set(1)
                raise IndexerHaltedError(cursor.halted_reason)
            INDEXER_HALTED.set(0)
            last = session.get(Block, (self._chain_id, cursor.next_block - 1))
            return _Position(cursor.next_block, cursor.finalized_block, last.hash if last else None)

    def _lock(self, session: Session) -> Cursor:
        return session.get_one(Cursor, self._chain_id, with_for_update=True, populate_existing=True)

    def _final_number(self, head_number: int) -> int:
        if self._config.finality_blocks is not None:
            return max(head_number - self._config.finality_blocks, 0)
        try:
            return min(int(self._client.block("finalized")["number"], 16), head_number)
        except NodeError as error:
            raise NodeError("The endpoint has no `finalized` tag: set INTERPOINTS_FINALITY_BLOCKS.") from error

    @staticmethod
    def _measure(head_number: int, position: _Position) -> None:
        HEAD_BLOCK.set(head_number)
        INDEXED_BLOCK.set(position.next_block - 1)
        FINAL_BLOCK.set(position.finalized_block)
        INDEX_LAG_BLOCKS.set(max(head_number - position.next_block + 1, 0))


def build_indexer(
    settings: Settings, sessions: sessionmaker[Session], client: ChainClient, manifest: Manifest
) -> Indexer:
    """The indexer that the settings describe."""
    return Indexer(sessions, client, manifest, IndexerConfig(finality_blocks=settings.finality_blocks))
