"""The committed gas table and its page.

uv run python -m tests.gas.table --write     measures and rewrites tests/gas/gas.json and docs/gas.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tests.gas.rig import ROOT, START_TIMESTAMP, Rig, Rows
from tests.gas.rows import measure
from tests.support.anvil import Anvil

TABLE = Path(__file__).with_name("gas.json")
PAGE = ROOT / "docs" / "gas.md"

BOUNDS: Rows = {
    "batch of 500, a credit, new holders": 24_900,
    "batch of 500, a credit, existing holders": 7_600,
    "storage slots, a new holder": 1,
    "storage slots, a repeat credit": 0,
    "issue, existing holder, numbered refs, mean of 256": 60_000,
    "issue without its ref, existing holder": 40_000,
    "redeem all 5 lots": 80_000,
    "redeem all 6 lots": 80_000,
    "transfer all 5 lots, new receiver": 110_000,
    "transfer all 6 lots, new receiver": 110_000,
    "swap, managed": 210_000,
    "swap, by signed order": 215_000,
    "deliver a swap, existing holder, batch of 50, 4 of 5 sign": 70_000,
    "deliver a swap, new holder, batch of 50, 4 of 5 sign": 87_000,
    "closeCycle, 32 programmes with a position": 2_000_000,
    "settleCycle, 32 programmes with a position": 2_000_000,
    "enforce, default towards 31 partners": 3_000_000,
    "deliver, a message, batch of 50, 4 of 5 sign": 15_000,
}
"""What must be reached, whatever else changes."""

_HEAD = """# Gas

Measured on anvil by `tests/gas/`, to the last unit; `make test` fails when a figure changes. After a change that is
meant, `uv run python -m tests.gas.table --write` measures again and rewrites this page.

"New" and "existing" say whether the receiver has held points of the programme before; its storage words stay in use
when it has none left, so nobody becomes new again. Unless a row says otherwise the validity is 4 epochs (five live
lots, one word) and refs are random. How the words work: [epoch-ledger.md](epoch-ledger.md).

| what | gas | must be at most |
|---|---:|---:|
"""


def compile_doubles() -> None:
    """Brings the artifacts up to date, yardsticks included."""
    subprocess.run([sys.executable, str(ROOT / "scripts" / "compile_contracts.py"), "--testing"], check=True)


def measure_all() -> Rows:
    """All rows, on a fresh chain."""
    compile_doubles()
    with Anvil(timestamp=START_TIMESTAMP, options=["--enable-tx-gas-limit"]) as chain:
        # A second from block to block: times are in calldata, where a zero byte costs less than others, and those of
        # the real clock would have one in some runs.
        chain.rpc("anvil_setBlockTimestampInterval", 1)
        return measure(Rig(chain))


def committed() -> Rows:
    """The rows as committed."""
    rows: Rows = json.loads(TABLE.read_text())
    return rows


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def render(rows: Rows) -> str:
    """The page."""
    lines = [f"| {name} | {_number(value)} | {_number(BOUNDS.get(name))} |" for name, value in rows.items()]
    return _HEAD + "\n".join(lines) + "\n" + notes(rows)


def notes(rows: Rows) -> str:
    """What the figures mean for whoever sizes a batch."""
    existing = rows["batch of 500, a credit, existing holders"]
    one, five = (rows[f"batch of 500, a credit, {n} in the way"] for n in ("one dead lot", "five dead lots"))
    dead = (five - one) / 4
    new = rows["batch of 500, a credit, new holders"]
    first = rows["batch of 500, a credit, first of an epoch"] - existing
    swap, naive = rows["swap, managed"], rows["burn and mint, two transactions, nothing recorded"]
    fifty, many = (rows[f"deliver, a message, batch of {size}, 4 of 5 sign"] for size in (50, 200))
    crossed, minted, refused = (
        rows[f"{what}, batch of 50, 4 of 5 sign"]
        for what in ("deliver a swap, existing holder", "deliver a swap, new holder", "refuse a swap")
    )
    values = (existing, new, first, dead, swap, naive, fifty, many, crossed, minted, refused)
    figures = [_number(round(value)) for value in values]
    return f"""
## Reading it

- **Sizing a batch.** A credit costs about {figures[0]} to an existing holder and {figures[1]} to a new one. The first
  one of an epoch adds {figures[2]}, and each dead lot that then has to make room {figures[3]}, most of it for the two
  logs by which anyone can replay it. A ring of more than one word (validity above 4) makes a holder "new" once for each
  word. Take the gas limit from an estimate, not from a constant.
- **The issue and its ref.** A random ref takes a storage word of its own, 22,100 gas. Refs that differ in their last
  byte only share one, so an issuer that numbers its refs pays for a word once in 256.
- **crosschainMint** does what the issue without a ref does, plus a role that is looked up (2,100) and its own event
  (1,756).
- **A swap** burns, mints, books the debt and remembers its ref in one transaction. Of the {figures[4]} of a managed
  one, 22,100 are the ref's storage word and 21,000 every transaction's; a burn and a mint in two transactions, which
  nothing joins and nothing accounts for, come to {figures[5]}. Rows of swaps are between holders and programmes that
  have swapped before, with one lot and fresh expiry, unless they say otherwise.
- **A message from another chain** costs {figures[6]} in a batch of 50 that four of five attesters signed, besides what
  its recipient does with it, and {figures[7]} in one of 200. About 5,100 of it are the bytes of a message as long as
  that of a swap of one lot, 1,875 its log; a batch shares the 21,000 of its transaction and the signatures.
- **A swap from another chain** costs {figures[8]} to an existing holder and {figures[9]} to a new one in such a batch,
  its message included; {figures[10]} when it is refused and sent back.
- **Past lots** cost nothing: the figures after 0, 10 and 100 of them are the same to the unit.
"""


def write() -> None:
    """Measures and rewrites the table and the page."""
    rows = measure_all()
    TABLE.write_text(json.dumps(rows, indent=2) + "\n")
    PAGE.write_text(render(rows))


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="rewrite tests/gas/gas.json and docs/gas.md")
    if not parser.parse_args().write:
        parser.print_help()
        return 2
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
