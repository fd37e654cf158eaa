// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IPointsToken, Terms} from "../interfaces/IPointsToken.sol";

/// @title Who may do what, the programme's terms, the pause switch and the refs of the issuer.
/// @dev What every issue has to know sits in one storage word, `_config`, so that it costs one cold read.
abstract contract PointsControl is AccessControlDefaultAdminRules, Pausable, IPointsToken {
    /// @dev `issuer` is the account last granted ISSUER_ROLE, zero once it lost it. It only saves a lookup: whoever is not
    /// it is looked up in AccessControl.
    struct Config {
        address issuer;
        uint48 supplyCap;
        bool paused;
    }

    /// @inheritdoc IPointsToken
    bytes32 public constant ISSUER_ROLE = keccak256("ISSUER_ROLE");
    /// @inheritdoc IPointsToken
    bytes32 public constant CUSTODIAN_ROLE = keccak256("CUSTODIAN_ROLE");
    /// @inheritdoc IPointsToken
    bytes32 public constant EXCHANGE_ROLE = keccak256("EXCHANGE_ROLE");
    /// @inheritdoc IPointsToken
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    uint256 private constant MIN_EPOCH_LENGTH = 1 days;
    uint256 private constant MAX_VALIDITY = 29;

    uint256 internal immutable _epochLength;
    uint256 internal immutable _validity;
    uint256 internal immutable _clawbackWindow;
    bool internal immutable _transferable;

    Config private _config;
    mapping(bytes32 ref => bool used) private _refs;

    constructor(Terms memory terms_, address admin, uint48 adminDelay)
        AccessControlDefaultAdminRules(adminDelay, admin)
    {
        if (terms_.epochLength < MIN_EPOCH_LENGTH || terms_.validityDuration > MAX_VALIDITY) {
            revert InvalidTerms(terms_);
        }
        _epochLength = terms_.epochLength;
        _validity = terms_.validityDuration;
        _clawbackWindow = terms_.clawbackWindow;
        _transferable = terms_.transferable;
        _config.supplyCap = terms_.supplyCap;
        emit SupplyCapChanged(0, terms_.supplyCap);
    }

    /// @inheritdoc IPointsToken
    function setSupplyCap(uint48 cap) external onlyRole(DEFAULT_ADMIN_ROLE) {
        uint256 previousCap = _config.supplyCap;
        _config.supplyCap = cap;
        emit SupplyCapChanged(previousCap, cap);
    }

    /// @inheritdoc IPointsToken
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @inheritdoc IPointsToken
    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }

    /// @inheritdoc IPointsToken
    function terms() external view returns (Terms memory) {
        // The casts undo the widening in the constructor.
        return Terms({
            epochLength: uint48(_epochLength),
            validityDuration: uint16(_validity),
            clawbackWindow: uint16(_clawbackWindow),
            supplyCap: _config.supplyCap,
            transferable: _transferable
        });
    }

    /// @inheritdoc IPointsToken
    function isRefUsed(bytes32 ref) external view returns (bool) {
        return _refs[ref];
    }

    /// @inheritdoc Pausable
    function paused() public view override returns (bool) {
        return _config.paused;
    }

    /// @inheritdoc AccessControlDefaultAdminRules
    function _grantRole(bytes32 role, address account) internal override returns (bool) {
        if (role == ISSUER_ROLE) _config.issuer = account;
        return super._grantRole(role, account);
    }

    /// @inheritdoc AccessControlDefaultAdminRules
    function _revokeRole(bytes32 role, address account) internal override returns (bool) {
        if (role == ISSUER_ROLE && _config.issuer == account) delete _config.issuer;
        return super._revokeRole(role, account);
    }

    /// @inheritdoc Pausable
    function _pause() internal override whenNotPaused {
        _config.paused = true;
        emit Paused(_msgSender());
    }

    /// @inheritdoc Pausable
    function _unpause() internal override whenPaused {
        _config.paused = false;
        emit Unpaused(_msgSender());
    }

    /// @dev Reverts unless the caller is an issuer and the token is not paused.
    /// @return supplyCap The cap, read along the way.
    function _authorizeIssuer() internal view returns (uint256 supplyCap) {
        Config memory config = _config;
        if (_msgSender() != config.issuer) _checkRole(ISSUER_ROLE);
        if (config.paused) revert EnforcedPause();
        return config.supplyCap;
    }

    /// @dev Reverts unless the caller may act on behalf of the programme: ISSUER or CUSTODIAN.
    function _isOperator(address caller) internal view returns (bool) {
        return hasRole(ISSUER_ROLE, caller) || hasRole(CUSTODIAN_ROLE, caller);
    }

    function _supplyCap() internal view returns (uint256) {
        return _config.supplyCap;
    }

    /// @dev Uses up a ref of the issuer.
    function _useRef(bytes32 ref) internal {
        if (_refs[ref]) revert RefAlreadyUsed(ref);
        _refs[ref] = true;
    }
}
