// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {HouseBooking} from "./HouseBooking.sol";

/// @title Cycles: close, pay, settle.
abstract contract HouseCycles is HouseBooking {
    using SafeCast for int256;
    using SafeCast for uint256;

    // slither-disable-start timestamp // cycles last days; seconds of leeway for a validator do not matter

    /// @inheritdoc IClearingHouse
    /// @dev Closing times stay on the grid of the first one, so that a late close makes the next cycle shorter, not all that
    /// follow later. When no programme owes anything on balance the cycle is settled at once.
    function closeCycle() external {
        uint256 cycle = _cycle;
        if (_isSettling()) revert CycleNotSettled(cycle - 1);
        uint256 closesAt_ = _closesAt;
        if (block.timestamp < closesAt_) revert CycleStillOpen(closesAt_);
        uint256 deadline = block.timestamp + paymentPeriod;
        uint256 elapsed = (block.timestamp - closesAt_) / cycleLength + 1;
        _cycle = (cycle + 1).toUint32();
        _closesAt = (closesAt_ + elapsed * cycleLength).toUint48();
        emit CycleClosed(cycle, deadline);
        if (_adviseAll(cycle)) _deadline = deadline.toUint48();
        else _settleAll(cycle);
    }

    /// @inheritdoc IClearingHouse
    function pay(bytes32 programmeId, uint256 amount) external nonReentrant {
        (uint256 cycle, Account storage account) = _checkPayment(programmeId, amount);
        _countPayment(cycle, programmeId, account, amount, msg.sender);
        _takeFromCaller(amount);
    }

    /// @inheritdoc IClearingHouse
    function payFromCollateral(bytes32 programmeId, uint256 amount) external {
        _joined(programmeId);
        _checkTreasurer(programmeId);
        (uint256 cycle, Account storage account) = _checkPayment(programmeId, amount);
        uint256 available = _freeOfOpen(account);
        if (amount > available) revert CollateralInUse(programmeId, amount, available);
        account.collateral -= amount.toUint128();
        _countPayment(cycle, programmeId, account, amount, address(0));
    }

    /// @inheritdoc IClearingHouse
    function settleCycle() external {
        uint256 cycle = _settlingCycle();
        uint256 count = _ids.length;
        for (uint256 i = 0; i < count; ++i) {
            uint256 outstanding = _outstanding(_accounts[_ids[i]]);
            if (outstanding != 0) revert PaymentOutstanding(_ids[i], outstanding);
        }
        _deadline = 0;
        _settleAll(cycle);
    }

    /// @inheritdoc IClearingHouse
    function dispute(uint256 closedCycle, bytes32 programmeId, bytes32 noteHash) external {
        _joined(programmeId);
        _checkTreasurer(programmeId);
        if (closedCycle == 0 || closedCycle >= _cycle) revert UnknownCycle(closedCycle);
        emit CycleDisputed(closedCycle, programmeId, noteHash);
    }

    /// @dev Counts `amount` as paid. The caller has checked it and moves the money.
    function _countPayment(uint256 cycle, bytes32 programmeId, Account storage account, uint256 amount, address from)
        internal
    {
        account.paid += amount.toUint128();
        emit DebtPaid(cycle, programmeId, from, amount);
    }

    /// @dev Whether `amount` can be paid towards what a programme owes.
    function _checkPayment(bytes32 programmeId, uint256 amount)
        private
        view
        returns (uint256 cycle, Account storage account)
    {
        account = _joined(programmeId);
        cycle = _settlingCycle();
        if (amount == 0) revert InvalidClearingAmount(amount);
        uint256 outstanding = _outstanding(account);
        if (amount > outstanding) revert Overpaid(programmeId, amount, outstanding);
    }

    /// @dev The cycle being settled.
    function _settlingCycle() internal view returns (uint256) {
        if (!_isSettling()) revert NothingToSettle();
        return _cycle - 1;
    }

    /// @dev Open positions become what is due. True when somebody owes something.
    function _adviseAll(uint256 cycle) private returns (bool owing) {
        uint256 count = _ids.length;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 programmeId = _ids[i];
            Account storage account = _accounts[programmeId];
            int128 due = account.open;
            account.uncoveredOpen = 0;
            if (due == 0) continue;
            owing = true;
            account.open = 0;
            account.due = due;
            emit PositionAdvised(cycle, programmeId, due);
        }
    }

    /// @dev Everybody has paid: dues become collateral, and the pairs' closed parts no longer count. Dues add up to zero, so
    /// collateral and payments together stay the same.
    function _settleAll(uint256 cycle) private {
        uint256 total = 0;
        uint256 count = _ids.length;
        for (uint256 i = 0; i < count; ++i) {
            Account storage account = _accounts[_ids[i]];
            int256 due = account.due;
            account.uncovered = uint256(account.uncoveredOpen).toUint120();
            if (due == 0 && account.paid == 0) continue;
            if (due > 0) total += uint256(due);
            account.collateral = (due + int256(uint256(account.paid) + account.collateral)).toUint256().toUint128();
            account.due = 0;
            account.paid = 0;
        }
        emit CycleSettled(cycle, total);
    }

    // slither-disable-end timestamp
}
