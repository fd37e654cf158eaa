"""The book adds up what two chains log, whichever is read first, and nothing that ended well can happen again."""

from __future__ import annotations

from itertools import permutations

from backend.chain.crosschain_exchange import lane_id
from backend.chain.event_types import ChainEvent, Lot
from backend.chain.exchange_events import LaneProposed, SwapMinted, SwapRefunded, SwapRefused, SwapSent
from backend.chain.exchange_types import CrosschainSwap, LaneTerms, RefusalReason
from backend.chain.gateway_events import MessageDelivered, MessageFailed, MessageQueued
from backend.chain.programme_registry import programme_id
from bridge.messages import Arrival, Violation
from bridge.swap_book import Book

HERE, THERE = 31337, 1337
WHERE = (bytes(20), 7, bytes(32), 0)
LANE = lane_id(HERE, programme_id("grocer"), THERE, programme_id("fuel"))
SWAP, MESSAGE, MEMBER = b"s" * 32, b"m" * 32, b"a" * 20
TERMS = LaneTerms(3, 10, 0, 0, 1, 10**9, 2**40, 4_200, carry_expiry=True, posted=False)
SENT = SwapSent(
    *WHERE,
    SWAP,
    LANE,
    MESSAGE,
    CrosschainSwap(SWAP, LANE, 1, MEMBER, MEMBER, 1_000, 300, 0, 9_999, 86_400, 4, (Lot(1, 1_000),)),
)
MINTED = SwapMinted(*WHERE, SWAP, LANE, MEMBER, 300, (Lot(1, 300),))
REFUSED = SwapRefused(*WHERE, SWAP, LANE, b"r" * 32, RefusalReason.DEADLINE_PAST)
REFUNDED = SwapRefunded(*WHERE, SWAP, LANE, MEMBER, (Lot(1, 900),), 100)
PROPOSED = LaneProposed(*WHERE, LANE, programme_id("grocer"), programme_id("fuel"), programme_id("fuel"), TERMS)


def book_of(*logs: tuple[int, ChainEvent]) -> Book:
    book = Book((HERE, THERE))
    for chain_id, event in logs:
        book.take(chain_id, [(event, 100)])
    return book


def test_a_lane_is_named_from_either_chain() -> None:
    for chain_id in (HERE, THERE):
        lane = book_of((chain_id, PROPOSED)).lanes[LANE]
        assert (lane.source, lane.destination, lane.source_chain, lane.destination_chain) == (
            "grocer",
            "fuel",
            HERE,
            THERE,
        )


def test_in_whatever_order_it_is_read_a_swap_ends_and_is_forgotten() -> None:
    for logs in permutations(((HERE, SENT), (THERE, MINTED))):
        book = book_of(*logs)
        assert (book.swaps, list(book.suspects()), book.in_flight()) == ({}, [], [])
        lane = book.lanes[LANE]
        assert (lane.burned_points, lane.promised_points, lane.minted_points) == (1_000, 300, 300)
    for logs in permutations(((HERE, SENT), (THERE, REFUSED), (HERE, REFUNDED))):
        book = book_of(*logs)
        assert (book.swaps, book.lanes[LANE].refunded_points) == ({}, 1_000)


def test_a_second_mint_has_no_burn() -> None:
    book = book_of((HERE, SENT), (THERE, MINTED), (THERE, MINTED))
    ((row, found),) = book.suspects()
    assert (row.swap_id, found) == (SWAP, (Violation.MINTED_WITHOUT_BURN,))
    assert book.lanes[LANE].mints_too_much


def test_a_mint_for_somebody_else_is_another() -> None:
    other = SwapMinted(*WHERE, SWAP, LANE, b"t" * 20, 300, ())
    assert [found for _, found in book_of((HERE, SENT), (THERE, other)).suspects()] == [(Violation.MINTED_OTHERWISE,)]


def test_what_waits_is_told_the_oldest_first() -> None:
    queued = [MessageQueued(bytes(20), block, bytes(32), 0, bytes((block,)) * 32, THERE, block) for block in (2, 1)]
    book = Book((HERE, THERE))
    book.take(HERE, [(event, event.block_number) for event in queued])
    assert [row.nonce for row in book.waiting()] == [1, 2]
    book.take(THERE, [(MessageFailed(*WHERE, bytes((1,)) * 32, HERE, 1, b""), 5)])
    assert book.waiting()[0].arrival is Arrival.FAILED
    book.take(THERE, [(MessageDelivered(*WHERE, bytes((1,)) * 32, HERE, 1), 6)])
    assert [row.nonce for row in book.waiting()] == [2]
    assert (book.routes[HERE, THERE].sent, book.routes[HERE, THERE].delivered) == (2, 1)


def test_a_delivery_that_is_read_before_its_sending_is_not_waiting() -> None:
    book = book_of((THERE, MessageDelivered(*WHERE, MESSAGE, HERE, 1)))
    assert book.waiting() == []
    book.take(HERE, [(MessageQueued(*WHERE, MESSAGE, THERE, 1), 1)])
    assert book.messages == {}
