// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IClearingHouse, Standing} from "../../contracts/interfaces/IClearingHouse.sol";
import {IProgrammeRegistry} from "../../contracts/interfaces/IProgrammeRegistry.sol";
import {OddDollar} from "../../contracts/testing/OddDollar.sol";
import {PointsToken} from "../../contracts/tokens/PointsToken.sol";
import {HouseRig} from "./HouseRig.sol";

/// @notice Currencies that are not what they should be: nothing is booked that did not move, and nothing moves twice.
contract ClearingHouseCurrency is HouseRig {
    OddDollar private _currency;

    function setUp() external {
        vm.warp(20_000 days);
        _currency = new OddDollar();
        _openHouse(_currency, 2);
        _currency.mint(address(this), 10_000);
        _currency.approve(address(house), type(uint256).max);
        house.deposit(ids[0], 1000);
        house.book(ids[0], ids[1], 400, "swap");
        vm.warp(house.closesAt());
        house.closeCycle();
    }

    function test_aFeeOnWhatComesIn_isRefused() external {
        _currency.behave(OddDollar.Oddity.TakesFee);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.CurrencyMismatch.selector, 100, 99));
        house.deposit(ids[0], 100);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.CurrencyMismatch.selector, 100, 99));
        house.pay(ids[0], 100);
        _checkUnchanged();
    }

    function test_aCurrencyThatMovesNothing_isRefused() external {
        _currency.behave(OddDollar.Oddity.MovesNothing);
        bytes memory refusal = abi.encodeWithSelector(IClearingHouse.CurrencyMismatch.selector, 100, 0);
        vm.expectRevert(refusal);
        house.deposit(ids[0], 100);
        vm.expectRevert(refusal);
        house.pay(ids[0], 100);
        house.payFromCollateral(ids[0], 400);
        vm.expectRevert(refusal);
        house.withdraw(ids[0], address(this), 100);
    }

    function test_aCurrencyThatSaysNo_isRefused() external {
        _refusedWhen(
            OddDollar.Oddity.ReturnsFalse,
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(_currency))
        );
    }

    function test_aCurrencyThatReverts_isRefused() external {
        _refusedWhen(OddDollar.Oddity.Reverts, abi.encodeWithSelector(OddDollar.Refused.selector));
    }

    function test_aCurrencyThatChargesTheHouseMore_isRefused() external {
        house.payFromCollateral(ids[0], 400);
        _currency.behave(OddDollar.Oddity.ChargesSender);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.CurrencyMismatch.selector, 100, 101));
        house.withdraw(ids[0], address(this), 100);
    }

    function test_aFeeOnWhatGoesOut_isTheReceivers() external {
        house.payFromCollateral(ids[0], 400);
        _currency.behave(OddDollar.Oddity.TakesFee);
        house.withdraw(ids[0], address(0xbeef), 100);
        _equal(_currency.balanceOf(address(0xbeef)), 99, "received");
        _equal(_currency.balanceOf(address(house)), 900, "left in the house");
    }

    function test_withdrawToTheHouse_isRefused() external {
        house.payFromCollateral(ids[0], 400);
        vm.expectRevert(abi.encodeWithSelector(IClearingHouse.CurrencyMismatch.selector, 100, 0));
        house.withdraw(ids[0], address(house), 100);
    }

    /// @notice The currency is a treasurer itself, so that nothing but the guard stands in its way.
    function test_aCurrencyThatCallsBack_movesNothingTwice() external {
        PointsToken token = PointsToken(IProgrammeRegistry(house.registry()).tokenOf(ids[0]));
        token.grantRole(house.TREASURER_ROLE(), address(_currency));
        house.payFromCollateral(ids[0], 300);
        bytes[3] memory calls = [
            abi.encodeCall(house.withdraw, (ids[0], address(0xbad), 100)),
            abi.encodeCall(house.deposit, (ids[0], 100)),
            abi.encodeCall(house.pay, (ids[0], 100))
        ];
        bytes memory refusal = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        for (uint256 i = 0; i < calls.length; ++i) {
            _currency.callBack(address(house), calls[i]);
            vm.expectRevert(refusal);
            house.deposit(ids[0], 10);
            vm.expectRevert(refusal);
            house.pay(ids[0], 10);
        }
        _currency.behave(OddDollar.Oddity.Honest);
        house.payFromCollateral(ids[0], 100);
        _currency.callBack(address(house), calls[0]);
        vm.expectRevert(refusal);
        house.withdraw(ids[0], address(this), 100);
        Standing memory standing = house.standingOf(ids[0]);
        _equal(standing.collateral, 600, "collateral");
        _equal(standing.paid, 400, "paid");
        _equal(_currency.balanceOf(address(house)), 1000, "money in the house");
    }

    /// @notice What may be called back finds the state of after the move.
    function test_aCurrencyThatSettlesOnTheWay_settlesTheWhole() external {
        _currency.callBack(address(house), abi.encodeCall(house.settleCycle, ()));
        house.pay(ids[0], 400);
        _equal(house.standingOf(ids[1]).collateral, 400, "the creditor's money");
        _equal(house.standingOf(ids[0]).collateral, 1000, "the debtor's money");
        _true(!house.isSettling(), "settled");
    }

    function _refusedWhen(OddDollar.Oddity oddity, bytes memory refusal) private {
        _currency.behave(oddity);
        vm.expectRevert(refusal);
        house.deposit(ids[0], 100);
        vm.expectRevert(refusal);
        house.pay(ids[0], 100);
        _checkUnchanged();
        house.payFromCollateral(ids[0], 400);
        vm.expectRevert(refusal);
        house.withdraw(ids[0], address(this), 100);
        _equal(house.standingOf(ids[0]).collateral, 600, "collateral");
    }

    function _checkUnchanged() private view {
        Standing memory standing = house.standingOf(ids[0]);
        _equal(standing.collateral, 1000, "collateral");
        _equal(standing.paid, 0, "paid");
        _equal(_currency.balanceOf(address(house)), 1000, "money in the house");
    }
}
