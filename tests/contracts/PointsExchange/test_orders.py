"""`swapWithSignature` and `swapManaged`: swaps in the name of somebody who does not send."""

import pytest
from eth_account.messages import encode_defunct

from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, order_fields, swap_id
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.signing import SPOILT, Domain, member_wallet

FIELDS = ("account", "lane_id", "to", "max_in", "min_out", "ref", "deadline")


@pytest.fixture
def wallet(funded, issue_to, dora):
    """Dora's wallet with a thousand points."""
    issue_to(funded.source, dora.address, 1_000)
    return dora


@pytest.fixture
def request_of_dora(funded, requests, wallet):
    return requests.of(wallet.address, 100)


@pytest.fixture
def sign(world):
    """Signs a request in the name of an account."""

    def sign_request(key, account, request, quote_id=NO_HASH, domain=None):
        return (domain or world.domain).sign(key, "Swap", *order_fields(account, request, quote_id))

    return sign_request


@pytest.fixture
def relay(funded, relayer):
    """Sends a signed request; Dora's when nobody else is named."""

    def send(account, request, signature, quote=NO_QUOTE):
        return funded.exchange.swapWithSignature(account, request, quote, signature, {"from": relayer})

    return send


class TestWithSignature:
    @pytest.mark.spec("EX-47")
    def test_signed_by_another__refused(self, wallet, request_of_dora, sign, relay):
        forged = sign(member_wallet("thief"), wallet.address, request_of_dora)
        with reverts("InvalidOrderSignature", wallet.address):
            relay(wallet.address, request_of_dora, forged)

    @pytest.mark.spec("EX-47")
    @pytest.mark.parametrize("field", FIELDS)
    def test_a_field_changed__refused(self, world, wallet, alice, terms, request_of_dora, sign, relay, field):
        world.lane(0, 2).agree(terms)
        signature = sign(wallet, wallet.address, request_of_dora)
        order = dict(zip(FIELDS, (wallet.address, *request_of_dora), strict=True))
        order[field] = {
            "account": alice.address,
            "lane_id": world.lane(0, 2).id,
            "to": alice.address,
            "max_in": 101,
            "min_out": 0,
            "ref": ref("other"),
            "deadline": order["deadline"] + 1,
        }[field]
        account, *request = order.values()
        with reverts("InvalidOrderSignature", account):
            relay(account, request, signature)

    @pytest.mark.spec("EX-50")
    def test_with_a_quote_that_was_not_named__refused(self, wallet, request_of_dora, sign, relay, quotes):
        signature = sign(wallet, wallet.address, request_of_dora)
        with reverts("InvalidOrderSignature", wallet.address):
            relay(wallet.address, request_of_dora, signature, quotes.of(wallet.address))

    @pytest.mark.spec("EX-50")
    def test_without_the_quote_that_was_named__refused(self, wallet, request_of_dora, sign, relay, quotes):
        quote = quotes.of(wallet.address)
        signature = sign(wallet, wallet.address, request_of_dora, quote[0])
        for other in (NO_QUOTE, quotes.of(wallet.address, quote_id=ref("another quote"))):
            with reverts("InvalidOrderSignature", wallet.address):
                relay(wallet.address, request_of_dora, signature, other)

    @pytest.mark.spec("EX-47")
    @pytest.mark.parametrize(
        "change",
        [{"name": "grocer points"}, {"version": "2"}, {"chain_id": 1}, {"verifying_contract": "0x" + "11" * 20}],
        ids=lambda change: next(iter(change)),
    )
    def test_other_domain__refused(self, world, wallet, request_of_dora, sign, relay, change):
        foreign = Domain(**(vars(world.domain) | change))
        with reverts("InvalidOrderSignature", wallet.address):
            relay(wallet.address, request_of_dora, sign(wallet, wallet.address, request_of_dora, domain=foreign))

    @pytest.mark.spec("EX-47")
    def test_at_a_redeployed_exchange__refused(
        self, PointsExchange, world, funded, terms, wallet, request_of_dora, sign, relay, admin, relayer
    ):
        twin = PointsExchange.deploy(world.registry, world.house, 1, admin, 1, {"from": admin})
        for side in (funded.source, funded.destination):
            side.token.grantRole(side.token.EXCHANGE_ROLE(), twin, {"from": admin})
        for call, programme in (("propose", funded.source), ("accept", funded.destination)):
            getattr(twin, call)(*funded.ends, programme.id, terms.struct, {"from": programme.negotiator})
        signature = sign(wallet, wallet.address, request_of_dora)
        relay(wallet.address, request_of_dora, signature)
        with reverts("InvalidOrderSignature", wallet.address):
            twin.swapWithSignature(wallet.address, request_of_dora, NO_QUOTE, signature, {"from": relayer})
        assert funded.destination.token.balanceOf(wallet.address) == 50

    @pytest.mark.spec("EX-47")
    def test_a_token_s_order__refused(self, world, wallet, request_of_dora, relay, funded):
        of_token = Domain(funded.source.token.name(), world.domain.chain_id, funded.source.token.address)
        signature = of_token.sign(wallet, "Redeem", wallet.address, 100, ref("swap"), request_of_dora[-1])
        with reverts("InvalidOrderSignature", wallet.address):
            relay(wallet.address, request_of_dora, signature)

    @pytest.mark.spec("EX-47")
    def test_personal_message__refused(self, world, wallet, request_of_dora, relay):
        order = world.domain.order("Swap", *order_fields(wallet.address, request_of_dora))
        personal = bytes(wallet.sign_message(encode_defunct(order.header + order.body)).signature)
        with reverts("InvalidOrderSignature", wallet.address):
            relay(wallet.address, request_of_dora, personal)

    @pytest.mark.spec("EX-47")
    @pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
    def test_spoilt__refused(self, funded, wallet, request_of_dora, sign, relay, spoil):
        with reverts("InvalidOrderSignature", wallet.address):
            relay(wallet.address, request_of_dora, spoil(sign(wallet, wallet.address, request_of_dora)))
        assert funded.source.token.balanceOf(wallet.address) == 1_000

    @pytest.mark.spec("EX-47")
    def test_zero_account__refused(self, request_of_dora, relay):
        with reverts("InvalidOrderSignature", NOBODY):
            relay(NOBODY, request_of_dora, b"\x00" * 65)

    @pytest.mark.spec("EX-48")
    def test_again__refused(self, wallet, request_of_dora, sign, relay):
        signature = sign(wallet, wallet.address, request_of_dora)
        relay(wallet.address, request_of_dora, signature)
        with reverts("SwapRefUsed", ref("swap"), wallet.address):
            relay(wallet.address, request_of_dora, signature)

    @pytest.mark.spec("EX-32")
    def test_one_second_late__refused(self, wallet, request_of_dora, sign, relay, clock):
        clock.next_block_at(request_of_dora[-1] + 1)
        with reverts("SwapExpired", request_of_dora[-1]):
            relay(wallet.address, request_of_dora, sign(wallet, wallet.address, request_of_dora))

    @pytest.mark.spec("EX-45", "EX-32")
    def test_in_its_last_second__burns_the_signer_s_points(
        self, funded, wallet, request_of_dora, sign, relay, clock, relayer
    ):
        clock.next_block_at(request_of_dora[-1])
        transaction = relay(wallet.address, request_of_dora, sign(wallet, wallet.address, request_of_dora))
        this = swap_id(funded.exchange, wallet.address, ref("swap"))
        assert [log[:4] for log in logs(transaction, "SwapBurnt")] == [("SwapBurnt", this, funded.id, wallet.address)]
        assert funded.source.token.balanceOf(wallet.address) == 900
        assert funded.destination.token.balanceOf(wallet.address) == 50
        assert funded.destination.token.balanceOf(relayer) == 0

    @pytest.mark.spec("EX-45", "EX-60")
    def test_with_the_quote_it_names__gives_the_bonus(self, funded, wallet, request_of_dora, sign, relay, quotes):
        quote = quotes.of(wallet.address)
        relay(wallet.address, request_of_dora, sign(wallet, wallet.address, request_of_dora, quote[0]), quote)
        assert funded.destination.token.balanceOf(wallet.address) == 55


class TestContractWallet:
    @pytest.fixture
    def contract_wallet(self, SignatureWallet, dora, admin, funded, issue_to):
        wallet = SignatureWallet.deploy(dora.address, {"from": admin})
        issue_to(funded.source, wallet, 1_000)
        return wallet

    @pytest.fixture
    def request_of_wallet(self, requests, contract_wallet):
        return requests.of(contract_wallet, 100)

    @pytest.mark.spec("EX-46")
    def test_owner_signs__swaps(self, funded, dora, contract_wallet, request_of_wallet, sign, relay):
        relay(contract_wallet, request_of_wallet, sign(dora, contract_wallet, request_of_wallet))
        assert funded.destination.token.balanceOf(contract_wallet) == 50

    @pytest.mark.spec("EX-46")
    def test_another_signs__refused(self, contract_wallet, request_of_wallet, sign, relay):
        forged = sign(member_wallet("thief"), contract_wallet, request_of_wallet)
        with reverts("InvalidOrderSignature", contract_wallet):
            relay(contract_wallet, request_of_wallet, forged)

    @pytest.mark.spec("EX-46")
    def test_wallet_says_no__refused(self, dora, contract_wallet, request_of_wallet, sign, relay, relayer):
        contract_wallet.setLocked(True, {"from": relayer})
        with reverts("InvalidOrderSignature", contract_wallet):
            relay(contract_wallet, request_of_wallet, sign(dora, contract_wallet, request_of_wallet))

    @pytest.mark.spec("EX-46")
    def test_contract_without_erc1271__refused(self, funded, dora, requests, sign, relay):
        token = funded.source.token
        request = requests.of(dora.address, 100)
        with reverts("InvalidOrderSignature", token):
            relay(token, request, sign(dora, token, request))


class TestManaged:
    @pytest.fixture
    def managed(self, funded, issue_to, member_key):
        """The managed account of the key at the source, with a thousand points."""
        account = funded.source.token.managedAccount(member_key)
        issue_to(funded.source, account, 1_000)
        return account

    @pytest.mark.spec("EX-49")
    @pytest.mark.parametrize("actor", ["admin", "custodian", "mallory", "alice"])
    def test_not_the_custodian__refused(self, funded, managed, requests, member_key, actor, request):
        caller = request.getfixturevalue(actor)
        with reverts("NotAuthorized", funded.source.id, caller):
            funded.exchange.swapManaged(member_key, requests.of(managed, 100), NO_QUOTE, {"from": caller})

    @pytest.mark.spec("EX-49")
    @pytest.mark.parametrize("role", ["issuer", "pauser", "negotiator", "treasurer"])
    def test_another_role_of_the_source__refused(self, funded, managed, requests, member_key, role):
        caller = getattr(funded.source, role)
        with reverts("NotAuthorized", funded.source.id, caller):
            funded.exchange.swapManaged(member_key, requests.of(managed, 100), NO_QUOTE, {"from": caller})

    @pytest.mark.spec("EX-49")
    def test_custodian_of_the_destination__refused(self, funded, managed, requests, member_key):
        caller = funded.destination.custodian
        with reverts("NotAuthorized", funded.source.id, caller):
            funded.exchange.swapManaged(member_key, requests.of(managed, 100), NO_QUOTE, {"from": caller})

    @pytest.mark.spec("EX-49")
    def test_another_key__another_account(self, funded, managed, requests):
        other = funded.source.token.managedAccount(ref("another key"))
        with reverts("ERC20InsufficientBalance", other, 0, 100):
            funded.exchange.swapManaged(
                ref("another key"), requests.of(managed, 100), NO_QUOTE, {"from": funded.source.custodian}
            )

    @pytest.mark.spec("EX-38")
    def test_lane_never_proposed__refused(self, world, funded, managed, requests, member_key):
        unknown = world.lane(1, 2).id
        with reverts("LaneNotOpen", unknown):
            funded.exchange.swapManaged(
                member_key, requests.of(managed, 100, lane_id=unknown), NO_QUOTE, {"from": funded.source.custodian}
            )

    @pytest.mark.spec("EX-49")
    def test_custodian_with_the_key__swaps(self, funded, managed, requests, member_key):
        to = funded.destination.token.managedAccount(member_key)
        transaction = funded.exchange.swapManaged(
            member_key, requests.of(to, 100), NO_QUOTE, {"from": funded.source.custodian}
        )
        assert logs(transaction, "SwapBurnt")[0][3] == managed
        assert funded.source.token.balanceOf(managed) == 900
        assert funded.destination.token.balanceOf(to) == 50

    @pytest.mark.spec("EX-33", "EX-49")
    def test_ref_used__refused(self, funded, managed, requests, member_key):
        sender = {"from": funded.source.custodian}
        funded.exchange.swapManaged(member_key, requests.of(managed, 100), NO_QUOTE, sender)
        with reverts("SwapRefUsed", ref("swap"), managed):
            funded.exchange.swapManaged(member_key, requests.of(managed, 100), NO_QUOTE, sender)

    @pytest.mark.spec("EX-49", "EX-60")
    def test_with_a_quote_for_the_account__gives_the_bonus(self, funded, managed, requests, quotes, member_key):
        to = funded.destination.token.managedAccount(member_key)
        funded.exchange.swapManaged(
            member_key, requests.of(to, 100), quotes.of(managed), {"from": funded.source.custodian}
        )
        assert funded.destination.token.balanceOf(to) == 55
