// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice A clearing house of five programmes as full matrices, without a single sum kept: what a programme owes, what of it
/// is covered and what it may owe more are counted anew from the pairs at each question.
abstract contract HouseModel {
    uint256 public constant COUNT = 5;

    /// @dev [debtor][creditor]; what one owes the other is minus what the other owes it.
    int256[COUNT][COUNT] internal _open;
    int256[COUNT][COUNT] internal _closed;
    /// @dev [creditor][debtor]
    uint256[COUNT][COUNT] internal _lines;
    /// @dev [debtor][creditor]
    uint256[COUNT][COUNT] internal _claims;
    uint256[COUNT] internal _collateral;
    uint256[COUNT] internal _paid;
    uint256[COUNT] internal _reserved;
    bool[COUNT] internal _inDefault;
    bool internal _settling;
    uint256 internal _modelDeadline;
    uint256 internal _modelClosesAt;
    uint256 internal _modelCycle = 1;
    /// @dev Deposits, payments by others and what was booked in its favour, less withdrawals and what was booked against it.
    int256[COUNT] internal _worth;
    /// @dev Most that a creditor lost in a default beyond the line it gave; must stay zero.
    uint256 internal _excessLoss;

    function modelOpen(uint256 d) public view returns (int256 sum) {
        for (uint256 p = 0; p < COUNT; ++p) {
            sum -= _open[d][p];
        }
    }

    function modelDue(uint256 d) public view returns (int256 sum) {
        for (uint256 p = 0; p < COUNT; ++p) {
            sum -= _closed[d][p];
        }
    }

    function modelUncovered(uint256 d) public view returns (uint256) {
        return _uncovered(d, COUNT, 0);
    }

    function modelUncoveredOpen(uint256 d) public view returns (uint256) {
        return _uncoveredOpen(d, COUNT, 0);
    }

    function modelClaims(uint256 d) public view returns (uint256 sum) {
        for (uint256 p = 0; p < COUNT; ++p) {
            sum += _claims[d][p];
        }
    }

    function modelOutstanding(uint256 d) public view returns (uint256) {
        int256 left = -modelDue(d) - int256(_paid[d]);
        return left > 0 ? uint256(left) : 0;
    }

    /// @notice Whether `amount` is the most that `d` may owe `p` more: it is covered, and one more is not.
    function modelIsMost(uint256 d, uint256 p, uint256 amount) public view returns (bool) {
        if (d == p || _inDefault[d] || _inDefault[p]) return amount == 0;
        return _isCoveredWith(d, p, amount, 0) && !_isCoveredWith(d, p, amount + 1, 0);
    }

    /// @notice The most collateral that can go, found by trying.
    function modelFree(uint256 d) public view returns (uint256 low) {
        uint256 high = _collateral[d];
        while (low < high) {
            uint256 middle = (low + high + 1) / 2;
            if (_isCoveredWith(d, COUNT, 0, middle)) low = middle;
            else high = middle - 1;
        }
    }

    /// @notice Everything that makes a programme richer or poorer, counted one way.
    function modelWorth(uint256 d) public view returns (int256 worth) {
        worth = int256(_collateral[d]) + int256(_paid[d]) + modelOpen(d) + modelDue(d) - int256(modelClaims(d));
        for (uint256 q = 0; q < COUNT; ++q) {
            worth += int256(_claims[q][d]);
        }
    }

    /// @notice The same, counted from what came in and went out.
    function modelHistory(uint256 d) public view returns (int256) {
        return _worth[d];
    }

    function modelExcessLoss() public view returns (uint256) {
        return _excessLoss;
    }

    function _modelBook(uint256 d, uint256 p, uint256 amount) internal {
        _open[d][p] += int256(amount);
        _open[p][d] -= int256(amount);
        _worth[d] -= int256(amount);
        _worth[p] += int256(amount);
    }

    function _modelClose(uint256 period, uint256 length) internal {
        for (uint256 d = 0; d < COUNT; ++d) {
            if (modelOpen(d) != 0) _settling = true;
        }
        for (uint256 d = 0; d < COUNT; ++d) {
            for (uint256 p = 0; p < COUNT; ++p) {
                _closed[d][p] = _settling ? _open[d][p] : int256(0);
                _open[d][p] = 0;
            }
        }
        ++_modelCycle;
        _modelDeadline = block.timestamp + period;
        while (_modelClosesAt <= block.timestamp) _modelClosesAt += length;
    }

    function _modelSettle() internal {
        _settling = false;
        for (uint256 d = 0; d < COUNT; ++d) {
            _collateral[d] = uint256(int256(_collateral[d] + _paid[d]) + modelDue(d));
            _paid[d] = 0;
        }
        delete _closed;
    }

    function _modelDefault(uint256 d, uint256 period) internal {
        _inDefault[d] = true;
        _collateral[d] += _paid[d];
        _paid[d] = 0;
        _modelDeadline = block.timestamp + period;
        uint256[COUNT] memory owed = _modelCloseOut(d);
        uint256 over;
        uint256 within;
        for (uint256 p = 0; p < COUNT; ++p) {
            uint256 beyond = _over(int256(owed[p]), _lines[p][d]);
            over += beyond;
            within += owed[p] - beyond;
        }
        uint256 left = _collateral[d] - _reserved[d] - over;
        if (left > within) left = within;
        for (uint256 p = 0; p < COUNT; ++p) {
            if (owed[p] == 0) continue;
            uint256 beyond = _over(int256(owed[p]), _lines[p][d]);
            uint256 got = beyond + (within == 0 ? 0 : (left * (owed[p] - beyond)) / within);
            _collateral[d] -= got;
            _collateral[p] += got;
            _claims[d][p] = owed[p] - got;
            uint256 beyondLine = _over(int256(owed[p] - got), _lines[p][d]);
            if (beyondLine > _excessLoss) _excessLoss = beyondLine;
        }
        if (modelClaims(d) == 0) _inDefault[d] = false;
    }

    function _modelCloseOut(uint256 d) private returns (uint256[COUNT] memory owed) {
        for (uint256 p = 0; p < COUNT; ++p) {
            int256 sum = _open[d][p] + _closed[d][p];
            if (sum >= 0) {
                owed[p] = uint256(sum);
                _setPair(d, p, 0, 0);
            } else if (_closed[d][p] > 0) {
                _setPair(d, p, sum, 0);
            } else if (_open[d][p] > 0) {
                _setPair(d, p, 0, sum);
            }
        }
    }

    function _modelDistribute(uint256 d) internal returns (uint256 paid) {
        uint256 total = modelClaims(d);
        uint256 money = _collateral[d] - _reserved[d];
        if (money > total) money = total;
        for (uint256 p = 0; p < COUNT; ++p) {
            if (_claims[d][p] == 0) continue;
            uint256 got = (money * _claims[d][p]) / total;
            _claims[d][p] -= got;
            _collateral[p] += got;
            paid += got;
        }
        _collateral[d] -= paid;
        if (modelClaims(d) == 0) _inDefault[d] = false;
    }

    function _setPair(uint256 d, uint256 p, int256 open, int256 closed) private {
        _open[d][p] = open;
        _open[p][d] = -open;
        _closed[d][p] = closed;
        _closed[p][d] = -closed;
    }

    /// @dev Whether both promises about what `d` owes are kept, were it to owe `p` that much more and have that much less.
    function _isCoveredWith(uint256 d, uint256 p, uint256 more, uint256 less) internal view returns (bool) {
        uint256 own = _collateral[d] - less;
        return
            _uncovered(d, p, more) + _reserved[d] <= own + _paid[d] && _uncoveredOpen(d, p, more) + _reserved[d] <= own;
    }

    function _uncovered(uint256 d, uint256 to, uint256 more) private view returns (uint256 sum) {
        for (uint256 p = 0; p < COUNT; ++p) {
            sum += _over(_open[d][p] + _closed[d][p] + (p == to ? int256(more) : int256(0)), _lines[p][d]);
        }
    }

    function _uncoveredOpen(uint256 d, uint256 to, uint256 more) private view returns (uint256 sum) {
        for (uint256 p = 0; p < COUNT; ++p) {
            sum += _over(_open[d][p] + (p == to ? int256(more) : int256(0)), _lines[p][d]);
        }
    }

    function _over(int256 owed, uint256 line) internal pure returns (uint256) {
        return owed > int256(line) ? uint256(owed - int256(line)) : 0;
    }
}
