"""What happens at tills and customer desks besides buying: points spent, given back, taken back.

The data set says which household used a coupon when; that becomes a redemption. What it does not say follows fixed
rules, so that every operation of the API is exercised and each run is the same (docs/decisions/0002).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from scripts.demo.api import DemoApi, Json
from scripts.demo.data import CouponRedemption, GoodsReturn

COUPON_POINTS = 500
"""Points that a coupon costs, or all there are when there are fewer."""
HOLD_SECONDS = 3 * 86_400


@dataclass(frozen=True)
class _FollowUp:
    """A step that comes some days after a redemption."""

    redemption_id: str
    step: str
    points: int


@dataclass
class Tills:
    """The tills of all programmes. `programme_ids` by slug."""

    api: DemoApi
    programme_ids: dict[str, str]
    redemptions: int = 0
    """Redemptions asked for so far, holds included."""
    without_points: int = 0
    """Coupons of households that had no points yet."""
    lapsed: int = 0
    """Holds that could not be captured, because held points expired meanwhile; they are released."""
    refunds: int = 0
    returns: int = 0
    _follow_ups: dict[date, list[_FollowUp]] = field(default_factory=dict)

    def has_follow_ups(self) -> bool:
        """Whether something still waits for its day."""
        return bool(self._follow_ups)

    def follow_up(self, today: date) -> None:
        """Capture, release and refund what is due."""
        for due in sorted(day for day in self._follow_ups if day <= today):
            for each in self._follow_ups.pop(due):
                self._take(each)

    def redeem(self, coupon: CouponRedemption, today: date) -> None:
        """Spend points on a coupon: at once, or by way of a hold."""
        body: dict[str, Json] = {
            "programme_id": self.programme_ids[coupon.programme],
            "member_reference": coupon.household,
        }
        body["reference"] = coupon.reference
        question: dict[str, Json] = {"points": COUPON_POINTS, "mode": "dry_run"}
        examined = self.api.post("/v1/redemptions", body | question, f"examine-{coupon.reference}")
        available = examined["available_points"]
        assert isinstance(available, int)
        points = min(COUPON_POINTS, available)
        if points < 2:
            self.without_points += 1
            return
        self.redemptions += 1
        number = self.redemptions
        holds = number % 4 in {1, 3} or number % 11 == 5
        terms: dict[str, Json] = {"hold": {"expires_in_seconds": HOLD_SECONDS}} if holds else {}
        order: dict[str, Json] = {"points": points}
        made = self.api.post("/v1/redemptions", body | order | terms, coupon.reference)
        identifier = str(made["id"])
        spent = points
        if number % 11 == 5:
            self._plan(today, 1, _FollowUp(identifier, "release", 0))
            return
        if holds:
            spent = points if number % 4 == 1 else max(1, points * 3 // 5)
            self._plan(today, 1, _FollowUp(identifier, "capture", spent))
            self._plan(today, 2, _FollowUp(identifier, "release if not captured", 0))
        if number % 5 == 2 and spent > 1:
            self._plan(today, 3, _FollowUp(identifier, "refund", spent // 2))
            self._plan(today, 5, _FollowUp(identifier, "refund", spent - spent // 2))

    def take_back(self, goods: GoodsReturn, currency: str = "USD") -> None:
        """Part of a purchase comes back, and the points it earned go."""
        programme_id = self.programme_ids[goods.programme]
        found = self.api.get("/v1/events", programme_id=programme_id, reference=goods.basket)["data"]
        assert isinstance(found, list)
        event = found[0]
        assert isinstance(event, dict)
        amount = f"{goods.amount_minor // 100}.{goods.amount_minor % 100:02}"
        reference = f"return-{goods.basket}"
        self.api.post(
            f"/v1/events/{event['id']}/returns",
            {"reference": reference, "value": {"amount": amount, "currency": currency}},
            f"{goods.programme}-{reference}",
        )
        self.returns += 1

    def _take(self, due: _FollowUp) -> None:
        path = f"/v1/redemptions/{due.redemption_id}"
        key = f"{due.redemption_id}-{due.step}-{due.points}"
        if due.step == "capture":
            self.api.post(f"{path}/capture", {"points": due.points}, key)
        elif due.step == "release":
            self.api.post(f"{path}/release", {}, key)
        elif due.step == "release if not captured":
            if self.api.get(path)["state"] == "reserved":
                self.lapsed += 1
                self.api.post(f"{path}/release", {}, key)
        elif self.api.get(path)["state"] == "redeemed":
            self.refunds += 1
            reference = f"refund-{self.refunds}"
            self.api.post(f"{path}/refunds", {"reference": reference, "points": due.points}, reference)

    def _plan(self, today: date, days: int, follow_up: _FollowUp) -> None:
        self._follow_ups.setdefault(today + timedelta(days=days), []).append(follow_up)
