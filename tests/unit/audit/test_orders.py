"""Who asked for a swap, and what a quote promised, is read from the call and held against logs and roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from backend.audit.transactions import Call
from backend.chain import points_exchange as px
from backend.chain.event_types import ChainEvent, RoleRevoked
from backend.chain.exchange_events import LaneAgreed, LaneProposed, LaneStopped
from backend.chain.exchange_types import NO_QUOTE, Quote, SwapRequest
from backend.chain.points_token import managed_account
from tests.unit.audit import trade
from tests.unit.audit.trade import (
    BOB,
    CHAIN_ID,
    CUSTODIAN,
    DAY,
    EXCHANGE,
    FUEL,
    GROCER,
    HOLDER,
    ISSUER,
    LANE,
    NOTICE,
    NOW,
    QUOTER,
    SIGNERS,
    STRANGER,
    TERMS,
    TOKENS,
    TREASURER,
    Market,
    Swap,
)

KEY, REF = b"\x07" * 32, b"\x01" * 32
MANAGED = managed_account(TOKENS[GROCER], KEY)
REQUEST = SwapRequest(LANE, BOB, 100, 1, REF, NOW + 60)
QUOTE = Quote(b"\x0a" * 32, LANE, 1, HOLDER, 200, 1_000, NOW + 60, QUOTER, b"")


@pytest.fixture
def market() -> Iterator[Market]:
    with trade.market() as market:
        market.agree()
        yield market


def quoted(by: bytes = QUOTER, **changes: object) -> Quote:
    """The quote with changes, signed by somebody."""
    quote = replace(QUOTE, **changes)  # type: ignore[arg-type]
    typed = px.quote_typed_data(exchange=EXCHANGE, chain_id=CHAIN_ID, quote=quote)
    return replace(quote, signature=SIGNERS.signer(by).sign_typed_data(typed))


def ordered(by: bytes = HOLDER, quote: Quote = NO_QUOTE, request: SwapRequest = REQUEST) -> bytes:
    """Calldata of a relayed order of HOLDER, signed by somebody."""
    typed = px.swap_typed_data(
        exchange=EXCHANGE, chain_id=CHAIN_ID, account=HOLDER, request=request, quote_id=quote.quote_id
    )
    signature = SIGNERS.signer(by).sign_typed_data(typed)
    return px.encode_swap_with_signature(HOLDER, request, signature, quote)


def judge(market: Market, swap: Swap, call: Call, now: int = NOW) -> None:
    market.play(swap, now)
    market.orders.judge(call, [swap.burnt, swap.ending], now)
    market.orders.finish()


def own(quote: Quote = NO_QUOTE, **changes: object) -> Call:
    """HOLDER's call of `swap`."""
    return trade.call(HOLDER, px.encode_swap(replace(REQUEST, **changes), quote))  # type: ignore[arg-type]


def of_holder(quote: Quote = NO_QUOTE) -> Swap:
    return trade.swap(account=HOLDER, quote_id=quote.quote_id, bonus_bps=quote.bonus_bps)


def test_orders__each_way_to_ask__nothing_found() -> None:
    calls = [
        (HOLDER, own()),
        (HOLDER, trade.call(STRANGER, ordered())),
        (MANAGED, trade.call(CUSTODIAN, px.encode_swap_managed(KEY, REQUEST))),
    ]
    for account, call in calls:
        with trade.market() as market:
            market.agree()
            judge(market, trade.swap(account=account), call)
            assert market.failed == {}
            assert market.context.report.check("orders").examined == 1


def test_swap__sent_by_another__orders(market: Market) -> None:
    judge(market, of_holder(), replace(own(), sender=STRANGER))
    assert market.failed == {"orders": ["another account, lane or ref than was asked for"]}


def test_managed__not_the_custodian__orders(market: Market) -> None:
    call = trade.call(STRANGER, px.encode_swap_managed(KEY, REQUEST))
    judge(market, trade.swap(account=MANAGED), call)
    assert market.failed == {"orders": [f"0x{STRANGER.hex()} is not the custodian of grocer"]}


def test_managed__another_key__orders(market: Market) -> None:
    call = trade.call(CUSTODIAN, px.encode_swap_managed(REF, REQUEST))
    judge(market, trade.swap(account=MANAGED), call)
    assert market.failed == {"orders": ["another account, lane or ref than was asked for"]}


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"min_out": 149}, "orders", "148 points were given, at least 149 were asked for"),
        ({"max_in": 99}, "orders", "100 points were taken of 99 offered"),
        ({"max_in": 101}, "swaps", "101 points in were offered, which come to 149 out, not 148"),
        ({"deadline": NOW - 1}, "orders", "1 s after its deadline"),
        ({"to": STRANGER}, "orders", "the points went to another account than was asked for"),
        ({"ref": KEY}, "orders", "another account, lane or ref than was asked for"),
        ({"lane_id": KEY}, "orders", "another account, lane or ref than was asked for"),
    ],
)
def test_swap__not_as_asked_for__orders(market: Market, changes: dict[str, object], check: str, says: str) -> None:
    judge(market, of_holder(), own(**changes))  # type: ignore[arg-type]
    assert says in market.failed[check]


def test_swap__quote_not_shown__orders(market: Market) -> None:
    judge(market, of_holder(QUOTE), own())
    assert "another quote than was shown" in market.failed["orders"]


# ---- quotes


def test_quote__signed_and_kept__nothing_found(market: Market) -> None:
    judge(market, of_holder(QUOTE), own(quoted()))
    assert market.failed == {}


@pytest.mark.parametrize(
    ("quote", "says"),
    [
        (lambda: quoted(version=2), "the quote is for another lane, version or account"),
        (lambda: quoted(lane_id=KEY), "the quote is for another lane, version or account"),
        (lambda: quoted(account=STRANGER), "the quote is for another lane, version or account"),
        (lambda: quoted(max_in=99), "the quote is good for 99 points in"),
        (lambda: quoted(expires_at=NOW - 7), "the quote had expired 7 s before"),
        (lambda: quoted(by=STRANGER, signer=STRANGER), f"0x{STRANGER.hex()} does not quote for fuel"),
    ],
)
def test_quote__not_for_this__quotes(market: Market, quote: Callable[[], Quote], says: str) -> None:
    judge(market, of_holder(QUOTE), own(quote()))
    assert market.failed == {"quotes": [says]}


def test_quote__more_than_was_promised__swaps(market: Market) -> None:
    judge(market, of_holder(QUOTE), own(quoted(bonus_bps=500)))
    assert "which come to 155 out, not 163" in market.failed["swaps"][0]


def test_quote__quoter_dismissed_before__quotes(market: Market) -> None:
    role = px.QUOTER_ROLE
    market.roles[TOKENS[FUEL]].apply(RoleRevoked(*trade.where(TOKENS[FUEL]), role, QUOTER, TREASURER))
    judge(market, of_holder(QUOTE), own(quoted()))
    assert market.failed == {"quotes": [f"0x{QUOTER.hex()} does not quote for fuel"]}


# ---- lanes


def _agreed(market: Market, acceptor: bytes, sender: bytes, proposer: bytes = GROCER) -> dict[str, list[str]]:
    proposed = LaneProposed(*trade.where(), LANE, GROCER, FUEL, proposer, TERMS)
    market.rules.apply([proposed], {}, [], NOW)
    market.orders.judge(trade.call(TREASURER, px.encode_propose(GROCER, FUEL, proposer, TERMS)), [proposed], NOW)
    agreed = LaneAgreed(*trade.where(), LANE, 2, NOW + NOTICE, TERMS)
    market.rules.apply([agreed], {}, [], NOW)
    market.orders.judge(trade.call(sender, px.encode_accept(GROCER, FUEL, acceptor, TERMS)), [agreed], NOW)
    return market.failed


def test_accept__the_other_side__nothing_found(market: Market) -> None:
    assert _agreed(market, FUEL, TREASURER) == {}


def test_accept__own_proposal__lanes(market: Market) -> None:
    assert _agreed(market, GROCER, TREASURER) == {"lanes": ["grocer accepted what fuel had not proposed"]}


def test_accept__stranger__orders(market: Market) -> None:
    assert _agreed(market, FUEL, STRANGER) == {"orders": [f"0x{STRANGER.hex()} may not act for fuel"]}


def test_propose__in_anothers_name__orders(market: Market) -> None:
    proposed = LaneProposed(*trade.where(), LANE, GROCER, FUEL, GROCER, TERMS)
    market.orders.judge(trade.call(TREASURER, px.encode_propose(GROCER, FUEL, FUEL, TERMS)), [proposed], NOW)
    assert market.failed == {"orders": ["asked for in the name of fuel"]}


def test_stop__stranger__orders(market: Market) -> None:
    stopped = LaneStopped(*trade.where(), LANE, FUEL)
    market.orders.judge(trade.call(STRANGER, px.encode_stop(GROCER, FUEL, FUEL)), [stopped], NOW)
    assert market.failed == {"orders": [f"0x{STRANGER.hex()} may not act for fuel"]}


# ---- endings


@pytest.mark.parametrize(
    ("sender", "refund", "late_days", "found"),
    [
        (ISSUER, False, 0, []),
        (STRANGER, False, 0, ["orders"]),
        (STRANGER, False, 7, ["orders"]),
        (ISSUER, True, 0, []),
        (STRANGER, True, 0, ["orders"]),
        (STRANGER, True, 7, []),
    ],
)
def test_ending__by_whom(sender: bytes, refund: bool, late_days: int, found: list[str]) -> None:
    terms = replace(TERMS, posted=True)
    with trade.market() as market:
        market.agree(terms)
        swap = trade.swap(terms=terms)
        market.play(swap)
        pending = swap.ending.pending  # type: ignore[union-attr]
        event: ChainEvent = trade.refunded(swap) if refund else trade.posted(swap)
        encode = px.encode_refund_pending if refund else px.encode_confirm_posted
        call = trade.call(sender, encode(swap.burnt.swap_id, pending))
        market.orders.judge(call, [event], NOW + late_days * DAY)
        assert list(market.failed) == found


# ---- what calls cannot say


def test_call__through_another_contract__notice(market: Market) -> None:
    judge(market, of_holder(), replace(own(), to=BOB, sender=STRANGER))
    assert market.failed == {}
    (notice,) = market.context.report.check("orders").findings
    assert "1 went through other contracts" in notice.detail


def test_call__oddly_encoded__notice(market: Market) -> None:
    call = own()
    judge(market, of_holder(), replace(call, data=call.data + b"\0"))
    assert market.failed == {}
    assert len(market.context.report.check("orders").findings) == 1
