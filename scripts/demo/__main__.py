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
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backend.audit.command import print_report
from backend.audit.html import save_html
from backend.audit.report import Report
from backend.audit.service import run_audit
from backend.chain.client import ChainClient
from backend.chain.manifest import Manifest
from backend.commands.common import sentence_for
from backend.database import make_engine
from backend.logging import configure_logging
from backend.stack.local import SAMPLE_LINKS, LocalStack, StackOptions
from backend.stack.programmes_file import ClearingDraft, ProgrammeDraft
from backend.stack.state import StateFolder, write_private
from scripts.demo.api import DemoApi, DemoApiError
from scripts.demo.clock import ChainClock
from scripts.demo.data import prepare, read_days
from scripts.demo.exchange import Exchange
from scripts.demo.programmes import EPOCH_DAYS, FIRST_DAY, PROGRAMMES
from scripts.demo.replay import Replay, ReplayError
from scripts.demo.settlement import Settlement, show_positions
from scripts.demo.summary import interesting_members, show_summary

STATE = Path(".interpoints")
_DEMO_SETTINGS = {
    # The data's days follow each other in seconds here, so nothing waits long to fill a batch.
    "INTERPOINTS_BATCH_MAX_AGE_SECONDS": "0.2",
    "INTERPOINTS_CHAIN_POLL_SECONDS": "0.1",
    "INTERPOINTS_LOG_LEVEL": "WARNING",
}
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
    parser.add_argument("--chain-port", type=int, default=0, help="port of the chain; 0 picks a free one")
    parser.add_argument("--exit", action="store_true", help="stop after the audit, with its exit status")
    parser.add_argument("--state", type=Path, default=STATE, help="folder for everything that is kept")
    return parser.parse_args(given)


def _drafts() -> list[ProgrammeDraft]:
    return [
        ProgrammeDraft(
            slug=each.slug,
            name=each.name,
            symbol=each.symbol,
            colour=each.colour,
            epoch_length_days=EPOCH_DAYS,
            validity_epochs=each.validity_epochs,
            clawback_epochs=each.clawback_epochs,
            earn_points=each.earn_points,
            earn_per_minor=each.earn_per_minor,
            return_period_days=each.return_period_days,
        )
        for each in PROGRAMMES
    ]


def _replay(console: Console, stack: LocalStack, data: Path, weeks: int) -> None:
    """Send the days through the stack."""
    clock = ChainClock(stack.chain_url)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("purchases"))
    days = list(read_days(data, weeks))
    with DemoApi(stack.api_url, stack.operator_key) as api:
        replay = Replay(stack, data, api, clock)
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
            task = progress.add_task("replaying", total=sum(day.purchases for day in days))
            for day in days:
                progress.update(task, description=f"{day.date:%-d %b %Y}")
                replay.day(day)
                stack.check()
                progress.advance(task, day.purchases)
            progress.update(task, description="finishing")
            replay.finish(days[-1].date)
        tills = replay.tills
        console.print(
            f"{len(replay.members):,} households; {tills.redemptions} redemptions and holds "
            f"({tills.without_points} coupons of households without points, {tills.lapsed} holds whose points "
            f"expired before they were captured), {tills.refunds} refunds, {tills.returns} returns"
        )
        _exchange(console, stack, replay, clock)
        replay.close()
    clock.close()


def _exchange(console: Console, stack: LocalStack, replay: Replay, clock: ChainClock) -> None:
    """Let households swap between brands, and the brands settle what that leaves."""
    names = {each.slug: each.name for each in PROGRAMMES}
    settlement = Settlement(replay.api, replay.programme_ids, names, clock, replay.settle, replay.wait_for)
    settlement.join()
    valid_until = datetime.fromtimestamp(clock.now(), UTC) + timedelta(days=365)
    exchange = Exchange(
        replay.api, replay.programme_ids, replay.members, settlement.currency, valid_until.isoformat(), replay.settle
    )
    exchange.agree()
    columns = (TextColumn("swapping"), TextColumn("{task.completed} swaps"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("swapping", total=None)
        for done in exchange.swap_all(replay.households_of()):
            progress.update(task, completed=done)
            stack.check()
    stages = {"swapped": settlement.positions()}
    cycle = settlement.close()
    stages["closed"] = settlement.positions()
    debtors = settlement.pay(cycle)
    stages["settled"] = settlement.positions()
    withdrawn = settlement.withdraw(cycle)
    stages["withdrawn"] = settlement.positions()
    replay.finalise()
    console.print(
        f"{exchange.swaps} swaps, {exchange.bonuses} with a transfer bonus ({exchange.too_few} households had too few "
        f"points); cycle {cycle}: {debtors} debtors paid, creditors withdrew {withdrawn:,.2f} {settlement.currency}"
    )
    show_positions(console, stages, settlement.currency)


def _audit(console: Console, stack: LocalStack) -> Report:
    client = ChainClient([stack.chain_url], timeout_seconds=60)
    try:
        with console.status("auditing"):
            report = run_audit(client, Manifest.load(stack.folder.manifest))
    finally:
        client.close()
    report.save_json(stack.folder.root / "audit.json")
    save_html(report, stack.folder.root / "audit.html")
    return report


def _show_addresses(console: Console, stack: LocalStack) -> None:
    """Print what can be opened, the member pages last."""
    engine = make_engine(stack.database_url, pool_size=1)
    households = interesting_members(engine, 3)
    engine.dispose()
    console.print()
    console.print(f"API        {stack.api_url}/v1/openapi.json   operator's key: {stack.operator_key}", markup=False)
    console.print(f"chain      {stack.chain_url}   manifest: {stack.folder.manifest}", markup=False)
    console.print(f"audit      {stack.folder.root / 'audit.html'}", markup=False)
    console.print(f"settings   interpoints --env-file {stack.folder.root / 'environment'}", markup=False)
    samples = []
    with DemoApi(stack.api_url, stack.operator_key) as api:
        for household, member in households:
            path = f"/v1/members/{member}/links"
            link = api.post(path, {"valid_seconds": _LINK_SECONDS}, f"link-{member}-{time.time_ns()}")
            samples.append({"label": f"Household {household}", "url": str(link["url"])})
    write_private(stack.folder.root / SAMPLE_LINKS, json.dumps(samples))
    console.print(f"pages      {stack.api_url}/", markup=False)
    for number, sample in enumerate(samples):
        console.print(f"{'members' if number == 0 else '':10} {sample['url']}  ({sample['label']})", markup=False)
    console.print("Ctrl-C stops it.")


def run(console: Console, options: argparse.Namespace) -> int:
    """The whole demonstration; the audit's exit status."""
    started = time.monotonic()
    state: Path = options.state
    folder = StateFolder(state / "demo")
    stack_options = StackOptions(
        programmes=_drafts(),
        api_port=options.port,
        chain_port=options.chain_port,
        chain_start_timestamp=int(FIRST_DAY.timestamp()),
        keeps_chain=False,
        settings=_DEMO_SETTINGS,
        clearing=ClearingDraft(cycle_days=7, payment_days=2, notice_hours=1),
    )
    stack = LocalStack(folder, stack_options, lambda text: console.print(text, style="dim"))
    try:
        console.print("converting the Complete Journey data", style="dim")
        data = prepare(state / "data")
        stack.start(fresh=True)
        _replay(console, stack, data, options.weeks)
        report = _audit(console, stack)
        engine = make_engine(stack.database_url, pool_size=1)
        show_summary(console, engine, report)
        engine.dispose()
        print_report(report, console)
        console.print(f"{options.weeks} weeks in {time.monotonic() - started:.0f} s", style="dim")
        if not options.exit:
            _show_addresses(console, stack)
            _keep_serving(stack)
        return 0 if report.passed else 1
    finally:
        console.print("stopping", style="dim")
        stack.stop()


def _keep_serving(stack: LocalStack) -> None:
    """Until interrupted. Blocks go on being mined, as on a real chain."""
    clock = ChainClock(stack.chain_url)
    for second in itertools.count():
        threading.Event().wait(1.0)
        stack.check()
        if second % _BLOCK_SECONDS == 0:
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
        sentence = str(error) if isinstance(error, ReplayError | DemoApiError) else sentence_for(error)
        if sentence is None:
            raise
        print(f"demo: {sentence}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
