// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {HouseLedger} from "./HouseLedger.sol";

/// @title Joining, collateral, credit lines, and the currency.
/// @dev The currency is called last in each function that moves money, and those functions exclude each other; whatever else
/// a currency that calls back reaches finds the state of after the move, and the whole reverts unless the move happened.
abstract contract HouseMoney is HouseLedger, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev Most collateral that a deposit may lead to. What else flows into an account in a cycle was deposited or paid by
    /// others and is below 2^117, so its 128 bits do not overflow.
    uint256 private constant MAX_COLLATERAL = type(uint112).max;

    /// @inheritdoc IClearingHouse
    address public immutable currency;

    /// @param currency_ The settlement currency, an ERC-20.
    constructor(IERC20 currency_) {
        currency = address(currency_);
    }

    /// @inheritdoc IClearingHouse
    function join(bytes32 programmeId) external {
        _checkTreasurer(programmeId);
        uint256 count = _ids.length;
        if (_accounts[programmeId].number != 0) revert AlreadyJoined(programmeId);
        if (count == MAX_PROGRAMMES) revert HouseFull();
        _ids.push(programmeId);
        _accounts[programmeId].number = (count + 1).toUint8();
        emit ProgrammeJoined(programmeId, count);
    }

    /// @inheritdoc IClearingHouse
    function deposit(bytes32 programmeId, uint256 amount) external nonReentrant {
        Account storage account = _joined(programmeId);
        if (amount == 0 || amount > MAX_COLLATERAL) revert InvalidClearingAmount(amount);
        uint256 collateral = account.collateral + amount;
        if (collateral > MAX_COLLATERAL) revert InvalidClearingAmount(amount);
        account.collateral = collateral.toUint128();
        emit CollateralDeposited(programmeId, msg.sender, amount);
        _takeFromCaller(amount);
    }

    /// @inheritdoc IClearingHouse
    function withdraw(bytes32 programmeId, address to, uint256 amount) external nonReentrant {
        Account storage account = _joined(programmeId);
        _checkTreasurer(programmeId);
        if (amount == 0) revert InvalidClearingAmount(amount);
        if (account.inDefault) revert InDefault(programmeId);
        uint256 outstanding = _outstanding(account);
        if (outstanding != 0) revert PaymentOutstanding(programmeId, outstanding);
        uint256 available = _free(account);
        if (amount > available) revert CollateralInUse(programmeId, amount, available);
        account.collateral -= amount.toUint128();
        emit CollateralWithdrawn(programmeId, to, amount);
        _give(to, amount);
    }

    /// @inheritdoc IClearingHouse
    function setCreditLine(bytes32 creditorId, bytes32 debtorId, uint256 amount) external {
        (Account storage creditor, Account storage debtor) = _parties(creditorId, debtorId);
        _checkTreasurer(creditorId);
        if (amount > type(uint128).max) revert InvalidClearingAmount(amount);
        uint256 previous = _line(creditor, debtor);
        // A line that a programme in default grants would free its debtor's collateral at the cost of those it owes.
        if (creditor.inDefault && amount > previous) revert InDefault(creditorId);
        _setLine(creditor, debtor, amount.toUint128());
        if (amount < previous && _shortfall(debtor) != 0) revert CreditLineInUse(creditorId, debtorId);
        emit CreditLineChanged(creditorId, debtorId, previous, amount);
    }

    /// @dev Takes `amount` of the caller's money. Call last.
    function _takeFromCaller(uint256 amount) internal {
        uint256 before = IERC20(currency).balanceOf(address(this));
        IERC20(currency).safeTransferFrom(msg.sender, address(this), amount);
        _checkMoved(amount, before, IERC20(currency).balanceOf(address(this)));
    }

    /// @dev Pays `amount` out. What leaves the house is checked, not what arrives: a currency that begins to take a fee must
    /// not lock everybody's money in.
    function _give(address to, uint256 amount) private {
        uint256 before = IERC20(currency).balanceOf(address(this));
        IERC20(currency).safeTransfer(to, amount);
        _checkMoved(amount, IERC20(currency).balanceOf(address(this)), before);
    }

    function _checkMoved(uint256 amount, uint256 lower, uint256 higher) private pure {
        uint256 moved = higher > lower ? higher - lower : 0;
        if (moved != amount) revert CurrencyMismatch(amount, moved);
    }
}
