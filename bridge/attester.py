"""The attester: checks the messages of final blocks by itself, journals them, signs, and serves its signatures.

For each final block: verify → journal (route, nonce) → message id and (route, block) → root and hash, commit → sign →
store the signature → serve. Two contents under one number, or a final block that was replaced, halt it until a person
has looked. Nothing is decided by a clock.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import structlog

from backend.chain.attested_gateway import Route, batch_typed_data
from backend.chain.crashpoints import crash_point
from backend.chain.errors import ChainError
from backend.chain.signers import Signer
from bridge import attester_store
from bridge.attester_store import Attestation
from bridge.chains import Chain, Chains, open_chains, route
from bridge.errors import EquivocationError, HaltedError, JournalError, JournalGoneError, PastFinalityError
from bridge.journal import Halt, Journal
from bridge.keys import open_signer
from bridge.logging import message_fields
from bridge.metrics import ATTESTATIONS, HALTED, LAST_STEP, STEP_FAILURES
from bridge.quorum import Quorum, attesting_quorum
from bridge.readiness import Check, Readiness
from bridge.settings import BridgeSettings, check_attester
from bridge.watcher import Scan, Watcher

log = structlog.get_logger(__name__)
ROLE = "attest"
_SIGNED_AT_ONCE = 64
_STALE_SECONDS = 120.0
"""A chain whose last good step is longer ago is reported as not ready."""


@dataclass
class _Source:
    """One chain that is followed."""

    chain: Chain
    quorum: Quorum
    watcher: Watcher
    problem: str | None = "not read yet"
    final_number: int = -1
    behind: int = 0
    last_good: float = field(default_factory=time.monotonic)


class Attester:
    """Signs with `signer` for every pair of `chains`. Owns the journal's rows; one per process and journal.

    Errors when made: `ForeignJournalError`, `JournalError`.
    """

    def __init__(self, chains: Chains, journal: Journal, signer: Signer) -> None:
        self.chains = chains
        self.journal = journal
        self._signer = signer
        self._journal_problem: str | None = None
        self._halting: str | None = None
        """Why it halts, until that is in the journal."""
        self.stopping = threading.Event()
        """Set by whoever wants the step under way to end after the chain it is at."""
        self._sources = [self._source(chain) for chain in chains.values()]
        gateways = {f"the gateway of chain {each.chain_id}": "0x" + each.gateway.hex() for each in chains.values()}
        journal.bind({"the attester": "0x" + signer.address.hex(), **gateways})

    def _source(self, chain: Chain) -> _Source:
        quorum = attesting_quorum(chain)
        return _Source(chain, quorum, Watcher(chain, self.chains, self.journal, quorum))

    @property
    def address(self) -> bytes:
        """The account that signs, 20 bytes."""
        return self._signer.address

    def close(self) -> None:
        """Ends threads, connections and the journal."""
        for source in self._sources:
            source.chain.close()
        self.journal.close()

    # Work

    def step(self) -> bool:
        """One look at every chain, and what follows from it; whether there may be more at once.

        What passes by itself is kept for `readiness` and the log. Errors: `JournalGoneError`, for which the process
        must end.
        """
        try:
            self.journal.check_writable()
            if self._stands_still():
                return False
            worked = [self._step_over(source) for source in self._sources]
            self._journal_problem = None
        except JournalError as error:
            self._journal_problem = error.detail
            STEP_FAILURES.labels(ROLE, "", type(error).__name__).inc()
            log.error("journal_failed", error=error.detail)
            if isinstance(error, JournalGoneError):
                raise
            return False
        return any(worked)

    def _step_over(self, source: _Source) -> bool:
        """One chain. Errors: `JournalError`; those of the chain are noted, the worst halt."""
        if self._stands_still() or self.stopping.is_set():
            return False
        try:
            self._accept_if_told(source)
            scan = source.watcher.scan()
            self._record(source, scan)
            more = self._sign(source)
        except (PastFinalityError, EquivocationError) as error:
            self._halt(error, source)
            return False
        except JournalError:
            raise
        except ChainError as error:
            source.problem = error.detail
            STEP_FAILURES.labels(ROLE, source.chain.name, type(error).__name__).inc()
            log.warning("step_failed", chain=source.chain.name, error=error.detail, kind=type(error).__name__)
            return False
        source.problem, source.last_good, source.final_number = None, time.monotonic(), scan.final_number
        LAST_STEP.labels(ROLE, source.chain.name).set_to_current_time()
        source.behind = 0 if scan.through is None else max(0, scan.final_number - scan.through.number)
        return more or source.behind > 0

    def _record(self, source: _Source, scan: Scan) -> None:
        if scan.through is None:
            return
        crash_point("attester.before_journal")
        with self.journal.transaction() as transaction:
            for block in scan.blocks:
                for batch in block.batches.values():
                    attester_store.record(transaction, batch)
            crash_point("attester.before_journal_commit")
            source.watcher.advance(transaction, scan)
        crash_point("attester.after_journal")
        source.watcher.note(scan)
        for block in scan.blocks:
            for batch in block.batches.values():
                for message, id_ in zip(batch.messages, batch.message_ids, strict=True):
                    log.info("message_journaled", block=block.number, **message_fields(batch.route, message, id_))

    def _sign(self, source: _Source) -> bool:
        """Signs what is journaled; whether there is more."""
        found = attester_store.unsigned(self.journal, source.chain.chain_id, _SIGNED_AT_ONCE)
        mine = [(each, way) for each in found if (way := self.route(each.source_chain, each.destination_chain))]
        if not mine:
            return False
        crash_point("attester.before_sign")
        signed = [
            (each, self._signer.sign_typed_data(batch_typed_data(way, each.block_number, each.root)))
            for each, way in mine
        ]
        crash_point("attester.after_sign")
        with self.journal.transaction() as transaction:
            attester_store.store_signatures(transaction, signed)
            crash_point("attester.before_signature_commit")
        crash_point("attester.after_signature")
        for each, _ in signed:
            self._tell(each)
        return len(found) == _SIGNED_AT_ONCE

    def _tell(self, attestation: Attestation) -> None:
        source, destination = attestation.source_chain, attestation.destination_chain
        ATTESTATIONS.labels(self.chains[source].name, self.chains[destination].name).inc()
        for id_ in attestation.message_ids:
            log.info(
                "message_attested",
                message_id="0x" + id_.hex(),
                source_chain=source,
                destination_chain=destination,
                block=attestation.block_number,
                root="0x" + attestation.root.hex(),
            )

    def route(self, source_chain: int, destination_chain: int) -> Route | None:
        """The configured way between two chains."""
        source, destination = self.chains.get(source_chain), self.chains.get(destination_chain)
        return None if source is None or destination is None else route(source, destination)

    # Halting

    def _stands_still(self) -> bool:
        halt = self.journal.halted()
        HALTED.labels(ROLE).set(halt is not None)
        return halt is not None

    def _halt(self, error: PastFinalityError | EquivocationError, source: _Source) -> None:
        self._halting = error.detail
        crash_point("attester.before_halt")
        self.journal.halt(error.slug, error.detail, source.chain.chain_id)
        self._halting = None
        crash_point("attester.after_halt")
        HALTED.labels(ROLE).set(1)
        log.error("halted", kind=error.slug, chain=source.chain.name, reason=error.detail)

    def _accept_if_told(self, source: _Source) -> None:
        """Follows the chain as it is now, when a person has said so."""
        told = [halt for halt in self.journal.halts() if _is_told(halt, source.chain.chain_id)]
        if not told:
            return
        common = source.watcher.common_position()
        with self.journal.transaction() as transaction:
            attester_store.supersede(
                transaction, told[-1].id, source.chain.chain_id, -1 if common is None else common.number
            )
            source.watcher.rewind(transaction, common)
            for halt in told:
                self.journal.accepted(transaction, halt.id)
        log.warning(
            "chain_accepted",
            chain=source.chain.name,
            reason=told[-1].resume_reason,
            from_block=None if common is None else common.number,
        )

    # What others ask

    def through_block(self, source_chain: int) -> int:
        """The last block of a chain that was read; -1 before the first."""
        for source in self._sources:
            if source.chain.chain_id == source_chain:
                position = source.watcher.position()
                return -1 if position is None else position.number
        return -1

    def check_serving(self) -> None:
        """Refuses to serve while halted: what was signed may have vanished. Errors: `HaltedError`, `JournalError`."""
        self.journal.check_not_halted()
        if self._halting is not None:
            raise HaltedError(ROLE, "this moment", self._halting)

    def readiness(self) -> Readiness:
        """Whether it signs, and if not, why."""
        checks = {"journal": self._journal_check()}
        for source in self._sources:
            checks[source.chain.name] = _chain_check(source)
        return Readiness.of(ROLE, checks)

    def _journal_check(self) -> Check:
        try:
            self.journal.check_present()
            halt = self.journal.halted()
        except JournalError as error:
            return Check(ok=False, detail=error.detail)
        if halt is not None:
            return Check(ok=False, detail=f"halted at {halt.at}: {halt.reason}")
        if self._journal_problem is not None:
            return Check(ok=False, detail=self._journal_problem)
        return Check(ok=True, detail="written at the last step")


def _is_told(halt: Halt, chain_id: int) -> bool:
    return halt.accept_chain and halt.accepted_at is None and halt.chain_id == chain_id


def _chain_check(source: _Source) -> Check:
    if source.problem is not None:
        return Check(ok=False, detail=source.problem)
    silent_seconds = time.monotonic() - source.last_good
    if silent_seconds > _STALE_SECONDS:
        return Check(ok=False, detail=f"no step ended for {silent_seconds:.0f} seconds")
    return Check(ok=True, detail=f"final to block {source.final_number}, {source.behind} behind")


def open_attester(settings: BridgeSettings) -> Attester:
    """The attester of a configuration. Errors: `BridgeSettingsError`, `JournalError`, `SignerError` and others."""
    check_attester(settings)
    chains = open_chains(settings.chain)
    signer = open_signer(settings.attest.key, list(chains))
    journal = open_journal(settings)
    try:
        return Attester(chains, journal, signer)
    except ChainError:
        journal.close()
        raise


def open_journal(settings: BridgeSettings, *, exclusive: bool = True) -> Journal:
    """The attester's journal."""
    return Journal(settings.data_dir, ROLE, attester_store.TABLES, exclusive=exclusive)
