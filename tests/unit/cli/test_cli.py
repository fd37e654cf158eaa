from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from alembic.util import CommandError as AlembicCommandError
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError, ProgrammingError

from backend import cli
from backend.chain.errors import ManifestError
from backend.commands.common import CommandError, sentence_for
from backend.settings import Settings
from backend.worker import Role
from scripts.write_reference import command_paths

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """`interpoints ...` in an empty folder, without settings; its status, output and notes."""
    monkeypatch.chdir(tmp_path)
    for name in ("INTERPOINTS_RPC_URLS", "INTERPOINTS_DATABASE_URL", "INTERPOINTS_ENV_FILE"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["interpoints", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    yield call
    # The command sends its logs to the standard error of its test, which is gone afterwards.
    structlog.reset_defaults()


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.env"
    path.write_text(
        "INTERPOINTS_DATABASE_URL='postgresql+psycopg://nobody@/none?host=/nonexistent'\n"
        f"INTERPOINTS_SECRET_KEY='{'s' * 32}'\n"
        "INTERPOINTS_MANIFEST_PATH='manifest.json'\n"
        "INTERPOINTS_RPC_URLS='[\"http://127.0.0.1:1\"]'\n"
    )
    return path


class TestHelp:
    @pytest.mark.parametrize("path", command_paths())
    def test_every_command__explains_itself_and_its_options(self, run: Run, path: str) -> None:
        status, out, _ = run(*path.split()[1:], "--help")
        assert status == 0
        assert "Usage" in out

    def test_every_option__has_a_help_text(self) -> None:
        from scripts.write_reference import undocumented_parameters

        assert undocumented_parameters() == []

    def test_without_arguments__shows_the_commands(self, run: Run) -> None:
        _, out, err = run()
        assert "import" in out + err

    def test_version__is_printed(self, run: Run) -> None:
        status, out, _ = run("--version")
        assert status == 0
        assert out.startswith("interpoints ")


class TestErrors:
    def test_missing_setting__is_named(self, run: Run) -> None:
        status, _, err = run("db", "check")
        assert status == 1
        assert "INTERPOINTS_DATABASE_URL is missing" in err
        assert err.count("\n") == 1

    def test_missing_settings_file__is_named(self, run: Run) -> None:
        status, _, err = run("db", "migrate", "--env-file", "none.env")
        assert (status, err) == (1, "interpoints: There is no settings file none.env.\n")

    def test_settings_that_are_wrong__are_named(self, run: Run, settings_file: Path) -> None:
        settings_file.write_text(settings_file.read_text() + "INTERPOINTS_API_PORT=99999\n")
        status, _, err = run("programme", "list", "--env-file", str(settings_file))
        assert status == 1
        assert "INTERPOINTS_API_PORT is wrong" in err

    def test_list_that_is_not_json__is_explained(self, run: Run, settings_file: Path) -> None:
        text = settings_file.read_text().replace('["http://127.0.0.1:1"]', "http://127.0.0.1:1")
        settings_file.write_text(text)
        status, _, err = run("programme", "list", "--env-file", str(settings_file))
        assert status == 1
        assert "lists are JSON" in err

    def test_database_that_does_not_answer__is_one_sentence(self, run: Run, settings_file: Path) -> None:
        status, _, err = run("programme", "list", "--env-file", str(settings_file))
        assert status == 1
        assert "The database does not answer" in err
        assert "Traceback" not in err

    def test_role_that_does_not_exist__is_named(self, run: Run, settings_file: Path) -> None:
        status, _, err = run("worker", "--roles", "intake,dance", "--env-file", str(settings_file))
        assert status == 1
        assert f"There is no role 'dance'; there are {', '.join(Role)}." in err

    def test_manifest_that_does_not_exist__is_status_2_of_the_audit(self, run: Run) -> None:
        status, _, err = run("audit", "--rpc", "http://127.0.0.1:1", "--manifest", "none.json")
        assert status == 2
        assert "none.json" in err

    @pytest.mark.parametrize("whose", [[], ["--operator", "--programme", "grocer"]])
    def test_key_of_nobody_or_two__is_refused(self, run: Run, settings_file: Path, whose: list[str]) -> None:
        status, _, err = run("keys", "create", "--name", "till", *whose, "--env-file", str(settings_file))
        assert status == 1
        assert "--programme SLUG or --operator" in err

    @pytest.mark.parametrize("content", ["", "[[programme]]\nslug = 'Bad Slug'\n", "programme = 1", "= 1"])
    def test_programmes_file_with_a_fault__says_where(self, run: Run, settings_file: Path, content: str) -> None:
        path = settings_file.with_name("programmes.toml")
        path.write_text(content)
        status, _, err = run("programme", "sync", "--programmes", str(path), "--env-file", str(settings_file))
        assert status == 1
        assert "cannot be used" in err


class TestKeystores:
    def test_signer__is_made_encrypted(self, run: Run, tmp_path: Path) -> None:
        password = tmp_path / "password"
        password.write_text("correct horse battery staple\n")
        folder = tmp_path / "keys"
        arguments = ("--keystore-dir", str(folder), "--keystore-password-file", str(password))
        status, out, err = run("keys", "signer", *arguments)
        assert status == 0, err
        (path,) = folder.iterdir()
        assert out.strip().lower() in path.name
        assert path.stat().st_mode & 0o077 == 0

    def test_without_password__nothing_is_made(self, run: Run, tmp_path: Path) -> None:
        arguments = ("--keystore-dir", str(tmp_path / "keys"), "--keystore-password-file", str(tmp_path / "none"))
        status, _, err = run("keys", "signer", *arguments)
        assert status == 1
        assert "no password file" in err
        assert not (tmp_path / "keys").exists()


class TestSentenceFor:
    def test_errors_of_ours__speak_for_themselves(self) -> None:
        assert sentence_for(CommandError("Do this.")) == "Do this."
        assert sentence_for(ManifestError("No manifest.")) == "No manifest."

    def test_missing_tables__ask_for_a_migration(self) -> None:
        error = ProgrammingError("SELECT", {}, Exception('relation "members" does not exist\nLINE 1'))
        assert "interpoints db migrate" in str(sentence_for(error))

    def test_lost_database__names_the_setting(self) -> None:
        error = OperationalError("SELECT", {}, Exception("connection refused"))
        assert "INTERPOINTS_DATABASE_URL" in str(sentence_for(error))

    def test_wrong_settings__name_the_first(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Settings.model_validate({"database_url": "x"})
        assert "INTERPOINTS_SECRET_KEY is missing" in str(sentence_for(caught.value))

    @pytest.mark.parametrize("error", [ValueError("ours"), KeyError("k"), AlembicCommandError("x")])
    def test_faults_of_ours__are_not_hidden(self, error: Exception) -> None:
        assert sentence_for(error) is None


def test_up__two_chains_and_a_programme_on_a_third__refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text('[[programme]]\nslug = "far"\nname = "Far"\nsymbol = "FAR"\nhome_chain_id = 10\n')
    status, _, err = run("up", "--two-chains", "--programmes", str(path), "--state", str(tmp_path / "state"))
    assert status == 1
    assert "far is at home on chain 10: here are chains 31337 and 1337 only" in " ".join(err.split())
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--port", "65535"], "take --port, --chain-port and the port after each"),
        (["--port", "8000", "--chain-port", "8001"], "take --port, --chain-port and the port after each"),
        (["--state", "/"], "cannot be the folder of a stack"),
    ],
)
def test_up__two_chains_without_room__refused(run: Run, options: list[str], problem: str) -> None:
    status, _, err = run("up", "--two-chains", *options)
    assert status == 1
    assert problem in " ".join(err.split())
