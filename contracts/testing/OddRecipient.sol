// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";

/// @notice Test double: a recipient of messages that keeps what it got and answers as it is told to.
contract OddRecipient is IERC7786Recipient {
    /// @param refuses Whether it reverts, with `answer` in front of what it reverts with.
    /// @param answer First four bytes of its answer.
    /// @param length How many bytes it answers.
    /// @param burns How much gas it uses up.
    /// @param target Whom it calls with `data` before it answers; zero for nobody.
    struct Behaviour {
        bool refuses;
        bytes4 answer;
        uint256 length;
        uint256 burns;
        address target;
        bytes data;
    }

    event Received(bytes32 indexed receiveId, bytes sender, bytes payload, uint256 value, uint256 gasLeft);
    event Called(bool succeeded, bytes answer);

    Behaviour private _behaviour = Behaviour(false, IERC7786Recipient.receiveMessage.selector, 32, 0, address(0), "");

    /// @notice Changes how it answers from now on.
    function behave(Behaviour calldata behaviour) external {
        _behaviour = behaviour;
    }

    /// @notice Calls anybody with anything, as an application would.
    function call(address target, bytes calldata data) external payable returns (bytes memory answer) {
        bool succeeded;
        (succeeded, answer) = target.call{value: msg.value}(data);
        if (succeeded) return answer;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    /// @inheritdoc IERC7786Recipient
    function receiveMessage(bytes32 receiveId, bytes calldata sender, bytes calldata payload)
        external
        payable
        returns (bytes4)
    {
        uint256 start = gasleft();
        emit Received(receiveId, sender, payload, msg.value, start);
        Behaviour memory behaviour = _behaviour;
        if (behaviour.target != address(0)) {
            (bool succeeded, bytes memory answer) = behaviour.target.call(behaviour.data);
            emit Called(succeeded, answer);
        }
        while (start - gasleft() < behaviour.burns) {}
        bytes4 first = behaviour.answer;
        uint256 length = behaviour.length;
        bool refuses = behaviour.refuses;
        // Nothing runs after it, so that memory need not be kept in order.
        assembly {
            let place := mload(0x40)
            mstore(place, first)
            if refuses { revert(place, length) }
            return(place, length)
        }
    }
}
