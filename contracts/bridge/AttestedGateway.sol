// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {IERC7786Recipient} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

import {Batch, IAttestedGateway, Message} from "../interfaces/IAttestedGateway.sol";
import {GatewayAttesters} from "./GatewayAttesters.sol";
import {GatewayRoutes} from "./GatewayRoutes.sol";

/// @title Messages between chains, attested by k of n: the parts put together, and delivering.
/// @notice See IAttestedGateway.
contract AttestedGateway is GatewayRoutes, ReentrancyGuardTransient {
    using BitMaps for BitMaps.BitMap;

    /// @inheritdoc IAttestedGateway
    uint256 public constant MESSAGE_GAS = 2_000_000;

    /// @dev With so much left before a call, its callee gets MESSAGE_GAS: a call hands on at most 63 of 64 parts of what is left
    /// (EIP-150) after its own price, which is at most 5,200 for an account not touched before that delegates its code.
    uint256 private constant GAS_NEEDED = MESSAGE_GAS * 64 / 63 + 10_000;
    uint256 private constant MAX_REASON = 256;

    mapping(uint256 sourceChain => BitMaps.BitMap nonces) private _seen;
    mapping(bytes32 messageId => bool) private _failed;

    /// @param attesters The first set, in force at once, by ascending address.
    /// @param threshold How many of them must sign.
    /// @param rotationDelay_ Time from proposing another set until it is in force, in seconds.
    /// @param admin First DEFAULT_ADMIN, which grants the roles and registers remotes and applications.
    /// @param adminDelay Least time between announcing and accepting a transfer of DEFAULT_ADMIN, in seconds.
    constructor(
        address[] memory attesters,
        uint256 threshold,
        uint256 rotationDelay_,
        address admin,
        uint48 adminDelay
    )
        AccessControlDefaultAdminRules(adminDelay, admin)
        GatewayAttesters(attesters, threshold, rotationDelay_)
    {}

    /// @inheritdoc IAttestedGateway
    function deliver(
        Batch calldata batch,
        Message[] calldata messages,
        bytes32[] calldata proof,
        bool[] calldata proofFlags,
        bytes[] calldata signatures
    ) external whenNotPaused nonReentrant returns (uint256 delivered) {
        _checkAttested(batch, signatures);
        bytes32[] memory ids = _provenIds(batch, messages, proof, proofFlags);
        return _tryAll(batch.sourceChain, messages, ids);
    }

    /// @inheritdoc IAttestedGateway
    function retry(uint256 sourceChain, Message calldata message) external whenNotPaused nonReentrant {
        bytes32 id = _messageId(_routeFrom(sourceChain, _remote(sourceChain)), message);
        if (!_failed[id]) revert NotFailed(id);
        if (!_isApplication(message.recipient)) revert NotAnApplication(message.recipient);
        delete _failed[id];
        bytes memory sender = InteroperableAddress.formatEvmV1(sourceChain, message.sender);
        bytes4 answer = IERC7786Recipient(message.recipient).receiveMessage(id, sender, message.payload);
        if (answer != IERC7786Recipient.receiveMessage.selector) revert UnexpectedAnswer(message.recipient);
        // slither-disable-next-line reentrancy-events // after what the recipient logs, as in a delivery
        emit MessageDelivered(id, sourceChain, message.nonce);
    }

    /// @inheritdoc IAttestedGateway
    function isSeen(uint256 sourceChain, uint256 nonce) external view returns (bool) {
        return _seen[sourceChain].get(nonce);
    }

    /// @inheritdoc IAttestedGateway
    function isFailed(bytes32 messageId) external view returns (bool) {
        return _failed[messageId];
    }

    /// @dev Tries the messages whose nonces are new. Their ids are attested.
    function _tryAll(uint256 chain, Message[] calldata messages, bytes32[] memory ids)
        private
        returns (uint256 delivered)
    {
        BitMaps.BitMap storage seen = _seen[chain];
        address lastSender = address(0);
        bytes memory sender = "";
        uint256 tried = 0;
        for (uint256 i = 0; i < messages.length; ++i) {
            Message calldata message = messages[i];
            if (seen.get(message.nonce)) continue;
            seen.set(message.nonce);
            ++tried;
            // Messages mostly come from one application: its address is put into words once.
            if (message.sender != lastSender) {
                lastSender = message.sender;
                sender = InteroperableAddress.formatEvmV1(chain, lastSender);
            }
            if (_try(chain, ids[i], sender, message)) ++delivered;
        }
        if (tried == 0) revert NothingToDeliver();
    }

    /// @dev Gives the message to its recipient, or keeps it as failed.
    function _try(uint256 chain, bytes32 id, bytes memory sender, Message calldata message)
        private
        returns (bool taken)
    {
        uint256 mark = _markMemory();
        bytes memory reason;
        (taken, reason) = _call(message.recipient, id, sender, message.payload);
        // slither-disable-start reentrancy-benign,reentrancy-events // how the call ended is what is kept; no reentry
        if (taken) {
            emit MessageDelivered(id, chain, message.nonce);
        } else {
            _failed[id] = true;
            emit MessageFailed(id, chain, message.nonce, reason);
        }
        // slither-disable-end reentrancy-benign,reentrancy-events
        _freeMemoryFrom(mark);
    }

    /// @dev Calls a recipient with MESSAGE_GAS, whatever it does with it. `reason` is at most MAX_REASON bytes.
    // slither-disable-next-line assembly // LowLevelCall has no call with a limit of gas; what comes back goes to scratch space
    function _call(address recipient, bytes32 id, bytes memory sender, bytes calldata payload)
        private
        returns (bool taken, bytes memory reason)
    {
        if (!_isApplication(recipient)) return (false, abi.encodeWithSelector(NotAnApplication.selector, recipient));
        bytes memory data = abi.encodeCall(IERC7786Recipient.receiveMessage, (id, sender, payload));
        uint256 gasOfCallee = MESSAGE_GAS;
        if (gasleft() < GAS_NEEDED) revert InsufficientGas();
        bytes32 answer;
        assembly ("memory-safe") {
            taken := call(gasOfCallee, recipient, 0, add(data, 0x20), mload(data), 0x00, 0x20)
            answer := mload(0x00)
        }
        if (!taken) return (false, _boundedReturnData());
        // With less than a word the rest of it is what was in scratch space before.
        bool answered = LowLevelCall.returnDataSize() > 31 && answer == IERC7786Recipient.receiveMessage.selector;
        if (!answered) return (false, abi.encodeWithSelector(UnexpectedAnswer.selector, recipient));
    }

    function _checkAttested(Batch calldata batch, bytes[] calldata signatures) private view {
        address gateway = _remote(batch.sourceChain);
        if (gateway == address(0) || gateway != batch.sourceGateway) {
            revert UnknownRemote(batch.sourceChain, batch.sourceGateway);
        }
        _verifySignatures(_batchDigest(batch), signatures);
    }

    /// @dev Ids of the messages, which are in the batch.
    function _provenIds(
        Batch calldata batch,
        Message[] calldata messages,
        bytes32[] calldata proof,
        bool[] calldata proofFlags
    ) private view returns (bytes32[] memory ids) {
        ids = _idsOf(_routeFrom(batch.sourceChain, batch.sourceGateway), messages);
        bool proven = MerkleProof.multiProofVerifyCalldata(proof, proofFlags, batch.root, ids);
        if (!proven || batch.root == 0) revert InvalidProof();
    }

    function _routeFrom(uint256 chain, address gateway) private view returns (Route memory) {
        return Route(chain, gateway, block.chainid, address(this));
    }

    function _idsOf(Route memory route, Message[] calldata messages) private pure returns (bytes32[] memory ids) {
        ids = new bytes32[](messages.length);
        uint256 mark = _markMemory();
        for (uint256 i = 0; i < messages.length; ++i) {
            ids[i] = _messageId(route, messages[i]);
            _freeMemoryFrom(mark);
        }
    }

    /// @dev What the last call returned, cut off after MAX_REASON bytes.
    // slither-disable-next-line assembly // LowLevelCall copies all of it; here the length is bounded
    function _boundedReturnData() private pure returns (bytes memory data) {
        uint256 length = Math.min(LowLevelCall.returnDataSize(), MAX_REASON);
        data = new bytes(length);
        assembly ("memory-safe") {
            returndatacopy(add(data, 0x20), 0x00, length)
        }
    }

    /// @dev Where free memory begins. What is allocated from here on and not needed after `_freeMemoryFrom` costs memory once for
    /// the batch, not once for each message: its price grows with the square.
    // slither-disable-next-line assembly // reads a pointer
    function _markMemory() private pure returns (uint256 mark) {
        assembly ("memory-safe") {
            mark := mload(0x40)
        }
    }

    // slither-disable-next-line assembly // gives back what was allocated since the mark; no caller refers to it any more
    function _freeMemoryFrom(uint256 mark) private pure {
        assembly ("memory-safe") {
            mstore(0x40, mark)
        }
    }
}
