// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {HouseCycles} from "./HouseCycles.sol";

/// @title What happens when a debtor does not pay.
/// @dev A programme in default owes nothing in either cycle: each pair is closed out, and nothing is booked to it. So it can
/// not be a debtor of a cycle again before its default is over, a cycle sees at most one default of each programme, and each
/// puts off the deadline once: settlement ends.
abstract contract HouseDefaults is HouseCycles {
    using SafeCast for uint256;

    // slither-disable-start timestamp // deadlines last days; seconds of leeway for a validator do not matter

    mapping(bytes32 debtor => mapping(bytes32 creditor => uint256 amount)) internal _claims;

    /// @inheritdoc IClearingHouse
    function enforce(bytes32 programmeId) external {
        Account storage debtor = _joined(programmeId);
        uint256 cycle = _settlingCycle();
        uint256 missing = _outstanding(debtor);
        if (missing == 0) revert Overpaid(programmeId, 0, 0);
        if (block.timestamp <= _deadline) revert DeadlineNotPast(_deadline);
        if (missing > _freeOfOpen(debtor)) return _declareDefault(cycle, programmeId, debtor);
        debtor.collateral -= missing.toUint128();
        _countPayment(cycle, programmeId, debtor, missing, address(0));
        emit CollateralEnforced(cycle, programmeId, missing);
    }

    /// @inheritdoc IClearingHouse
    /// @dev Shares are rounded down; what is left over stays until more comes in. Reverts when there is nothing to pay.
    function distribute(bytes32 programmeId) external {
        Account storage debtor = _joined(programmeId);
        uint256 total = debtor.claims;
        uint256 money = Math.min(debtor.collateral - debtor.reserved, total);
        uint256 paid = 0;
        uint256 count = money == 0 ? 0 : _ids.length;
        for (uint256 i = 0; i < count; ++i) {
            uint256 claim = _claims[programmeId][_ids[i]];
            if (claim == 0) continue;
            paid += _payClaim(programmeId, _ids[i], claim, Math.mulDiv(money, claim, total));
        }
        if (paid == 0) revert InvalidClearingAmount(0);
        debtor.collateral -= paid.toUint128();
        debtor.claims -= paid.toUint128();
        _endIfPaid(programmeId, debtor);
    }

    function _payClaim(bytes32 debtorId, bytes32 creditorId, uint256 claim, uint256 amount) private returns (uint256) {
        if (amount == 0) return 0;
        _claims[debtorId][creditorId] = claim - amount;
        _accounts[creditorId].collateral += amount.toUint128();
        emit ClaimPaid(debtorId, creditorId, amount);
        return amount;
    }

    function _declareDefault(uint256 cycle, bytes32 programmeId, Account storage debtor) private {
        debtor.inDefault = true;
        debtor.collateral += debtor.paid;
        debtor.paid = 0;
        uint256 deadline = block.timestamp + paymentPeriod;
        _deadline = deadline.toUint48();
        emit DefaultDeclared(cycle, programmeId);
        emit CycleReadvised(cycle, deadline);
        (uint256[] memory excess, uint256[] memory rest) = _closeOut(cycle, programmeId, debtor);
        _allocate(programmeId, debtor, excess, rest);
        _endIfPaid(programmeId, debtor);
    }

    /// @dev Takes everything that the debtor owes out of the netting, and advises the positions that this changes.
    /// @return excess What it owed each programme (by order of joining) beyond that programme's line.
    /// @return rest What it owed each within the line.
    function _closeOut(uint256 cycle, bytes32 debtorId, Account storage debtor)
        private
        returns (uint256[] memory excess, uint256[] memory rest)
    {
        uint256 count = _ids.length;
        excess = new uint256[](count);
        rest = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 creditorId = _ids[i];
            if (creditorId == debtorId) continue;
            Account storage creditor = _accounts[creditorId];
            Debt memory previous = _debt(debtor, creditor);
            Debt memory next = _withoutDebt(previous);
            if (next.open == previous.open && next.closed == previous.closed) continue;
            int256 owed = previous.open + previous.closed;
            if (owed > 0) {
                excess[i] = _beyond(owed, _line(creditor, debtor));
                rest[i] = uint256(owed) - excess[i];
            }
            _setDebt(debtor, creditor, previous, next);
            if (next.closed != previous.closed) emit PositionAdvised(cycle, creditorId, creditor.due);
        }
        emit PositionAdvised(cycle, debtorId, debtor.due);
    }

    /// @dev Pays from the collateral what is beyond lines, and the rest in proportion, rounded down; what is missing becomes
    /// claims. By bound (3) of HouseLedger the collateral covers all that is beyond lines.
    function _allocate(bytes32 debtorId, Account storage debtor, uint256[] memory excess, uint256[] memory rest)
        private
    {
        uint256 restTotal = _sum(rest);
        uint256 money = Math.min(debtor.collateral - debtor.reserved - _sum(excess), restTotal);
        uint256 recoveredTotal = 0;
        for (uint256 i = 0; i < rest.length; ++i) {
            uint256 owed = excess[i] + rest[i];
            if (owed == 0) continue;
            uint256 recovered = excess[i] + (rest[i] == 0 ? 0 : Math.mulDiv(money, rest[i], restTotal));
            recoveredTotal += recovered;
            _accounts[_ids[i]].collateral += recovered.toUint128();
            _claims[debtorId][_ids[i]] = owed - recovered;
            emit LossAllocated(debtorId, _ids[i], owed, recovered);
        }
        debtor.collateral -= recoveredTotal.toUint128();
        debtor.claims = (_sum(excess) + restTotal - recoveredTotal).toUint128();
    }

    function _endIfPaid(bytes32 programmeId, Account storage debtor) private {
        if (debtor.claims != 0) return;
        debtor.inDefault = false;
        emit DefaultEnded(programmeId);
    }

    /// @dev What is left in the netting of a debt whose debtor is in default. Both cycles of the pair are set off against each
    /// other first, so that the debtor is left owing in neither: owed on balance, nothing; owing on balance, what the partner
    /// owes, in the cycle in which it owes it.
    function _withoutDebt(Debt memory debt) private pure returns (Debt memory) {
        int256 owed = debt.open + debt.closed;
        if (owed >= 0) return Debt(0, 0);
        if (debt.closed > 0) return Debt(owed, 0);
        if (debt.open > 0) return Debt(0, owed);
        return debt;
    }

    function _sum(uint256[] memory values) private pure returns (uint256 total) {
        for (uint256 i = 0; i < values.length; ++i) {
            total += values[i];
        }
    }

    // slither-disable-end timestamp
}
