"""The quorum rule over every combination of what three others may say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import cast

import pytest

from backend.chain.client import ChainClient, RpcBlock
from backend.chain.errors import ChainUnavailableError
from bridge.chains import Chain, open_chain
from bridge.errors import NoQuorumError
from bridge.quorum import Quorum, attesting_quorum, reading_quorum
from bridge.settings import ChainSettings

NUMBER, HASH = 100, "0x" + "aa" * 32
SAYINGS = ("the same", "another hash", "not final", "nothing", "garbage", "no block")


@dataclass
class _Endpoint:
    """Answers what a test says, where a client would ask over the network."""

    saying: str
    urls: Sequence[str]

    def blocks(self, asked: Sequence[int | str]) -> list[RpcBlock | None]:
        if self.saying == "nothing":
            raise ChainUnavailableError("no endpoint answered")
        final = NUMBER - 1 if self.saying == "not final" else NUMBER + 3
        return [self._block(final if isinstance(each, str) else each) for each in asked]

    def _block(self, number: int) -> RpcBlock | None:
        if self.saying == "garbage":
            return cast("RpcBlock", {"number": None})
        if self.saying == "no block" and number == NUMBER:
            return None
        return cast(
            "RpcBlock", {"number": hex(number), "hash": HASH if self.saying != "another hash" else "0x" + "bb" * 32}
        )


@pytest.fixture(scope="module")
def chain() -> Chain:
    return open_chain(
        ChainSettings(name="first", chain_id=8453, gateway="0x" + "11" * 20, endpoints=["http://own.example"])
    )


def _with(chain: Chain, sayings: Sequence[str]) -> Chain:
    others = tuple(_Endpoint(saying, [f"http://other-{at}.example"]) for at, saying in enumerate(sayings))
    return replace(chain, others=cast("tuple[ChainClient, ...]", others))


def _confirmed(quorum: Quorum) -> bool:
    try:
        quorum.confirm(NUMBER, HASH)
    except NoQuorumError:
        return False
    return True


def test_confirm__every_combination__exactly_when_two_say_the_same(chain: Chain) -> None:
    for sayings in product(SAYINGS, repeat=3):
        quorum = attesting_quorum(_with(chain, sayings))
        assert _confirmed(quorum) == (sayings.count("the same") >= 2), sayings


def test_final_number__every_combination__what_two_others_call_final(chain: Chain) -> None:
    heights = {"the same": NUMBER + 3, "another hash": NUMBER + 3, "no block": NUMBER + 3, "not final": NUMBER - 1}
    for sayings in product(SAYINGS, repeat=3):
        quorum = attesting_quorum(_with(chain, sayings))
        said = sorted((heights[each] for each in sayings if each in heights), reverse=True)
        if len(said) < 2:
            with pytest.raises(NoQuorumError):
                quorum.final_number(NUMBER + 9)
        else:
            assert quorum.final_number(NUMBER + 9) == said[1], sayings
            assert quorum.final_number(50) == 50


def test_reading__asks_nobody_else(chain: Chain) -> None:
    quorum = reading_quorum(_with(chain, ["nothing"] * 3))
    assert (_confirmed(quorum), quorum.final_number(50)) == (True, 50)


@pytest.mark.parametrize(("others", "needed"), [(0, 0), (1, 1), (2, 2), (3, 2)])
def test_needed__on_a_local_chain__as_many_as_there_are(chain: Chain, others: int, needed: int) -> None:
    local = _with(chain, ["the same"] * others)
    local = replace(local, settings=local.settings.model_copy(update={"require_independent": False}))
    assert attesting_quorum(local).needed == needed
