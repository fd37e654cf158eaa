// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IClearingHouse} from "../../contracts/interfaces/IClearingHouse.sol";
import {HouseExamples} from "./HouseExamples.sol";

/// @notice Cycles and the records of pairs, by example.
contract ClearingHouseCycles is HouseExamples {
    // Cycles without a default

    function test_circle_isSettledAtItsClose() external {
        for (uint256 i = 0; i < 3; ++i) {
            _fund(i, 70);
            _owes(i, (i + 1) % 3, 70);
        }
        _equal(house.withdrawable(ids[A]), 0, "collateral is in use");
        _close();
        _true(!house.isSettling(), "nobody owes anything on balance");
        _equal(house.withdrawable(ids[A]), 70, "collateral is free");
        _checkOwed(A, B, 0, 0);
    }

    function test_close_staysOnTheGrid_howeverLate() external {
        uint256 first = house.closesAt();
        vm.warp(first + 2 * CYCLE + 1);
        house.closeCycle();
        _equal(house.closesAt(), first + 3 * CYCLE, "the next of the grid");
        vm.warp(first + 3 * CYCLE);
        house.closeCycle();
        _equal(house.closesAt(), first + 4 * CYCLE, "exactly on it");
    }

    function test_pairUntouchedForCycles_readsAsZero_andIsUsedAgain() external {
        _fund(A, 100);
        _owes(A, B, 10);
        _close();
        _checkOwed(A, B, 0, 10);
        _owes(A, B, 5);
        _checkOwed(A, B, 5, 10);
        _pay(A, 10);
        house.settleCycle();
        _checkOwed(A, B, 5, 0);
        _close();
        _checkOwed(A, B, 0, 5);
        _pay(A, 5);
        house.settleCycle();
        _close();
        _checkOwed(A, B, 0, 0);
        _owes(B, A, 1);
    }

    /// @notice A stranger who keeps paying a little first keeps nobody from paying, and brings nobody into default.
    function test_payment_thatSomebodyForestalls_isMadeByADeposit() external {
        _line(B, A, 100);
        _owes(A, B, 100);
        _close();
        _pay(A, 1);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.Overpaid.selector, ids[A], 100, 99));
        house.pay(ids[A], 100);
        _fund(A, 99);
        _late();
        house.enforce(ids[A]);
        _true(!house.standingOf(ids[A]).inDefault, "no default");
        house.settleCycle();
        _checkCollateral([uint256(0), 100, 0, 0, 0]);
    }

    // Lines without limit, and a pair's field

    function test_aDebtThatDoesNotFit_isRefused_andAReservedOneIsPaid() external {
        uint256 most = uint256(uint112(type(int112).max));
        _line(B, A, type(uint128).max);
        _equal(house.availableTo(ids[A], ids[B]), most, "available is what fits");
        _owes(A, B, most);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.InvalidClearingAmount.selector, 1));
        house.book(ids[A], ids[B], 1, "swap");
        _fund(A, 5);
        house.reserve(ids[A], ids[B], 5, "pending");
        house.bookReserved(ids[A], ids[B], 5, "pending");
        _checkCollateral([uint256(0), 5, 0, 0, 0]);
        _close();
        _owes(A, B, most);
        _owes(B, A, most);
        _late();
        house.enforce(ids[A]);
        _equal(house.claimOf(ids[B], ids[A]), most, "set off without overflow");
        house.settleCycle();
    }
}
