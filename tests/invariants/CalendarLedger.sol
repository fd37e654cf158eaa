// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Lot} from "../../contracts/interfaces/IPointsToken.sol";
import {Checked} from "./Vm.sol";

/// @notice The points of several programmes with calendars of their own: a number for each programme, account and epoch.
abstract contract CalendarLedger is Checked {
    uint256[] internal _epochLengths;
    uint256[] internal _validities;

    mapping(uint256 programme => mapping(address account => mapping(uint256 epoch => uint256 points))) internal _points;

    /// @notice The present epoch of a programme.
    function modelEpoch(uint256 programme) public view returns (uint256) {
        return block.timestamp / _epochLengths[programme];
    }

    /// @notice The earliest live epoch of a programme.
    function modelFirstLive(uint256 programme) public view returns (uint256) {
        return modelEpoch(programme) - _validities[programme];
    }

    /// @notice Points of a live lot.
    function modelLot(uint256 programme, address account, uint256 epoch) external view returns (uint256) {
        return _points[programme][account][epoch];
    }

    /// @notice Live points of an account.
    function modelBalance(uint256 programme, address account) public view returns (uint256 balance) {
        for (uint256 epoch = modelFirstLive(programme); epoch <= modelEpoch(programme); ++epoch) {
            balance += _points[programme][account][epoch];
        }
    }

    /// @notice First second at which a lot is worth nothing.
    function endOf(uint256 programme, uint256 epoch) public view returns (uint256) {
        return (epoch + _validities[programme] + 1) * _epochLengths[programme];
    }

    function _add(uint256 programme, address account, Lot[] memory lots) internal {
        for (uint256 i = 0; i < lots.length; ++i) {
            _points[programme][account][lots[i].epoch] += lots[i].amount;
        }
    }

    /// @dev The earliest-expiring `amount` points of an account; not removed.
    function _earliest(uint256 programme, address account, uint256 amount) internal view returns (Lot[] memory lots) {
        lots = new Lot[](_validities[programme] + 1);
        uint256 count = 0;
        for (uint256 epoch = modelFirstLive(programme); amount != 0; ++epoch) {
            uint256 lot = _points[programme][account][epoch];
            if (lot == 0) continue;
            if (lot > amount) lot = amount;
            amount -= lot;
            lots[count++] = Lot(epoch, lot);
        }
        return _shortened(lots, count);
    }

    function _remove(uint256 programme, address account, Lot[] memory lots) internal {
        for (uint256 i = 0; i < lots.length; ++i) {
            _points[programme][account][lots[i].epoch] -= lots[i].amount;
        }
    }

    /// @dev The lots that are still live.
    function _live(uint256 programme, Lot[] memory lots) internal view returns (Lot[] memory live) {
        live = new Lot[](lots.length);
        uint256 count = 0;
        for (uint256 i = 0; i < lots.length; ++i) {
            if (endOf(programme, lots[i].epoch) > block.timestamp) live[count++] = lots[i];
        }
        return _shortened(live, count);
    }

    /// @dev What lots of one programme become at another, found by trying epochs: the latest live one that ends no later.
    /// @return carried The lots.
    /// @return refused 1 + the index of the first lot that ends before all of them; 0 when there is none.
    function _carried(uint256 from, uint256 to, Lot[] memory lots, uint256 out)
        internal
        view
        returns (Lot[] memory carried, uint256 refused)
    {
        uint256 pointsIn = _sum(lots);
        uint256 reached = 0;
        uint256 given = 0;
        uint256 count = 0;
        carried = new Lot[](lots.length);
        for (uint256 i = 0; i < lots.length; ++i) {
            uint256 end = endOf(from, lots[i].epoch);
            uint256 epoch = modelEpoch(to);
            while (endOf(to, epoch) > end && epoch > modelFirstLive(to)) --epoch;
            if (endOf(to, epoch) > end) return (carried, i + 1);
            reached += lots[i].amount;
            uint256 share = (reached * out) / pointsIn - given;
            given += share;
            if (share == 0) continue;
            if (count != 0 && carried[count - 1].epoch == epoch) carried[count - 1].amount += share;
            else carried[count++] = Lot(epoch, share);
        }
        return (_shortened(carried, count), 0);
    }

    function _sum(Lot[] memory lots) internal pure returns (uint256 amount) {
        for (uint256 i = 0; i < lots.length; ++i) {
            amount += lots[i].amount;
        }
    }

    function _shortened(Lot[] memory lots, uint256 count) private pure returns (Lot[] memory shortened) {
        shortened = new Lot[](count);
        for (uint256 i = 0; i < count; ++i) {
            shortened[i] = lots[i];
        }
    }
}
