// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786GatewaySource, IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";

/// @notice The least of an ERC-7786 gateway, as OpenZeppelin's mock is: it hands a message to its recipient within `sendMessage`,
/// whichever chain the recipient says it is on, and so answers with a send id of zero.
contract LoopbackGateway is IERC7786GatewaySource {
    using InteroperableAddress for bytes;

    error UnexpectedAnswer(address recipient);

    uint256 private _received;

    /// @inheritdoc IERC7786GatewaySource
    function sendMessage(bytes calldata recipient, bytes calldata payload, bytes[] calldata attributes)
        external
        payable
        returns (bytes32 sendId)
    {
        if (attributes.length != 0) revert UnsupportedAttribute(bytes4(attributes[0]));
        bytes memory sender = InteroperableAddress.formatEvmV1(block.chainid, msg.sender);
        emit MessageSent(0, sender, recipient, payload, msg.value, attributes);
        (uint256 chainId, address to) = recipient.parseEvmV1();
        _handOver(chainId, to, sender, payload);
        return 0;
    }

    /// @inheritdoc IERC7786GatewaySource
    function supportsAttribute(bytes4) external pure returns (bool) {
        return false;
    }

    /// @dev Virtual, so that a test can change the chain id for the time of the call.
    function _handOver(uint256, address to, bytes memory sender, bytes calldata payload) internal virtual {
        bytes32 receiveId = bytes32(++_received);
        bytes4 answer = IERC7786Recipient(to).receiveMessage{value: msg.value}(receiveId, sender, payload);
        if (answer != IERC7786Recipient.receiveMessage.selector) revert UnexpectedAnswer(to);
    }
}
