// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title ERC-7930 addresses of accounts on EVM chains.
/// @dev OpenZeppelin's `InteroperableAddress.formatEvmV1` byte for byte (a test compares them), in half the code: the
/// exchange that needs it is as large as a contract can be.
library ChainAddress {
    /// @notice `0x0001 | 0x0000 | length | chain id | 0x14 | account`: version 1, EVM, the chain id in as few bytes as hold it.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function format(uint256 chainId, address account) internal pure returns (bytes memory) {
        uint256 length = 1;
        while (length < 32 && chainId >> (8 * length) != 0) ++length;
        bytes memory chain = abi.encodePacked(chainId << (256 - 8 * length));
        // Shortens 32 bytes to the first `length`, which is at most 32.
        assembly ("memory-safe") {
            mstore(chain, length)
        }
        return abi.encodePacked(bytes4(0x00010000), uint8(length), chain, uint8(20), account);
    }
}
