"""`interpoints bridge watch`: follows both ends, says where every swap is, stops a lane that mints what was not burnt.

It reads final blocks only, held to their hashes, and has no part in carrying anything: its one power is the guardian's
key, which can stop lanes. A lane that was stopped without cause costs a new agreement; its swaps come back as refunds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog
from fastapi import FastAPI

from backend.chain.blocks import BlockSource
from backend.chain.crashpoints import crash_point
from backend.chain.crosschain_exchange import CrosschainExchange, encode_halt
from backend.chain.errors import ChainError, ReorganisedError
from backend.chain.event_types import ChainEvent
from backend.chain.events import RawLog, decode_log
from backend.chain.fees import FeePolicy
from backend.chain.signers import Signer
from bridge.chains import Chain, Chains, open_chains
from bridge.delivery import Sender
from bridge.endpoints import careful
from bridge.errors import HaltedError, JournalError, PastFinalityError
from bridge.http import HttpServer, role_app
from bridge.journal import Journal, utc_text
from bridge.keys import open_signer
from bridge.logging import configure_logging
from bridge.metrics import (
    HALTED,
    LAST_STEP,
    STEP_FAILURES,
    WATCH_HALTS,
    WATCH_IN_FLIGHT,
    WATCH_LANE_POINTS,
    WATCH_OLDEST_SECONDS,
    WATCH_VIOLATIONS,
    WATCH_WAITING,
)
from bridge.process import run_role
from bridge.quorum import Quorum, reading_quorum
from bridge.readiness import Check, Readiness, journal_check
from bridge.relay_store import Purpose, RelayStore
from bridge.settings import BridgeSettings, WatchSettings
from bridge.status import ChainStatus, StatusReport, summary
from bridge.swap_book import SwapRow
from bridge.watch_store import TABLES, Cursor, load_book, load_cursors, save_book, save_cursors

log = structlog.get_logger(__name__)
ROLE = "watch"
_GAS_AT_A_TIME = 120_000_000
_HALT_GAS = 200_000
_STALE_SECONDS = 120.0


@dataclass
class _Watched:
    """One chain: how it is read, and the guardian's hand there."""

    chain: Chain
    quorum: Quorum
    blocks: BlockSource
    sender: Sender | None
    final_number: int = -1
    problem: str | None = None
    last_good: float = field(default_factory=time.monotonic)


class Watchdog:
    """Watches `chains`. With a `signer` that is guardian of the crosschain exchanges, it stops lanes; else it warns."""

    def __init__(
        self,
        chains: Chains,
        journal: Journal,
        signer: Signer | None,
        settings: WatchSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.chains = chains
        self.journal = journal
        self.settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self.book = load_book(journal, tuple(chains))
        self._cursors = load_cursors(journal)
        self._doubted_since: dict[bytes, float] = {}
        store = RelayStore(journal)
        fees = FeePolicy(cap=settings.max_fee_per_gas_gwei * 10**9)
        self._watched = [
            _Watched(
                chain=chain,
                quorum=reading_quorum(chain),
                blocks=BlockSource(chain.client, _contracts(chain), _GAS_AT_A_TIME),
                sender=None
                if signer is None or chain.exchange is None
                else Sender(chain, signer, store, fees, settings.replace_after_blocks, chain.exchange),
            )
            for chain in chains.values()
        ]

    def close(self) -> None:
        """Ends connections and the journal."""
        for chain in self.chains.values():
            chain.close()
        self.journal.close()

    def step(self) -> bool:
        """Reads what is new, judges, stops lanes; says whether there is more to read.

        Errors: `JournalError`, `HaltedError`.
        """
        self._accept_if_told()
        halted = self.journal.halted()
        HALTED.labels(ROLE).set(halted is not None)
        if halted is not None:
            raise HaltedError(ROLE, halted.at, halted.reason)
        more = False
        for watched in self._watched:
            more = self._guarded(watched, self._read) or more
        if not more:
            self._judge()
        for watched in self._watched:
            self._guarded(watched, self._stop_lanes)
        self._measure()
        return more

    def _guarded(self, watched: _Watched, work: Callable[[_Watched], bool]) -> bool:
        try:
            done = work(watched)
        except JournalError:
            raise
        except PastFinalityError as error:
            self.journal.halt(error.slug, error.detail, watched.chain.chain_id)
            log.error("halted", kind=error.slug, chain=watched.chain.name, reason=error.detail)
            raise HaltedError(ROLE, "now", error.detail) from error
        except ChainError as error:
            watched.problem = error.detail
            STEP_FAILURES.labels(ROLE, watched.chain.name, type(error).__name__).inc()
            log.warning("step_failed", chain=watched.chain.name, error=type(error).__name__, detail=error.detail)
            return False
        watched.problem, watched.last_good = None, time.monotonic()
        LAST_STEP.labels(ROLE, watched.chain.name).set_to_current_time()
        return done

    # Reading

    def _accept_if_told(self) -> None:
        """Reads everything anew when a person has said to follow a chain that was replaced."""
        told = [halt for halt in self.journal.halts() if halt.accept_chain and halt.accepted_at is None]
        if not told:
            return
        with self._lock:
            with self.journal.transaction() as transaction:
                for table in ("watch_rows", "watch_cursors", "watch_findings"):
                    transaction.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are ours
                for halt in told:
                    self.journal.accepted(transaction, halt.id)
            self.book, self._cursors = load_book(self.journal, tuple(self.chains)), {}
        log.warning("chain_accepted", reason=told[-1].resume_reason)

    def _read(self, watched: _Watched) -> bool:
        """The next final blocks of one chain. Says whether there are more."""
        chain, cursor = watched.chain, self._cursors.get(watched.chain.chain_id)
        final = watched.quorum.final_number(watched.quorum.own_final_number())
        if cursor is not None:
            self._check_cursor(watched, cursor, final)
        first = chain.start_block if cursor is None else cursor.number + 1
        last = min(final, first + chain.settings.blocks_at_a_time - 1)
        watched.final_number = final
        if last < first:
            return False
        with careful(chain.client):
            headers = watched.blocks.headers(first, last, None if cursor is None else cursor.hash)
            if not headers:
                raise ReorganisedError(f"{chain.name}: block {first} does not follow the one before it.")
            verified = watched.blocks.with_receipts(headers[: watched.blocks.weigh(headers)], ())
            addresses = {"0x" + each.hex() for each in _contracts(chain)}
            events = [
                (event, block.timestamp)
                for block in verified
                for receipt in block.receipts
                for raw in receipt["logs"]
                if raw["address"].lower() in addresses and (event := decode_log(_raw(raw))) is not None
            ]
        newest = verified[-1]
        self._keep(chain, events, Cursor(newest.number, newest.hash, newest.timestamp))
        return newest.number < final

    def _check_cursor(self, watched: _Watched, cursor: Cursor, final: int) -> None:
        with careful(watched.chain.client):
            found = watched.blocks.headers(cursor.number, cursor.number, None)
        if found and found[0]["hash"].lower() == "0x" + cursor.hash.hex():
            return
        if not found or final < cursor.number:
            raise ReorganisedError(f"{watched.chain.name}: the node has not block {cursor.number} as it was read.")
        replaced = bytes.fromhex(found[0]["hash"][2:])
        chain = watched.chain
        raise PastFinalityError(chain.name, chain.chain_id, cursor.number, cursor.hash, replaced)

    def _keep(self, chain: Chain, events: Iterable[tuple[ChainEvent, int]], cursor: Cursor) -> None:
        """Rows and cursor together; after a failed write the rows are as the file has them."""
        with self._lock:
            try:
                self.book.take(chain.chain_id, events)
                with self.journal.transaction() as transaction:
                    save_book(transaction, self.book)
                    crash_point("watchdog.before_store")
                    save_cursors(transaction, {chain.chain_id: cursor})
            except BaseException:
                self.book = load_book(self.journal, tuple(self.chains))
                raise
            self._cursors[chain.chain_id] = cursor
        crash_point("watchdog.after_store")

    # Judging

    def _judge(self) -> None:
        """What must never be is written down, and its lane is to be stopped at both ends."""
        doubted: dict[bytes, float] = {}
        for row, kinds in self.book.suspects():
            doubted[row.swap_id] = self._doubted_since.get(row.swap_id, self._clock())
            if self._others_have_read_as_far(row) or self._is_overdue(doubted[row.swap_id]):
                for kind in kinds:
                    self._find(row.swap_id, kind.value, row.lane_id)
        self._doubted_since = doubted
        if not doubted:
            for lane in self.book.lanes.values():
                if lane.mints_too_much:
                    self._find(lane.lane_id, "minted_more_than_burnt", lane.lane_id)

    def _others_have_read_as_far(self, row: SwapRow) -> bool:
        """Whether every other chain was read to the time of the log: what led to it was final before."""
        times = [each.time for chain_id, each in self._cursors.items() if chain_id != row.chain_id]
        return len(times) == len(self.chains) - 1 and all(at >= row.changed_at for at in times)

    def _is_overdue(self, since: float) -> bool:
        return self._clock() - since >= self.settings.patience_seconds

    def _find(self, subject: bytes, kind: str, lane_id: bytes) -> None:
        if self.journal.query("SELECT 1 FROM watch_findings WHERE subject = ? AND kind = ?", subject, kind):
            return
        with self.journal.transaction() as transaction:
            transaction.execute("INSERT INTO watch_findings VALUES (?, ?, ?, ?)", subject, kind, lane_id, utc_text())
            transaction.execute_many(
                "INSERT INTO watch_halts VALUES (?, ?, 0) ON CONFLICT DO UPDATE SET done = 0",
                [(lane_id, chain.chain_id) for chain in self.chains.values() if chain.exchange is not None],
            )
        crash_point("watchdog.after_finding")
        log.error("violation", kind=kind, swap_id="0x" + subject.hex(), lane_id="0x" + lane_id.hex())

    # Stopping

    def _stop_lanes(self, watched: _Watched) -> bool:
        """Stops the lanes that are to be stopped on one chain and are still open there."""
        chain, sender = watched.chain, watched.sender
        wanted = self.journal.query(
            "SELECT lane_id FROM watch_halts WHERE chain_id = ? AND done = 0 ORDER BY lane_id", chain.chain_id
        )
        if not wanted or chain.exchange is None:
            return False
        exchange = CrosschainExchange(chain.client, chain.exchange)
        for lane_id in (row["lane_id"] for row in wanted):
            if not exchange.lane_of(lane_id, watched.final_number).open and not exchange.lane_of(lane_id).open:
                self._done(chain, lane_id)
        if sender is None:
            return False
        view = sender.look()
        sender.maintain(view)
        under_way = {slot.purpose.data for slot in sender.in_flight(view)}
        halts = [encode_halt(row["lane_id"]) for row in wanted if exchange.lane_of(row["lane_id"]).open]
        purposes = [Purpose("halt", gas=_HALT_GAS, data=data) for data in halts if data not in under_way]
        fees = sender.quote(view) if purposes else None
        if fees is not None:
            sender.send(purposes[: sender.room(view)], view, fees)
            WATCH_HALTS.labels(chain.name).inc(len(purposes))
            log.error("lane_halting", chain=chain.name, transactions=len(purposes))
        return False

    def _done(self, chain: Chain, lane_id: bytes) -> None:
        with self.journal.transaction() as transaction:
            transaction.execute(
                "UPDATE watch_halts SET done = 1 WHERE lane_id = ? AND chain_id = ?", lane_id, chain.chain_id
            )
        log.error("lane_halted", chain=chain.name, lane_id="0x" + lane_id.hex())

    # Telling

    def report(self) -> StatusReport:
        """Where every swap is, by final blocks."""
        with self._lock:
            found = [self._chain_status(each) for each in self._watched]
            return summary(self.chains, self.book, found, self._now())

    def _chain_status(self, watched: _Watched) -> ChainStatus:
        chain, cursor = watched.chain, self._cursors.get(watched.chain.chain_id)
        block = -1 if cursor is None else cursor.number
        return ChainStatus(
            name=chain.name, chain_id=chain.chain_id, block=block, final=max(block, watched.final_number)
        )

    def _now(self) -> dict[int, int]:
        return {chain_id: cursor.time for chain_id, cursor in self._cursors.items()}

    def _measure(self) -> None:
        flying = self.book.in_flight()
        for lane in self.book.lanes.values():
            labels = (lane.source, lane.destination)
            WATCH_IN_FLIGHT.labels(*labels).set(sum(row.lane_id == lane.lane_id for row in flying))
            for what in ("burned", "promised", "minted", "refunded"):
                WATCH_LANE_POINTS.labels(*labels, what).set(getattr(lane, f"{what}_points"))
        ages = [self._now().get(self.book.lanes[row.lane_id].source_chain, 0) - row.sent_at for row in flying]
        WATCH_OLDEST_SECONDS.set(max(ages, default=0))
        waiting = self.book.waiting()
        for source, destination in self.book.routes:
            count = sum((row.source_chain, row.destination_chain) == (source, destination) for row in waiting)
            WATCH_WAITING.labels(str(source), str(destination)).set(count)
        WATCH_VIOLATIONS.set(len(self.journal.query("SELECT 1 FROM watch_findings")))

    def readiness(self) -> Readiness:
        """Whether it watches, and if not, why."""
        checks = {"journal": journal_check(self.journal)}
        for watched in self._watched:
            silent_seconds = time.monotonic() - watched.last_good
            ok = watched.problem is None and silent_seconds < _STALE_SECONDS
            detail = watched.problem or f"last good look {silent_seconds:.0f} seconds ago"
            checks[watched.chain.name] = Check(ok=ok, detail=detail)
        return Readiness.of(ROLE, checks)


def _contracts(chain: Chain) -> list[bytes]:
    return [each for each in (chain.gateway, chain.exchange) if each is not None]


def _raw(raw: object) -> RawLog:
    return raw  # type: ignore[return-value]  # a log of a receipt has all that a log has


def open_watchdog(settings: BridgeSettings, clock: Callable[[], float] = time.monotonic) -> Watchdog:
    """The watchdog of a configuration. Errors: `BridgeSettingsError`, `JournalError`, `SignerError` and others."""
    chains = open_chains(settings.chain)
    signer = open_signer(settings.watch.key, list(chains)) if settings.watch.key.given else None
    return Watchdog(chains, Journal(settings.data_dir, ROLE, TABLES), signer, settings.watch, clock)


def watch_app(watchdog: Watchdog) -> FastAPI:
    """Status, health and metrics."""
    app = role_app(ROLE, watchdog.readiness)

    @app.get("/v1/status")
    def status() -> StatusReport:
        """Where every swap is, by final blocks."""
        return watchdog.report()

    return app


def run(settings: BridgeSettings, stopping: threading.Event) -> None:
    """Watches until told to stop, and serves status, health and metrics meanwhile."""
    configure_logging(settings.log_level)
    watchdog = open_watchdog(settings)
    try:
        with HttpServer(watch_app(watchdog), settings.watch.host, settings.watch.port) as server:
            log.info("watching", url=server.url, guardian=settings.watch.key.given)
            run_role(ROLE, watchdog.step, min(each.poll_seconds for each in settings.chain), stopping)
    finally:
        watchdog.close()
