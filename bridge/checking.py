"""`interpoints bridge check-config`: does every endpoint answer, for the right chain, and agree?"""

from __future__ import annotations

from backend.chain.attested_gateway import AttestedGateway
from backend.chain.client import ChainClient
from backend.chain.errors import ChainError
from bridge.chains import Chain, Chains, open_chains
from bridge.endpoints import host_of, tagged_block
from bridge.keys import open_signer
from bridge.settings import BridgeSettings, KeySettings


def check(settings: BridgeSettings) -> tuple[list[str], bool]:
    """One line for each thing that was tried, and whether all is well."""
    chains = open_chains(settings.chain)
    try:
        lines = [_key_line(name, key, chains) for name, key in _keys(settings)]
        for chain in chains.values():
            lines += [_endpoint_line(chain, client, "own") for client in (chain.client,)]
            lines += [_endpoint_line(chain, client, "other") for client in chain.others]
            lines += [_remote_line(chain, other) for other in chains.values() if other is not chain]
    finally:
        for chain in chains.values():
            chain.close()
    return [text for _, text in lines], all(well for well, _ in lines)


def _keys(settings: BridgeSettings) -> list[tuple[str, KeySettings]]:
    keys = [("attest", settings.attest.key), ("relay", settings.relay.key), ("watch", settings.watch.key)]
    return [(name, key) for name, key in keys if key.given]


def _key_line(name: str, key: KeySettings, chains: Chains) -> tuple[bool, str]:
    try:
        return True, f"{name}: signs as 0x{open_signer(key, list(chains)).address.hex()}"
    except ChainError as error:
        return False, f"{name}: {error.detail}"


def _endpoint_line(chain: Chain, client: ChainClient, whose: str) -> tuple[bool, str]:
    name = f"{chain.name}: {whose} endpoint {host_of(client)}"
    try:
        final = chain.finality.final_number(tagged_block(client, chain.finality.tag))
    except ChainError as error:
        return False, f"{name}: {error.detail}"
    return True, f"{name}: final to block {final}"


def _remote_line(chain: Chain, other: Chain) -> tuple[bool, str]:
    name = f"{chain.name}: gateway 0x{chain.gateway.hex()}"
    try:
        found = AttestedGateway(chain.client, chain.gateway).remote_of(other.chain_id)
    except ChainError as error:
        return False, f"{name}: {error.detail}"
    if found != other.gateway:
        said = "no gateway" if found is None else "0x" + found.hex()
        return False, f"{name}: knows {said} for {other.name}, configured is 0x{other.gateway.hex()}"
    return True, f"{name}: knows the gateway of {other.name}"
