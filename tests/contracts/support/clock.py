"""Chain time: exact to the second, and independent of the machine's clock."""

from brownie import chain, web3

DAY_SECONDS = 86_400
EPOCH_SECONDS = 30 * DAY_SECONDS
START_EPOCH = 667
START_SECONDS = START_EPOCH * EPOCH_SECONDS + DAY_SECONDS
"""Time of the chain's first block: the second day of an epoch, so that a slow run stays in it."""


def request(method: str, *parameters: object) -> object:
    """The result of a JSON-RPC request to the local chain."""
    answer = web3.provider.make_request(method, list(parameters))
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']}")
    return answer["result"]


class Clock:
    """Moves the chain's time, in Unix seconds, for tokens with epochs of one length."""

    def __init__(self, epoch_seconds: int = EPOCH_SECONDS) -> None:
        self.epoch_seconds = epoch_seconds

    @property
    def now_seconds(self) -> int:
        """Time of the latest block."""
        return int(chain[-1].timestamp)

    @property
    def epoch(self) -> int:
        """Epoch of the latest block."""
        return self.now_seconds // self.epoch_seconds

    def starts(self, epoch: int) -> int:
        """First second of an epoch."""
        return epoch * self.epoch_seconds

    def ends(self, epoch: int) -> int:
        """Last second of an epoch."""
        return self.starts(epoch + 1) - 1

    def next_block_at(self, seconds: int) -> None:
        """Gives the next block, hence the next transaction, exactly this time."""
        request("evm_setNextBlockTimestamp", seconds)

    def go_to(self, seconds: int) -> None:
        """Mines an empty block at exactly this time."""
        self.next_block_at(seconds)
        request("evm_mine")

    def go_to_epoch(self, epoch: int) -> None:
        """Mines an empty block an hour into an epoch; does nothing when that epoch is the present one."""
        if epoch != self.epoch:
            self.go_to(self.starts(epoch) + 3_600)

    def pass_epochs(self, count: int) -> int:
        """Lets epochs go by; the new present one."""
        self.go_to_epoch(self.epoch + count)
        return self.epoch
