"""What an audit says: checks, findings, and the figures of each programme, as plain data for JSON and HTML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson

from backend.audit.checks import CHECKS, CLEARING_CHECKS, CROSSCHAIN_CHECKS, EXCHANGE_CHECKS

FINDINGS_KEPT: Final = 100
"""Findings listed per check; further ones are only counted."""


class Severity(StrEnum):
    """Whether a finding means that the chain, the manifest or the endpoint is not what it says."""

    FAILURE = "failure"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, and where."""

    subject: str
    detail: str
    severity: Severity = Severity.FAILURE
    block: int | None = None
    transaction: str | None = None


@dataclass(slots=True)
class Check:
    """One question, how often it was asked, and what was found."""

    id: str
    title: str
    explanation: str
    examined: int = 0
    failures: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """True when nothing but notices was found."""
        return self.failures == 0

    def add(self, finding: Finding) -> None:
        """Notes a finding; beyond FINDINGS_KEPT only its count."""
        if finding.severity is Severity.FAILURE:
            self.failures += 1
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append(finding)

    def fail(self, subject: str, detail: str, *, block: int | None = None, transaction: bytes | None = None) -> None:
        """Notes a failure."""
        text = None if transaction is None else "0x" + transaction.hex()
        self.add(Finding(subject, detail, Severity.FAILURE, block, text))

    def note(self, subject: str, detail: str, *, block: int | None = None) -> None:
        """Notes something a reader should know that is no failure."""
        self.add(Finding(subject, detail, Severity.NOTICE, block))


@dataclass(slots=True)
class EpochPoints:
    """Live points of one epoch."""

    epoch: int
    points: int
    expires_at_seconds: int


@dataclass(slots=True)
class ProgrammeFigures:
    """What the replay makes of one programme. Points, unless named otherwise."""

    slug: str
    name: str
    symbol: str
    token: str
    first_block: int
    accounts: int = 0
    events: int = 0
    batches: int = 0
    issued: int = 0
    redeemed: int = 0
    refunded: int = 0
    clawed_back: int = 0
    expired: int = 0
    exchanged_in: int = 0
    exchanged_out: int = 0
    held: int = 0
    live: int = 0
    epochs: list[EpochPoints] = field(default_factory=list)


@dataclass(slots=True)
class LaneFigures:
    """What the replay makes of one lane. `settlement` is what was booked, in the currency's smallest unit."""

    id: str
    source: str
    destination: str
    version: int = 0
    open: bool = False
    rate: str = ""
    """Points out for points in before the fee, such as `3:2`."""
    fee_bps: int = 0
    daily_cap_points: int = 0
    swaps: int = 0
    points_in: int = 0
    points_out: int = 0
    bonus_points: int = 0
    pending: int = 0
    posted: int = 0
    refunded: int = 0
    settlement: int = 0
    arrived: int = 0
    """Swaps from another chain that were minted here."""
    arrived_points: int = 0
    refused: int = 0
    """Swaps from another chain that were sent back."""


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """Where a programme stands at the clearing house. Amounts in the currency's smallest unit."""

    programme: str
    net: int
    """What it is owed (+) or owes (-), both cycles."""
    open: int
    due: int
    paid: int
    collateral: int
    reserved: int
    uncovered: int
    """What it owes beyond the credit lines of its partners."""
    cap: int
    """Most that it may owe beyond credit lines: collateral and payments, less what is reserved."""
    credit_given: int
    claims: int
    in_default: bool


@dataclass(frozen=True, slots=True)
class Currency:
    """The settlement currency."""

    address: str
    symbol: str
    decimals: int


@dataclass(frozen=True, slots=True)
class RoleHolder:
    """Who holds a role, since which block, and whether the manifest says so."""

    contract: str
    role: str
    account: str
    since_block: int
    expected: bool


@dataclass(slots=True)
class Report:
    """An audit's result."""

    chain_id: int
    genesis_hash: str
    from_block: int
    to_block: int
    to_block_hash: str = ""
    to_block_timestamp_seconds: int = 0
    blocks: int = 0
    logs: int = 0
    seconds: float = 0.0
    started_at: str = ""
    checks: list[Check] = field(default_factory=list)
    programmes: list[ProgrammeFigures] = field(default_factory=list)
    lanes: list[LaneFigures] = field(default_factory=list)
    currency: Currency | None = None
    positions: list[PositionFigures] = field(default_factory=list)
    roles: list[RoleHolder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checks = [Check(*each) for each in CHECKS]

    def add_exchange_checks(self) -> None:
        """What is asked where there is an exchange."""
        self.checks += [Check(*each) for each in EXCHANGE_CHECKS]

    def add_crosschain_checks(self) -> None:
        """What is asked where there is an exchange with other chains."""
        self.checks += [Check(*each) for each in CROSSCHAIN_CHECKS]

    def add_clearing_checks(self) -> None:
        """What is asked where there is a clearing house."""
        self.checks += [Check(*each) for each in CLEARING_CHECKS]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def check(self, check_id: str) -> Check:
        """The check called `check_id`."""
        return next(check for check in self.checks if check.id == check_id)

    def failures(self) -> list[Finding]:
        """All failures that were kept."""
        return [each for check in self.checks for each in check.findings if each.severity is Severity.FAILURE]

    def to_json(self) -> bytes:
        """The report for machines; `format` changes when its meaning does."""
        body = asdict(self)
        for check, each in zip(self.checks, body["checks"], strict=True):
            each["passed"] = check.passed
        head = {"format": "interpoints-audit/1", "verdict": "passed" if self.passed else "failed"}
        return orjson.dumps(head | body, option=orjson.OPT_INDENT_2)

    def save_json(self, path: Path) -> None:
        """Writes the report for machines."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.to_json() + b"\n")
