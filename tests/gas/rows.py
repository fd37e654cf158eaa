"""The rows of the gas table: name → gas. Each function measures one group on a chain of its own making."""

from __future__ import annotations

from web3.contract import Contract

from tests.gas.bridge import gateway_rows
from tests.gas.clearing import house_rows
from tests.gas.crossing import crossing_rows
from tests.gas.rig import Rig, Rows, holder, pack
from tests.gas.swaps import swap_rows

BATCH = 500


def measure(rig: Rig) -> Rows:
    """All rows."""
    rows: Rows = {}
    for group in (
        _batches,
        _other_batches,
        _singles,
        _spending,
        _past_lots,
        _holds,
        _rest,
        _largest_batches,
        swap_rows,
        house_rows,
        gateway_rows,
        crossing_rows,
    ):
        rows |= group(rig)
    return rows


def _batch(rig: Rig, token: Contract, accounts: range) -> int:
    return rig.gas(token.functions.issueBatch(rig.ref(), pack([holder(n) for n in accounts])))


def _batches(rig: Rig) -> Rows:
    token = rig.token(validity=4)
    rows: Rows = {"deploy PointsToken": rig.deployment_gas}
    # The supply has its slot before, as it has in all batches of a programme's life but one.
    rig.gas(token.functions.issue(holder(0), 1, rig.ref()))
    before = rig.storage_slots(token)
    rows["batch of 500, a credit, new holders"] = _batch(rig, token, range(1, BATCH + 1)) / BATCH
    between = rig.storage_slots(token)
    rows["batch of 500, a credit, existing holders"] = _batch(rig, token, range(1, BATCH + 1)) / BATCH
    after = rig.storage_slots(token)
    # One slot of each batch is its batch id.
    rows["storage slots, a new holder"] = (between - before - 1) / BATCH
    rows["storage slots, a repeat credit"] = (after - between - 1) / BATCH
    rig.next_epoch()
    rows["batch of 500, a credit, first of an epoch"] = _batch(rig, token, range(1, BATCH + 1)) / BATCH
    rig.next_epoch(4)
    rows["batch of 500, a credit, one dead lot in the way"] = _batch(rig, token, range(1, BATCH + 1)) / BATCH
    for _ in range(4):
        rig.next_epoch()
        _batch(rig, token, range(1, BATCH + 1))
    rig.next_epoch(5)
    rows["batch of 500, a credit, five dead lots in the way"] = _batch(rig, token, range(1, BATCH + 1)) / BATCH
    rows["batch of one, existing holder"] = _batch(rig, token, range(1, 2))
    return rows


def _other_batches(rig: Rig) -> Rows:
    rows: Rows = {}
    for validity in (5, 29):
        token = rig.token(validity)
        rig.gas(token.functions.issue(holder(0), 1, rig.ref()))
        _batch(rig, token, range(1, BATCH + 1))
        used = _batch(rig, token, range(1, BATCH + 1)) / BATCH
        rows[f"batch of 500, a credit, existing holders, validity {validity}"] = used
    plain = rig.plain_token()
    accounts = pack([holder(n) for n in range(1, BATCH + 1)])
    rows["OpenZeppelin: batch of 500, a credit, new holders"] = rig.gas(plain.functions.issueBatch(accounts)) / BATCH
    used = rig.gas(plain.functions.issueBatch(accounts)) / BATCH
    rows["OpenZeppelin: batch of 500, a credit, existing holders"] = used
    rig.gas(plain.functions.mint(holder(0), 250))
    rows["OpenZeppelin: mint, existing holder"] = rig.gas(plain.functions.mint(holder(0), 250))
    return rows


def _singles(rig: Rig) -> Rows:
    token = rig.token(validity=4)
    issue = token.functions.issue
    rig.gas(issue(holder(0), 250, rig.ref()))
    rows: Rows = {
        "issue, new holder": rig.gas(issue(holder(1), 250, rig.ref())),
        "issue, existing holder, random ref": rig.gas(issue(holder(1), 250, rig.ref())),
    }
    # 256 refs that differ in their last byte share a word.
    first = rig.ref()[:31]
    numbered = [rig.gas(issue(holder(1), 250, first + bytes([number]))) for number in range(256)]
    rows["issue, existing holder, numbered refs, mean of 256"] = sum(numbered) / len(numbered)
    rows["crosschainMint, existing holder"] = rig.gas(token.functions.crosschainMint(holder(1), 250))
    token = rig.ref_free_token(validity=4)
    rig.gas(token.functions.issueWithoutRef(holder(1), 250))
    rows["issue without its ref, existing holder"] = rig.gas(token.functions.issueWithoutRef(holder(1), 250))
    return rows


def _fill(rig: Rig, token: Contract, account: str, lots: int) -> None:
    for number in range(lots):
        if number:
            rig.next_epoch()
        rig.gas(token.functions.issue(account, 250, rig.ref()))


def _spending(rig: Rig) -> Rows:
    rows: Rows = {}
    for validity in (4, 5, 29):
        token = rig.token(validity)
        lots = validity + 1
        redeemer, sender, loser = rig.accounts[1:4]
        for number in range(lots):
            if number:
                rig.next_epoch()
            for account in (redeemer, sender, loser):
                rig.gas(token.functions.issue(account, 250, rig.ref()))
        amount = 250 * lots
        rows[f"redeem all {lots} lots"] = rig.gas(token.functions.redeem(amount, rig.ref()), redeemer)
        rows[f"transfer all {lots} lots, new receiver"] = rig.gas(token.functions.transfer(holder(9), amount), sender)
        rows[f"transfer all {lots} lots, existing receiver"] = rig.gas(
            token.functions.transfer(holder(9), amount), loser
        )
    return rows


def _past_lots(rig: Rig) -> Rows:
    rows: Rows = {}
    for past in (0, 10, 100):
        rig.align()
        token = rig.token(validity=4)
        redeemer, sender = rig.accounts[1:3]
        for number in range(past + 5):
            if number:
                rig.next_epoch()
            for account in (redeemer, sender):
                rig.gas(token.functions.issue(account, 250, rig.ref()))
        redeemed = rig.gas(token.functions.redeem(1250, rig.ref()), redeemer)
        rows[f"redeem all 5 live lots after {past} past ones"] = redeemed
        moved = rig.gas(token.functions.transfer(holder(9), 1250), sender)
        rows[f"transfer all 5 live lots after {past} past ones"] = moved
    return rows


def _holds(rig: Rig) -> Rows:
    token = rig.token(validity=4)
    member = rig.accounts[1]
    _fill(rig, token, member, 5)
    rows: Rows = {}
    deadline = rig.web3.eth.get_block("latest")["timestamp"] + 3600
    refs = [rig.ref() for _ in range(3)]
    for ref in refs:
        rows["hold, over two lots"] = rig.gas(token.functions.hold(300, ref, deadline), member)
    rows["capture, whole hold"] = rig.gas(token.functions.capture(member, refs[0], 300))
    rows["capture, part of a hold"] = rig.gas(token.functions.capture(member, refs[1], 100))
    rows["release"] = rig.gas(token.functions.release(member, refs[2]))
    return rows


def _rest(rig: Rig) -> Rows:
    token = rig.token(validity=4)
    member = rig.accounts[1]
    key = rig.ref()
    managed = token.functions.managedAccount(key).call()
    _fill(rig, token, member, 5)
    rig.gas(token.functions.issue(managed, 250, rig.ref()))
    epoch = token.functions.currentEpoch().call()
    ref = rig.ref()
    rows: Rows = {"redeem, one lot": rig.gas(token.functions.redeem(100, ref), member)}
    lots = [(epoch - 4, 100)]
    rows["refund, one lot"] = rig.gas(token.functions.refund(ref, member, lots, 40))
    rows["clawback"] = rig.gas(token.functions.clawback(member, epoch, 100, rig.ref()))
    rows["redeemManaged, one lot"] = rig.gas(token.functions.redeemManaged(key, 100, rig.ref()))
    rows["moveToWallet, one lot, existing wallet"] = rig.gas(token.functions.moveToWallet(key, member))
    rows["transferAtEpoch, existing receiver"] = rig.gas(token.functions.transferAtEpoch(epoch, managed, 100), member)
    rig.next_epoch(5)
    rows["expire, five dead lots"] = rig.gas(token.functions.expire([member]))
    return rows


def _largest_batches(rig: Rig) -> Rows:
    token = rig.token(validity=4)
    rig.gas(token.functions.issue(holder(0), 1, rig.ref()))
    rows: Rows = {"largest batch, new holders": _largest(rig, token, 600, 800)}
    for start in range(1, 2401, 600):
        _batch(rig, token, range(start, start + 600))
    rows["largest batch, existing holders"] = _largest(rig, token, 2000, 2400)
    return rows


def _largest(rig: Rig, token: Contract, fits: int, fails: int) -> int:
    """The most credits that fit a transaction, by bisection between two sizes whose fate is known and checked."""
    ref = rig.ref()

    def tried(size: int) -> bool:
        return rig.fits(token.functions.issueBatch(ref, pack([holder(n) for n in range(1, size + 1)])))

    assert tried(fits)
    assert not tried(fails)
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if tried(middle):
            fits = middle
        else:
            fails = middle
    return fits
