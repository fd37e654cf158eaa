"""Quotes: a transfer bonus that the destination promises one account, once."""

from dataclasses import replace

import pytest

from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, Quotes
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.signing import SPOILT, Domain, member_wallet
from tests.contracts.support.world import NOTICE_SECONDS, owed

QUOTE = ref("quote")
FIELDS = ("quote_id", "lane_id", "version", "account", "max_in", "bonus_bps", "expires_at")


@pytest.fixture
def swap(funded, requests, alice):
    """Alice swaps a hundred points with a quote: `swap(quote)`."""

    def swap_with(quote, max_in=100, **changes):
        return funded.exchange.swap(requests.of(alice, max_in, **changes), quote, {"from": alice})

    return swap_with


class TestRefused:
    @pytest.mark.spec("EX-63")
    def test_for_another_account(self, swap, quotes, bob):
        with reverts("QuoteMismatch", QUOTE):
            swap(quotes.of(bob))

    @pytest.mark.spec("EX-63")
    def test_for_another_lane(self, world, swap, quotes, alice, funded):
        with reverts("QuoteMismatch", QUOTE):
            swap(quotes.of(alice, lane_id=world.lane(1, 0).id))

    @pytest.mark.spec("EX-63")
    @pytest.mark.parametrize("version", [0, 2])
    def test_for_another_version(self, swap, quotes, alice, version):
        with reverts("QuoteMismatch", QUOTE):
            swap(quotes.of(alice, version=version))

    @pytest.mark.spec("EX-63")
    def test_for_the_same_terms_agreed_before_a_stop(self, funded, swap, quotes, terms, alice):
        quote = quotes.of(alice)
        funded.stop()
        funded.agree(terms)
        with reverts("QuoteMismatch", QUOTE):
            swap(quote)

    @pytest.mark.spec("EX-63", "EX-11")
    def test_when_new_terms_have_begun(self, funded, swap, quotes, terms, alice, clock):
        quote = quotes.of(alice, expires_at=clock.now_seconds + 2 * NOTICE_SECONDS)
        funded.agree(terms)
        clock.go_to(clock.now_seconds + NOTICE_SECONDS)
        with reverts("QuoteMismatch", QUOTE):
            swap(quote)

    @pytest.mark.spec("EX-62")
    def test_one_second_late(self, swap, quotes, alice, clock):
        quote = quotes.of(alice, expires_at=clock.now_seconds + 600)
        clock.next_block_at(quote[6] + 1)
        with reverts("QuoteExpired", QUOTE, quote[6]):
            swap(quote, deadline=quote[6] + 1_000)

    @pytest.mark.spec("EX-61")
    def test_used(self, swap, quotes, alice):
        swap(quotes.of(alice))
        with reverts("QuoteUsed", QUOTE):
            swap(quotes.of(alice), ref=ref("next"))

    @pytest.mark.spec("EX-61")
    def test_used__whatever_else_is_promised_under_its_id(self, swap, quotes, alice):
        swap(quotes.of(alice))
        with reverts("QuoteUsed", QUOTE):
            swap(quotes.of(alice, bonus_bps=500, max_in=2_000), ref=ref("next"))

    @pytest.mark.spec("EX-64")
    def test_for_fewer_points(self, swap, quotes, alice):
        with reverts("QuoteExceeded", QUOTE, 100, 99):
            swap(quotes.of(alice, max_in=99))

    @pytest.mark.spec("EX-65")
    def test_bonus_above_the_lane_s(self, swap, quotes, alice, terms):
        with reverts("BonusTooHigh", terms.max_bonus_bps + 1, terms.max_bonus_bps):
            swap(quotes.of(alice, bonus_bps=terms.max_bonus_bps + 1))

    @pytest.mark.spec("EX-66")
    @pytest.mark.parametrize("field", FIELDS)
    def test_a_field_changed(self, funded, swap, quotes, alice, bob, field):
        fields = quotes.fields(alice)
        genuine = quotes.signed(fields, funded.destination.quoter)
        signed_otherwise = {
            "quote_id": ref("another quote"),
            "lane_id": ref("another lane"),
            "version": 2,
            "account": bob.address,
            "max_in": 999,
            "bonus_bps": 900,
            "expires_at": fields["expires_at"] + 1,
        }
        other = quotes.signed(fields | {field: signed_otherwise[field]}, funded.destination.quoter)
        with reverts("InvalidQuoteSignature", QUOTE, funded.destination.quoter.address):
            swap((*genuine[:-1], other[-1]))

    @pytest.mark.spec("EX-66")
    @pytest.mark.parametrize(
        "change",
        [{"name": "fuel points"}, {"version": "2"}, {"chain_id": 1}, {"verifying_contract": "0x" + "11" * 20}],
        ids=lambda change: next(iter(change)),
    )
    def test_other_domain(self, world, funded, swap, clock, alice, change):
        foreign = Quotes(funded, Domain(**(vars(world.domain) | change)), lambda: clock.now_seconds)
        with reverts("InvalidQuoteSignature", QUOTE, funded.destination.quoter.address):
            swap(foreign.of(alice))

    @pytest.mark.spec("EX-66")
    @pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
    def test_spoilt_signature(self, funded, swap, quotes, alice, spoil):
        *fields, signature = quotes.of(alice)
        with reverts("InvalidQuoteSignature", QUOTE, funded.destination.quoter.address):
            swap((*fields, spoil(signature)))
        assert not funded.exchange.isQuoteUsed(funded.destination.id, QUOTE)

    @pytest.mark.spec("EX-66")
    @pytest.mark.parametrize("signer", ["source's quoter", "stranger", "quoter by name only"])
    def test_not_the_destination_s_quoter(self, funded, swap, quotes, alice, signer):
        key = funded.source.quoter if signer == "source's quoter" else member_wallet("thief")
        named = funded.destination.quoter.address if signer == "quoter by name only" else key.address
        quote = quotes.signed(quotes.fields(alice), key, named)
        with reverts("InvalidQuoteSignature", QUOTE, named):
            swap(quote)

    @pytest.mark.spec("EX-66")
    def test_zero_signer(self, swap, quotes, alice):
        quote = (*quotes.of(alice)[:-2], NOBODY, b"\x00" * 65)
        with reverts("InvalidQuoteSignature", QUOTE, NOBODY):
            swap(quote)

    @pytest.mark.spec("EX-67")
    def test_role_taken_away(self, funded, swap, quotes, alice, admin):
        quoter = funded.destination.quoter
        funded.destination.token.revokeRole(funded.exchange.QUOTER_ROLE(), quoter.address, {"from": admin})
        with reverts("InvalidQuoteSignature", QUOTE, quoter.address):
            swap(quotes.of(alice))

    @pytest.mark.spec("EX-66")
    def test_at_a_redeployed_exchange(self, PointsExchange, world, funded, terms, requests, quotes, alice, admin):
        twin = PointsExchange.deploy(world.registry, world.house, 1, admin, 1, {"from": admin})
        for call, programme in (("propose", funded.source), ("accept", funded.destination)):
            getattr(twin, call)(*funded.ends, programme.id, terms.struct, {"from": programme.negotiator})
        with reverts("InvalidQuoteSignature", QUOTE, funded.destination.quoter.address):
            twin.swap(requests.of(alice, 100), quotes.of(alice), {"from": alice})


class TestBonus:
    @pytest.mark.spec("EX-60", "EX-61")
    def test_given__at_the_destination_s_cost(self, world, funded, swap, quotes, alice):
        assert not funded.exchange.isQuoteUsed(funded.destination.id, QUOTE)
        transaction = swap(quotes.of(alice))
        burnt = logs(transaction, "SwapBurnt")[0]
        assert burnt[6:8] == (QUOTE, (100, 55, 50, 400))
        assert funded.destination.token.balanceOf(alice) == 55
        assert owed(world.house, funded.source, funded.destination) == (400, 0)
        assert funded.exchange.isQuoteUsed(funded.destination.id, QUOTE)

    @pytest.mark.spec("EX-62")
    def test_in_its_last_second__given(self, funded, swap, quotes, alice, clock):
        quote = quotes.of(alice, expires_at=clock.now_seconds + 600)
        clock.next_block_at(quote[6])
        swap(quote)
        assert funded.destination.token.balanceOf(alice) == 55

    @pytest.mark.spec("EX-64")
    def test_exactly_as_many_points__given(self, funded, swap, quotes, alice):
        swap(quotes.of(alice, max_in=100))
        assert funded.destination.token.balanceOf(alice) == 55

    @pytest.mark.spec("EX-65")
    def test_the_lane_s_largest__given(self, funded, swap, quotes, alice, terms):
        swap(quotes.of(alice, bonus_bps=terms.max_bonus_bps))
        assert funded.destination.token.balanceOf(alice) == 62

    @pytest.mark.spec("EX-60", "EX-21")
    def test_fewer_points_in__as_the_points_out_need(self, funded, swap, quotes, alice):
        swap(quotes.of(alice, bonus_bps=2_500), max_in=101)
        assert plain(funded.exchange.price(funded.id, 101, 2_500)) == (101, 63, 50, 400)
        assert funded.source.token.balanceOf(alice) == 899
        assert funded.destination.token.balanceOf(alice) == 63

    @pytest.mark.spec("EX-69")
    def test_no_quote__nothing_of_it_counts(self, funded, swap, quotes, alice, bob):
        _, lane_id, _, _, *rest = quotes.of(bob, bonus_bps=2_500)
        swap((NO_HASH, lane_id, 7, bob.address, *rest))
        assert funded.destination.token.balanceOf(alice) == 50
        assert not funded.exchange.isQuoteUsed(funded.destination.id, NO_HASH)

    @pytest.mark.spec("EX-61")
    def test_refused_swap__leaves_the_quote(self, funded, swap, quotes, alice):
        with reverts("InsufficientOutput", 55, 56):
            swap(quotes.of(alice), min_out=56)
        swap(quotes.of(alice))
        assert funded.destination.token.balanceOf(alice) == 55

    @pytest.mark.spec("EX-70")
    def test_two_destinations__same_id(self, world, funded, swap, quotes, requests, terms, alice, clock):
        other = world.lane(0, 2)
        other.agree(replace(terms, rate_denominator=4))
        swap(quotes.of(alice))
        elsewhere = Quotes(other, world.domain, lambda: clock.now_seconds).of(alice)
        request = requests.of(alice, 100, lane_id=other.id, ref=ref("next"))
        funded.exchange.swap(request, elsewhere, {"from": alice})
        assert other.destination.token.balanceOf(alice) == 27

    @pytest.mark.spec("EX-61")
    def test_used_on_one_lane__used_on_all_of_the_destination(
        self, world, funded, swap, quotes, requests, terms, issue_to, alice, clock
    ):
        other = world.lane(2, 1)
        other.agree(terms)
        issue_to(other.source, alice, 100)
        swap(quotes.of(alice))
        again = Quotes(other, world.domain, lambda: clock.now_seconds).of(alice)
        with reverts("QuoteUsed", QUOTE):
            funded.exchange.swap(requests.of(alice, 100, lane_id=other.id, ref=ref("next")), again, {"from": alice})


class TestContractQuoter:
    @pytest.fixture
    def quoter(self, SignatureWallet, funded, dora, admin):
        """A contract that quotes for the destination and accepts what Dora signs."""
        contract = SignatureWallet.deploy(dora.address, {"from": admin})
        funded.destination.token.grantRole(funded.exchange.QUOTER_ROLE(), contract, {"from": admin})
        return contract

    @pytest.mark.spec("EX-68")
    def test_owner_signs__given(self, funded, quoter, swap, quotes, dora, alice):
        swap(quotes.signed(quotes.fields(alice), dora, quoter.address))
        assert funded.destination.token.balanceOf(alice) == 55

    @pytest.mark.spec("EX-68")
    def test_another_signs__refused(self, quoter, swap, quotes, alice):
        with reverts("InvalidQuoteSignature", QUOTE, quoter):
            swap(quotes.signed(quotes.fields(alice), member_wallet("thief"), quoter.address))

    @pytest.mark.spec("EX-68")
    def test_contract_says_no__refused(self, quoter, swap, quotes, dora, alice, relayer):
        quoter.setLocked(True, {"from": relayer})
        with reverts("InvalidQuoteSignature", QUOTE, quoter):
            swap(quotes.signed(quotes.fields(alice), dora, quoter.address))

    @pytest.mark.spec("EX-68", "EX-66")
    def test_contract_without_the_role__refused(self, SignatureWallet, swap, quotes, dora, alice, admin):
        contract = SignatureWallet.deploy(dora.address, {"from": admin})
        with reverts("InvalidQuoteSignature", QUOTE, contract):
            swap(quotes.signed(quotes.fields(alice), dora, contract.address))


@pytest.mark.spec("EX-69")
def test_without_a_quote__no_bonus(funded, swap, alice):
    swap(NO_QUOTE)
    assert funded.destination.token.balanceOf(alice) == 50
