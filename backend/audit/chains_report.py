"""What an audit of several chains says: each chain's report, and what was compared between them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from backend.audit.crossings import CrossingReport
from backend.audit.report import Report


@dataclass(frozen=True, slots=True)
class ChainsReport:
    """The result for several chains."""

    chains: list[Report]
    crossings: CrossingReport

    @property
    def passed(self) -> bool:
        """Whether every check of every chain passed, and those between them."""
        return self.crossings.passed and all(report.passed for report in self.chains)

    def to_json(self) -> bytes:
        """For machines; `chains` are reports as of one chain alone."""
        crossings = asdict(self.crossings)
        for check, each in zip(self.crossings.checks, crossings["checks"], strict=True):
            each["passed"] = check.passed
        body = {
            "format": "interpoints-audit-chains/1",
            "verdict": "passed" if self.passed else "failed",
            "chains": [orjson.loads(report.to_json()) for report in self.chains],
            "crossings": crossings,
        }
        return orjson.dumps(body, option=orjson.OPT_INDENT_2)

    def save_json(self, path: Path) -> None:
        """Writes the report for machines."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.to_json() + b"\n")
