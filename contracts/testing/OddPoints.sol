// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Lot, Terms} from "../interfaces/IPointsToken.sol";

/// @notice Test double: looks like a points token to the registry, lets everybody do everything, and burns and mints fewer
/// points than it is told to.
contract OddPoints {
    uint256 public totalSupply = 1_000;
    uint256 public missing;

    /// @notice How many points fewer it burns and mints.
    function setMissing(uint256 missing_) external {
        missing = missing_;
    }

    function crosschainBurnLots(address, uint256 amount) external returns (Lot[] memory lots) {
        lots = new Lot[](1);
        lots[0] = Lot(currentEpoch(), amount - missing);
        totalSupply -= amount - missing;
    }

    function crosschainMint(address, uint256 amount) external {
        totalSupply += amount - missing;
    }

    function crosschainMintLots(address, Lot[] calldata lots) external {
        for (uint256 i = 0; i < lots.length; ++i) {
            totalSupply += lots[i].amount;
        }
        totalSupply -= missing;
    }

    function terms() external pure returns (Terms memory) {
        return Terms(epochLength(), validityDuration(), 0, 1_000, true);
    }

    function hasRole(bytes32, address) external pure returns (bool) {
        return true;
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId != 0xffffffff;
    }

    function currentEpoch() public view returns (uint256) {
        return block.timestamp / epochLength();
    }

    function epochLength() public pure returns (uint48) {
        return 30 days;
    }

    function validityDuration() public pure returns (uint16) {
        return 4;
    }
}
