"""Nothing that people can use is undocumented."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backend.chain.artifacts import load_artifact
from backend.importing.mapping import Mapping
from backend.settings import Settings
from backend.stack.programmes_file import ProgrammeDraft
from scripts.write_reference import DOCS, PAGES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_reference_page__is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run .venv/bin/python -m scripts.write_reference"


def test_every_setting__is_documented() -> None:
    page = (DOCS / "settings.md").read_text()
    missing = [key for key in Settings.model_fields if f"INTERPOINTS_{key.upper()}" not in page]
    assert missing == []


def test_every_event_of_the_contracts__is_documented() -> None:
    page = (DOCS / "events.md").read_text()
    standard = {"Approval", "EIP712DomainChanged", "Initialized"}
    for contract in ("PointsToken", "ProgrammeRegistry"):
        events = {entry.name for entry in load_artifact(contract).abi if entry.type == "event"} - standard
        assert [name for name in sorted(events) if not re.search(rf"\b{name}\b", page)] == [], contract


def test_metrics_of_the_operators_guide__exist() -> None:
    page = (DOCS / "operators-guide.md").read_text()
    known = (DOCS / "metrics.md").read_text()
    named = set(re.findall(r"\binterpoints_[a-z_]+", page))
    assert named
    assert [name for name in sorted(named) if f"`{name}`" not in known] == []


def test_every_key_of_a_mapping__is_documented() -> None:
    page = (DOCS / "importing.md").read_text()
    for section, field in Mapping.model_fields.items():
        assert f"[{section}]" in page
        keys = getattr(field.annotation, "model_fields", {})
        assert [key for key in keys if not re.search(rf"`{key}`", page)] == [], section


def test_every_key_of_a_programmes_file__is_documented() -> None:
    page = (DOCS / "operators-guide.md").read_text()
    assert [key for key in ProgrammeDraft.model_fields if f"`{key}`" not in page] == []


def test_links_between_pages__lead_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "contracts" / "README.md"]
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_targets_of_make__are_explained_by_make_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)
    assert phony is not None
    explained = set(re.findall(r"^([a-z0-9 ]+):.*## ", makefile, re.M))
    assert set(phony.group(1).split()) == {name for names in explained for name in names.split()}


def test_package_json_and_lock__agree() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"][""]
    assert locked["dependencies"] == wanted["dependencies"]
    assert locked["devDependencies"] == wanted["devDependencies"]


def test_package_lock__knows_the_packages_of_every_platform() -> None:
    # npm leaves out of the lock what it cannot fetch when the lock is written, and `npm ci` then refuses the lock.
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    wanted = {name for entry in packages.values() for name in entry.get("optionalDependencies", {})}
    assert {f"node_modules/{name}" for name in wanted} - set(packages) == set()
