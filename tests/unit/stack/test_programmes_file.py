from __future__ import annotations

from pathlib import Path

import pytest

from backend.chain.deploy import ExchangePlan
from backend.chain.deploy_crosschain import CrosschainPlan
from backend.stack.bridge import local_crosschain
from backend.stack.errors import StackError
from backend.stack.programmes_file import ClearingDraft, ProgrammeDraft, ProgrammesFile, ProgrammesFileError, plans

TEXT = """
[[programme]]
slug = "grocer"
name = "Grocer Points"
symbol = "GROCER"
validity_epochs = 4
earn_points = 10
return_period_days = 14
issuer = "0x5fbdb2315678afecb367f032d93f642f64180aa3"

[[programme]]
slug = "chemist"
name = "Chemist Points"
symbol = "CHEM"
"""


def test_load__gives_terms_and_profiles(tmp_path: Path) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text(TEXT)
    grocer, chemist = ProgrammesFile.load(path).programme
    accounts = [bytes([number]) * 20 for number in range(1, 5)]
    first, second = plans((grocer, chemist), accounts)
    assert first.issuer.hex() == "5fbdb2315678afecb367f032d93f642f64180aa3"
    assert first.custodian == accounts[1]
    assert (second.issuer, second.custodian) == (accounts[2], accounts[3])
    assert first.terms.validity_epochs == 4
    assert first.terms.epoch_length_seconds == 30 * 86_400
    assert grocer.profile().earn_points == 10
    assert grocer.profile().return_period_seconds == 14 * 86_400


def test_more_programmes_than_accounts__share_them() -> None:
    drafts = [ProgrammeDraft(slug=f"p{number}", name="P", symbol="P") for number in range(3)]
    made = plans(drafts, [b"\1" * 20, b"\2" * 20, b"\3" * 20])
    assert {plan.issuer for plan in made} == {b"\1" * 20}
    assert {plan.custodian for plan in made} == {b"\2" * 20}


def test_no_accounts__names_what_is_missing() -> None:
    with pytest.raises(StackError, match="p1 needs an issuer and a custodian"):
        plans([ProgrammeDraft(slug="p1", name="P", symbol="P")], [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "programme: Field required"),
        (TEXT.replace("grocer", "Grocer"), "programme.0.slug"),
        (TEXT.replace("validity_epochs = 4", "validity_epochs = 30"), "programme.0.validity_epochs"),
        (TEXT.replace("earn_points", "earn_pints"), "programme.0.earn_pints"),
        (TEXT.replace("0x5fbd", "0x"), "programme.0.issuer"),
        ("[[programme", "not TOML"),
    ],
)
def test_fault__is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text(text)
    with pytest.raises(ProgrammesFileError, match=problem):
        ProgrammesFile.load(path)


CLEARING = """
[clearing]
currency = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
currency_code = "EUR"
cycle_days = 7
payment_days = 2
notice_hours = 24
"""


def test_clearing__periods_currency_and_keeper(tmp_path: Path) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text(TEXT + CLEARING)
    clearing = ProgrammesFile.load(path).clearing
    assert clearing is not None
    plan = clearing.plan(b"\x09" * 20)
    assert plan == ExchangePlan(
        keeper=b"\x09" * 20,
        currency=bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3"),
        currency_code="EUR",
        cycle_seconds=7 * 86_400,
        payment_seconds=2 * 86_400,
        notice_period_seconds=86_400,
    )
    with pytest.raises(StackError, match="needs a keeper"):
        clearing.plan(None)


def test_no_clearing__none(tmp_path: Path) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text(TEXT)
    assert ProgrammesFile.load(path).clearing is None


def test_treasurer_and_quoter__of_the_file_or_left_to_the_deployer() -> None:
    address = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
    drafts = [
        ProgrammeDraft(slug="p1", name="P", symbol="P", treasurer=address, supply_cap_points=0),
        ProgrammeDraft(slug="p2", name="P", symbol="P", quoter=address),
    ]
    one, two = plans(drafts, [b"\1" * 20, b"\2" * 20])
    assert (one.treasurer, one.quoter) == (bytes.fromhex(address[2:]), None)
    assert (two.treasurer, two.quoter) == (None, bytes.fromhex(address[2:]))
    assert one.terms.supply_cap_points == 0


@pytest.mark.parametrize("line", ["cycle_days = 0", "payment_days = 367", 'currency_code = "EURO"', "cycles = 3"])
def test_fault_of_the_clearing__is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text(f"{TEXT}\n[clearing]\n{line}\n")
    with pytest.raises(ProgrammesFileError, match="clearing." + line.split(" ", maxsplit=1)[0]):
        ProgrammesFile.load(path)


ATTESTERS = [f"0x{number:040x}" for number in (3, 1, 2)]
CROSSCHAIN = f"""
[crosschain]
attesters = {ATTESTERS}
threshold = 2
rotation_delay_hours = 2
guardian = "{ATTESTERS[0]}"
"""


def test_crosschain__attesters_threshold_and_branches(tmp_path: Path) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text(TEXT + "home_chain_id = 1337\n" + CLEARING + CROSSCHAIN)
    file = ProgrammesFile.load(path)
    assert file.crosschain is not None
    assert file.crosschain.plan() == CrosschainPlan(
        attesters=[number.to_bytes(20, "big") for number in (3, 1, 2)],
        threshold=2,
        rotation_delay_seconds=2 * 3_600,
        notice_period_seconds=48 * 3_600,
        guardian=bytes(19) + b"\x03",
    )
    grocer, chemist = plans(file.programme, [b"\1" * 20, b"\2" * 20])
    assert (grocer.home_chain_id, chemist.home_chain_id) == (0, 1337)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TEXT + CROSSCHAIN, r"needs \[clearing\]"),
        (TEXT + "home_chain_id = 1337\n" + CLEARING, r"needs \[crosschain\]"),
        (TEXT + CLEARING + CROSSCHAIN.replace("= 2\nrot", "= 1\nrot"), "crosschain.threshold"),
        (TEXT + CLEARING + CROSSCHAIN.replace("= 2\nrot", "= 4\nrot"), "two thirds"),
        (TEXT + CLEARING + CROSSCHAIN.replace("01'", "03'"), "named twice"),
        (TEXT + CLEARING + CROSSCHAIN.replace("01'", "0g'"), "crosschain.attesters.1"),
    ],
)
def test_fault_of_crosschain__is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text(text)
    with pytest.raises(ProgrammesFileError, match=problem):
        ProgrammesFile.load(path)


def test_crosschain_of_local_chains__for_a_file_without_its_own(tmp_path: Path) -> None:
    path = tmp_path / "programmes.toml"
    path.write_text(TEXT + "home_chain_id = 1337\n")
    file = ProgrammesFile.load(path, local_crosschain())
    assert file.crosschain == local_crosschain()
    assert file.clearing == ClearingDraft()
    path.write_text(TEXT + CLEARING)
    clearing = ProgrammesFile.load(path, local_crosschain()).clearing
    assert clearing is not None
    assert clearing.cycle_days == 7
    path.write_text(TEXT + CLEARING + CROSSCHAIN)
    with pytest.raises(ProgrammesFileError, match=r"leave \[crosschain\] out"):
        ProgrammesFile.load(path, local_crosschain())


def test_five_attesters__three_are_too_few(tmp_path: Path) -> None:
    """Two thirds of five are more than three."""
    path = tmp_path / "programmes.toml"
    five = str([f"0x{number:040x}" for number in range(1, 6)])
    crosschain = CROSSCHAIN.replace(str(ATTESTERS), five)
    path.write_text(TEXT + CLEARING + crosschain.replace("threshold = 2", "threshold = 3"))
    with pytest.raises(ProgrammesFileError, match="two thirds"):
        ProgrammesFile.load(path)
    path.write_text(TEXT + CLEARING + crosschain.replace("threshold = 2", "threshold = 4"))
    assert ProgrammesFile.load(path).crosschain is not None
