"""The audit: everything recomputed from the chain and the manifest, with nothing of the operator's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import cast

from backend.audit.balances import BalanceReader
from backend.audit.chain import Block, ChainReader
from backend.audit.contracts import RegistryReplay, check_code, check_terms
from backend.audit.crossings import CrossingReport, Crossings, open_crossings
from backend.audit.exchange import ExchangeAudit
from backend.audit.legs import Leg
from backend.audit.report import EpochPoints, ProgrammeFigures, Report
from backend.audit.roles import RolesReplay, expected_holders, judge_roles
from backend.audit.rules import TokenRules
from backend.audit.spool import Spool, open_spool
from backend.audit.transactions import Call, UnknownTransactionTypeError, call_of
from backend.chain.client import ChainClient, Request
from backend.chain.encoding import Header, Receipt
from backend.chain.errors import ChainError, NodeError
from backend.chain.event_types import ChainEvent, Lot
from backend.chain.events import MalformedLogError, decode_log
from backend.chain.manifest import Manifest, ProgrammeEntry
from backend.chain.points_token import selector

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and how much there is."""

_SUPPLY = selector("totalSupply()")
_SUPPLY_AT_EPOCH = selector("totalSupplyAtEpoch(uint256)")


class CannotAuditError(Exception):
    """The audit could not begin or end, which says nothing about the chain."""


def _silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def run_audit(
    client: ChainClient,
    manifest: Manifest,
    *,
    to_block: int | str = "finalized",
    progress: Progress = _silent,
    crossings: Crossings | None = None,
) -> Report:
    """Audits all programmes of the manifest up to and including `to_block` (a number or a tag).

    What left for other chains and came from them goes into `crossings`; `run_audits` compares it.
    Errors: `CannotAuditError` when the endpoint does not answer or does not have the blocks.
    """
    try:
        with ExitStack() as stack:
            kept = crossings or stack.enter_context(open_crossings())
            kept.add_chain(manifest.chain_id)
            return _Audit(client, manifest, stack.enter_context(open_spool()), progress, kept).run(to_block)
    except CannotAuditError:
        raise
    except ChainError as error:
        raise CannotAuditError(f"The endpoint cannot answer what the audit asks: {error}") from error


def run_audits(
    chains: Sequence[tuple[ChainClient, Manifest]],
    *,
    to_block: int | str = "finalized",
    progress: Progress = _silent,
) -> tuple[list[Report], CrossingReport]:
    """Audits several chains and holds what left each against what came to another.

    The last block of each is fixed before any is read: what was final at the destination had been final at its source.
    Errors: `CannotAuditError`.
    """
    if len({manifest.chain_id for _, manifest in chains}) != len(chains):
        raise CannotAuditError("Two of the manifests are of the same chain.")
    ends = [_number_of(client, to_block) for client, _ in chains]
    with open_crossings() as crossings:
        for _, manifest in chains:
            crossings.add_chain(manifest.chain_id)
        reports = [
            run_audit(client, manifest, to_block=end, progress=_named(progress, manifest), crossings=crossings)
            for (client, manifest), end in zip(chains, ends, strict=True)
        ]
        return reports, crossings.judge()


def _number_of(client: ChainClient, to_block: int | str) -> int:
    """The block that a tag means now. Errors: `CannotAuditError`."""
    try:
        return int(client.block(to_block)["number"], 16)
    except ChainError as error:
        raise CannotAuditError(f"The endpoint cannot answer what the audit asks: {error}") from error


def _named(progress: Progress, manifest: Manifest) -> Progress:
    return lambda stage, done, total: progress(
        f"Chain {manifest.chain_id}: {stage[:1].lower()}{stage[1:]}", done, total
    )


class _Audit:
    """One run: the parts in the order in which they are judged."""

    def __init__(
        self, client: ChainClient, manifest: Manifest, spool: Spool, progress: Progress, crossings: Crossings
    ) -> None:
        self._client = client
        self._crossings = crossings
        self._manifest = manifest
        self._progress = progress
        self._begun = time.monotonic()
        self.report = Report(manifest.chain_id, manifest.genesis_hash, self._first_block(), 0)
        self.report.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        registry = manifest.registry
        self._registry = RegistryReplay()
        self._registry_address = None if registry is None else bytes.fromhex(registry.address[2:])
        self._roles = {contract: RolesReplay() for contract in expected_holders(manifest)}
        self._tokens = {entry.token_bytes: self._rules(entry, spool) for entry in manifest.programmes}
        self._texts = {"0x" + contract.hex(): contract for contract in self._roles}
        self._exchange = self._exchange_audit(spool)

    def _exchange_audit(self, spool: Spool) -> ExchangeAudit | None:
        entry = self._manifest.exchange
        if entry is None:
            return None
        return ExchangeAudit(
            self._client,
            self._manifest,
            entry,
            self.report,
            spool,
            tokens=self._tokens,
            roles=self._roles,
            suspended=self._registry.suspended,
            crossings=self._crossings,
        )

    def _rules(self, entry: ProgrammeEntry, spool: Spool) -> TokenRules:
        figures = ProgrammeFigures(entry.slug, entry.name, entry.symbol, entry.token, entry.block)
        self.report.programmes.append(figures)
        terms = entry.terms
        return TokenRules(
            self.report,
            figures,
            token=entry.token_bytes,
            epoch_length_seconds=terms.epoch_length_seconds,
            validity_epochs=terms.validity_epochs,
            clawback_epochs=terms.clawback_epochs,
            spool=spool,
            has_exchange=self._manifest.exchange is not None,
        )

    def _first_block(self) -> int:
        entries = [entry.block for entry in self._manifest.programmes]
        manifest = self._manifest
        others = (manifest.registry, manifest.exchange, manifest.clearing, manifest.gateway, manifest.crosschain)
        entries += [other.block for other in others if other is not None]
        if not entries:
            raise CannotAuditError("The manifest names no contracts.")
        return min(entries)

    def run(self, to_block: int | str) -> Report:
        report = self.report
        last = self._last_header(to_block)
        report.to_block = int(last["number"], 16)
        report.to_block_hash = last["hash"]
        report.to_block_timestamp_seconds = int(last["timestamp"], 16)
        self._check_chain()
        check_code(self._client, self._manifest, report.to_block, report.check("code"))
        self._replay(last)
        for entry in self._manifest.programmes:
            rules = self._tokens[entry.token_bytes]
            caps = (rules.first_cap_points or 0, rules.cap_points or 0)
            check_terms(self._client, entry, report.to_block, report.check("terms"), caps)
        self._registry.judge(self._manifest, report)
        judge_roles(self._client, self._manifest, self._roles, report.to_block, report)
        if self._exchange is not None:
            self._exchange.finish()
        self._check_accounts()
        self._check_supply()
        report.seconds = round(time.monotonic() - self._begun, 3)
        return report

    def _last_header(self, to_block: int | str) -> Header:
        answer = self._client.call(
            "eth_getBlockByNumber", hex(to_block) if isinstance(to_block, int) else to_block, False
        )
        if not isinstance(answer, dict):
            raise CannotAuditError(f"The endpoint has no block {to_block}.")
        header = cast("Header", answer)
        if int(header["number"], 16) < self.report.from_block:
            raise CannotAuditError(
                f"Block {int(header['number'], 16)} ({to_block}) is before the deployment in block "
                f"{self.report.from_block}: wait until it is final, or give --to-block."
            )
        return header

    def _check_chain(self) -> None:
        check = self.report.check("chain")
        chain_id, genesis_hash = self._client.chain_id(), self._client.genesis_hash()
        check.examined += 2
        if chain_id != self._manifest.chain_id:
            check.fail("chain id", f"the manifest says {self._manifest.chain_id}, the endpoint {chain_id}")
        if genesis_hash != self._manifest.genesis_hash:
            check.fail("genesis block", f"the manifest says {self._manifest.genesis_hash}, the endpoint {genesis_hash}")

    # ---- replay

    def _replay(self, last: Header) -> None:
        report = self.report
        traced = [] if self._exchange is None else self._exchange.addresses
        checks = (report.check("headers"), report.check("receipts"))
        reader = ChainReader(self._client, list(self._roles), *checks, traced)
        total = report.to_block - report.from_block + 1
        for block in reader.blocks(report.from_block, report.to_block):
            if self._exchange is not None:
                self._exchange.on_block(block.number, block.timestamp_seconds)
            for index, receipt in enumerate(block.receipts):
                self._apply(receipt, block, index)
            report.blocks += 1
            if report.blocks % 100 == 0 or report.blocks == total:
                self._progress("Replaying blocks", report.blocks, total)
        if reader.last is not None and reader.last["hash"] != last["hash"]:
            detail = "the endpoint changed its mind about the last block during the audit"
            report.check("headers").fail(f"block {report.to_block}", detail)

    def _apply(self, receipt: Receipt, block: Block, index: int) -> None:
        by_contract: dict[bytes, list[ChainEvent]] = {}
        for contract, event in self._events(receipt):
            by_contract.setdefault(contract, []).append(event)
        legs: dict[bytes, list[Leg]] = {}
        for contract, events in by_contract.items():
            roles = self._roles[contract]
            for event in events:
                roles.apply(event)
            rules = self._tokens.get(contract)
            if rules is not None:
                of_token = rules.apply(events, block.timestamp_seconds)
                if of_token:
                    legs[contract] = of_token
            elif contract == self._registry_address:
                for event in events:
                    self._registry.apply(event)
        if self._exchange is not None and by_contract:
            traced = any(address in by_contract for address in self._exchange.addresses)
            call = self._call(block, index) if traced else None
            self._exchange.apply(by_contract, legs, call, block.timestamp_seconds)

    def _call(self, block: Block, index: int) -> Call | None:
        """The call behind a receipt; None, and a finding, when the endpoint does not say."""
        try:
            return call_of(block.transactions[index])
        except (IndexError, KeyError, ValueError, UnknownTransactionTypeError) as error:
            check = self.report.check("receipts")
            check.note(f"block {block.number}, transaction {index}", f"cannot be read: {error}", block=block.number)
            return None

    def _events(self, receipt: Receipt) -> Iterator[tuple[bytes, ChainEvent]]:
        for log in receipt["logs"]:
            contract = self._texts.get(log["address"].lower())
            if contract is None:
                continue
            self.report.logs += 1
            try:
                event = decode_log(log)
            except MalformedLogError as error:
                self.report.check("receipts").fail("log", str(error), block=int(log["blockNumber"], 16))
                continue
            if event is not None:
                yield contract, event

    # ---- the chain's own answers

    def _check_accounts(self) -> None:
        check = self.report.check("accounts")
        total = sum(len(rules.book.lots) for rules in self._tokens.values())

        def compared(count: int) -> None:
            check.examined += count
            self._progress("Checking accounts", check.examined, total)

        for token, rules in self._tokens.items():
            rules.figures.accounts = sum(1 for lots in rules.book.lots.values() if lots)
            reader = BalanceReader(self._client, token, self.report.to_block, self.report.to_block_timestamp_seconds)
            try:
                for difference in reader.differences(rules.book.lots, rules.book.live_lots, compared):
                    subject = f"{rules.figures.slug}: 0x{difference.account.hex()}"
                    detail = (
                        f"replayed {_text(difference.expected)}, the chain answers {_text(difference.answered)} "
                        f"and a balance of {difference.balance}"
                    )
                    check.fail(subject, detail)
            except (NodeError, ValueError) as error:
                check.fail(rules.figures.slug, f"the token does not answer for its accounts: {error}")

    def _check_supply(self) -> None:
        check = self.report.check("supply")
        for token, rules in self._tokens.items():
            book, figures, now = rules.book, rules.figures, self.report.to_block_timestamp_seconds
            terms = self._manifest.programme(figures.slug).terms
            epochs = list(range(max(0, book.first_live_epoch(now)), book.epoch_at(now) + 1))
            replayed = [book.supply.get(epoch, 0) for epoch in epochs]
            figures.live = sum(replayed)
            figures.held = sum(
                lot.amount for hold in rules.open_holds.values() for lot in book.live_lots(hold.hold_account, now)
            )
            figures.epochs = [
                EpochPoints(epoch, points, (epoch + terms.validity_epochs + 1) * terms.epoch_length_seconds)
                for epoch, points in zip(epochs, replayed, strict=True)
            ]
            calls = [_SUPPLY] + [_SUPPLY_AT_EPOCH + epoch.to_bytes(32) for epoch in epochs]
            answers = self._ask(token, calls)
            names = ["supply", *(f"supply of epoch {epoch}" for epoch in epochs)]
            for name, expected, answer in zip(names, [figures.live, *replayed], answers, strict=True):
                check.examined += 1
                if answer != expected:
                    says = "nothing" if answer is None else f"{answer} points"
                    check.fail(f"{figures.slug}: {name}", f"replayed {expected} points, the chain answers {says}")

    def _ask(self, token: bytes, calls: list[bytes]) -> list[int | None]:
        to, block = "0x" + token.hex(), hex(self.report.to_block)
        requests = [Request("eth_call", ({"to": to, "data": "0x" + data.hex()}, block)) for data in calls]
        answers = self._client.try_batch(requests)
        return [int(each, 16) if isinstance(each, str) and len(each) > 2 else None for each in answers]


def _text(lots: list[Lot]) -> str:
    """Lots for people."""
    return ", ".join(f"{lot.amount} of epoch {lot.epoch}" for lot in lots) or "no points"
