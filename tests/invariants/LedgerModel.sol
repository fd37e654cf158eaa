// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Lot} from "../../contracts/interfaces/IPointsToken.sol";

/// @notice The ledger as one would write it with no thought of gas: a number for each account and epoch.
abstract contract LedgerModel {
    uint256 internal immutable _validity;

    mapping(address account => mapping(uint256 epoch => uint256 points)) internal _points;

    constructor(uint256 validity) {
        _validity = validity;
    }

    /// @notice The epoch of the block, as the token sees it.
    function modelEpoch() public view returns (uint256) {
        return block.timestamp / 1 days;
    }

    /// @notice The earliest epoch that is live.
    function modelFirstLive() public view returns (uint256) {
        uint256 epoch = modelEpoch();
        return epoch > _validity ? epoch - _validity : 0;
    }

    /// @notice Points of one lot; dead lots are worth nothing.
    function modelLot(address account, uint256 epoch) public view returns (uint256) {
        return epoch < modelFirstLive() || epoch > modelEpoch() ? 0 : _points[account][epoch];
    }

    /// @notice Live points of an account.
    function modelBalance(address account) public view returns (uint256 balance) {
        for (uint256 epoch = modelFirstLive(); epoch <= modelEpoch(); ++epoch) {
            balance += _points[account][epoch];
        }
    }

    function _modelAdd(address account, uint256 epoch, uint256 amount) internal {
        _points[account][epoch] += amount;
    }

    function _modelAddAll(address account, Lot[] memory lots) internal {
        for (uint256 i = 0; i < lots.length; ++i) {
            _points[account][lots[i].epoch] += lots[i].amount;
        }
    }

    /// @dev Takes the earliest-expiring points first.
    function _modelTake(address account, uint256 amount) internal returns (Lot[] memory lots) {
        lots = new Lot[](_validity + 1);
        uint256 count = 0;
        for (uint256 epoch = modelFirstLive(); epoch <= modelEpoch() && amount != 0; ++epoch) {
            uint256 part = _points[account][epoch] < amount ? _points[account][epoch] : amount;
            if (part == 0) continue;
            _points[account][epoch] -= part;
            amount -= part;
            lots[count++] = Lot(epoch, part);
        }
        require(amount == 0, "model: balance too small");
        assembly ("memory-safe") {
            mstore(lots, count)
        }
    }
}
