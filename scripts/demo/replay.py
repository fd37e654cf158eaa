"""The days of the data, one after the other, from the till to the chain."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import text

from backend.database import make_engine, make_sessions, transaction
from backend.importing.api import ImportApi
from backend.importing.mapping import Mapping
from backend.importing.service import import_events
from backend.points.sweeps import sweep_expired
from backend.programmes.repository import list_programmes
from backend.stack.local import LocalStack
from backend.stack.waiting import wait_until
from scripts.demo.api import DemoApi, NewEnrolment
from scripts.demo.clock import ChainClock
from scripts.demo.data import Day
from scripts.demo.programmes import PROGRAMMES
from scripts.demo.tills import Tills

SETTLE_DEADLINE_SECONDS = 300.0
SWEEP_EVERY_DAYS = 10
"""How often expired lots are removed from storage, so that their expiry can be seen in the logs."""

_OPEN_WORK = """
SELECT (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sent'))
     + (SELECT count(*) FROM accruals WHERE batch_id IS NULL AND matures_at <= :now AND points > reversed_points)
     + (SELECT count(*) FROM uploads WHERE completed_at IS NULL)
     + (SELECT count(*) FROM operations WHERE state IN ('pending', 'sent'))
"""
_CROSSING = """
SELECT count(*) FROM swaps s
WHERE s.destination_enrolment_id IS NULL
    AND NOT EXISTS (SELECT FROM crossings c WHERE c.swap_id = s.id AND c.outcome = 'minted')
    AND NOT EXISTS (SELECT FROM token_events e WHERE e.ref = s.swap_hash AND e.name = 'SwapRefunded')
"""
_NOT_FINAL = "SELECT count(*) FROM operations WHERE state NOT IN ('final', 'failed')"


class ReplayError(Exception):
    """The stack did not keep up; the message says with what."""


class Replay:
    """Sends the data's days through the API of a running stack, as far as they are of programmes at home there."""

    def __init__(self, stack: LocalStack, data: Path) -> None:
        self._stack = stack
        self.chain_id = stack.options.chain_id
        self.api = DemoApi(stack.api_url, stack.operator_key)
        self.clock = ChainClock(stack.chain_url)
        self._mapping = Mapping.load(data / "mapping.toml")
        self._engine = make_engine(stack.database_url, pool_size=1)
        self.programme_ids = self.api.programme_ids()
        """By slug, branches too."""
        self.home = [each.slug for each in PROGRAMMES if each.chain_id == self.chain_id]
        self._importers = {slug: self._importer(self.programme_ids[slug]) for slug in self.home}
        self._brands = ThreadPoolExecutor(len(self._importers), thread_name_prefix="brand")
        self.tills = Tills(self.api, self.programme_ids)
        self.members: dict[str, str] = {}
        """Member's id by household."""
        self._days = 0
        self._enrolled: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Close connections."""
        self._brands.shutdown()
        for importer in self._importers.values():
            importer.close()
        self._engine.dispose()
        self.clock.close()
        self.api.close()

    def _importer(self, programme_id: str) -> ImportApi:
        importer = ImportApi(self._stack.api_url, self._stack.operator_key)
        importer.choose_programme(programme_id)
        return importer

    def day(self, day: Day) -> None:
        """Live through one day: its purchases, then what else happens at the tills, then what is due from before."""
        day = day.at(self.home)
        self.clock.advance_to(datetime.combine(day.date, time(23, 59), UTC))
        self._enrol(day)
        self._import(day)
        self.settle()
        self.tills.follow_up(day.date)
        for coupon in day.redemptions:
            self.tills.redeem(coupon, day.date)
        for goods in day.returns:
            self.tills.take_back(goods)
        if day.redemptions or day.returns:
            self.settle()
        self._days += 1
        if self._days % SWEEP_EVERY_DAYS == 0:
            self.sweep()

    def finish(self, last: date) -> None:
        """Let what is still due happen, and everything become final."""
        while self.tills.has_follow_ups():
            last += timedelta(days=1)
            self.clock.advance_to(datetime.combine(last, time(23, 59), UTC))
            self.settle()
            self.tills.follow_up(last)
        self.settle()
        self.sweep()
        self.finalise()

    def finalise(self) -> None:
        """Let everything that was asked for become final."""
        self.clock.finalise()
        self.wait_for("the last operations' finality", lambda: not self._count(_NOT_FINAL))

    def households_of(self) -> dict[str, list[str]]:
        """Members of each programme by slug, in a fixed order."""
        return {
            slug: sorted((household for brand, household in self._enrolled if brand == slug), key=int)
            for slug in self.home
        }

    def crossing(self) -> int:
        """Swaps to the other chain that have not come to an end."""
        return self._count(_CROSSING)

    def account(self, slug: str, household: str) -> str:
        """Account of a household at a programme."""
        found = self.api.get("/v1/members", programme_id=self.programme_ids[slug], reference=household)["data"]
        assert isinstance(found, list)
        (member,) = found
        assert isinstance(member, dict)
        enrolments = member["enrolments"]
        assert isinstance(enrolments, list)
        (enrolment,) = enrolments
        assert isinstance(enrolment, dict)
        return str(enrolment["account"])

    def lots(self, slug: str, household: str) -> list[tuple[int, str]]:
        """What a household has at a programme: points and until when, earliest first."""
        path = f"/v1/members/{self.members[household]}/balances"
        found = self.api.get(path, programme_id=self.programme_ids[slug])["data"]
        assert isinstance(found, list)
        (balance,) = found
        assert isinstance(balance, dict)
        lots = balance["lots"]
        assert isinstance(lots, list)
        return [(int(str(lot["points"])), str(lot["expires_at"])) for lot in lots if isinstance(lot, dict)]

    def sweep(self) -> None:
        """Remove expired lots from the chain's storage, whoever holds them."""
        sessions = make_sessions(self._engine)
        while True:
            with transaction(sessions) as session:
                programmes = list_programmes(session, None, None, len(self.programme_ids))
                asked = [sweep_expired(session, programme) for programme in programmes]
            if not any(asked):
                return
            self.settle()

    def settle(self) -> None:
        """Wait until everything that was asked for is mined and indexed."""
        self.wait_for("batches and transactions", lambda: not self._count(_OPEN_WORK))

    def _enrol(self, day: Day) -> None:
        """Who buys for the first time joins; a household that is known joins a further programme as the same member."""
        new: list[tuple[str, str]] = []
        for slug, households in day.households.items():
            new += [(slug, household) for household in households if (slug, household) not in self._enrolled]
        first = {household: slug for slug, household in reversed(new) if household not in self.members}
        strangers = [(slug, household) for household, slug in first.items()]
        known = [pair for pair in new if pair not in set(strangers)]
        for name, pairs in (("new", strangers), ("known", known)):
            if pairs:
                requests = [
                    NewEnrolment(self.programme_ids[slug], household, self.members.get(household))
                    for slug, household in pairs
                ]
                ids = self.api.enrol(requests, f"enrol-{day.date}-{name}")
                self.members.update({household: member for (_, household), member in zip(pairs, ids, strict=True)})
        self._enrolled.update(new)

    def _import(self, day: Day) -> None:
        """Import the day's files, each programme by itself, as each brand would."""
        waiting = [self._brands.submit(self._import_file, slug, day) for slug in day.purchase_files]
        for each in waiting:
            each.result()

    def _import_file(self, slug: str, day: Day) -> None:
        journals = self._stack.folder.root / "imports"
        stem = f"{slug}-{day.date}"
        import_events(
            day.purchase_files[slug],
            self._mapping,
            self._importers[slug],
            journal_path=journals / f"{stem}.journal",
            rejected_path=journals / f"{stem}.rejected.csv",
        )

    def _count(self, query: str) -> int:
        with self._engine.connect() as connection:
            return int(connection.scalar(text(query), {"now": self._now()}) or 0)

    def wait_for(
        self,
        what: str,
        come_about: Callable[[], bool],
        *,
        deadline_seconds: float = SETTLE_DEADLINE_SECONDS,
        poll_seconds: float = 0.03,
    ) -> None:
        """Wait until something has come about. Raises ReplayError when it does not."""
        if not wait_until(come_about, deadline_seconds, poll_seconds):
            self._stack.check()
            raise ReplayError(f"{what} did not come about within {deadline_seconds:.0f} seconds.")

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)
