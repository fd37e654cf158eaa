"""How large a contract's code is where it is really deployed."""

from brownie import web3
from brownie.network.contract import ProjectContract

CODE_LIMIT_BYTES = 24_576
"""Of EIP-170."""
METADATA_BYTES = 53
"""What Brownie has the compiler append to the code; the shipped artifacts are compiled without it."""


def code_bytes(contract: ProjectContract) -> int:
    """Length of the code without the metadata at its end, whose own length is its last two bytes."""
    code = bytes(web3.eth.get_code(contract.address))
    assert int.from_bytes(code[-2:], "big") + 2 == METADATA_BYTES
    return len(code) - METADATA_BYTES
