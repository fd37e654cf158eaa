from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from backend.chain.fees import FeePolicy, Fees, base_fee_of_next

GWEI = 10**9
POLICY = FeePolicy(cap=500 * GWEI)


class TestQuote:
    def test_quiet_chain__twice_the_base_fee_and_the_tip(self) -> None:
        assert POLICY.quote(7 * GWEI, GWEI) == Fees(15 * GWEI, GWEI)

    def test_dear_chain__never_above_the_cap(self) -> None:
        assert POLICY.quote(400 * GWEI, GWEI) == Fees(500 * GWEI, GWEI)

    def test_next_block_above_the_cap__nothing(self) -> None:
        assert POLICY.quote(500 * GWEI, GWEI) is None

    def test_absurd_suggested_tip__paid_only_within_the_cap(self) -> None:
        assert POLICY.quote(GWEI, 10**18) == Fees(2 * GWEI + 1, 1)


class TestReplacement:
    @given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
    def test_any_fees__both_raised_by_an_eighth_or_nothing(self, max_fee: int, tip: int, base: int, asked: int) -> None:
        paid = Fees(max(max_fee, tip), tip)
        quote = POLICY.quote(base, asked) or Fees(POLICY.cap, POLICY.minimum_tip)
        raised = POLICY.replacement(paid, quote)
        if raised is None:
            return
        assert raised.max_fee >= Fraction(9, 8) * paid.max_fee
        assert raised.tip >= Fraction(9, 8) * paid.tip
        assert (raised.max_fee, raised.tip) > (paid.max_fee, paid.tip)
        assert raised.tip <= raised.max_fee <= POLICY.cap

    def test_rounded_up(self) -> None:
        assert POLICY.replacement(Fees(9, 1), Fees(1, 1)) == Fees(11, 2)

    def test_zero__still_more(self) -> None:
        assert POLICY.replacement(Fees(0, 0), Fees(0, 0)) == Fees(1, 1)

    def test_above_the_cap__nothing(self) -> None:
        assert POLICY.replacement(Fees(450 * GWEI, 1), Fees(1, 1)) is None

    def test_quote_above_what_is_left__as_much_as_the_cap_allows(self) -> None:
        assert POLICY.replacement(Fees(8 * GWEI, 8), Fees(500 * GWEI, 499 * GWEI)) == Fees(500 * GWEI, 499 * GWEI)


class TestBaseFee:
    def test_full_block__an_eighth_more(self) -> None:
        block = {"baseFeePerGas": hex(8_000), "gasUsed": hex(60), "gasLimit": hex(60)}
        assert base_fee_of_next(block) == 9_000  # type: ignore[arg-type]

    def test_empty_block__an_eighth_less(self) -> None:
        block = {"baseFeePerGas": hex(8_000), "gasUsed": "0x0", "gasLimit": hex(60)}
        assert base_fee_of_next(block) == 7_000  # type: ignore[arg-type]

    def test_chain_without_a_base_fee__zero(self) -> None:
        assert base_fee_of_next({"gasUsed": "0x0", "gasLimit": "0x1"}) == 0
