// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";

/// @notice Yardstick: keeps that a message came, and nothing else. That uses enough gas for the floor price of calldata
/// (EIP-7623) not to hide what the gateway uses.
contract KeepingRecipient is IERC7786Recipient {
    mapping(bytes32 receiveId => bool) public came;

    /// @inheritdoc IERC7786Recipient
    function receiveMessage(bytes32 receiveId, bytes calldata, bytes calldata) external payable returns (bytes4) {
        came[receiveId] = true;
        return IERC7786Recipient.receiveMessage.selector;
    }
}
