// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IClearingHouse} from "../../contracts/interfaces/IClearingHouse.sol";
import {HouseExamples} from "./HouseExamples.sol";

/// @notice Defaults that spread, friends that vouch, partners that mint: who loses what, by example.
contract ClearingHouseDefaults is HouseExamples {
    // Middlemen

    function test_middleman_whoseDebtorFails_loses_onlyItsLineAndPaysItsOwnDebt() external {
        // a owes b on b's line; b owes c, covered by collateral. On balance b is neutral.
        _line(B, A, 100);
        _fund(B, 100);
        _owes(A, B, 100);
        _owes(B, C, 100);
        _close();
        _checkDue([int256(-100), 0, 100, 0, 0]);

        _late();
        house.enforce(ids[A]);
        _equal(house.claimOf(ids[B], ids[A]), 100, "the middleman lost its line");
        _checkDue([int256(0), -100, 100, 0, 0]);
        _equal(house.paymentDeadline(), block.timestamp + PERIOD, "a new deadline");

        _late();
        house.enforce(ids[B]);
        house.settleCycle();
        _checkCollateral([uint256(0), 0, 100, 0, 0]);
    }

    function test_chainOfMiddlemen_withNoMoneyAtAll_costsEachItsLine() external {
        for (uint256 i = 0; i < 4; ++i) {
            _line(i + 1, i, 50 + i);
            _owes(i, i + 1, 50 + i);
        }
        _close();
        _late();
        house.enforce(ids[A]);
        for (uint256 i = 1; i < 4; ++i) {
            _late();
            house.enforce(ids[i]);
        }
        house.settleCycle();
        for (uint256 i = 0; i < 4; ++i) {
            _equal(house.claimOf(ids[i + 1], ids[i]), 50 + i, "the line and no more");
        }
        _checkCollateral([uint256(0), 0, 0, 0, 0]);
    }

    function test_chainOfClaims_isPaidFromOneEnd() external {
        for (uint256 i = 0; i < 4; ++i) {
            _line(i + 1, i, 50);
            _owes(i, i + 1, 50);
        }
        _close();
        for (uint256 i = 0; i < 4; ++i) {
            _late();
            house.enforce(ids[i]);
        }
        house.settleCycle();
        _fund(A, 50);
        for (uint256 i = 0; i < 4; ++i) {
            house.distribute(ids[i]);
            _true(!house.standingOf(ids[i]).inDefault, "cured");
        }
        _checkCollateral([uint256(0), 0, 0, 0, 50]);
    }

    // Lines in both directions

    function test_mutualLines_doNotAddUp() external {
        _line(A, B, 100);
        _line(B, A, 100);
        _owes(A, B, 100);
        _owes(B, A, 200);
        _equal(house.availableTo(ids[B], ids[A]), 0, "b is at its limit");
        _equal(house.availableTo(ids[A], ids[B]), 200, "what a is owed, and its line");
        _close();
        _checkDue([int256(100), -100, 0, 0, 0]);
        _late();
        house.enforce(ids[B]);
        _equal(house.claimOf(ids[A], ids[B]), 100, "a lost its line");
        house.settleCycle();
    }

    function test_default_setsOffBothCycles_whenThePartnerOwesInTheOpenOne() external {
        _line(B, A, 100);
        _line(A, B, 100);
        _fund(C, 10);
        _owes(A, B, 60);
        _owes(C, A, 10);
        _close();
        // a owes 60 of the closed cycle; b owes 90 of the open one.
        _owes(B, A, 90);
        _late();
        house.enforce(ids[A]);
        _checkOwed(B, A, 30, 0);
        _checkDue([int256(10), 0, -10, 0, 0]);
        _equal(house.standingOf(ids[A]).claims, 0, "nothing was owed on balance");
        _true(!house.standingOf(ids[A]).inDefault, "and the default is over at once");
    }

    function test_default_setsOffBothCycles_whenThePartnerOwesInTheClosedOne() external {
        _line(B, A, 100);
        _line(A, B, 100);
        _line(C, A, 100);
        _owes(B, A, 60);
        _owes(A, C, 70);
        _close();
        _owes(A, B, 40);
        _checkDue([int256(-10), -60, 70, 0, 0]);
        _pay(B, 60);
        _late();
        house.enforce(ids[A]);
        // b's 60 of the closed cycle less the 40 that a owed it: what b paid too much comes back to it.
        _checkOwed(B, A, 0, 20);
        _checkDue([int256(20), -20, 0, 0, 0]);
        _true(house.standingOf(ids[A]).open == 0, "the defaulter owes nothing in the open cycle either");
        _equal(house.claimOf(ids[C], ids[A]), 70, "claim");
        house.settleCycle();
        _checkCollateral([uint256(20), 40, 0, 0, 0]);
        house.distribute(ids[A]);
        _checkCollateral([uint256(0), 40, 20, 0, 0]);
        _equal(house.claimOf(ids[C], ids[A]), 50, "what came in was distributed");
    }

    // Friends and mints

    function test_shamGuarantor_doesNotEndangerOthers() external {
        // b vouches for its friend a without limit; a swaps into everybody as far as it can.
        _line(B, A, type(uint128).max);
        _line(C, A, 30);
        _owes(A, B, 1_000_000);
        _equal(house.availableTo(ids[A], ids[C]), 30, "c's own line");
        _equal(house.availableTo(ids[A], ids[D]), 0, "d gave none");
        _owes(A, C, 30);
        // Being owed a fortune does not let the friend owe others either.
        _equal(house.availableTo(ids[B], ids[D]), 0, "the friend's debts need cover of their own");
        _close();
        _late();
        house.enforce(ids[A]);
        _equal(house.claimOf(ids[B], ids[A]), 1_000_000, "the friend's loss is its own");
        _equal(house.claimOf(ids[C], ids[A]), 30, "c's line");
        house.settleCycle();
    }

    function test_mintingWithoutLimit_costsOthersTheirLines_andTheMinterItsCollateral() external {
        uint256[5] memory lines = [uint256(0), 0, 10, 20, 30];
        _fund(A, 500);
        for (uint256 p = 1; p < 5; ++p) {
            if (lines[p] != 0) _line(p, A, lines[p]);
        }
        uint256 total = _mintAway();
        _equal(total, 500 + 10 + 20 + 30, "all that it could ever owe");
        _close();
        _mintAway();
        _late();
        house.enforce(ids[A]);
        for (uint256 p = 1; p < 5; ++p) {
            _true(house.claimOf(ids[p], ids[A]) <= lines[p], "no loss beyond the line");
        }
        _equal(house.standingOf(ids[A]).collateral, 0, "its collateral is gone");
        _equal(house.standingOf(ids[A]).claims, 60, "what is missing is the lines");
        house.settleCycle();
        _checkCollateral([uint256(0), 500 - 3 * 100, 100, 100, 100]);
    }

    // Whose money goes first

    function test_collateralPaysFirstWhatIsBeyondLines_thenTheRestInProportion() external {
        _line(B, A, 100);
        _line(C, A, 50);
        _fund(A, 90);
        _owes(A, B, 100);
        _owes(A, C, 50);
        _owes(A, D, 80);
        _close();
        _late();
        house.enforce(ids[A]);
        // d gave no line and has all of its 80; 10 are left for 150.
        _checkCollateral([uint256(1), 6, 3, 80, 0]);
        _equal(house.claimOf(ids[B], ids[A]), 94, "b's claim");
        _equal(house.claimOf(ids[C], ids[A]), 47, "c's claim");
        _equal(house.standingOf(ids[A]).claims, 141, "all claims");
        house.settleCycle();
        _fund(A, 140);
        house.distribute(ids[A]);
        _checkCollateral([uint256(0), 100, 50, 80, 0]);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.InvalidClearingAmount.selector, 0));
        house.distribute(ids[A]);
    }

    function test_default_whosePaymentWouldUncoverTheOpenCycle_paysEverybody() external {
        // 100 of collateral would pay the 60 of the closed cycle, but they cover 90 of the open one as well.
        _line(B, A, 60);
        _fund(A, 100);
        _owes(A, B, 60);
        _close();
        _owes(A, C, 90);
        _pay(A, 5);
        _late();
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.CollateralInUse.selector, ids[A], 55, 10));
        house.payFromCollateral(ids[A], 55);
        house.enforce(ids[A]);
        _checkCollateral([uint256(0), 15, 90, 0, 0]);
        _equal(house.claimOf(ids[B], ids[A]), 45, "within b's line");
    }

    function test_default_givesBackWhatOthersPaidForIt_toItsCreditors() external {
        _line(B, A, 60);
        _owes(A, B, 60);
        _close();
        _pay(A, 25);
        _late();
        house.enforce(ids[A]);
        _checkCollateral([uint256(0), 25, 0, 0, 0]);
        _equal(house.standingOf(ids[A]).paid, 0, "paid");
    }

    // What a programme in default cannot do

    function test_inDefault_nothingIsBookedNorTakenNorVouchedFor() external {
        _defaultOfA(60);
        bytes memory refusal = abi.encodeWithSelector(IClearingHouse.InDefault.selector, ids[A]);
        vm.expectRevert(refusal);
        house.book(ids[A], ids[B], 1, "swap");
        vm.expectRevert(refusal);
        house.book(ids[B], ids[A], 1, "swap");
        vm.expectRevert(refusal);
        house.reserve(ids[B], ids[A], 1, "swap");
        vm.expectRevert(refusal);
        house.withdraw(ids[A], address(this), 1);
        vm.expectRevert(refusal);
        house.setCreditLine(ids[A], ids[C], 1);
        _equal(house.availableTo(ids[A], ids[B]) + house.availableTo(ids[B], ids[A]), 0, "available");
        _equal(house.withdrawable(ids[A]), 0, "withdrawable");
        _fund(A, 60);
        house.distribute(ids[A]);
        house.book(ids[A], ids[B], 1, "swap");
    }

    function test_inDefault_aReservationIsPaidFromWhatWasSetAside() external {
        _fund(A, 30);
        house.reserve(ids[A], ids[C], 20, "pending");
        house.reserve(ids[A], ids[D], 10, "refunded");
        _defaultOfA(60);
        _checkCollateral([uint256(30), 0, 0, 0, 0]);
        house.bookReserved(ids[A], ids[C], 20, "pending");
        _checkCollateral([uint256(10), 0, 20, 0, 0]);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.InvalidClearingAmount.selector, 0));
        house.distribute(ids[A]);
        house.release(ids[A], ids[D], 10, "refunded");
        house.distribute(ids[A]);
        _checkCollateral([uint256(0), 10, 20, 0, 0]);
    }

    function test_inDefault_theCreditorOfAReservation_isPaidAtOnceAndItsCreditorsGetIt() external {
        _fund(C, 20);
        house.reserve(ids[C], ids[A], 20, "pending");
        _defaultOfA(60);
        house.bookReserved(ids[C], ids[A], 20, "pending");
        house.distribute(ids[A]);
        _checkCollateral([uint256(0), 20, 0, 0, 0]);
        _checkOwed(C, A, 0, 0);
    }

    /// @dev a defaults on `amount` owed to b, who gave it a line of as much.
    function _defaultOfA(uint256 amount) private {
        _line(B, A, amount);
        _owes(A, B, amount);
        _close();
        _late();
        house.enforce(ids[A]);
        house.settleCycle();
        _true(house.standingOf(ids[A]).inDefault, "in default");
    }

    /// @dev a owes each as much as it can, 100 beyond the line at a time.
    function _mintAway() private returns (uint256 total) {
        for (uint256 p = 4; p > 0; --p) {
            uint256 amount = house.availableTo(ids[A], ids[p]);
            uint256 line = house.creditLineOf(ids[p], ids[A]);
            if (p > 1 && amount > line + 100) amount = line + 100;
            if (amount == 0) continue;
            _owes(A, p, amount);
            total += amount;
            vm.expectRevert(
                abi.encodeWithSelector(
                    IClearingHouse.DebitCapExceeded.selector, ids[A], ids[p], 1 << 40, house.availableTo(ids[A], ids[p])
                )
            );
            house.book(ids[A], ids[p], 1 << 40, "mint");
        }
    }
}
