"""Two connected chains audited together: every burn held against its mint or refund, and lies between them caught."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from backend.audit.command import audit_command
from backend.audit.crossings import CrossingReport
from backend.audit.report import Check, Report
from backend.audit.service import CannotAuditError, run_audit, run_audits
from backend.chain.attested_gateway import Message
from backend.chain.crosschain_exchange import decode_payload, encode_halt, encode_payload
from backend.chain.exchange_types import CrosschainSwap, MessageKind
from backend.chain.points_exchange import encode_stop
from backend.chain.programme_registry import programme_id
from tests.support.anvil import START
from tests.support.two_chains import GUARDIAN, PARTNER, RELAYER, Sent, Setting, Side, TwoChains, two_chains

Both = tuple[list[Report], CrossingReport]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoChains]:
    with two_chains(tmp_path_factory.mktemp("chains"), Setting(timestamp=START)) as found:
        live(found)
        yield found


def live(world: TwoChains) -> None:
    """Swaps both ways: minted, refused because stopped, refused because late, given back, and one still under way."""
    first, second = world.sides
    world.swap("grocer", "fuel", 1_000)
    world.swap("grocer", "fuel", 2_000)
    world.swap("fuel", "grocer", 3_000)
    world.deliver(first)
    world.deliver(second)
    world.swap("cafe", "fuel", 4_000)
    cafe, fuel = programme_id("cafe"), programme_id("fuel")
    second.send(PARTNER, second.exchange.address, encode_stop(cafe, fuel, fuel))
    world.swap("grocer", "fuel", 500, deadline=first.now() + 60)
    second.chain.jump(3_600)
    world.deliver(first)
    world.deliver(second)
    second.send(GUARDIAN, second.exchange.address, encode_halt(world.lane("fuel", "cafe")))
    world.swap("grocer", "fuel", 700, deadline=first.now() + 86_400)


def audit(world: TwoChains) -> Both:
    return run_audits([(side.chain.client, side.manifest) for side in world.sides], to_block="latest")


def failures(checks: list[Check]) -> dict[str, str]:
    return {check.id: " | ".join(each.detail for each in check.findings) for check in checks if not check.passed}


def forge(world: TwoChains, source: Side, kind: MessageKind, swap: CrosschainSwap) -> None:
    """Delivers a message that nobody sent, signed by two attesters whose keys were stolen."""
    to = world.other(source)
    payload = encode_payload(kind, swap)
    message = Message(10_000, source.exchange.address, to.exchange.address, payload)
    sent = Sent(world.route(source), 1, message)
    to.send(RELAYER, to.gateway.address, world.delivery(1, [sent], [0]))


def minted(world: TwoChains) -> CrosschainSwap:
    """The first swap from the grocer to fuel, which was minted."""
    return decode_payload(world.sent(world.first)[0].message.payload)[1]


def test_audit__two_chains__matches_every_burn(world: TwoChains) -> None:
    reports, crossings = audit(world)
    for report in reports:
        assert failures(report.checks) == {}
        assert report.check("messages").examined > 5
    assert failures(crossings.checks) == {}
    found = {(lane.source, lane.destination): lane for lane in crossings.lanes}
    there = found["grocer", "fuel"]
    assert (there.burnt, there.minted, there.refunded, there.under_way, there.returning) == (4, 2, 1, 1, 0)
    assert there.minted_points + there.refunded_points < there.burnt_points
    back, stopped = found["fuel", "grocer"], found["cafe", "fuel"]
    assert (back.burnt, back.minted, back.under_way) == (1, 1, 0)
    assert (stopped.burnt, stopped.minted, stopped.refunded) == (1, 0, 1)
    arrived = {lane.destination: lane.arrived for lane in reports[1].lanes if lane.source == "grocer"}
    assert arrived["fuel"] == 2


def test_audit__one_chain_alone__passes(world: TwoChains) -> None:
    for side in world.sides:
        assert failures(run_audit(side.chain.client, side.manifest, to_block="latest").checks) == {}


def test_audit__a_mint_that_nobody_burnt_for__found(world: TwoChains) -> None:
    with world.unchanged():
        swap = replace(minted(world), swap_id=bytes(31) + b"\1", number=77, deadline=1 << 40)
        forge(world, world.first, MessageKind.MINT, swap)
        reports, crossings = audit(world)
    assert [failures(report.checks) for report in reports] == [{}, {}]
    found = failures(crossings.checks)
    assert "no audited chain burnt points for it" in found["crossings"]
    assert "never sent it" in found["crossing_messages"]


def test_audit__minted_and_given_back__found(world: TwoChains) -> None:
    with world.unchanged():
        forge(world, world.second, MessageKind.REFUND, minted(world))
        reports, crossings = audit(world)
    assert [failures(report.checks) for report in reports] == [{}, {}]
    found = failures(crossings.checks)
    assert "minted, and given back" in found["crossings"]
    assert "never sent it" in found["crossing_messages"]


def test_audit__given_back_without_a_refusal__found(world: TwoChains) -> None:
    with world.unchanged():
        under_way = decode_payload(world.sent(world.first)[-1].message.payload)[1]
        forge(world, world.second, MessageKind.REFUND, under_way)
        _, crossings = audit(world)
    assert "its destination never refused it" in failures(crossings.checks)["crossings"]


def test_audit__one_chain_given_twice__says_so(world: TwoChains) -> None:
    side = world.first
    with pytest.raises(CannotAuditError, match="same chain"):
        run_audits([(side.chain.client, side.manifest)] * 2, to_block="latest")


@pytest.mark.parametrize(
    ("part", "changes", "found"),
    [
        ("gateway", {"code_hash": "0x" + "ab" * 32}, {"code"}),
        ("gateway", {"rotation_delay_seconds": 7}, {"code"}),
        ("gateway", {"attester_admin": "0x" + "77" * 20}, {"roles"}),
        ("crosschain", {"notice_period_seconds": 7}, {"code"}),
        ("crosschain", {"guardian": "0x" + "77" * 20}, {"roles"}),
    ],
)
def test_manifest__another_term__found(
    world: TwoChains, part: str, changes: dict[str, object], found: set[str]
) -> None:
    side = world.second
    entry = getattr(side.manifest, part).model_copy(update=changes)
    report = run_audit(side.chain.client, side.manifest.model_copy(update={part: entry}), to_block="latest")
    assert set(failures(report.checks)) == found


def test_command__two_chains__one_verdict_and_reports(
    world: TwoChains, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rpc, manifests = [[side.chain.url for side in world.sides], [side.manifest_path for side in world.sides]]
    paths = {"json_path": tmp_path / "audit.json", "html_path": tmp_path / "audit.html"}
    assert audit_command(rpc, manifests, to_block="latest", **paths) == 0
    out = capsys.readouterr().out
    assert "chain 31337" in out
    assert "Every burn has its mint or its refund" in out
    assert "grocer → fuel: 4 burnt, 2 minted, 1 refunded, 1 under way" in out
    body = orjson.loads(paths["json_path"].read_bytes())
    assert (body["format"], body["verdict"]) == ("interpoints-audit-chains/1", "passed")
    assert [each["chain_id"] for each in body["chains"]] == [31337, 1337]
    assert len(body["crossings"]["lanes"]) == 3
    page = paths["html_path"].read_text()
    for text in ("Chain 31337", "Chain 1337", "Between the chains", "grocer → fuel"):
        assert text in page
    assert audit_command(rpc[:1], manifests, to_block="latest") == 2
    assert "2 manifests need as many --rpc" in capsys.readouterr().err
    assert audit_command(rpc, manifests, to_block="7") == 2
