"""Exchange and clearing house as one part of the audit: what they logged in a transaction, judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.audit.lanes import LaneBook
from backend.audit.legs import Leg
from backend.audit.orders import OrderRules
from backend.audit.positions import Positions
from backend.audit.report import Report
from backend.audit.roles import RolesReplay
from backend.audit.rules import TokenRules
from backend.audit.spool import Spool
from backend.audit.swap_context import SwapContext
from backend.audit.swaps import SwapRules
from backend.audit.transactions import Call
from backend.chain.client import ChainClient
from backend.chain.event_types import ChainEvent
from backend.chain.manifest import ExchangeEntry, Manifest
from backend.chain.programme_registry import programme_id


class ExchangeAudit:
    """Judges the manifest's exchange, and its clearing house where there is one, transaction by transaction."""

    def __init__(
        self,
        client: ChainClient,
        manifest: Manifest,
        entry: ExchangeEntry,
        report: Report,
        spool: Spool,
        *,
        tokens: Mapping[bytes, TokenRules],
        roles: Mapping[bytes, RolesReplay],
        suspended: set[bytes],
    ) -> None:
        """`tokens` and `roles` are those of the tokens, and `suspended` programmes; all are moved on by the caller."""
        report.add_exchange_checks()
        self.address = entry.address_bytes
        self.house = None if manifest.clearing is None else manifest.clearing.address_bytes
        self._house_block = 0 if manifest.clearing is None else manifest.clearing.block
        self._client = client
        self._report = report
        self._spool = spool
        self._tokens = tokens
        self._positions: Positions | None = None
        if manifest.clearing is not None:
            report.add_clearing_checks()
            self._positions = Positions(report, manifest.clearing)
        self._lanes = LaneBook(manifest.chain_id, entry.notice_period_seconds, report.check("lanes"))
        context = SwapContext(
            report=report,
            lanes=self._lanes,
            programmes={programme_id(each.slug): each for each in manifest.programmes},
            exchange=entry.address_bytes,
            has_house=manifest.clearing is not None,
            spool=spool,
        )
        self._context = context
        self._swaps = SwapRules(context, suspended)
        self._orders = OrderRules(context, roles, client)

    def on_block(self, number: int, timestamp_seconds: int) -> None:
        """A block begins."""
        if self._positions is not None and number == self._house_block:
            self._positions.start(timestamp_seconds)

    def apply(
        self,
        events: Mapping[bytes, Sequence[ChainEvent]],
        legs: Mapping[bytes, Sequence[Leg]],
        call: Call | None,
        timestamp_seconds: int,
    ) -> None:
        """One transaction: events by contract, legs by token, and the call, when the exchange logged something."""
        own = events.get(self.address, ())
        of_house = events.get(self.house, ()) if self.house is not None else ()
        if not own and not of_house and not legs:
            return
        done = self._swaps.apply(own, legs, of_house, timestamp_seconds)
        if self._positions is not None and of_house:
            self._positions.apply(of_house, timestamp_seconds)
        if own and call is not None:
            self._orders.judge(call, own, timestamp_seconds)
        for token, of_token in legs.items():
            minted = [leg for leg in of_token if not any(leg is restored for restored in done.restored)]
            self._tokens[token].judge_exchange_cap(minted, timestamp_seconds)

    def finish(self) -> None:
        """After the last block: the chain's own answers, and the figures."""
        report = self._report
        self._orders.finish()
        for lane_id, lane in self._lanes.lanes.items():
            figures = self._context.figures_of(lane_id)
            agreement = lane.in_force(report.to_block_timestamp_seconds)
            figures.open = agreement is not None
            if agreement is not None:
                terms = agreement.terms
                figures.version = agreement.version
                figures.rate = f"{terms.rate_numerator}:{terms.rate_denominator}"
                figures.fee_bps = terms.fee_bps
                figures.daily_cap_points = terms.daily_cap_out
        if self._positions is not None:
            self._positions.judge(self._client, report.to_block, self._spool.pending_ids())
