// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IERC7818} from "../interfaces/IERC7818.sol";
import {IPointsToken, Lot} from "../interfaces/IPointsToken.sol";
import {EpochLedger} from "../libraries/EpochLedger.sol";
import {PointsLedger} from "./PointsLedger.sol";

/// @title What members and the public do with lots: transfers, ERC-7818, `expire`.
abstract contract PointsLots is PointsLedger, IERC7818 {
    // slither-disable-start timestamp // lots live by block time in epochs of a day or more

    using EpochLedger for uint256[6];

    /// @inheritdoc IPointsToken
    function expire(address[] calldata accounts) external whenNotPaused {
        EpochLedger.Window memory window = _window();
        for (uint256 i = 0; i < accounts.length; ++i) {
            _expire(accounts[i], window);
        }
    }

    /// @inheritdoc IERC7818
    function transferAtEpoch(uint256 epoch, address to, uint256 value) external returns (bool) {
        _transferLot(_msgSender(), to, epoch, value);
        return true;
    }

    /// @inheritdoc IERC7818
    function transferFromAtEpoch(uint256 epoch, address from, address to, uint256 value) external returns (bool) {
        _spendAllowance(from, _msgSender(), value);
        _transferLot(from, to, epoch, value);
        return true;
    }

    /// @inheritdoc IERC7818
    function balanceOfAtEpoch(uint256 epoch, address account) external view returns (uint256) {
        return _liveLot(_rings[account], epoch);
    }

    /// @inheritdoc IPointsToken
    function totalSupplyAtEpoch(uint256 epoch) external view returns (uint256) {
        return _liveLot(_supply, epoch);
    }

    /// @inheritdoc IPointsToken
    function lotsOf(address account) external view returns (Lot[] memory) {
        EpochLedger.Window memory window = _window();
        return EpochLedger.toLots(_rings[account].liveLanes(window), window);
    }

    /// @inheritdoc IPointsToken
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function lotSlotOf(address account) external view returns (bytes32 slot) {
        uint256[6] storage ring = _rings[account];
        assembly ("memory-safe") {
            slot := ring.slot
        }
    }

    /// @inheritdoc IERC7818
    function epochLength() external view returns (uint256) {
        return _epochLength;
    }

    /// @inheritdoc IERC7818
    function epochType() external pure returns (EPOCH_TYPE) {
        return EPOCH_TYPE.TIME_BASED;
    }

    /// @inheritdoc IERC7818
    function validityDuration() external view returns (uint256) {
        return _validity;
    }

    /// @inheritdoc ERC20
    function transfer(address to, uint256 value) public override(ERC20, IERC20) returns (bool) {
        _requireTransferable();
        return super.transfer(to, value);
    }

    /// @inheritdoc ERC20
    function transferFrom(address from, address to, uint256 value) public override(ERC20, IERC20) returns (bool) {
        _requireTransferable();
        return super.transferFrom(from, to, value);
    }

    /// @inheritdoc IERC7818
    function currentEpoch() public view returns (uint256) {
        return block.timestamp / _epochLength;
    }

    /// @inheritdoc IERC7818
    function isEpochExpired(uint256 epoch) public view returns (bool) {
        uint256 current = currentEpoch();
        return current > epoch && current - epoch > _validity;
    }

    /// @dev Reverts unless members may move points to each other now.
    function _requireTransferable() internal view {
        if (!_transferable) revert TransfersDisabled();
        _requireNotPaused();
    }

    /// @dev Reverts unless `epoch` is live, for an account the lot would leave.
    function _requireLive(address from, uint256 epoch, uint256 current) internal view {
        if (epoch > current) revert EpochInFuture(epoch, current);
        if (current - epoch > _validity) revert ERC7818TransferredExpiredToken(from, epoch);
    }

    function _transferLot(address from, address to, uint256 epoch, uint256 value) private {
        _requireTransferable();
        if (to == address(0)) revert ERC20InvalidReceiver(address(0));
        EpochLedger.Window memory window = _window();
        _requireLive(from, epoch, window.epoch);
        (uint256[6] memory movement, uint256 taken) = _takeLot(from, epoch, value, window);
        if (taken != value) revert ERC20InsufficientBalance(from, taken, value);
        _put(to, movement, window);
        emit LotTransferred(from, to, epoch, value);
        emit Transfer(from, to, value);
    }

    // slither-disable-end timestamp
}
