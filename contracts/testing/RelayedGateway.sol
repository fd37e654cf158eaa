// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786GatewaySource, IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

/// @notice An ERC-7786 gateway that believes whoever relays: it logs what is sent, and hands over what it is given, each once.
contract RelayedGateway is IERC7786GatewaySource {
    error AlreadyRelayed(bytes32 messageId);
    error UnexpectedAnswer(address recipient);

    uint256 private _sent;
    mapping(bytes32 messageId => bool) public isRelayed;

    /// @inheritdoc IERC7786GatewaySource
    function sendMessage(bytes calldata recipient, bytes calldata payload, bytes[] calldata attributes)
        external
        payable
        returns (bytes32 sendId)
    {
        if (attributes.length != 0) revert UnsupportedAttribute(bytes4(attributes[0]));
        bytes memory sender = InteroperableAddress.formatEvmV1(block.chainid, msg.sender);
        sendId = keccak256(abi.encode(block.chainid, address(this), ++_sent));
        emit MessageSent(sendId, sender, recipient, payload, msg.value, attributes);
    }

    /// @notice Hands a message of another chain over to its recipient here.
    function relay(bytes32 sendId, bytes calldata sender, address recipient, bytes calldata payload) external {
        if (isRelayed[sendId]) revert AlreadyRelayed(sendId);
        isRelayed[sendId] = true;
        bytes4 answer = IERC7786Recipient(recipient).receiveMessage(sendId, sender, payload);
        if (answer != IERC7786Recipient.receiveMessage.selector) revert UnexpectedAnswer(recipient);
    }

    /// @inheritdoc IERC7786GatewaySource
    function supportsAttribute(bytes4) external pure returns (bool) {
        return false;
    }
}
