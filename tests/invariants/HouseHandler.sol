// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IClearingHouse} from "../../contracts/interfaces/IClearingHouse.sol";
import {TestDollar} from "../../contracts/testing/TestDollar.sol";
import {HouseModel} from "./HouseModel.sol";
import {HouseRig} from "./HouseRig.sol";

/// @notice Random operations on a clearing house, each done on the model as well. What the model refuses must be refused with
/// the error that the model predicts, amounts included.
contract HouseHandler is HouseModel, HouseRig {
    struct Reservation {
        uint256 debtor;
        uint256 creditor;
        uint256 amount;
        bytes32 swapId;
    }

    uint256 private constant MOST = 1000;
    uint256 private constant NO_LIMIT = 1 << 60;

    TestDollar public dollar;
    uint256 public defaults;
    uint256 public setOffs;
    Reservation[] private _reservations;
    uint256 private _swaps;

    constructor() {
        dollar = new TestDollar();
        _openHouse(dollar, COUNT);
        dollar.mint(address(this), 1 << 100);
        dollar.approve(address(house), type(uint256).max);
        _modelClosesAt = house.closesAt();
    }

    // What exchanges do

    function book(uint256 d, uint256 p, uint256 amount) public {
        (d, p) = (d % COUNT, p % COUNT);
        uint256 available = house.availableTo(ids[d], ids[p]);
        _true(modelIsMost(d, p, available), "availableTo is exact");
        amount = _wanted(amount, available);
        bytes memory refusal = _refusal(d, p, amount, available);
        _expect(refusal);
        house.book(ids[d], ids[p], amount, _newSwap());
        if (refusal.length == 0) _modelBook(d, p, amount);
    }

    function reserve(uint256 d, uint256 p, uint256 amount) external {
        (d, p) = (d % COUNT, p % COUNT);
        amount = _wanted(amount, modelFree(d));
        bytes memory refusal = _refusal(d, p, amount, modelFree(d));
        bytes32 swapId = _newSwap();
        _expect(refusal);
        house.reserve(ids[d], ids[p], amount, swapId);
        if (refusal.length != 0) return;
        _reserved[d] += amount;
        _reservations.push(Reservation(d, p, amount, swapId));
    }

    function endReservation(uint256 which, bool isBooked) external {
        if (_reservations.length == 0) return;
        Reservation memory r = _reservations[which % _reservations.length];
        _expect(abi.encodeWithSelector(IClearingHouse.ReservationMismatch.selector, r.swapId));
        house.release(ids[r.debtor], ids[r.creditor], r.amount + 1, r.swapId);
        _reserved[r.debtor] -= r.amount;
        if (!isBooked) {
            house.release(ids[r.debtor], ids[r.creditor], r.amount, r.swapId);
        } else {
            house.bookReserved(ids[r.debtor], ids[r.creditor], r.amount, r.swapId);
            _modelBookReserved(r);
        }
        _reservations[which % _reservations.length] = _reservations[_reservations.length - 1];
        _reservations.pop();
        _expect(abi.encodeWithSelector(IClearingHouse.ReservationMismatch.selector, r.swapId));
        house.bookReserved(ids[r.debtor], ids[r.creditor], r.amount, r.swapId);
    }

    // What treasurers do

    function setLine(uint256 p, uint256 d, uint256 amount) external {
        (p, d) = (p % COUNT, d % COUNT);
        if (p == d) return;
        uint256 previous = _lines[p][d];
        amount = amount % 5 == 0 ? 0 : amount % 7 == 0 ? NO_LIMIT : amount % MOST;
        _lines[p][d] = amount;
        bytes memory refusal;
        if (_inDefault[p] && amount > previous) {
            refusal = abi.encodeWithSelector(IClearingHouse.InDefault.selector, ids[p]);
        } else if (!_isCoveredWith(d, COUNT, 0, 0)) {
            refusal = abi.encodeWithSelector(IClearingHouse.CreditLineInUse.selector, ids[p], ids[d]);
        }
        _expect(refusal);
        house.setCreditLine(ids[p], ids[d], amount);
        if (refusal.length != 0) _lines[p][d] = previous;
    }

    function deposit(uint256 d, uint256 amount) public {
        d = d % COUNT;
        amount = amount % MOST + 1;
        house.deposit(ids[d], amount);
        _collateral[d] += amount;
        _worth[d] += int256(amount);
    }

    function withdraw(uint256 d, uint256 amount) public {
        d = d % COUNT;
        uint256 free = modelFree(d);
        amount = _wanted(amount, free);
        bytes memory refusal;
        if (_inDefault[d]) {
            refusal = abi.encodeWithSelector(IClearingHouse.InDefault.selector, ids[d]);
        } else if (modelOutstanding(d) != 0) {
            refusal = abi.encodeWithSelector(IClearingHouse.PaymentOutstanding.selector, ids[d], modelOutstanding(d));
        } else if (amount > free) {
            refusal = abi.encodeWithSelector(IClearingHouse.CollateralInUse.selector, ids[d], amount, free);
        }
        _equal(house.withdrawable(ids[d]), _inDefault[d] || modelOutstanding(d) != 0 ? 0 : free, "withdrawable");
        _expect(refusal);
        house.withdraw(ids[d], address(this), amount);
        if (refusal.length != 0) return;
        _collateral[d] -= amount;
        _worth[d] -= int256(amount);
    }

    function pay(uint256 d, uint256 amount) public {
        d = d % COUNT;
        amount = _wanted(amount, modelOutstanding(d));
        bytes memory refusal = _paymentRefusal(d, amount);
        _expect(refusal);
        house.pay(ids[d], amount);
        if (refusal.length != 0) return;
        _paid[d] += amount;
        _worth[d] += int256(amount);
    }

    function payFromCollateral(uint256 d, uint256 amount) public {
        d = d % COUNT;
        uint256 free = _collateral[d] - _reserved[d] - modelUncoveredOpen(d);
        amount = _wanted(amount, free % 2 == 0 ? free : modelOutstanding(d));
        bytes memory refusal = _paymentRefusal(d, amount);
        if (refusal.length == 0 && amount > free) {
            refusal = abi.encodeWithSelector(IClearingHouse.CollateralInUse.selector, ids[d], amount, free);
        }
        _expect(refusal);
        house.payFromCollateral(ids[d], amount);
        if (refusal.length != 0) return;
        _collateral[d] -= amount;
        _paid[d] += amount;
    }

    // What anyone does

    function pass(uint256 duration) external {
        vm.warp(block.timestamp + duration % (2 * CYCLE));
    }

    function closeCycle() public {
        bytes memory refusal;
        if (_settling) {
            refusal = abi.encodeWithSelector(IClearingHouse.CycleNotSettled.selector, _modelCycle - 1);
        } else if (block.timestamp < _modelClosesAt) {
            refusal = abi.encodeWithSelector(IClearingHouse.CycleStillOpen.selector, _modelClosesAt);
        }
        _expect(refusal);
        house.closeCycle();
        if (refusal.length == 0) _modelClose(PERIOD, CYCLE);
    }

    function settleCycle() public {
        bytes memory refusal;
        if (!_settling) refusal = abi.encodeWithSelector(IClearingHouse.NothingToSettle.selector);
        for (uint256 d = 0; d < COUNT && refusal.length == 0; ++d) {
            uint256 left = modelOutstanding(d);
            if (left != 0) {
                refusal = abi.encodeWithSelector(IClearingHouse.PaymentOutstanding.selector, ids[d], left);
            }
        }
        _expect(refusal);
        house.settleCycle();
        if (refusal.length == 0) _modelSettle();
    }

    function enforce(uint256 d) public {
        d = d % COUNT;
        uint256 missing = modelOutstanding(d);
        bytes memory refusal;
        if (!_settling) {
            refusal = abi.encodeWithSelector(IClearingHouse.NothingToSettle.selector);
        } else if (missing == 0) {
            refusal = abi.encodeWithSelector(IClearingHouse.Overpaid.selector, ids[d], 0, 0);
        } else if (block.timestamp <= _modelDeadline) {
            refusal = abi.encodeWithSelector(IClearingHouse.DeadlineNotPast.selector, _modelDeadline);
        }
        _expect(refusal);
        house.enforce(ids[d]);
        if (refusal.length != 0) return;
        if (_collateral[d] >= missing + _reserved[d] + modelUncoveredOpen(d)) {
            _collateral[d] -= missing;
            _paid[d] += missing;
        } else {
            ++defaults;
            _countSetOffs(d);
            _modelDefault(d, PERIOD);
        }
    }

    function distribute(uint256 d) public {
        d = d % COUNT;
        uint256 total = modelClaims(d);
        uint256 paid = total == 0 ? 0 : _modelDistribute(d);
        if (paid == 0) _expect(abi.encodeWithSelector(IClearingHouse.InvalidClearingAmount.selector, 0));
        house.distribute(ids[d]);
    }

    // Whole stretches of life, which chance alone would rarely put together

    /// @notice Many swaps at random, most as large as the caps allow, and what covers nothing is taken out.
    function trade(uint256 seed) public {
        for (uint256 i = 0; i < 10; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            book(seed, seed >> 64, seed % 4 == 0 ? seed >> 128 : 0);
        }
        for (uint256 d = 0; d < COUNT; ++d) {
            if (seed >> d & 1 != 0) withdraw(d, 0);
        }
    }

    /// @notice Swaps against what is owed in the closed cycle, so that pairs come to owe in both directions.
    function tradeBack(uint256 seed) public {
        for (uint256 i = 0; i < COUNT * COUNT; ++i) {
            (uint256 d, uint256 p) = (i / COUNT, i % COUNT);
            if (_closed[d][p] > 0 && (seed >> i) % 2 == 0) book(p, d, 0);
        }
    }

    /// @notice A cycle is closed, trade goes on, some pay, and the rest is enforced until it can be settled, at most one default
    /// of each.
    function settleOverdue(uint256 seed) external {
        if (!_settling) {
            if (block.timestamp < _modelClosesAt) vm.warp(_modelClosesAt);
            closeCycle();
        }
        trade(seed);
        if (seed % 2 == 0) tradeBack(seed >> 3);
        pay(seed >> 8, seed >> 16);
        payFromCollateral(seed >> 24, seed >> 32);
        if (seed % 3 != 0) return;
        for (uint256 round = 0; _settling; ++round) {
            _true(round <= COUNT, "a cycle is settled after at most one default of each");
            vm.warp(_modelDeadline + 1);
            uint256 before = defaults;
            for (uint256 i = 0; i < COUNT && before == defaults; ++i) {
                uint256 d = (i + seed % COUNT) % COUNT;
                if (modelOutstanding(d) != 0) enforce(d);
            }
            if (before == defaults) settleCycle();
        }
    }

    /// @notice A programme in default is given what it lacks, and pays.
    function cure(uint256 d) external {
        d = d % COUNT;
        if (!_inDefault[d]) return;
        uint256 total = modelClaims(d);
        house.deposit(ids[d], total);
        _collateral[d] += total;
        _worth[d] += int256(total);
        distribute(d);
        _true(!_inDefault[d], "a default ends when all is paid");
    }

    // What the invariants ask

    function modelStanding(uint256 d) external view returns (uint256, uint256, uint256, bool) {
        return (_collateral[d], _paid[d], _reserved[d], _inDefault[d]);
    }

    function modelPair(uint256 d, uint256 p) external view returns (int256, int256, uint256, uint256) {
        return (_open[d][p], _closed[d][p], _lines[p][d], _claims[d][p]);
    }

    function modelClock() external view returns (uint256, uint256, uint256) {
        return (_modelCycle, _modelClosesAt, _settling ? _modelDeadline : 0);
    }

    function _modelBookReserved(Reservation memory r) private {
        if (!_inDefault[r.debtor] && !_inDefault[r.creditor]) return _modelBook(r.debtor, r.creditor, r.amount);
        _collateral[r.debtor] -= r.amount;
        _collateral[r.creditor] += r.amount;
        _worth[r.debtor] -= int256(r.amount);
        _worth[r.creditor] += int256(r.amount);
    }

    /// @dev Pairs that owe in both directions when one of them defaults: the hard case.
    function _countSetOffs(uint256 d) private {
        for (uint256 p = 0; p < COUNT; ++p) {
            if (_open[d][p] > 0 != _closed[d][p] > 0 && _open[d][p] + _closed[d][p] < 0) ++setOffs;
        }
    }

    function _refusal(uint256 d, uint256 p, uint256 amount, uint256 available) private view returns (bytes memory) {
        if (d == p) return abi.encodeWithSelector(IClearingHouse.SameParty.selector, ids[d]);
        if (_inDefault[d]) return abi.encodeWithSelector(IClearingHouse.InDefault.selector, ids[d]);
        if (_inDefault[p]) return abi.encodeWithSelector(IClearingHouse.InDefault.selector, ids[p]);
        if (amount <= available) return "";
        return abi.encodeWithSelector(IClearingHouse.DebitCapExceeded.selector, ids[d], ids[p], amount, available);
    }

    function _paymentRefusal(uint256 d, uint256 amount) private view returns (bytes memory) {
        if (!_settling) return abi.encodeWithSelector(IClearingHouse.NothingToSettle.selector);
        uint256 left = modelOutstanding(d);
        if (amount <= left) return "";
        return abi.encodeWithSelector(IClearingHouse.Overpaid.selector, ids[d], amount, left);
    }

    /// @dev An amount, at least 1: often the very limit or one more.
    function _wanted(uint256 seed, uint256 limit) private pure returns (uint256 amount) {
        amount = seed % 4 == 0 ? limit : seed % 4 == 1 ? limit + 1 : (seed >> 2) % MOST;
        if (amount > 8 * MOST) amount = (seed >> 2) % (8 * MOST);
        return amount == 0 ? 1 : amount;
    }

    function _expect(bytes memory refusal) private {
        if (refusal.length != 0) vm.expectRevert(refusal);
    }

    function _newSwap() private returns (bytes32) {
        return keccak256(abi.encode(++_swaps));
    }
}
