"""Reorganisations of either chain, from one block to one past finality."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from scripts.chaos.rig import NotSurvivedError, Rig
from scripts.chaos.scenario import Scenario
from scripts.chaos.town import FINALITY_BLOCKS, Place


def _raw(place: Place, transaction: str) -> str:
    return cast("str", place.anvil.rpc("eth_getRawTransactionByHash", transaction))


def _burn_vanishes(depth: int, rig: Rig) -> None:
    """A burn that was seen is gone: nothing may come of it."""
    rig.start()
    home = rig.town.home
    rig.town.out.swap(1_000)
    rig.town.mine(depth - 1)
    rig.until(lambda: True, "")
    home.anvil.reorganise(depth)
    rig.town.finalise()
    rig.blocks(5)
    if rig.check().minted:
        raise NotSurvivedError("a burn that had vanished was minted")
    rig.town.out.swap(900)


def _burn_moves(depth: int, rig: Rig) -> None:
    """A burn is in another block afterwards."""
    rig.start()
    home = rig.town.home
    raw = _raw(home, rig.town.out.swap(1_000))
    rig.town.mine(depth - 1)
    home.anvil.reorganise(depth, [(raw, depth - 1)])
    rig.converge()
    if rig.check().minted != 1:
        raise NotSurvivedError("the burn was not minted once")


def _burn_fails_afterwards(rig: Rig) -> None:
    """On the other branch the lane is stopped first, and the burn reverts."""
    rig.start()
    home = rig.town.home
    burn = _raw(home, rig.town.out.swap(1_000))
    stop = _raw(home, rig.town.out.stop(home))
    home.anvil.reorganise(2, [(stop, 0), (burn, 1)])
    rig.town.finalise()
    rig.blocks(5)
    if rig.check().minted:
        raise NotSurvivedError("a burn that has reverted was minted")
    rig.town.back.swap(500)


def _delivery_vanishes(depth: int, rig: Rig) -> None:
    """What was delivered is not delivered any more: the relayer delivers it again."""
    rig.start()
    home, away = rig.town.home, rig.town.away
    rig.town.out.swap(1_000)
    rig.town.finalise()
    nonce = home.gateway.sent_count(away.chain_id)
    rig.until(lambda: rig.check().minted == 1, "the swap was not minted", mining=False)
    block = away.head()
    while away.gateway.is_seen(home.chain_id, nonce, block - 1):
        block -= 1
    if depth > away.head() - block + 1:
        away.anvil.mine(depth - (away.head() - block + 1))
    lost = away.anvil.client.block(block)["hash"]
    away.anvil.reorganise(away.head() - block + 1)
    # Whether it is minted cannot be asked: the relayer may have delivered it again already.
    if away.anvil.client.block(block)["hash"] == lost:
        raise NotSurvivedError("the delivery did not vanish: the scenario tries nothing")


def _past_finality(rig: Rig) -> None:
    """A final burn that was signed is gone: attesters stand still until a person resumes them."""
    rig.start(relayer=False)
    halt_and_resume(rig)


def halt_and_resume(rig: Rig) -> None:
    """With two attesters running: they sign, halt, stay halted over a restart, and are resumed."""
    home = rig.town.home
    rig.town.out.swap(1_000)
    burn = home.head()
    rig.town.mine(FINALITY_BLOCKS)
    rig.await_signed(burn)
    home.anvil.reorganise(FINALITY_BLOCKS + 1)
    for at in (0, 1):
        rig.await_halt(rig.attesters[at])
    if not rig.relayer.alive():
        rig.relayer.start()
    rig.town.out.swap(900)
    rig.attesters[0].kill()
    rig.attesters[0].start()
    rig.blocks(20)
    if rig.check().minted:
        raise NotSurvivedError("something was minted while all attesters stood still")
    for at in (0, 1):
        rig.resume(rig.attesters[at])


def _past_finality_of_the_relayer(rig: Rig) -> None:
    """The relayer has read a final burn that is gone: it stands still too, and forgets it when it is resumed."""
    rig.start(attesters=(0,))
    home = rig.town.home
    rig.town.out.swap(1_000)
    burn = home.head()
    rig.town.mine(FINALITY_BLOCKS)
    rig.await_signed(burn, (0,))
    rig.until(lambda: "message_found" in rig.relayer.log_tail(), "the relayer did not read the burn", mining=False)
    home.anvil.reorganise(FINALITY_BLOCKS + 1)
    for process in (rig.relayer, rig.attesters[0]):
        rig.await_halt(process)
    rig.attesters[1].start()
    rig.town.out.swap(900)
    rig.blocks(10)
    for process in (rig.relayer, rig.attesters[0]):
        rig.resume(process)


def scenarios() -> list[Scenario]:
    """Depths from 1 to finality, and one more."""
    found = []
    kinds: list[tuple[str, str, Callable[[int, Rig], None]]] = [
        ("burn-vanishes", "the source drops a burn, {} deep", _burn_vanishes),
        ("burn-moves", "a burn is in another block, {} deep", _burn_moves),
        ("delivery-vanishes", "the destination drops a delivery, {} deep", _delivery_vanishes),
    ]
    for name, fault, act in kinds:
        for depth in range(1, FINALITY_BLOCKS + 1):
            quick = depth == FINALITY_BLOCKS
            found.append(Scenario(f"reorg/{name}-{depth}", fault.format(depth), partial(act, depth), quick))
    found.append(Scenario("reorg/burn-reverts", "a burn reverts on the other branch", _burn_fails_afterwards))
    fault = f"the source replaces {FINALITY_BLOCKS + 1} blocks, one of them final"
    found.append(Scenario("reorg/past-finality", fault, _past_finality, quick=True))
    found.append(
        Scenario("reorg/past-finality-of-the-relayer", f"{fault}, and the relayer", _past_finality_of_the_relayer)
    )
    return found
