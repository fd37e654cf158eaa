"""Exchanges and clearing house as one part of the audit: what they logged in a transaction, judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from backend.audit.abroad import AbroadRules, GatewayRules
from backend.audit.crossings import Crossings
from backend.audit.lanes import LaneBook
from backend.audit.legs import Leg
from backend.audit.orders import OrderRules
from backend.audit.positions import Positions
from backend.audit.report import Report
from backend.audit.roles import RolesReplay
from backend.audit.rules import TokenRules
from backend.audit.spool import Spool
from backend.audit.swap_context import SwapContext, debts_of
from backend.audit.swaps import SwapRules, judge_leftovers
from backend.audit.transactions import Call
from backend.chain.client import ChainClient
from backend.chain.event_types import ChainEvent
from backend.chain.manifest import CrosschainEntry, ExchangeEntry, Manifest
from backend.chain.programme_registry import programme_id


@dataclass(frozen=True, slots=True)
class _Part:
    """One exchange, and who judges what."""

    context: SwapContext
    rules: SwapRules
    orders: OrderRules


class ExchangeAudit:
    """Judges the manifest's exchanges, gateway and clearing house, where there are such, transaction by transaction."""

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
        crossings: Crossings,
    ) -> None:
        """`tokens` and `roles` are those of the tokens, and `suspended` programmes; all are moved on by the caller.

        What left for other chains and came from them goes into `crossings`.
        """
        report.add_exchange_checks()
        self.address = entry.address_bytes
        self.addresses = [self.address]
        """Of the exchanges, whose callers are judged."""
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
        lanes = LaneBook(manifest.chain_id, entry.notice_period_seconds, report.check("lanes"))
        context = SwapContext(
            report=report,
            lanes=lanes,
            programmes={programme_id(each.slug): each for each in manifest.programmes},
            exchange=entry.address_bytes,
            has_house=manifest.clearing is not None,
            spool=spool,
        )
        self._context = context
        self._parts = [_Part(context, SwapRules(context, suspended), OrderRules(context, roles, client))]
        self._gateway: tuple[bytes, GatewayRules] | None = None
        if manifest.crosschain is not None:
            self._add_crosschain(manifest, manifest.crosschain, crossings, roles, suspended)

    def _add_crosschain(
        self,
        manifest: Manifest,
        entry: CrosschainEntry,
        crossings: Crossings,
        roles: Mapping[bytes, RolesReplay],
        suspended: set[bytes],
    ) -> None:
        self._report.add_crosschain_checks()
        self.addresses.append(entry.address_bytes)
        check = self._report.check("lanes")
        lanes = LaneBook(manifest.chain_id, entry.notice_period_seconds, check, crosschain=True)
        context = replace(self._context, lanes=lanes, exchange=entry.address_bytes, figures={})
        rules = AbroadRules(context, suspended, crossings)
        self._parts.append(_Part(context, rules, OrderRules(context, roles, self._client)))
        if manifest.gateway is not None:
            self._gateway = manifest.gateway.address_bytes, GatewayRules(context, manifest, crossings)

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
        """One transaction: events by contract, legs by token, and the call, when an exchange logged something."""
        of_house = events.get(self.house, ()) if self.house is not None else ()
        of_exchanges = [events.get(part.context.exchange, ()) for part in self._parts]
        self._apply_gateway(events, of_exchanges[-1])
        if not any(of_exchanges) and not of_house and not legs:
            return
        debts = debts_of(of_house)
        restored: list[Leg] = []
        for part, own in zip(self._parts, of_exchanges, strict=True):
            restored += part.rules.apply_own(own, legs, debts, timestamp_seconds).restored
        judge_leftovers(self._context, set(self.addresses), legs, debts)
        if self._positions is not None and of_house:
            self._positions.apply(of_house, timestamp_seconds)
        for part, own in zip(self._parts, of_exchanges, strict=True):
            if own and call is not None:
                part.orders.judge(call, own, timestamp_seconds)
        for token, of_token in legs.items():
            minted = [leg for leg in of_token if not any(leg is each for each in restored)]
            self._tokens[token].judge_exchange_cap(minted, timestamp_seconds)

    def _apply_gateway(self, events: Mapping[bytes, Sequence[ChainEvent]], of_exchange: Sequence[ChainEvent]) -> None:
        if self._gateway is None:
            return
        address, rules = self._gateway
        rules.apply(events.get(address, ()), of_exchange)

    def finish(self) -> None:
        """After the last block: the chain's own answers, and the figures."""
        for part in self._parts:
            part.orders.finish()
            self._add_figures(part.context)
        if self._positions is not None:
            self._positions.judge(self._client, self._report.to_block, self._spool.pending_ids())

    def _add_figures(self, context: SwapContext) -> None:
        for lane_id, lane in context.lanes.lanes.items():
            figures = context.figures_of(lane_id)
            agreement = lane.in_force(self._report.to_block_timestamp_seconds)
            figures.open = agreement is not None
            if agreement is not None:
                terms = agreement.terms
                figures.version = agreement.version
                figures.rate = f"{terms.rate_numerator}:{terms.rate_denominator}"
                figures.fee_bps = terms.fee_bps
                figures.daily_cap_points = terms.daily_cap_out
