// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Standing} from "../../contracts/interfaces/IClearingHouse.sol";
import {TestDollar} from "../../contracts/testing/TestDollar.sol";
import {HouseRig} from "./HouseRig.sol";

/// @notice Five programmes a, b, c, d, e and the words that examples are told in.
abstract contract HouseExamples is HouseRig {
    uint256 internal constant A = 0;
    uint256 internal constant B = 1;
    uint256 internal constant C = 2;
    uint256 internal constant D = 3;

    TestDollar private _dollar;

    function setUp() external {
        vm.warp(20_000 days);
        _dollar = new TestDollar();
        _openHouse(_dollar, 5);
        _dollar.mint(address(this), 1 << 60);
        _dollar.approve(address(house), type(uint256).max);
    }

    function _line(uint256 creditor, uint256 debtor, uint256 amount) internal {
        house.setCreditLine(ids[creditor], ids[debtor], amount);
    }

    function _fund(uint256 programme, uint256 amount) internal {
        house.deposit(ids[programme], amount);
    }

    function _owes(uint256 debtor, uint256 creditor, uint256 amount) internal {
        house.book(ids[debtor], ids[creditor], amount, "swap");
    }

    function _pay(uint256 programme, uint256 amount) internal {
        house.pay(ids[programme], amount);
    }

    function _close() internal {
        vm.warp(house.closesAt());
        house.closeCycle();
    }

    function _late() internal {
        vm.warp(house.paymentDeadline() + 1);
    }

    function _checkDue(int256[5] memory due) internal view {
        for (uint256 i = 0; i < 5; ++i) {
            _true(house.standingOf(ids[i]).due == due[i], string.concat("due of ", string(abi.encodePacked(ids[i]))));
        }
    }

    function _checkCollateral(uint256[5] memory collateral) internal view {
        uint256 money = 0;
        for (uint256 i = 0; i < 5; ++i) {
            Standing memory standing = house.standingOf(ids[i]);
            _equal(
                standing.collateral, collateral[i], string.concat("collateral of ", string(abi.encodePacked(ids[i])))
            );
            money += standing.collateral + standing.paid;
        }
        _equal(_dollar.balanceOf(address(house)), money, "money in the house");
    }

    function _checkOwed(uint256 debtor, uint256 creditor, int256 open, int256 closed) internal view {
        (int256 toldOpen, int256 toldClosed) = house.owedOf(ids[debtor], ids[creditor]);
        _true(toldOpen == open, "owed in the open cycle");
        _true(toldClosed == closed, "owed in the closed cycle");
    }
}
