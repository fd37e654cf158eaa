"""The rows of the clearing house: a booking, and what looks at all of its 32 programmes."""

from __future__ import annotations

from web3 import Web3

from tests.gas.rig import SHIPPED, Rig, Rows

COUNT = 32
CYCLE_SECONDS = 604_800
PAYMENT_SECONDS = 172_800
LINE, CLOSED, OPEN = 100, 150, 50
"""What each partner lets the first programme owe it, and what that owes each in a cycle and the next."""
IDS = [f"gas-{number}".encode().ljust(32, b"\0") for number in range(COUNT)]
FIRST, *OTHERS = IDS


class HouseRig:
    """A full house. The admin is exchange, and treasurer of all."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        registry = rig.deploy(SHIPPED / "ProgrammeRegistry.json", rig.admin, 0)
        rig.gas(registry.functions.grantRole(Web3.keccak(text="REGISTRAR_ROLE"), rig.admin))
        dollar = rig.deploy(SHIPPED / "TestDollar.json")
        periods = (CYCLE_SECONDS, PAYMENT_SECONDS)
        house = rig.deploy(SHIPPED / "ClearingHouse.json", registry.address, dollar.address, *periods, rig.admin, 0)
        self.does = house.functions
        rig.gas(self.does.grantRole(Web3.keccak(text="EXCHANGE_ROLE"), rig.admin))
        for programme_id in IDS:
            token = rig.token(validity=4)
            rig.gas(token.functions.grantRole(Web3.keccak(text="TREASURER_ROLE"), rig.admin))
            rig.gas(registry.functions.register(programme_id, token.address))
            rig.gas(self.does.join(programme_id))
        rig.gas(dollar.functions.mint(rig.admin, 10**12))
        rig.gas(dollar.functions.approve(house.address, 10**12))

    def book(self, creditor: bytes, amount: int) -> int:
        """Gas of what the first programme comes to owe another."""
        return self.rig.gas(self.does.book(FIRST, creditor, amount, self.rig.ref()))

    def close(self) -> int:
        """Gas of closing the cycle, when its time is over."""
        self.rig.jump(CYCLE_SECONDS)
        return self.rig.gas(self.does.closeCycle())


def house_rows(rig: Rig) -> Rows:
    """Everybody is owed something in each row; the default is of one that owes everybody, in both cycles."""
    house = HouseRig(rig)
    rows = _bookings(house)
    for creditor in OTHERS[2:]:
        house.book(creditor, CLOSED)
    rows["closeCycle, 32 programmes with a position"] = house.close()
    due = house.does.standingOf(FIRST).call()[1]
    rows["pay, clearing house"] = rig.gas(house.does.pay(FIRST, -due))
    rows["settleCycle, 32 programmes with a position"] = rig.gas(house.does.settleCycle())
    return rows | _default(house)


def _bookings(house: HouseRig) -> Rows:
    rig, does = house.rig, house.does
    rig.gas(does.deposit(FIRST, len(OTHERS) * (CLOSED + OPEN - LINE)))
    for creditor in OTHERS:
        rig.gas(does.setCreditLine(creditor, FIRST, LINE))
    # Everybody's words are in use but those of the pair.
    house.book(OTHERS[0], 1)
    rig.gas(does.book(OTHERS[0], FIRST, 1, rig.ref()))
    rows: Rows = {"book, first of a pair, within the line": house.book(OTHERS[1], 10)}
    rows["book, within the line"] = house.book(OTHERS[1], 10)
    house.book(OTHERS[1], LINE)
    rows["book, beyond the line"] = house.book(OTHERS[1], 10)
    house.book(OTHERS[0], CLOSED)
    return rows


def _default(house: HouseRig) -> Rows:
    rig, does = house.rig, house.does
    for creditor in OTHERS:
        house.book(creditor, CLOSED)
    house.close()
    for creditor in OTHERS:
        house.book(creditor, OPEN)
    rig.jump(PAYMENT_SECONDS + 1)
    rows: Rows = {"enforce, default towards 31 partners": rig.gas(does.enforce(FIRST))}
    rig.gas(does.settleCycle())
    rig.gas(does.deposit(FIRST, 10**6))
    rows["distribute, 31 claims"] = rig.gas(does.distribute(FIRST))
    assert not does.standingOf(FIRST).call()[-1], "the default is over"
    return rows
