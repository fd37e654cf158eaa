"""`pause`: everything that moves points stops; questions are still answered."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import credit, hold_of, lots_of, ref

OPEN_HOLD = ref("open hold")
REDEMPTION = ref("redemption")


@pytest.fixture
def epoch(token, alice, bob, member, dora, give, clock):
    """Points, an open hold and a redemption from before the pause, and an allowance of Alice for Bob."""
    for account in (alice, member, dora.address):
        give(token, account, 100)
    token.hold(10, OPEN_HOLD, clock.now_seconds + 3_600, {"from": alice})
    token.redeem(10, REDEMPTION, {"from": alice})
    token.approve(bob, 50, {"from": alice})
    return clock.epoch


@pytest.fixture
def signed(token, domain, dora, clock):
    """A redemption and a hold that Dora signed before the pause."""
    deadline = clock.now_seconds + 7_200
    redeem = domain.sign(dora, "Redeem", dora.address, 5, ref("signed redeem"), deadline)
    hold = domain.sign(dora, "Hold", dora.address, 5, ref("signed hold"), deadline, deadline)
    return {
        "redeemWithSignature": (dora.address, 5, ref("signed redeem"), deadline, redeem),
        "holdWithSignature": (dora.address, 5, ref("signed hold"), deadline, deadline, hold),
    }


@pytest.fixture
def movements(epoch, signed, alice, bob, member_key, issuer, custodian, exchange, relayer, clock):
    """Every function that moves, mints or burns, with a caller who may and arguments that work."""
    deadline = clock.now_seconds + 3_600
    return {
        "transfer": (alice, (bob, 1)),
        "transferFrom": (bob, (alice, bob, 1)),
        "transferAtEpoch": (alice, (epoch, bob, 1)),
        "transferFromAtEpoch": (bob, (epoch, alice, bob, 1)),
        "issue": (issuer, (alice, 1, ref("issue"))),
        "issueBatch": (issuer, (ref("batch"), [credit(alice, 1)])),
        "redeem": (alice, (1, ref("redeem"))),
        "redeemWithSignature": (relayer, signed["redeemWithSignature"]),
        "redeemManaged": (custodian, (member_key, 1, ref("redeem managed"))),
        "refund": (issuer, (REDEMPTION, alice, [(epoch, 10)], 1)),
        "clawback": (issuer, (alice, epoch, 1, ref("clawback"))),
        "hold": (alice, (1, ref("hold"), deadline)),
        "holdWithSignature": (relayer, signed["holdWithSignature"]),
        "holdManaged": (custodian, (member_key, 1, ref("hold managed"), deadline)),
        "capture": (issuer, (alice, OPEN_HOLD, 1)),
        "release": (issuer, (alice, OPEN_HOLD)),
        "expire": (bob, ([alice],)),
        "moveToWallet": (custodian, (member_key, bob)),
        "crosschainMint": (exchange, (alice, 1)),
        "crosschainBurn": (exchange, (alice, 1)),
        "crosschainMintLots": (exchange, (alice, [(epoch, 1)])),
        "crosschainRestoreLots": (exchange, (alice, [(epoch, 1)])),
        "crosschainBurnLots": (exchange, (alice, 1)),
    }


NO_MOVEMENT = {
    "acceptDefaultAdminTransfer",
    "approve",
    "beginDefaultAdminTransfer",
    "cancelDefaultAdminTransfer",
    "changeDefaultAdminDelay",
    "grantRole",
    "pause",
    "permit",
    "renounceRole",
    "revokeRole",
    "rollbackDefaultAdminDelay",
    "setSupplyCap",
    "unpause",
}


@pytest.mark.spec("PT-130")
@pytest.mark.parametrize("actor", ["admin", "issuer", "custodian", "exchange", "mallory"])
def test_pause__not_the_pauser__refused(token, pauser, actor, request):
    caller = request.getfixturevalue(actor)
    with reverts("AccessControlUnauthorizedAccount", caller, token.PAUSER_ROLE()):
        token.pause({"from": caller})
    token.pause({"from": pauser})
    with reverts("AccessControlUnauthorizedAccount", caller, token.PAUSER_ROLE()):
        token.unpause({"from": caller})


@pytest.mark.spec("PT-130")
def test_pause__already_in_that_state__refused(token, pauser):
    with reverts("ExpectedPause"):
        token.unpause({"from": pauser})
    assert logs(token.pause({"from": pauser})) == [("Paused", pauser)]
    with reverts("EnforcedPause"):
        token.pause({"from": pauser})
    assert logs(token.unpause({"from": pauser})) == [("Unpaused", pauser)]


@pytest.mark.spec("PT-131")
def test_pause__list_of_movements__is_complete(token, movements):
    changing = {
        item["name"] for item in token.abi if item["type"] == "function" and item["stateMutability"] == "nonpayable"
    }
    assert changing == set(movements) | NO_MOVEMENT


@pytest.mark.spec("PT-131")
def test_pause__every_movement__refused(token, pauser, movements):
    token.pause({"from": pauser})
    for name, (caller, arguments) in movements.items():
        with reverts("EnforcedPause"):
            getattr(token, name)(*arguments, {"from": caller})


@pytest.mark.spec("PT-132")
def test_unpause__every_movement__works_as_before(token, pauser, movements, alice):
    token.pause({"from": pauser})
    token.unpause({"from": pauser})
    order = [name for name in movements if name != "release"]
    for name in order:
        caller, arguments = movements[name]
        getattr(token, name)(*arguments, {"from": caller})
    assert hold_of(token, alice, OPEN_HOLD) == (0, 0)


@pytest.mark.spec("PT-132", "PT-67")
def test_unpause__signed_before__works_once(token, pauser, relayer, epoch, signed, dora):
    token.pause({"from": pauser})
    for name, arguments in signed.items():
        with reverts("EnforcedPause"):
            getattr(token, name)(*arguments, {"from": relayer})
    token.unpause({"from": pauser})
    for name, arguments in signed.items():
        getattr(token, name)(*arguments, {"from": relayer})
        with reverts("RefAlreadyUsed", arguments[2]):
            getattr(token, name)(*arguments, {"from": relayer})
    assert token.balanceOf(dora.address) == 90


@pytest.mark.spec("PT-133")
def test_pause__questions__answered(token, pauser, epoch, alice):
    held = hold_of(token, alice, OPEN_HOLD)
    token.pause({"from": pauser})
    assert token.paused()
    assert lots_of(token, alice) == {epoch: 80}
    assert token.balanceOf(alice) == token.balanceOfAtEpoch(epoch, alice) == 80
    assert token.totalSupply() == token.totalSupplyAtEpoch(epoch) == 290
    assert hold_of(token, alice, OPEN_HOLD) == held
    assert token.refundableOf(alice, REDEMPTION) == 10


@pytest.mark.spec("PT-131", "EL-3")
def test_pause__time__still_passes(token, pauser, alice, epoch, clock):
    token.pause({"from": pauser})
    clock.pass_epochs(5)
    assert token.balanceOf(alice) == token.totalSupply() == 0
