// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title ERC-7818: expirable ERC-20.
/// @notice Declared here because OpenZeppelin does not ship it. Selectors and errors are those of the standard.
interface IERC7818 is IERC20 {
    /// @notice Unit in which an epoch is measured. The name is the standard's.
    // slither-disable-next-line naming-convention
    enum EPOCH_TYPE {
        BLOCKS_BASED,
        TIME_BASED
    }

    /// @notice A lot was named that is no longer valid.
    /// @param sender Account the lot would have left.
    /// @param epoch Epoch of the expired lot.
    error ERC7818TransferredExpiredToken(address sender, uint256 epoch);

    /// @notice Points of `account` in the lot of `epoch`; zero when that lot has expired.
    function balanceOfAtEpoch(uint256 epoch, address account) external view returns (uint256);

    /// @notice The epoch of the present block: `block.timestamp / epochLength()`.
    function currentEpoch() external view returns (uint256);

    /// @notice Length of an epoch, in seconds.
    function epochLength() external view returns (uint256);

    /// @notice Always `TIME_BASED`.
    function epochType() external view returns (EPOCH_TYPE);

    /// @notice Number of epochs after its own through which a lot stays valid.
    function validityDuration() external view returns (uint256);

    /// @notice True when lots of `epoch` are worth nothing any more: `currentEpoch() > epoch + validityDuration()`.
    function isEpochExpired(uint256 epoch) external view returns (bool);

    /// @notice Moves `value` points of the lot of `epoch` from the caller to `to`.
    function transferAtEpoch(uint256 epoch, address to, uint256 value) external returns (bool);

    /// @notice Moves `value` points of the lot of `epoch` from `from` to `to` on the caller's allowance.
    function transferFromAtEpoch(uint256 epoch, address from, address to, uint256 value) external returns (bool);
}
