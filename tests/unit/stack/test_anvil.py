from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.stack import anvil
from backend.stack.anvil import anvil_command, find_anvil, keep_first_genesis
from backend.stack.errors import AnvilMissingError


class TestFindAnvil:
    def test_binary_of_node_modules__is_used_directly(self) -> None:
        found = find_anvil()
        assert found.name == "anvil"
        assert found.read_bytes()[:2] != b"#!"

    def test_none_anywhere__says_what_to_do(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(anvil, "__file__", str(tmp_path / "a" / "b" / "c.py"))
        with pytest.raises(AnvilMissingError, match="npm ci"):
            find_anvil(tmp_path)


class TestKeepFirstGenesis:
    def test_geneses_of_later_starts__are_dropped(self, tmp_path: Path) -> None:
        state = tmp_path / "state.json"
        headers = [("0x0", "0x30"), ("0x1", "0x20"), ("0x0", "0x10"), ("0x0", "0x40")]
        blocks = [{"header": {"number": number, "timestamp": time}} for number, time in headers]
        state.write_text(json.dumps({"blocks": blocks, "accounts": {}}))
        keep_first_genesis(state)
        assert json.loads(state.read_text()) == {"blocks": [blocks[2], blocks[1]], "accounts": {}}

    def test_no_saved_chain__is_fine(self, tmp_path: Path) -> None:
        keep_first_genesis(tmp_path / "state.json")
        assert not (tmp_path / "state.json").exists()


class TestAnvilCommand:
    def test_only_this_machine__is_served(self) -> None:
        command = anvil_command(Path("anvil"), 8545, None, None)
        assert command[command.index("--host") + 1] == "127.0.0.1"
        assert command[command.index("--chain-id") + 1] == "31337"
        assert "--state" not in command
        assert "--timestamp" not in command
        assert "--block-time" not in command

    def test_block_time__adds_to_the_blocks_of_transactions(self) -> None:
        command = anvil_command(Path("anvil"), 8545, None, None, 5)
        assert command[command.index("--block-time") + 1] == "5"
        assert "--mixed-mining" in command

    def test_start_time_and_state__are_passed_on(self) -> None:
        command = anvil_command(Path("anvil"), 8545, Path("/x/state.json"), 1_483_228_800)
        assert command[command.index("--state") + 1] == "/x/state.json"
        assert command[command.index("--timestamp") + 1] == "1483228800"
