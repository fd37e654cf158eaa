"""Journals that are lost, locked, full, spoilt or old."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

from scripts.chaos.processes import Json, Process
from scripts.chaos.rig import NotSurvivedError, Rig
from scripts.chaos.scenario import Scenario
from scripts.chaos.town import FINALITY_BLOCKS

_Victim = Callable[[Rig], Process]
_FULL_BYTES = 1_024
"""A write that reaches beyond this fails, which every write of a journal does."""


def _journal(rig: Rig, victim: Process) -> Path:
    (found,) = (rig.crew.folder / victim.name).glob("*.sqlite3")
    return found


def _files(journal: Path) -> list[Path]:
    return [journal.with_name(journal.name + ending) for ending in ("", "-wal", "-shm")]


def _begin(rig: Rig) -> None:
    rig.start()
    rig.town.out.swap(1_000)
    rig.converge()


def _deleted(choose: _Victim, rig: Rig) -> None:
    """The journal is deleted under the running process, and swaps go on."""
    _begin(rig)
    victim = choose(rig)
    rig.doctor.supervise(victim)
    for path in _files(_journal(rig, victim)):
        path.unlink(missing_ok=True)
    rig.town.out.swap(900)
    rig.town.back.swap(500)
    rig.converge()
    rig.same_roots()


def _folder_lost(choose: _Victim, rig: Rig) -> None:
    """The machine is lost with a message under way, and a new one starts with an empty folder."""
    _begin(rig)
    victim = choose(rig)
    rig.town.out.swap(900)
    victim.kill()
    shutil.rmtree(rig.crew.folder / victim.name)
    rig.town.back.swap(500)
    rig.town.mine(FINALITY_BLOCKS)
    victim.start()
    rig.converge()
    rig.same_roots()


def _locked(choose: _Victim, rig: Rig) -> None:
    """Somebody else holds the journal's lock for longer than the process waits."""
    _begin(rig)
    other = sqlite3.connect(_journal(rig, choose(rig)), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    rig.town.out.swap(900)
    rig.town.back.swap(500)
    rig.blocks(120)
    other.execute("ROLLBACK")
    other.close()


def _full(choose: _Victim, rig: Rig) -> None:
    """The disk is full for a while: nothing is signed or sent that was not written down first."""
    choose(rig).log_path = Path("/dev/null")
    _begin(rig)
    victim = choose(rig)
    victim.limit_files(_FULL_BYTES)
    rig.doctor.supervise(victim)
    town = rig.town
    town.out.swap(900)
    burn = town.home.head()
    rig.blocks(30)
    if victim in rig.attesters and rig.has_signed(0, burn):
        raise NotSurvivedError("the attester signed what it could not write down")
    victim.limit_files(None)


def _spoilt(choose: _Victim, rig: Rig) -> None:
    """The journal is overwritten with nonsense: the process does nothing until a person takes it away."""
    _begin(rig)
    victim = choose(rig)
    victim.stop()
    journal = _journal(rig, victim)
    journal.write_bytes(b"nonsense" * 4_096)
    victim.start()
    rig.town.out.swap(900)
    rig.blocks(FINALITY_BLOCKS + 15)
    if rig.check().minted > 1:
        raise NotSurvivedError("something was done with a journal that cannot be read")
    victim.kill()
    for path in _files(journal):
        path.unlink(missing_ok=True)
    victim.start()


def _signed(rig: Rig) -> list[Json]:
    return rig.attesters[0].signed(rig.town.home.chain_id, rig.town.away.chain_id)


def _old_backup(choose: _Victim, rig: Rig) -> None:
    """A backup from before the last swaps is restored."""
    _begin(rig)
    victim = choose(rig)
    folder, backup = rig.crew.folder / victim.name, rig.crew.folder / "backup"
    victim.stop()
    shutil.copytree(folder, backup)
    victim.start()
    rig.town.out.swap(900)
    rig.town.back.swap(500)
    rig.converge()
    signed = [_signed(rig)]
    rig.town.out.swap(800)
    victim.kill()
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    victim.start()
    rig.converge()
    signed.append(_signed(rig)[: len(signed[0])])
    if signed[0] != signed[1]:
        raise NotSurvivedError("the attester signed otherwise after the backup was restored")


def scenarios() -> list[Scenario]:
    """Each fault for the attester and for the relayer."""
    victims: dict[str, _Victim] = {"attester": lambda rig: rig.attesters[0], "relayer": lambda rig: rig.relayer}
    kinds: list[tuple[str, str, Callable[[_Victim, Rig], None]]] = [
        ("deleted", "the {}'s journal is deleted while it runs", _deleted),
        ("folder-lost", "the {}'s folder is lost with a message under way", _folder_lost),
        ("locked", "the {}'s journal is locked by somebody else", _locked),
        ("full", "the {}'s disk is full for a while", _full),
        ("spoilt", "the {}'s journal is overwritten with nonsense", _spoilt),
        ("old-backup", "an old backup of the {}'s journal is restored", _old_backup),
    ]
    return [
        Scenario(f"storage/{role}-{name}", fault.format(role), partial(act, choose), quick=name == "old-backup")
        for name, fault, act in kinds
        for role, choose in victims.items()
    ]
