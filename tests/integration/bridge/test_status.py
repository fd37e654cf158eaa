"""`interpoints bridge status`: the two chains alone say where every swap is."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from typer.testing import CliRunner

from backend.chain.crosschain_exchange import encode_halt
from backend.chain.words import selector
from bridge.cli import app
from bridge.status import LaneStatus, StatusReport, report
from tests.integration.bridge.relaying import Bridge, side_name
from tests.support.two_chains import ADMIN, GUARDIAN


def lane(found: StatusReport, source: str = "grocer", destination: str = "fuel") -> LaneStatus:
    return next(each for each in found.lanes if (each.source, each.destination) == (source, destination))


def test_a_swap_is_followed_to_its_end(bridge: Bridge) -> None:
    world, relayer, settings = bridge.world, bridge.relayer(), bridge.settings("relayer")
    assert report(settings).oldest is None
    world.swap("grocer", "fuel", 1_000)
    world.first.chain.jump(30)
    sent = report(settings)
    assert sent.oldest is not None
    assert (sent.in_flight, sent.oldest.stage) == (1, "sent")
    assert sent.oldest.age_seconds >= 30
    bridge.attest()
    assert report(settings).oldest == sent.oldest.model_copy(
        update={"stage": "final", "age_seconds": world.first.now() - sent.oldest.sent_at}
    )
    bridge.converge(relayer)
    done = report(settings)
    assert (done.in_flight, done.oldest, done.violations) == (0, None, [])
    sums = lane(done)
    assert (sums.sent, sums.minted, sums.refunded, sums.open) == (1, 1, 0, True)
    assert sums.minted_points == sums.promised_points == 292
    assert sums.burned_points == 1_000 - 1
    assert [(route.source, route.sent, route.delivered, route.waiting) for route in done.routes] == [("first", 1, 1, 0)]


def test_a_failed_swap_and_one_that_comes_back(bridge: Bridge) -> None:
    world, relayer, settings = bridge.world, bridge.relayer(), bridge.settings("relayer")
    world.second.send(ADMIN, world.second.exchange.address, selector("pause()"))
    world.swap("grocer", "fuel", 1_000)
    bridge.attest()
    bridge.relay(relayer)
    failed = report(settings)
    assert failed.oldest is not None
    assert failed.oldest.stage == "failed"
    assert failed.routes[0].failed == 1
    world.second.send(GUARDIAN, world.second.exchange.address, encode_halt(world.lane("grocer", "fuel")))
    bridge.relay(relayer, rounds=2)
    refused = report(settings)
    assert refused.oldest is not None
    assert refused.oldest.stage == "refused"
    bridge.converge(relayer)
    sums = lane(report(settings))
    assert (sums.refused, sums.refunded, sums.in_flight, sums.open) == (1, 1, 0, False)
    assert sums.refunded_points == sums.burned_points
    assert sums.minted_points == 0


def test_the_command_prints_a_table_and_json(bridge: Bridge, tmp_path: Path) -> None:
    world = bridge.world
    for _ in range(2):
        world.swap("fuel", "grocer", 500)
    config = tmp_path / "bridge.toml"
    chains = [
        f'[[chain]]\nname = "{side_name(side)}"\nchain_id = {side.chain_id}\nmanifest = "{side.manifest_path}"\n'
        f'endpoints = ["{side.chain.url}"]\nrequire_independent = false\n'
        for side in world.sides
    ]
    config.write_text(f'data_dir = "{tmp_path}"\n' + "\n".join(chains))
    assert tomllib.loads(config.read_text())["chain"]
    text = CliRunner().invoke(app, ["status", "--config", str(config)])
    assert text.exit_code == 0, text.output
    assert "fuel → grocer" in text.output
    assert "In flight: 2 swaps." in text.output
    machine = json.loads(CliRunner().invoke(app, ["status", "--json", "--config", str(config)]).output)
    assert machine["in_flight"] == 2
    assert machine["oldest"]["stage"] == "sent"
