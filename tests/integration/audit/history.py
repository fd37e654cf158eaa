"""A history on a real chain in which every operation of a points token happens."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from backend.chain import points_token as pt
from backend.chain.client import Json
from backend.chain.event_types import Lot
from backend.chain.points_token import PointsToken, managed_account, selector
from tests.support.anvil import DAY, Anvil, Deployment

START = 1_483_228_800
"""2017-01-01, in epoch 572 of 30 days."""
WALLET_HOLDER, EXCHANGE = 5, 6
"""Numbers of the local chain's accounts."""


class History:
    """Sends the operations one by one and waits until each is mined."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.chain: Anvil = deployment.chain
        self.token = deployment.token
        self.reader = PointsToken(self.chain.client, self.token)
        self.refs: Iterator[bytes] = (number.to_bytes(32) for number in count(1))
        self.keys = [bytes([number]) * 32 for number in range(1, 9)]
        self.accounts = [managed_account(self.token, key) for key in self.keys]
        self.wallet = deployment.accounts[WALLET_HOLDER]
        self.chain.automine(False)

    def send(self, sender: int, data: bytes) -> None:
        """Sends calldata to the token from a numbered account; the transaction must succeed."""
        account = "0x" + self.deployment.accounts[sender].hex()
        call: dict[str, Json] = {
            "from": account,
            "to": "0x" + self.token.hex(),
            "data": "0x" + data.hex(),
            "gas": hex(16_000_000),
        }
        hash_text = self.chain.rpc("eth_sendTransaction", call)
        self.chain.rpc("evm_mine")
        receipt = self.chain.rpc("eth_getTransactionReceipt", hash_text)
        assert isinstance(receipt, dict)
        assert receipt["status"] == "0x1"

    def admin(self, data: bytes) -> None:
        self.send(0, data)

    def issuer(self, data: bytes) -> None:
        self.send(1, data)

    def custodian(self, data: bytes) -> None:
        self.send(2, data)

    def batch(self, credited: list[tuple[bytes, int]]) -> bytes:
        """A batch; answers its id."""
        batch_id = next(self.refs)
        self.issuer(pt.encode_issue_batch(batch_id, credited))
        return batch_id

    def redeem(self, member: int, points: int) -> tuple[bytes, list[Lot]]:
        """A redemption of a managed account; answers its ref and lots."""
        ref = next(self.refs)
        before = dict(self.reader.lots_of(self.accounts[member]))
        self.custodian(pt.encode_redeem_managed(self.keys[member], points, ref))
        after = dict(self.reader.lots_of(self.accounts[member]))
        lots = [Lot(epoch, amount - after.get(epoch, 0)) for epoch, amount in before.items()]
        return ref, [lot for lot in lots if lot.amount]

    def hold(self, member: int, points: int) -> bytes:
        """A hold for a day; answers its ref."""
        ref = next(self.refs)
        deadline = int(self.chain.client.block("latest")["timestamp"], 16) + DAY
        self.custodian(pt.encode_hold_managed(self.keys[member], points, ref, deadline))
        return ref

    def play(self) -> None:
        """Three epochs of everything, ending with lots of several epochs, an open hold, and expired points removed."""
        accounts = self.accounts
        self.batch([(account, 1_000) for account in accounts] + [(self.wallet, 500)])
        self.issuer(pt.encode_issue(accounts[0], 250, next(self.refs)))
        self.chain.jump(30 * DAY)
        self.batch([(account, 100 + index) for index, account in enumerate(accounts)])
        ref, lots = self.redeem(0, 1_300)
        self.issuer(pt.encode_refund(ref, accounts[0], lots, 70))
        self.issuer(pt.encode_refund(ref, accounts[0], lots, 600))
        self.issuer(pt.encode_clawback(accounts[1], 573, 40, next(self.refs)))
        self.issuer(pt.encode_clawback(accounts[1], 573, 500, next(self.refs)))
        captured, released = self.hold(2, 1_050), self.hold(3, 10)
        self.issuer(pt.encode_capture(accounts[2], captured, 1_020))
        self.custodian(pt.encode_release(accounts[3], released))
        self.custodian(pt.encode_move_to_wallet(self.keys[4], self.deployment.accounts[7]))
        self.send(WALLET_HOLDER, pt.encode_transfer(accounts[5], 200))
        self.send(WALLET_HOLDER, pt.encode_redeem(5, next(self.refs)))
        self._exchange()
        # Four months on the first lots are dead; writing to them or asking for it removes them.
        self.chain.jump(120 * DAY)
        self.batch([(accounts[0], 7), (accounts[6], 9), (self.wallet, 20)])
        self._transfer_lot(accounts[5], 577, 8)
        self.send(9, pt.encode_expire(accounts))
        self.hold(6, 5)
        self.admin(pt.encode_set_supply_cap(10**9))
        self.admin(pt.encode_pause())
        self.admin(pt.encode_unpause())

    def _transfer_lot(self, recipient: bytes, epoch: int, points: int) -> None:
        """Moves points of one lot out of the wallet; the recipient's dead lots make room first."""
        words = epoch.to_bytes(32) + bytes(12) + recipient + points.to_bytes(32)
        self.send(WALLET_HOLDER, selector("transferAtEpoch(uint256,address,uint256)") + words)

    def _exchange(self) -> None:
        role = self.reader.role("EXCHANGE_ROLE")
        exchange = self.deployment.accounts[EXCHANGE]
        self.admin(pt.encode_grant_role(role, exchange))
        account = bytes(12) + self.accounts[6]
        self.send(EXCHANGE, selector("crosschainMint(address,uint256)") + account + (33).to_bytes(32))
        lots = [(64).to_bytes(32), (2).to_bytes(32), *(number.to_bytes(32) for number in (572, 4, 573, 6))]
        mint_lots = selector("crosschainMintLots(address,(uint256,uint256)[])")
        self.send(EXCHANGE, mint_lots + account + b"".join(lots))
        self.send(EXCHANGE, selector("crosschainBurn(address,uint256)") + account + (11).to_bytes(32))
        self.send(EXCHANGE, selector("crosschainBurnLots(address,uint256)") + account + (1_005).to_bytes(32))
        self.admin(selector("revokeRole(bytes32,address)") + role + bytes(12) + exchange)
