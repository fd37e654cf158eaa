// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IClearingHouse, Standing} from "../interfaces/IClearingHouse.sol";
import {IProgrammeRegistry} from "../interfaces/IProgrammeRegistry.sol";
import {HouseDefaults} from "./HouseDefaults.sol";
import {HouseLedger} from "./HouseLedger.sol";
import {HouseMoney} from "./HouseMoney.sol";

/// @title Who owes whom, and how it is paid: the parts put together, and what can be read.
/// @notice See IClearingHouse. Of a programme that takes no part, everything reads as zero.
contract ClearingHouse is HouseDefaults {
    /// @param registry_ The list of programmes.
    /// @param currency_ The settlement currency, an ERC-20.
    /// @param cycleLength_ Length of a cycle, in seconds.
    /// @param paymentPeriod_ Time to pay after a close, in seconds.
    /// @param admin First DEFAULT_ADMIN, which grants EXCHANGE_ROLE.
    /// @param adminDelay Least time between announcing and accepting a transfer of DEFAULT_ADMIN, in seconds.
    constructor(
        IProgrammeRegistry registry_,
        IERC20 currency_,
        uint256 cycleLength_,
        uint256 paymentPeriod_,
        address admin,
        uint48 adminDelay
    ) HouseLedger(registry_, cycleLength_, paymentPeriod_, admin, adminDelay) HouseMoney(currency_) {}

    /// @inheritdoc IClearingHouse
    function openCycle() external view returns (uint256) {
        return _cycle;
    }

    /// @inheritdoc IClearingHouse
    function closesAt() external view returns (uint256) {
        return _closesAt;
    }

    /// @inheritdoc IClearingHouse
    function isSettling() external view returns (bool) {
        return _isSettling();
    }

    /// @inheritdoc IClearingHouse
    function paymentDeadline() external view returns (uint256) {
        return _deadline;
    }

    /// @inheritdoc IClearingHouse
    function programmes() external view returns (bytes32[] memory) {
        return _ids;
    }

    /// @inheritdoc IClearingHouse
    function standingOf(bytes32 programmeId) external view returns (Standing memory) {
        Account storage account = _accounts[programmeId];
        return Standing({
            open: account.open,
            due: account.due,
            paid: account.paid,
            collateral: account.collateral,
            reserved: account.reserved,
            uncovered: account.uncovered,
            uncoveredOpen: account.uncoveredOpen,
            claims: account.claims,
            inDefault: account.inDefault
        });
    }

    /// @inheritdoc IClearingHouse
    function owedOf(bytes32 debtor, bytes32 creditor) external view returns (int256 open, int256 closed) {
        Debt memory debt = _debt(_accounts[debtor], _accounts[creditor]);
        return (debt.open, debt.closed);
    }

    /// @inheritdoc IClearingHouse
    function creditLineOf(bytes32 creditor, bytes32 debtor) external view returns (uint256) {
        return _line(_accounts[creditor], _accounts[debtor]);
    }

    /// @inheritdoc IClearingHouse
    /// @dev Zero where a booking would be refused whatever its amount.
    function availableTo(bytes32 debtorId, bytes32 creditorId) external view returns (uint256) {
        Account storage debtor = _accounts[debtorId];
        Account storage creditor = _accounts[creditorId];
        if (debtorId == creditorId || debtor.number == 0 || creditor.number == 0) return 0;
        if (debtor.inDefault || creditor.inDefault) return 0;
        Debt memory debt = _debt(debtor, creditor);
        int256 line = int256(_line(creditor, debtor));
        uint256 within = _positive(line - debt.open - debt.closed);
        uint256 withinOpen = _positive(line - debt.open);
        uint256 ofBoth = uint256(debtor.collateral) + debtor.paid - debtor.reserved - debtor.uncovered;
        uint256 available = Math.min(within + ofBoth, withinOpen + _freeOfOpen(debtor));
        return Math.min(available, _positive(int256(MAX_DEBT) - debt.open));
    }

    /// @inheritdoc IClearingHouse
    function claimOf(bytes32 creditor, bytes32 debtor) external view returns (uint256) {
        return _claims[debtor][creditor];
    }

    /// @inheritdoc IClearingHouse
    function withdrawable(bytes32 programmeId) external view returns (uint256) {
        Account storage account = _accounts[programmeId];
        return account.inDefault || _outstanding(account) != 0 ? 0 : _free(account);
    }

    function _positive(int256 value) private pure returns (uint256) {
        return value > 0 ? uint256(value) : 0;
    }
}
