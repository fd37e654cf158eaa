"""What an audit says: checks, findings, and the figures of each programme, as plain data for JSON and HTML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import orjson

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


_CHECKS: Final = (
    ("chain", "The right chain", "Chain id and genesis block are those of the manifest."),
    ("headers", "An unbroken chain of blocks", "Each block's hash follows from its fields and names the one before."),
    (
        "receipts",
        "No log dropped or altered",
        "Receipts of every block whose bloom admits our logs hash to that block's receipts root.",
    ),
    (
        "code",
        "The published code",
        "The code is the manifest's and the sources', with the stated terms in it.",
    ),
    ("registry", "The registry lists the programmes", "Each programme is registered with its token and code."),
    ("terms", "The stated terms", "The tokens answer with the terms of the manifest."),
    ("roles", "Who may do what", "Roles replayed from the logs are those the contracts hold, and the manifest's."),
    ("replay", "The logs replay", "Every movement can be explained lot by lot: no overspend, sums agree."),
    ("mints", "No points out of nothing", "Every mint and burn belongs to an issue, a batch, a refund or an exchange."),
    ("refs", "Every reference once", "No issue, batch, clawback, redemption or hold uses a reference twice."),
    ("batches", "Batches add up", "A batch's credits and total are those of its transfers."),
    ("redemptions", "Earliest points first", "A redemption's logged lots are those that expire first."),
    ("refunds", "Refunds stay within redemptions", "Original lots come back, latest-expiring first, never too many."),
    ("clawbacks", "Clawbacks within their window", "Only the named lot, only in time, never more than asked for."),
    ("holds", "Holds conserve points", "What was set aside was captured in time or went back, to the last point."),
    ("caps", "Supply caps kept", "No issue took the live supply above the cap of that moment."),
    ("pauses", "A stop is a stop", "Nothing moved while a token was paused."),
    ("accounts", "Every account", "Lots and balance of each account on the chain are those replayed."),
    ("supply", "Supply", "The tokens' supply, whole and by epoch, is the sum of all lots."),
)


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
    roles: list[RoleHolder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checks = [Check(*each) for each in _CHECKS]

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
