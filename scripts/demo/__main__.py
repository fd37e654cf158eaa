"""`make demo`: real purchases, from the till to the chain and back, on this machine."""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backend.audit.chains_report import ChainsReport
from backend.audit.command import print_chains
from backend.audit.html import save_html
from backend.audit.service import run_audits
from backend.chain.client import ChainClient
from backend.chain.manifest import Manifest
from backend.commands.common import sentence_for
from backend.database import make_engine
from backend.logging import configure_logging
from backend.stack.local import SAMPLE_LINKS, LocalStack
from backend.stack.state import write_private
from scripts.demo.api import DemoApi, DemoApiError
from scripts.demo.clock import ChainClock
from scripts.demo.crossing import StoppedLane, align, carry
from scripts.demo.data import prepare, read_days
from scripts.demo.exchange import LANES, MOST_SWAPS, Exchange, LanePlan
from scripts.demo.programmes import PROGRAMMES
from scripts.demo.replay import Replay, ReplayError
from scripts.demo.settlement import Settlement, show_positions
from scripts.demo.stage import BridgeBehindError, Stage
from scripts.demo.summary import interesting_members, show_summary

STATE = Path(".interpoints")
_LINK_SECONDS = 7 * 86_400
_BLOCK_SECONDS = 5
"""Time between blocks once the replay is over."""


class _InterruptedError(Exception):
    """Ctrl-C, or a request to end."""


def _weeks(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 53:
        raise argparse.ArgumentTypeError(f"the data has weeks 1 to 53, not {text!r}")
    return int(text)


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--weeks", type=_weeks, default=8, help="weeks of the data, 1 to 53 (make demo WEEKS=...)")
    parser.add_argument("--port", type=int, default=8000, help="port of the API and the pages (make demo PORT=...)")
    parser.add_argument("--swaps", type=int, default=MOST_SWAPS, help="most swaps, shared among five lanes")
    parser.add_argument("--chain-port", type=int, default=0, help="port of the chain; 0 picks a free one")
    parser.add_argument("--exit", action="store_true", help="stop after the audit, with its exit status")
    parser.add_argument("--state", type=Path, default=STATE, help="folder for everything that is kept")
    return parser.parse_args(given)


def _replay(console: Console, stage: Stage, sites: Sequence[Replay], data: Path, weeks: int) -> None:
    """Send the days through both stacks."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("purchases"))
    days = list(read_days(data, weeks))
    with (
        ThreadPoolExecutor(len(sites)) as pool,
        Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress,
    ):
        task = progress.add_task("replaying", total=sum(day.purchases for day in days))
        for day in days:
            progress.update(task, description=f"{day.date:%-d %b %Y}")
            list(pool.map(lambda site, day=day: site.day(day), sites))
            stage.check()
            progress.advance(task, day.purchases)
        progress.update(task, description="finishing")
        list(pool.map(lambda site: site.finish(days[-1].date), sites))
    tills = [site.tills for site in sites]
    households = {household for site in sites for household in site.members}
    console.print(
        f"{len(households):,} households; {sum(each.redemptions for each in tills)} redemptions and holds "
        f"({sum(each.without_points for each in tills)} coupons of households without points, "
        f"{sum(each.lapsed for each in tills)} holds whose points expired before they were captured), "
        f"{sum(each.refunds for each in tills)} refunds, {sum(each.returns for each in tills)} returns"
    )


def _exchange(console: Console, stage: Stage, sites: Sequence[Replay], most_swaps: int) -> None:
    """Let households swap between brands, across chains too, and the brands settle what that leaves."""
    names = {each.slug: each.name for each in PROGRAMMES}
    align(sites)
    settlements = {
        site: Settlement(site.api, site.programme_ids, names, site.clock, site.settle, site.wait_for) for site in sites
    }
    for settlement in settlements.values():
        settlement.join()
    valid_until = datetime.fromtimestamp(sites[0].clock.now(), UTC) + timedelta(days=365)
    homes = {slug: site for site in sites for slug in site.home}
    exchange = Exchange(homes, settlements[sites[0]].currency, valid_until.isoformat(), most_swaps)
    exchange.agree()
    _swap(console, stage, sites, exchange)
    StoppedLane(console, stage, exchange, LANES[-1]).run()
    console.print(
        f"{exchange.swaps} swaps, {exchange.crossings} of them to the other chain, {exchange.bonuses} with a transfer "
        f"bonus ({exchange.too_few} households had too few points)"
    )
    console.print(stage.bridge_status(), markup=False)
    for site, settlement in settlements.items():
        _settle(console, site, settlement)
    align(sites)


def _swap(console: Console, stage: Stage, sites: Sequence[Replay], exchange: Exchange) -> None:
    """Lane after lane. An attester is killed while swaps are on their way, and comes back before the last lane."""
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed} swaps"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("swapping", total=None)

        def let_swap(plan: LanePlan) -> None:
            progress.update(task, description=f"{plan.source.name} to {plan.destination.name}")
            for done in exchange.swap_all(plan):
                progress.update(task, completed=done)
                stage.check()

        first, *more, last = LANES
        let_swap(first)
        stage.bridge.kill_attester(0)
        progress.console.print("an attester is killed; the other two sign on", style="dim")
        for plan in more:
            let_swap(plan)
        carry(stage, sites)
        stage.bridge.revive_attester(0)
        progress.console.print("everything has arrived; the attester comes back with its journal", style="dim")
        let_swap(last)
        carry(stage, sites)
    signed = stage.await_same_signatures()
    console.print(f"every attester, the one that was away too, has signed the same {signed} messages")


def _settle(console: Console, site: Replay, settlement: Settlement) -> None:
    """A chain's clearing: close the cycle, pay, withdraw."""
    stages = {"swapped": settlement.positions()}
    cycle = settlement.close()
    stages["closed"] = settlement.positions()
    debtors = settlement.pay(cycle)
    stages["settled"] = settlement.positions()
    withdrawn = settlement.withdraw(cycle)
    stages["withdrawn"] = settlement.positions()
    site.finalise()
    console.print(
        f"chain {site.chain_id}, cycle {cycle}: {debtors} debtors paid, creditors withdrew {withdrawn:,.2f}"
        f" {settlement.currency}"
    )
    show_positions(console, stages, settlement.currency)


def _audit(console: Console, stage: Stage) -> ChainsReport:
    """Both chains from their endpoints and manifests alone, and every burn against its mint or refund."""
    clients = [ChainClient([stack.chain_url], timeout_seconds=60) for stack in stage.stacks]
    manifests = [Manifest.load(stack.folder.manifest) for stack in stage.stacks]
    try:
        with console.status("auditing"):
            report = ChainsReport(*run_audits(list(zip(clients, manifests, strict=True))))
    finally:
        for client in clients:
            client.close()
    report.save_json(stage.audit.with_suffix(".json"))
    save_html(report, stage.audit)
    return report


def _show_addresses(console: Console, stage: Stage) -> None:
    """Print what can be opened, the member pages last."""
    console.print(f"\naudit of both chains   {stage.audit}", markup=False)
    for stack in stage.stacks:
        samples = _samples(stack)
        console.print(f"\nchain {stack.options.chain_id}")
        console.print(
            f"API        {stack.api_url}/v1/openapi.json   operator's key: {stack.operator_key}", markup=False
        )
        console.print(f"endpoint   {stack.chain_url}   manifest: {stack.folder.manifest}", markup=False)
        console.print(f"settings   interpoints --env-file {stack.folder.root / 'environment'}", markup=False)
        console.print(f"pages      {stack.api_url}/", markup=False)
        for number, sample in enumerate(samples):
            console.print(f"{'members' if number == 0 else '':10} {sample['url']}  ({sample['label']})", markup=False)
    console.print("Ctrl-C stops it.")


def _samples(stack: LocalStack) -> list[dict[str, str]]:
    """Links to the pages of some members, which the start page shows."""
    engine = make_engine(stack.database_url, pool_size=1)
    households = interesting_members(engine, 3)
    engine.dispose()
    samples = []
    with DemoApi(stack.api_url, stack.operator_key) as api:
        for household, member in households:
            path = f"/v1/members/{member}/links"
            link = api.post(path, {"valid_seconds": _LINK_SECONDS}, f"link-{member}-{time.time_ns()}")
            samples.append({"label": f"Household {household}", "url": str(link["url"])})
    write_private(stack.folder.root / SAMPLE_LINKS, json.dumps(samples))
    return samples


def run(console: Console, options: argparse.Namespace) -> int:
    """The whole demonstration; the audit's exit status."""
    started = time.monotonic()
    state: Path = options.state
    stage = Stage(state, options, lambda text: console.print(text, style="dim"))
    try:
        console.print("converting the Complete Journey data", style="dim")
        data = prepare(state / "data")
        stage.start(fresh=True)
        sites = [Replay(stack, data) for stack in stage.stacks]
        _replay(console, stage, sites, data, options.weeks)
        _exchange(console, stage, sites, options.swaps)
        for site in sites:
            site.close()
        report = _audit(console, stage)
        databases = [stack.database_url for stack in stage.stacks]
        show_summary(console, list(zip(databases, report.chains, strict=True)))
        print_chains(report, console)
        console.print(f"{options.weeks} weeks in {time.monotonic() - started:.0f} s", style="dim")
        if not options.exit:
            _show_addresses(console, stage)
            _keep_serving(stage)
        return 0 if report.passed else 1
    finally:
        console.print("stopping", style="dim")
        stage.stop()


def _keep_serving(stage: Stage) -> None:
    """Until interrupted. Blocks go on being mined, as on real chains."""
    clocks = [ChainClock(stack.chain_url) for stack in stage.stacks]
    for second in itertools.count():
        threading.Event().wait(1.0)
        stage.check()
        if second % _BLOCK_SECONDS == 0:
            for clock in clocks:
                clock.tick()


def main() -> int:
    """Run it; one sentence for what a user can do something about."""
    console = Console(highlight=False, soft_wrap=True)
    configure_logging("ERROR")

    def interrupt(*_: object) -> None:
        raise _InterruptedError

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)
    try:
        return run(console, _arguments(sys.argv[1:]))
    except _InterruptedError:
        return 0
    except Exception as error:
        sentence = (
            str(error) if isinstance(error, ReplayError | DemoApiError | BridgeBehindError) else sentence_for(error)
        )
        if sentence is None:
            raise
        print(f"demo: {sentence}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
