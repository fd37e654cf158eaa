// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";

import {IPointsToken} from "../interfaces/IPointsToken.sol";
import {IProgrammeRegistry} from "../interfaces/IProgrammeRegistry.sol";

/// @title The list of programmes that take part.
/// @notice See IProgrammeRegistry.
contract ProgrammeRegistry is AccessControlDefaultAdminRules, IProgrammeRegistry {
    /// @dev One storage word, so that who deals with a programme reads it once.
    struct Programme {
        address token;
        bool suspended;
    }

    /// @inheritdoc IProgrammeRegistry
    bytes32 public constant REGISTRAR_ROLE = keccak256("REGISTRAR_ROLE");

    mapping(bytes32 programmeId => Programme programme) private _programmes;
    mapping(address token => bytes32 programmeId) private _ids;
    bytes32[] private _list;

    /// @param admin First DEFAULT_ADMIN, which grants REGISTRAR_ROLE.
    /// @param adminDelay Least time between announcing and accepting a transfer of DEFAULT_ADMIN, in seconds.
    constructor(address admin, uint48 adminDelay) AccessControlDefaultAdminRules(adminDelay, admin) {}

    /// @inheritdoc IProgrammeRegistry
    function register(bytes32 programmeId, address token) external onlyRole(REGISTRAR_ROLE) {
        if (programmeId == 0) revert InvalidProgrammeId();
        if (_programmes[programmeId].token != address(0) || _ids[token] != 0) {
            revert AlreadyRegistered(programmeId, token);
        }
        if (!ERC165Checker.supportsInterface(token, type(IPointsToken).interfaceId)) revert NotAPointsToken(token);
        _programmes[programmeId].token = token;
        _ids[token] = programmeId;
        _list.push(programmeId);
        emit ProgrammeRegistered(programmeId, token, token.codehash);
    }

    /// @inheritdoc IProgrammeRegistry
    function suspend(bytes32 programmeId) external onlyRole(REGISTRAR_ROLE) {
        _setSuspended(programmeId, true);
        emit ProgrammeSuspended(programmeId);
    }

    /// @inheritdoc IProgrammeRegistry
    function resume(bytes32 programmeId) external onlyRole(REGISTRAR_ROLE) {
        _setSuspended(programmeId, false);
        emit ProgrammeResumed(programmeId);
    }

    /// @inheritdoc IProgrammeRegistry
    function tokenOf(bytes32 programmeId) external view returns (address) {
        return _programmes[programmeId].token;
    }

    /// @inheritdoc IProgrammeRegistry
    function stateOf(bytes32 programmeId) external view returns (address token, bool active) {
        Programme memory programme = _programmes[programmeId];
        return (programme.token, programme.token != address(0) && !programme.suspended);
    }

    /// @inheritdoc IProgrammeRegistry
    function programmeOf(address token) external view returns (bytes32) {
        return _ids[token];
    }

    /// @inheritdoc IProgrammeRegistry
    function isActive(address token) external view returns (bool) {
        bytes32 programmeId = _ids[token];
        return programmeId != 0 && !_programmes[programmeId].suspended;
    }

    /// @inheritdoc IProgrammeRegistry
    function count() external view returns (uint256) {
        return _list.length;
    }

    /// @inheritdoc IProgrammeRegistry
    function programmeAt(uint256 index) external view returns (bytes32) {
        return _list[index];
    }

    /// @dev `StateUnchanged` carries the state the programme is in already.
    function _setSuspended(bytes32 programmeId, bool suspended) private {
        Programme storage programme = _programmes[programmeId];
        if (programme.token == address(0)) revert UnknownProgramme(programmeId);
        if (programme.suspended == suspended) revert StateUnchanged(programmeId, !suspended);
        programme.suspended = suspended;
    }
}
