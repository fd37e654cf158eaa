// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ClearingHouse} from "../../contracts/clearing/ClearingHouse.sol";
import {Standing} from "../../contracts/interfaces/IClearingHouse.sol";
import {HouseHandler} from "./HouseHandler.sol";
import {Checked} from "./Vm.sol";

/// @notice What is true of a clearing house of five programmes after any sequence of operations. The handler checks besides
/// that every refusal is the one foreseen. One call here is often a whole cycle, so there are fewer runs.
/// forge-config: default.invariant.runs = 30
contract ClearingHouseInvariants is Checked {
    HouseHandler internal handler;
    ClearingHouse internal house;
    uint256 internal count;

    function setUp() external {
        vm.warp(20_000 days);
        handler = new HouseHandler();
        house = handler.house();
        count = handler.COUNT();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice Positions, sums, pairs and clocks are those of the full matrices; so the sums that are kept equal the sums
    /// counted anew.
    function invariant_houseIsTheModels() external view {
        for (uint256 d = 0; d < count; ++d) {
            _checkStanding(d);
            for (uint256 p = 0; p < count; ++p) {
                _checkPair(d, p);
            }
        }
        (uint256 cycle, uint256 closesAt, uint256 deadline) = handler.modelClock();
        _equal(house.openCycle(), cycle, "cycle");
        _equal(house.closesAt(), closesAt, "closing time");
        _equal(house.paymentDeadline(), deadline, "payment deadline");
        _true(house.isSettling() == (deadline != 0), "settling");
    }

    /// @notice Positions and dues add up to zero, and the house has the money that it says it has. What each programme has, is
    /// owed and owes adds up to what came in and went out in its name: closing, settling, enforcing, defaults and
    /// distributions make nobody richer or poorer. Both bounds hold for everybody, and nobody has ever lost more than its line.
    function invariant_promisesAreKept() external view {
        int256 open = 0;
        int256 due = 0;
        uint256 money = 0;
        for (uint256 d = 0; d < count; ++d) {
            Standing memory standing = house.standingOf(handler.ids(d));
            open += standing.open;
            due += standing.due;
            money += standing.collateral + standing.paid;
            _checkBounds(standing);
            _true(handler.modelWorth(d) == handler.modelHistory(d), "worth of a programme");
        }
        _true(open == 0, "sum of positions");
        _true(due == 0, "sum of dues");
        _equal(handler.dollar().balanceOf(address(house)), money, "money in the house");
        _equal(handler.modelExcessLoss(), 0, "loss beyond a line");
    }

    function _checkBounds(Standing memory standing) private pure {
        _true(standing.uncovered + standing.reserved <= standing.collateral + standing.paid, "bound of both cycles");
        _true(standing.uncoveredOpen + standing.reserved <= standing.collateral, "bound of the open cycle");
        _true(standing.inDefault == (standing.claims != 0), "claims and default go together");
        if (!standing.inDefault) return;
        _true(standing.open >= 0 && standing.due >= 0, "a programme in default owes in no cycle");
        _equal(standing.uncovered + standing.uncoveredOpen, 0, "nor beyond a line");
    }

    function _checkStanding(uint256 d) private view {
        Standing memory standing = house.standingOf(handler.ids(d));
        (uint256 collateral, uint256 paid, uint256 reserved, bool inDefault) = handler.modelStanding(d);
        _true(standing.open == handler.modelOpen(d), "open");
        _true(standing.due == handler.modelDue(d), "due");
        _equal(standing.collateral, collateral, "collateral");
        _equal(standing.paid, paid, "paid");
        _equal(standing.reserved, reserved, "reserved");
        _equal(standing.uncovered, handler.modelUncovered(d), "uncovered");
        _equal(standing.uncoveredOpen, handler.modelUncoveredOpen(d), "uncovered open");
        _equal(standing.claims, handler.modelClaims(d), "claims");
        _true(standing.inDefault == inDefault, "in default");
    }

    function _checkPair(uint256 d, uint256 p) private view {
        (int256 open, int256 closed, uint256 line, uint256 claim) = handler.modelPair(d, p);
        (int256 toldOpen, int256 toldClosed) = house.owedOf(handler.ids(d), handler.ids(p));
        _true(toldOpen == open, "owed in the open cycle");
        _true(toldClosed == closed, "owed in the closed cycle");
        _equal(house.creditLineOf(handler.ids(p), handler.ids(d)), line, "credit line");
        _equal(house.claimOf(handler.ids(p), handler.ids(d)), claim, "claim");
    }
}

/// @notice That random operations lead to where it is hard, in one campaign of the invariants' kind.
contract ClearingHouseCoverage is Checked {
    function test_aLongRandomLifeSeesDefaultsOfPairsThatOweInBothCycles() external {
        vm.warp(20_000 days);
        HouseHandler handler = new HouseHandler();
        uint256 seed = 7;
        for (uint256 i = 0; i < 500; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 other = seed >> 64;
            handler.setLine(seed, other, seed >> 128);
            handler.deposit(seed >> 32, seed >> 96);
            handler.reserve(seed >> 8, other, seed & ~uint256(2));
            handler.settleOverdue(seed);
            handler.reserve(other, seed >> 16, seed | 1);
            if (seed % 2 == 0) handler.endReservation(other, seed % 4 == 0);
            handler.cure(other);
        }
        _true(handler.defaults() > 50, "defaults");
        _true(handler.setOffs() > 4, "set-offs");
    }
}
