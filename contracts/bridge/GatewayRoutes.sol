// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {InteroperableAddress} from "@openzeppelin/contracts/utils/draft-InteroperableAddress.sol";
import {Bytes} from "@openzeppelin/contracts/utils/Bytes.sol";

import {IERC7786GatewaySource} from "@openzeppelin/contracts/interfaces/draft-IERC7786.sol";
import {IAttestedGateway, Message} from "../interfaces/IAttestedGateway.sol";
import {GatewayAttesters} from "./GatewayAttesters.sol";

/// @title Whom the gateway deals with, on other chains and on this one, and sending.
abstract contract GatewayRoutes is GatewayAttesters, Pausable {
    using Bytes for bytes;

    struct Route {
        uint256 sourceChain;
        address sourceGateway;
        uint256 destinationChain;
        address destinationGateway;
    }

    /// @inheritdoc IAttestedGateway
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    /// @inheritdoc IAttestedGateway
    uint256 public constant MAX_PAYLOAD = 8_192;

    mapping(uint256 chain => address gateway) private _remotes;
    mapping(address application => bool) private _applications;
    mapping(uint256 destinationChain => uint256) private _sent;

    /// @inheritdoc IAttestedGateway
    function setRemote(uint256 chain, address gateway) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (chain == 0 || chain == block.chainid || gateway == address(0)) revert InvalidRemote(chain, gateway);
        if (_remotes[chain] != address(0)) revert RemoteAlreadySet(chain, _remotes[chain]);
        _remotes[chain] = gateway;
        emit RemoteSet(chain, gateway);
    }

    /// @inheritdoc IAttestedGateway
    function setApplication(address application, bool allowed) external onlyRole(DEFAULT_ADMIN_ROLE) {
        bool possible = application.code.length != 0 && application != address(this);
        // What has lost its code can still be disallowed.
        if (allowed && !possible) revert InvalidApplication(application);
        _applications[application] = allowed;
        emit ApplicationSet(application, allowed);
    }

    /// @inheritdoc IAttestedGateway
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @inheritdoc IAttestedGateway
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @inheritdoc IERC7786GatewaySource
    /// @dev Not nonReentrant, and calls nobody: an application may answer a message while it receives it.
    function sendMessage(bytes calldata recipient, bytes calldata payload, bytes[] calldata attributes)
        external
        payable
        whenNotPaused
        returns (bytes32 sendId)
    {
        if (!_applications[msg.sender]) revert NotAnApplication(msg.sender);
        if (msg.value != 0) revert ValueNotSupported(msg.value);
        if (attributes.length != 0) revert UnsupportedAttribute(bytes4(attributes[0]));
        if (payload.length > MAX_PAYLOAD) revert PayloadTooLong(payload.length, MAX_PAYLOAD);
        (Route memory route, address to) = _routeTo(recipient);
        uint256 nonce = ++_sent[route.destinationChain];
        sendId = _messageId(route, nonce, msg.sender, to, keccak256(payload));
        emit MessageQueued(sendId, route.destinationChain, nonce);
        emit MessageSent(
            sendId, InteroperableAddress.formatEvmV1(block.chainid, msg.sender), recipient, payload, 0, attributes
        );
    }

    /// @inheritdoc IAttestedGateway
    function sentCount(uint256 destinationChain) external view returns (uint256) {
        return _sent[destinationChain];
    }

    /// @inheritdoc IAttestedGateway
    function remoteOf(uint256 chain) external view returns (address) {
        return _remotes[chain];
    }

    /// @inheritdoc IAttestedGateway
    function isApplication(address account) external view returns (bool) {
        return _applications[account];
    }

    /// @inheritdoc IERC7786GatewaySource
    function supportsAttribute(bytes4) external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IAttestedGateway
    function messageIdOf(
        uint256 sourceChain,
        address sourceGateway,
        uint256 destinationChain,
        address destinationGateway,
        Message calldata message
    ) external pure returns (bytes32) {
        return _messageId(Route(sourceChain, sourceGateway, destinationChain, destinationGateway), message);
    }

    function _remote(uint256 chain) internal view returns (address) {
        return _remotes[chain];
    }

    function _isApplication(address account) internal view returns (bool) {
        return _applications[account];
    }

    function _messageId(Route memory route, Message calldata message) internal pure returns (bytes32) {
        return _messageId(route, message.nonce, message.sender, message.recipient, keccak256(message.payload));
    }

    /// @dev The way to a recipient. Only the form that `formatEvmV1` gives is taken, though parsing is more lenient: whoever reads
    /// the log must find one account in it, in one way.
    function _routeTo(bytes calldata recipient) private view returns (Route memory route, address to) {
        uint256 chain;
        // slither-disable-next-line unused-return // what cannot be parsed gives zeros, which are refused below
        (, chain, to) = InteroperableAddress.tryParseEvmV1Calldata(recipient);
        address gateway = _remotes[chain];
        bool proper = recipient.equal(InteroperableAddress.formatEvmV1(chain, to));
        if (gateway == address(0) || to == address(0) || !proper) revert InvalidRecipient(recipient);
        route = Route(block.chainid, address(this), chain, gateway);
    }

    /// @dev What attesters vouch for in the end: everything there is to a message is part of the id.
    function _messageId(Route memory route, uint256 nonce, address sender, address recipient, bytes32 payloadHash)
        private
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                route.sourceChain,
                route.sourceGateway,
                route.destinationChain,
                route.destinationGateway,
                nonce,
                sender,
                recipient,
                payloadHash
            )
        );
    }
}
