"""The relayer's transactions under hard conditions: dear gas, no money, lost pools, reorganisations, old backups."""

from __future__ import annotations

import shutil
from itertools import pairwise

import pytest

from backend.chain.exchange_types import SwapStatus
from bridge.delivery import Sender
from bridge.errors import HaltedError
from bridge.messages import Stage
from bridge.relay_store import Purpose
from bridge.relayer import Relayer
from bridge.resuming import resume_role
from tests.integration.bridge.relaying import Bridge, tracked
from tests.support.two_chains import ADMIN, SECOND_RELAYER

MINTED = {SwapStatus.COMPLETED}
GWEI = 10**9


def sender(relayer: Relayer) -> Sender:
    return relayer.destinations[1337].sender


def ready(bridge: Bridge, relayer: Relayer, swaps: int = 1) -> None:
    """Swaps that only wait for their delivery."""
    relayer.step()
    for _ in range(swaps):
        bridge.world.swap("grocer", "fuel")
    bridge.attest()


def test_a_delivery_is_replaced_until_it_pays_a_base_fee_a_hundred_times_higher(bridge: Bridge) -> None:
    second, relayer = bridge.world.second, bridge.relayer(replace_after_blocks=1)
    ready(bridge, relayer)
    base_fee = GWEI
    second.chain.set_base_fee(base_fee)
    second.chain.mine()
    with bridge.not_mining(second):
        relayer.step()
        for _ in range(6):
            second.chain.set_base_fee(base_fee * 100)
            second.chain.mine()
            relayer.step()
        (slot,) = sender(relayer).slots.values()
        second.chain.set_base_fee(base_fee * 100)
        second.chain.mine()
    fees = [attempt.fees for attempt in slot.attempts]
    assert len(fees) > 1
    for old, new in pairwise(fees):
        assert new.max_fee * 8 >= old.max_fee * 9
        assert new.tip * 8 >= old.tip * 9
    assert fees[-1].max_fee > base_fee * 100
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED
    assert bridge.nonce(relayer, second) == 1


def test_nothing_is_sent_above_the_cap_and_goes_on_below_it(bridge: Bridge) -> None:
    second, relayer = bridge.world.second, bridge.relayer(max_fee_per_gas_gwei=5)
    ready(bridge, relayer)
    second.chain.set_base_fee(100 * GWEI)
    second.chain.mine()
    bridge.relay(relayer, rounds=2)
    assert sender(relayer).slots == {}
    second.chain.set_base_fee(GWEI)
    second.chain.mine()
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_an_empty_sender_waits_for_money(bridge: Bridge) -> None:
    second, relayer = bridge.world.second, bridge.relayer()
    ready(bridge, relayer)
    account = sender(relayer).signer.address
    second.chain.set_balance(account, 0)
    bridge.relay(relayer, rounds=2)
    assert sender(relayer).slots == {}
    second.chain.set_balance(account, 10**20)
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_what_the_pool_lost_is_offered_again(bridge: Bridge) -> None:
    second, relayer = bridge.world.second, bridge.relayer()
    ready(bridge, relayer, swaps=3)
    with bridge.not_mining(second):
        relayer.step()
        assert len(sender(relayer).slots) == 3
        second.chain.drop_all_transactions()
        second.chain.mine()
        relayer.step()
        second.chain.mine()
    assert bridge.outcomes("grocer", "fuel") == MINTED
    assert bridge.nonce(relayer, second) == 3
    bridge.converge(relayer)


def test_a_refused_replacement_is_not_taken_for_a_success(bridge: Bridge) -> None:
    """Somebody with the same key (an old process) has something dearer under the nonce."""
    second, relayer = bridge.world.second, bridge.relayer(replace_after_blocks=1)
    ready(bridge, relayer)
    with bridge.not_mining(second):
        relayer.step()
        (slot,) = sender(relayer).slots.values()
        dear = 20 * slot.last.fees.max_fee
        foreign: dict[str, int | str] = {
            "nonce": slot.nonce,
            "maxFeePerGas": dear,
            "maxPriorityFeePerGas": 20 * slot.last.fees.tip,
        }
        to_itself: dict[str, int | str] = {
            "type": 2,
            "chainId": 1337,
            "to": sender(relayer).address,
            "value": 0,
            "data": "0x",
            "gas": 21_000,
        }
        raw = sender(relayer).signer.sign_transaction({**to_itself, **foreign})
        assert second.chain.client.send_raw(raw) is None
        second.chain.set_base_fee(dear * 2)
        for _ in range(2):
            second.chain.mine()
            relayer.step()
        (slot,) = sender(relayer).slots.values()
        assert len(slot.attempts) > 1
        second.chain.set_base_fee(GWEI)
        second.chain.mine()
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_a_delivery_that_ran_out_of_gas_is_delivered_anew(bridge: Bridge) -> None:
    second, relayer = bridge.world.second, bridge.relayer()
    other = bridge.relayer("other", key={"dev_account": SECOND_RELAYER})
    ready(bridge, relayer)
    with bridge.not_mining(second):
        other.step()
        (slot,) = sender(other).slots.values()
        second.chain.drop_all_transactions()
    starved = Purpose("deliver", 31337, slot.purpose.message_nonces, 100_000, slot.purpose.data)
    sender(relayer).send([starved], sender(relayer).look(), slot.last.fees)
    bridge.mined()
    assert bridge.nonce(relayer, second) == 1
    assert bridge.outcomes("grocer", "fuel") == {SwapStatus.NONE}
    bridge.relay(relayer, rounds=2)
    assert bridge.outcomes("grocer", "fuel") == MINTED
    assert bridge.nonce(relayer, second) == 2
    bridge.converge(relayer)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_delivery_that_a_reorganisation_drops_is_delivered_again(bridge: Bridge, depth: int) -> None:
    second, relayer = bridge.world.second, bridge.relayer()
    ready(bridge, relayer)
    bridge.relay(relayer, rounds=2)
    second.chain.mine(depth - 1 or 1)
    relayer.step()
    assert [each.state.stage for each in tracked(relayer)] == [Stage.DELIVERED]
    second.chain.reorganise(depth + 1)
    assert bridge.outcomes("grocer", "fuel") == {SwapStatus.NONE}
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED


def test_a_restart_offers_what_was_stored_and_forgets_nothing(bridge: Bridge) -> None:
    second, relayer = bridge.world.second, bridge.relayer()
    ready(bridge, relayer, swaps=2)
    with bridge.not_mining(second):
        relayer.step()
        second.chain.drop_all_transactions()
        relayer.close()
        relayer = bridge.relayer()
        relayer.step()
        second.chain.mine()
    assert bridge.outcomes("grocer", "fuel") == MINTED
    assert bridge.nonce(relayer, second) == 2
    bridge.converge(relayer)


def test_an_old_backup_uses_no_nonce_twice(bridge: Bridge) -> None:
    second, relayer = bridge.world.second, bridge.relayer()
    ready(bridge, relayer)
    bridge.relay(relayer)
    relayer.close()
    backup = shutil.copytree(bridge.folder / "relayer", bridge.folder / "backup")
    relayer = bridge.relayer()
    ready(bridge, relayer)
    with bridge.not_mining(second):
        relayer.step()
        relayer.close()
        old = bridge.relayer(backup.name)
        bridge.relay(old, rounds=2)
        second.chain.mine()
    ready(bridge, old)
    bridge.converge(old)
    assert bridge.outcomes("grocer", "fuel") == MINTED
    # Three deliveries, and what the old one sent in vain beside the second, under a nonce of its own.
    assert bridge.nonce(old, second) == 4


def test_a_lost_disk_is_read_again_from_the_chains(bridge: Bridge) -> None:
    second, relayer = bridge.world.second, bridge.relayer()
    ready(bridge, relayer, swaps=2)
    bridge.relay(relayer)
    bridge.world.swap("grocer", "fuel")
    bridge.attest()
    relayer.close()
    shutil.rmtree(bridge.folder / "relayer")
    relayer = bridge.relayer()
    bridge.converge(relayer)
    assert bridge.outcomes("grocer", "fuel") == MINTED
    assert bridge.nonce(relayer, second) == 3


def test_a_source_reorganised_past_finality_waits_for_a_person(bridge: Bridge) -> None:
    first, relayer = bridge.world.first, bridge.relayer()
    ready(bridge, relayer)
    bridge.relay(relayer)
    # Blocks without transactions could come out the same once more.
    first.send(ADMIN, bridge.world.alice.address, b"")
    first.finalise()
    relayer.step()
    first.chain.reorganise(first.finality_blocks + 2)
    first.chain.mine(first.finality_blocks)
    for _ in range(2):
        with pytest.raises(HaltedError):
            relayer.step()
    resume_role(bridge.settings("relayer"), "relay", "the chain was rolled back by its operators", accept_chain=True)
    bridge.world.swap("grocer", "fuel")
    bridge.attest()
    relayer.step()
    assert relayer.journal.halted() is None
