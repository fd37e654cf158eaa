// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IClearingHouse} from "../interfaces/IClearingHouse.sol";
import {HouseMoney} from "./HouseMoney.sol";

/// @title What exchanges do: book debts, and set collateral aside for debts that may come.
abstract contract HouseBooking is HouseMoney {
    using SafeCast for uint256;

    /// @dev Most that one programme may owe another in a cycle. Fits its field with either sign.
    uint256 internal constant MAX_DEBT = uint256(uint112(type(int112).max));

    /// @dev Hash of (debtor, creditor, amount) of each open reservation.
    mapping(bytes32 swapId => bytes32 hash) private _reservations;

    /// @inheritdoc IClearingHouse
    function book(bytes32 debtorId, bytes32 creditorId, uint256 amount, bytes32 swapId)
        external
        onlyRole(EXCHANGE_ROLE)
    {
        (Account storage debtor, Account storage creditor) = _ableParties(debtorId, creditorId);
        (bool added, bool riskier) = _add(debtor, creditor, amount);
        if (!added) revert InvalidClearingAmount(amount);
        uint256 shortfall = riskier ? _shortfall(debtor) : 0;
        if (shortfall != 0) revert DebitCapExceeded(debtorId, creditorId, amount, amount - shortfall);
        emit DebtBooked(_cycle, debtorId, creditorId, amount, swapId);
    }

    /// @inheritdoc IClearingHouse
    function reserve(bytes32 debtorId, bytes32 creditorId, uint256 amount, bytes32 swapId)
        external
        onlyRole(EXCHANGE_ROLE)
    {
        (Account storage debtor,) = _ableParties(debtorId, creditorId);
        if (amount == 0) revert InvalidClearingAmount(amount);
        if (_reservations[swapId] != 0) revert ReservationMismatch(swapId);
        uint256 available = _free(debtor);
        if (amount > available) revert DebitCapExceeded(debtorId, creditorId, amount, available);
        _reservations[swapId] = _hash(debtorId, creditorId, amount);
        debtor.reserved += amount.toUint128();
        emit DebtReserved(debtorId, creditorId, amount, swapId);
    }

    /// @inheritdoc IClearingHouse
    function bookReserved(bytes32 debtorId, bytes32 creditorId, uint256 amount, bytes32 swapId)
        external
        onlyRole(EXCHANGE_ROLE)
    {
        Account storage debtor = _endReservation(debtorId, creditorId, amount, swapId);
        Account storage creditor = _accounts[creditorId];
        bool added = false;
        if (!debtor.inDefault && !creditor.inDefault) (added,) = _add(debtor, creditor, amount);
        if (!added) {
            debtor.collateral -= amount.toUint128();
            creditor.collateral += amount.toUint128();
        } else {
            emit DebtBooked(_cycle, debtorId, creditorId, amount, swapId);
        }
        emit ReservationEnded(swapId, amount, !added);
    }

    /// @inheritdoc IClearingHouse
    function release(bytes32 debtorId, bytes32 creditorId, uint256 amount, bytes32 swapId)
        external
        onlyRole(EXCHANGE_ROLE)
    {
        _endReservation(debtorId, creditorId, amount, swapId);
        emit ReservationEnded(swapId, amount, false);
    }

    /// @dev Adds to what `debtor` owes.
    /// @return added False, and nothing done, when the amount is zero or the sum does not fit.
    /// @return riskier Whether more than before is uncovered of what `debtor` owes.
    function _add(Account storage debtor, Account storage creditor, uint256 amount)
        private
        returns (bool added, bool riskier)
    {
        if (amount == 0 || amount > MAX_DEBT) return (false, false);
        Debt memory previous = _debt(debtor, creditor);
        int256 open = previous.open + int256(amount);
        if (open > int256(MAX_DEBT)) return (false, false);
        return (true, _setDebt(debtor, creditor, previous, Debt(open, previous.closed)));
    }

    function _endReservation(bytes32 debtorId, bytes32 creditorId, uint256 amount, bytes32 swapId)
        private
        returns (Account storage debtor)
    {
        if (_reservations[swapId] != _hash(debtorId, creditorId, amount)) revert ReservationMismatch(swapId);
        delete _reservations[swapId];
        debtor = _accounts[debtorId];
        debtor.reserved -= amount.toUint128();
    }

    function _ableParties(bytes32 debtorId, bytes32 creditorId)
        private
        view
        returns (Account storage debtor, Account storage creditor)
    {
        (debtor, creditor) = _parties(debtorId, creditorId);
        if (debtor.inDefault) revert InDefault(debtorId);
        if (creditor.inDefault) revert InDefault(creditorId);
    }

    function _hash(bytes32 debtorId, bytes32 creditorId, uint256 amount) private pure returns (bytes32) {
        return keccak256(abi.encode(debtorId, creditorId, amount));
    }
}
