"""Gas that is dear, too dear, or not to be had."""

from __future__ import annotations

from scripts.chaos import flows
from scripts.chaos.configuration import RELAYERS
from scripts.chaos.rig import GWEI, NotSurvivedError, Rig
from scripts.chaos.scenario import Scenario
from scripts.chaos.town import FINALITY_BLOCKS

_DEAR_BLOCKS = 25


def _dear(rig: Rig) -> None:
    """Blocks cost a hundred times what they did when deliveries were priced."""
    rig.start()
    flows.priced_out(rig)


def _above_the_cap(rig: Rig) -> None:
    """Gas costs more than the relayer is allowed to pay: it waits, and goes on when gas is cheaper."""
    rig.start()
    away = rig.town.away
    rig.town.out.swap(1_000)
    rig.make_dear(away, blocks=_DEAR_BLOCKS, times=10_000)
    if rig.check().minted:
        raise NotSurvivedError("the relayer paid more than it is allowed to")
    away.anvil.set_base_fee(GWEI)


def _cap_lifted(rig: Rig) -> None:
    """Gas stays above the limit, and a person raises the limit."""
    rig.crew.relayer_with("max_fee_per_gas_gwei = 1\n")
    rig.start()
    away = rig.town.away
    rig.town.out.swap(1_000)
    rig.make_dear(away, blocks=_DEAR_BLOCKS)
    if rig.check().minted:
        raise NotSurvivedError("the relayer paid more than it is allowed to")
    rig.relayer.stop()
    rig.crew.relayer_with("max_fee_per_gas_gwei = 5000\n")
    rig.relayer.start()
    for _ in range(20):
        rig.make_dear(away, blocks=5)
        if rig.check().minted:
            return
    raise NotSurvivedError("nothing was delivered after the limit was raised")


def _empty_sender(rig: Rig) -> None:
    """The relayer's account is empty, then filled."""
    away = rig.town.away
    account = away.accounts[RELAYERS[0]]
    rig.start()
    away.anvil.set_balance(account, 0)
    rig.town.out.swap(1_000)
    rig.town.back.swap(500)
    rig.blocks(FINALITY_BLOCKS + 15)
    away.anvil.set_balance(account, 10**18)


def _big_batch(rig: Rig) -> None:
    """More messages in one block than a transaction can carry under the gas limit."""
    rig.crew.relayer_with("gas_cap = 3000000\n")
    rig.start()
    home = rig.town.home.anvil
    home.automine(False)
    for number in range(24):
        rig.town.out.swap(100 + number, member=number % 4)
    home.mine(1)
    home.automine(True)


def _forgotten_pool(rig: Rig) -> None:
    """The destination's nodes forget what waits in their pools."""
    rig.start()
    away = rig.town.away.anvil
    away.automine(False)
    rig.town.out.swap(1_000)
    rig.town.home.anvil.mine(FINALITY_BLOCKS)
    for _ in range(3):
        rig.until(lambda: rig.town.away.pooled() > 0, "no delivery was sent", mining=False)
        away.drop_all_transactions()
        away.mine(1)
    away.automine(True)


def scenarios() -> list[Scenario]:
    """Fees, balances and sizes."""
    return [
        Scenario("gas/times-100", "gas x 100 while a delivery waits in the pool", _dear, quick=True),
        Scenario("gas/above-the-cap", "gas above the relayer's limit for a while", _above_the_cap),
        Scenario("gas/cap-lifted", "gas above the limit until a person raises it", _cap_lifted),
        Scenario("gas/empty-sender", "the relayer's account is empty, then filled", _empty_sender, quick=True),
        Scenario("gas/big-batch", "24 messages in a block, a few fit a transaction", _big_batch),
        Scenario("gas/forgotten-pool", "the pool is dropped three times", _forgotten_pool),
    ]
