"""The relayer: reads final blocks, collects signatures, delivers, and tries again for ever.

It is trusted with nothing. What it delivers was signed by the attesters, whoever else delivers it first is welcome,
and what it forgets it can read again: from the chains, the attesters, and its store of signed transactions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from backend.chain.crashpoints import crash_point
from backend.chain.errors import ChainError
from backend.chain.fees import FeePolicy
from backend.chain.signers import Signer
from bridge.attestations import Collector
from bridge.chains import Chain, Chains, open_chains, route
from bridge.delivery import Sender
from bridge.destination import Destination
from bridge.errors import BridgeSettingsError, HaltedError, ImpossibleObservationError, JournalError, PastFinalityError
from bridge.http import HttpServer, role_app
from bridge.journal import Journal
from bridge.keys import open_signer
from bridge.logging import configure_logging
from bridge.metrics import HALTED, LAST_STEP, STEP_FAILURES
from bridge.process import run_role
from bridge.quorum import reading_quorum
from bridge.readiness import Check, Readiness, journal_check
from bridge.relay_store import TABLES, BatchKey, KeptMessage, Key, RelayStore
from bridge.settings import BridgeSettings, RelaySettings, check_carries
from bridge.watcher import Scan, Watcher

log = structlog.get_logger(__name__)
ROLE = "relay"
MOST_OPEN = 50_000
"""Messages that are not settled; nothing more is read while there are so many."""
_SCANS_AT_A_TIME = 5
_STALE_SECONDS = 120.0


@dataclass
class _Source:
    watcher: Watcher
    caught_up: bool = False
    """Until the first look that reaches the newest final block, what is read may have been delivered long ago."""


@dataclass
class _Health:
    """How the last round over a chain went."""

    problem: str | None = None
    last_good: float = field(default_factory=time.monotonic)


class Relayer:
    """Carries the messages of all routes between `chains`. Owns `journal` and the chains' connections."""

    def __init__(
        self,
        chains: Chains,
        journal: Journal,
        signer: Signer,
        settings: RelaySettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.chains = chains
        self.journal = journal
        self.store = RelayStore(journal)
        journal.bind(
            {"relayer": "0x" + signer.address.hex()}
            | {f"gateway of {chain.chain_id}": "0x" + chain.gateway.hex() for chain in chains.values()}
        )
        self.collector = Collector(settings.attesters, settings.timeout_seconds, settings.patience_seconds)
        self._sources = [_Source(Watcher(each, chains, journal, reading_quorum(each))) for each in chains.values()]
        self._health = {chain_id: _Health() for chain_id in chains}
        self._failed: set[int] = set()
        """Chains of which a part of the round under way has failed."""
        fees = FeePolicy(cap=settings.max_fee_per_gas_gwei * 10**9)
        self.destinations = {
            chain_id: Destination(
                chain=chain,
                routes={other.chain_id: route(other, chain) for other in chains.values() if other is not chain},
                sender=Sender(chain, signer, self.store, fees, settings.replace_after_blocks, chain.gateway),
                store=self.store,
                settings=settings,
                clock=clock,
            )
            for chain_id, chain in chains.items()
        }
        self._hand_out(self.store.messages(), self.store.batches(), new=False)

    def close(self) -> None:
        """Ends threads, connections and the journal."""
        self.collector.close()
        for chain in self.chains.values():
            chain.close()
        self.journal.close()

    def step(self) -> bool:
        """One round; says whether there may be more to do at once.

        A chain that cannot be reached holds up its own messages only. Errors: `JournalError`, `HaltedError`.
        """
        self._check_not_halted()
        self._failed.clear()
        more = False
        for source in self._sources:
            more = self._guarded(source.watcher.source, partial(self._read, source)) or more
        for destination in self.destinations.values():
            self._guarded(destination.chain, destination.look)
        wanted = [each for destination in self.destinations.values() for each in destination.wanted(self.collector)]
        self.collector.collect(wanted)
        for destination in self.destinations.values():
            more = self._guarded(destination.chain, partial(destination.send, self.collector)) or more
        for chain_id, health in self._health.items():
            if chain_id not in self._failed:
                health.problem, health.last_good = None, time.monotonic()
                LAST_STEP.labels(ROLE, self.chains[chain_id].name).set_to_current_time()
        return more

    @property
    def open_messages(self) -> int:
        """Messages that are not settled."""
        return sum(len(destination.tracked) for destination in self.destinations.values())

    def _guarded(self, chain: Chain, work: Callable[[], bool | None]) -> bool:
        """Does a chain's part of a round; what fails is tried again in the next."""
        try:
            return bool(work())
        except JournalError:
            raise
        except (PastFinalityError, ImpossibleObservationError) as error:
            self.journal.halt(error.slug, error.detail, chain.chain_id)
            log.error("halted", kind=error.slug, chain=chain.name, reason=error.detail)
            raise HaltedError(ROLE, "now", error.detail) from error
        except ChainError as error:
            log.warning("round_failed", chain=chain.name, error=type(error).__name__, detail=error.detail)
            return self._note_failure(chain, error, error.detail)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            # An answer of another form than the node should give; the other chains' messages go on.
            log.error("round_failed", chain=chain.name, error=type(error).__name__, exc_info=error)
            return self._note_failure(chain, error, f"an answer cannot be read: {type(error).__name__}: {error}")

    def _note_failure(self, chain: Chain, error: Exception, detail: str) -> bool:
        """What went well with the same chain in the same round does not make up for it. Always False."""
        self._failed.add(chain.chain_id)
        self._health[chain.chain_id].problem = detail
        STEP_FAILURES.labels(ROLE, chain.name, type(error).__name__).inc()
        return False

    def _check_not_halted(self) -> None:
        halted = self.journal.halted()
        HALTED.labels(ROLE).set(halted is not None)
        if halted is not None:
            raise HaltedError(ROLE, halted.at, halted.reason)

    # Reading

    def _read(self, source: _Source) -> bool:
        """New final blocks of one chain. Says whether there are more."""
        self._accept_if_told(source)
        for _ in range(_SCANS_AT_A_TIME):
            if self.open_messages >= MOST_OPEN:
                return False
            scan = source.watcher.scan()
            if scan.through is None:
                source.caught_up = True
                return False
            self._keep(source, scan)
        return True

    def _accept_if_told(self, source: _Source) -> None:
        """Follows the chain as it is now, when a person has said so."""
        chain_id = source.watcher.source.chain_id
        told = [
            halt
            for halt in self.journal.halts()
            if halt.accept_chain and halt.accepted_at is None and halt.chain_id == chain_id
        ]
        if not told:
            return
        common = source.watcher.common_position()
        number = -1 if common is None else common.number
        with self.journal.transaction() as transaction:
            self.store.drop_after(transaction, chain_id, number)
            source.watcher.rewind(transaction, common)
            for halt in told:
                self.journal.accepted(transaction, halt.id)
        for destination in self.destinations.values():
            self.collector.forget(destination.drop_after(chain_id, number))
        source.caught_up = False
        log.warning("chain_accepted", chain=source.watcher.source.name, from_block=number)

    def _keep(self, source: _Source, scan: Scan) -> None:
        crash_point("relayer.before_read")
        found = [batch for block in scan.blocks for batch in block.batches.values()]
        with self.journal.transaction() as transaction:
            self.store.add(transaction, found)
            source.watcher.advance(transaction, scan)
        crash_point("relayer.after_read")
        source.watcher.note(scan)
        messages, batches = [], {}
        for batch in found:
            place = (batch.route.source_chain, batch.route.destination_chain)
            key = BatchKey(*place, batch.block_number)
            batches[key] = batch.message_ids
            messages += [
                KeptMessage(Key(*place, message.nonce), key, at, message) for at, message in enumerate(batch.messages)
            ]
        self._hand_out(messages, batches, new=source.caught_up)

    def _hand_out(
        self, messages: Sequence[KeptMessage], batches: dict[BatchKey, tuple[bytes, ...]], *, new: bool
    ) -> None:
        for chain_id, destination in self.destinations.items():
            destination.add(
                [each for each in messages if each.key.destination_chain == chain_id],
                {key: ids for key, ids in batches.items() if key.destination_chain == chain_id},
                new=new,
            )

    # What others ask

    def readiness(self) -> Readiness:
        """Whether it does its work, and if not, why."""
        checks = {"journal": journal_check(self.journal)}
        for chain_id, health in self._health.items():
            silent_seconds = time.monotonic() - health.last_good
            ok = health.problem is None and silent_seconds < _STALE_SECONDS
            detail = health.problem or f"last good round {silent_seconds:.0f} seconds ago"
            checks[self.chains[chain_id].name] = Check(ok=ok, detail=detail)
        return Readiness.of(ROLE, checks)


def open_relayer(settings: BridgeSettings, clock: Callable[[], float] = time.monotonic) -> Relayer:
    """The relayer of a configuration; `clock` measures its pauses, in seconds.

    Errors: `BridgeSettingsError`, `JournalError`, `SignerError` and others.
    """
    if not settings.relay.attesters:
        raise BridgeSettingsError("relay.attesters", "a relayer needs attesters to collect signatures from")
    check_carries(settings)
    chains = open_chains(settings.chain)
    signer = open_signer(settings.relay.key, list(chains))
    return Relayer(chains, open_journal(settings), signer, settings.relay, clock)


def open_journal(settings: BridgeSettings, *, exclusive: bool = True) -> Journal:
    """The relayer's journal."""
    return Journal(settings.data_dir, ROLE, TABLES, exclusive=exclusive)


def run(settings: BridgeSettings, stopping: threading.Event) -> None:
    """Relays until told to stop, and serves health and metrics meanwhile."""
    configure_logging(settings.log_level)
    relayer = open_relayer(settings)
    try:
        with HttpServer(role_app(ROLE, relayer.readiness), settings.relay.host, settings.relay.port) as server:
            log.info("relaying", url=server.url, account=next(iter(relayer.destinations.values())).sender.address)
            run_role(ROLE, relayer.step, min(each.poll_seconds for each in settings.chain), stopping)
    finally:
        relayer.close()
