// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IExchange} from "../interfaces/IExchange.sol";
import {IProgrammeRegistry} from "../interfaces/IProgrammeRegistry.sol";

/// @title Whom the exchange deals with and who may act for a programme.
/// @dev Authority over a programme is a role of the programme's own token: the exchange keeps no list of partners' keys. A token
/// is called within a swap, so whatever changes lanes or swaps is nonReentrant: no terms end between a burn and its log.
abstract contract ExchangeControl is
    AccessControlDefaultAdminRules,
    Pausable,
    ReentrancyGuardTransient,
    IExchange
{
    /// @inheritdoc IExchange
    bytes32 public constant LANE_ROLE = keccak256("LANE_ROLE");
    /// @inheritdoc IExchange
    bytes32 public constant QUOTER_ROLE = keccak256("QUOTER_ROLE");
    /// @inheritdoc IExchange
    /// @dev The tokens call theirs the same; theirs stops lanes.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    bytes32 internal constant CUSTODIAN_ROLE = keccak256("CUSTODIAN_ROLE");

    bytes32 private constant MANAGED_ACCOUNT_TYPEHASH = keccak256("ManagedAccount(address token,bytes32 memberKey)");

    IProgrammeRegistry internal immutable _registry;

    constructor(address registry_, address admin, uint48 adminDelay) AccessControlDefaultAdminRules(adminDelay, admin) {
        _registry = IProgrammeRegistry(registry_);
    }

    /// @inheritdoc IExchange
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @inheritdoc IExchange
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @inheritdoc IExchange
    function registry() external view returns (address) {
        return address(_registry);
    }

    /// @dev The token of a programme that may be dealt with.
    function _activeToken(bytes32 programmeId) internal view returns (address token) {
        bool active;
        (token, active) = _registry.stateOf(programmeId);
        if (!active) revert ProgrammeNotActive(programmeId);
    }

    /// @dev The token of a programme, suspended or not: for what ends things.
    function _tokenOf(bytes32 programmeId) internal view returns (address token) {
        token = _registry.tokenOf(programmeId);
        if (token == address(0)) revert ProgrammeNotActive(programmeId);
    }

    /// @dev The managed account of a key, as IPointsToken.managedAccount has it. Not asked of the token: a false one would name
    /// somebody else's account and use up its refs.
    function _managedAccount(address token, bytes32 memberKey) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(MANAGED_ACCOUNT_TYPEHASH, token, memberKey)))));
    }

    function _hasTokenRole(address token, bytes32 role, address account) internal view returns (bool) {
        return IAccessControl(token).hasRole(role, account);
    }

    /// @dev Reverts unless the caller has `role` of the programme's token.
    function _authorize(bytes32 programmeId, address token, bytes32 role) internal view {
        if (!_hasTokenRole(token, role, _msgSender())) revert NotAuthorized(programmeId, _msgSender());
    }
}
