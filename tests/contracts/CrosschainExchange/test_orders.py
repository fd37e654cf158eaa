"""Swaps in the name of somebody who does not send, and with a quote: as on one chain, with a message at the end."""

import pytest

from tests.contracts.support.crossing import sent_swap
from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, order_fields
from tests.contracts.support.outcomes import reverts
from tests.contracts.support.points import ref
from tests.contracts.support.signing import SPOILT, Domain, member_wallet

FIELDS = ("account", "lane_id", "to", "max_in", "min_out", "ref", "deadline")
ELSEWHERE = "0x" + "31" * 20


@pytest.fixture
def wallet(open_out, issue_to, dora):
    """Dora's wallet with a thousand points."""
    issue_to(open_out.source, dora.address, 1_000)
    return dora


@pytest.fixture
def sign(domain):
    """Signs a request in the name of an account."""

    def sign_request(key, account, request, quote_id=NO_HASH, other=None):
        return (other or domain).sign(key, "Swap", *order_fields(account, request, quote_id))

    return sign_request


@pytest.fixture
def relay(open_out, relayer):
    """Sends a signed request."""

    def send(account, request, signature, quote=NO_QUOTE):
        return open_out.exchange.swapWithSignature(account, request, quote, signature, {"from": relayer})

    return send


class TestWithSignature:
    @pytest.mark.spec("CX-25")
    def test_anyone_relays__once(self, wallet, requests, sign, relay):
        request = requests.of(ELSEWHERE, 100)
        signature = sign(wallet, wallet.address, request)
        swap = sent_swap(relay(wallet.address, request, signature))
        assert (swap.account, swap.to, swap.points_in) == (wallet.address, ELSEWHERE, 100)
        with reverts("SwapRefUsed", ref("swap"), wallet.address):
            relay(wallet.address, request, signature)

    @pytest.mark.spec("CX-25")
    @pytest.mark.parametrize("field", FIELDS)
    def test_a_field_changed__refused(self, crossing, open_out, wallet, alice, requests, terms, sign, relay, field):
        request = requests.of(ELSEWHERE, 100)
        signature = sign(wallet, wallet.address, request)
        order = dict(zip(FIELDS, (wallet.address, *request), strict=True))
        order[field] = {
            "account": alice.address,
            "lane_id": crossing.lane(open_out.destination, open_out.source).id,
            "to": alice.address,
            "max_in": 101,
            "min_out": 0,
            "ref": ref("other"),
            "deadline": order["deadline"] + 1,
        }[field]
        account, *changed = order.values()
        with reverts("InvalidOrderSignature", account):
            relay(account, changed, signature)

    @pytest.mark.spec("CX-25")
    @pytest.mark.parametrize("name", SPOILT)
    def test_spoilt_signature__refused(self, wallet, requests, sign, relay, name):
        request = requests.of(ELSEWHERE, 100)
        with reverts("InvalidOrderSignature", wallet.address):
            relay(wallet.address, request, SPOILT[name](sign(wallet, wallet.address, request)))

    @pytest.mark.spec("CX-25")
    def test_signed_for_the_exchange_of_one_chain__refused(self, world, domain, wallet, requests, sign, relay):
        """Both exchanges have the same domain but for their address; on another chain the chain id differs."""
        request = requests.of(ELSEWHERE, 100)
        for change in ({"verifying_contract": world.exchange.address}, {"chain_id": 1337}):
            other = Domain(**(vars(domain) | change))
            with reverts("InvalidOrderSignature", wallet.address):
                relay(wallet.address, request, sign(wallet, wallet.address, request, other=other))

    @pytest.mark.spec("CX-25")
    def test_signed_by_another__refused(self, wallet, requests, sign, relay):
        request = requests.of(ELSEWHERE, 100)
        with reverts("InvalidOrderSignature", wallet.address):
            relay(wallet.address, request, sign(member_wallet("thief"), wallet.address, request))

    @pytest.mark.spec("CX-26")
    def test_contract_wallet__as_it_answers(
        self, SignatureWallet, open_out, requests, issue_to, sign, relay, dora, admin
    ):
        wallet = SignatureWallet.deploy(dora.address, {"from": admin})
        issue_to(open_out.source, wallet, 100)
        request = requests.of(ELSEWHERE, 100)
        signature = sign(dora, wallet, request)
        wallet.setLocked(True, {"from": admin})
        with reverts("InvalidOrderSignature", wallet):
            relay(wallet, request, signature)
        wallet.setLocked(False, {"from": admin})
        assert sent_swap(relay(wallet, request, signature)).account == wallet


class TestManaged:
    @pytest.mark.spec("CX-27")
    @pytest.mark.parametrize("actor", ["admin", "guardian", "mallory"])
    def test_not_the_custodian__refused(self, open_out, requests, member_key, actor, request):
        source, destination = open_out.source, open_out.destination
        for caller in (request.getfixturevalue(actor), source.issuer, destination.custodian):
            with reverts("NotAuthorized", source.id, caller):
                open_out.exchange.swapManaged(member_key, requests.of(ELSEWHERE, 10), NO_QUOTE, {"from": caller})

    @pytest.mark.spec("CX-27")
    def test_custodian_with_the_key__sends(self, open_out, requests, issue_to, member_key):
        source, destination = open_out.source, open_out.destination
        account, to = (side.token.managedAccount(member_key) for side in (source, destination))
        issue_to(source, account, 100)
        transaction = open_out.exchange.swapManaged(
            member_key, requests.of(to, 100), NO_QUOTE, {"from": source.custodian}
        )
        swap = sent_swap(transaction)
        assert (swap.account, swap.to) == (account, to)
        assert source.token.balanceOf(account) == 0


class TestQuotes:
    @pytest.mark.spec("CX-24")
    def test_bonus__in_the_message__settled_without_it(self, send, quotes, alice):
        swap = sent_swap(send(100, quotes.of(alice)))
        assert (swap.points_in, swap.points_out, swap.bonus_bps) == (100, 55, 1_000)

    @pytest.mark.spec("CX-24")
    def test_without_a_quote_id__no_bonus(self, send, quotes, alice):
        assert sent_swap(send(100, quotes.of(alice, quote_id=NO_HASH))).bonus_bps == 0

    @pytest.mark.spec("CX-24")
    def test_once__and_in_its_range(self, open_out, send, quotes, alice, bob):
        used = quotes.of(alice)
        send(100, used)
        assert open_out.exchange.isQuoteUsed(open_out.destination.id, ref("quote"))
        with reverts("QuoteUsed", ref("quote")):
            send(100, used)
        with reverts("QuoteMismatch", ref("other")):
            send(100, quotes.of(bob, quote_id=ref("other")))
        with reverts("BonusTooHigh", 2_501, 2_500):
            send(100, quotes.of(alice, quote_id=ref("other"), bonus_bps=2_501))

    @pytest.mark.spec("CX-24")
    def test_signed_by_another_or_for_the_exchange_of_one_chain__refused(
        self, world, open_out, domain, send, quotes, alice
    ):
        quoter = open_out.destination.quoter
        forged = quotes.signed(quotes.fields(alice), member_wallet("thief"), quoter.address)
        fields = quotes.fields(alice)
        other = Domain(**(vars(domain) | {"verifying_contract": world.exchange.address}))
        foreign = (*fields.values(), quoter.address, other.sign(quoter, "Quote", *fields.values()))
        for wrong in (forged, foreign):
            with reverts("InvalidQuoteSignature", ref("quote"), quoter.address):
                send(100, wrong)
