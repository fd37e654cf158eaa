"""The suite compiles as forge and the deployed artifacts do."""

import tomllib

import yaml

from tests.contracts.test_specification import ROOT


def test_brownie__compiler_settings__are_those_of_forge():
    forge = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]
    compiler = yaml.safe_load((ROOT / "brownie-config.yaml").read_text())["compiler"]
    solc = compiler["solc"]
    assert compiler["evm_version"] == forge["evm_version"]
    assert solc["optimizer"] == {"enabled": forge["optimizer"], "runs": forge["optimizer_runs"]}
    assert solc["viaIR"] == forge["via_ir"]
