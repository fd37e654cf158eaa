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
    // slither-disable-start timestamp // slither takes the config word for a time; nothing here depends on the time

    /// @inheritdoc IPointsToken
    bytes32 public constant ISSUER_ROLE = keccak256("ISSUER_ROLE");
    /// @inheritdoc IPointsToken
    bytes32 public constant CUSTODIAN_ROLE = keccak256("CUSTODIAN_ROLE");
    /// @inheritdoc IPointsToken
    bytes32 public constant EXCHANGE_ROLE = keccak256("EXCHANGE_ROLE");
    /// @inheritdoc IPointsToken
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    uint256 private constant CAP_SHIFT = 160;
    uint256 private constant PAUSED_BIT = 1 << 208;

    uint256 private constant MIN_EPOCH_LENGTH = 1 days;
    uint256 private constant MAX_VALIDITY = 29;

    uint256 internal immutable _epochLength;
    uint256 internal immutable _validity;
    uint256 internal immutable _clawbackWindow;
    bool internal immutable _transferable;

    /// @dev `paused:1 | supplyCap:48 | issuer:160`. The issuer is the account last granted ISSUER_ROLE, zero once it lost
    /// it. It only saves a lookup: whoever is not it is looked up in AccessControl.
    uint256 private _config;
    /// @dev A flag for each ref; refs that differ in their last byte only share a word, so that whoever numbers refs pays
    /// for a new word once in 256.
    mapping(uint256 group => uint256 flags) private _refs;

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
        _setSupplyCap(terms_.supplyCap);
    }

    /// @inheritdoc IPointsToken
    function setSupplyCap(uint48 cap) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setSupplyCap(cap);
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
            supplyCap: uint48(_supplyCap()),
            transferable: _transferable
        });
    }

    /// @inheritdoc IPointsToken
    function isRefUsed(bytes32 ref) external view returns (bool) {
        return (_refs[uint256(ref) >> 8] >> (uint256(ref) & 0xff)) & 1 != 0;
    }

    /// @inheritdoc Pausable
    function paused() public view override returns (bool) {
        return _config & PAUSED_BIT != 0;
    }

    /// @inheritdoc AccessControlDefaultAdminRules
    function _grantRole(bytes32 role, address account) internal override returns (bool) {
        if (role == ISSUER_ROLE) _cacheIssuer(account);
        return super._grantRole(role, account);
    }

    /// @inheritdoc AccessControlDefaultAdminRules
    function _revokeRole(bytes32 role, address account) internal override returns (bool) {
        if (role == ISSUER_ROLE && address(uint160(_config)) == account) _cacheIssuer(address(0));
        return super._revokeRole(role, account);
    }

    /// @inheritdoc Pausable
    function _pause() internal override whenNotPaused {
        _config |= PAUSED_BIT;
        emit Paused(_msgSender());
    }

    /// @inheritdoc Pausable
    function _unpause() internal override whenPaused {
        _config &= ~PAUSED_BIT;
        emit Unpaused(_msgSender());
    }

    /// @dev Reverts unless the caller is an issuer and the token is not paused.
    /// @return supplyCap The cap, read along the way.
    function _authorizeIssuer() internal view returns (uint256 supplyCap) {
        uint256 config = _config;
        if (msg.sender != address(uint160(config))) _checkRole(ISSUER_ROLE);
        if (config & PAUSED_BIT != 0) revert EnforcedPause();
        return config >> CAP_SHIFT;
    }

    /// @dev Reverts unless the caller may act on behalf of the programme: ISSUER or CUSTODIAN.
    function _isOperator(address caller) internal view returns (bool) {
        return hasRole(ISSUER_ROLE, caller) || hasRole(CUSTODIAN_ROLE, caller);
    }

    /// @dev Reverts when the token is paused.
    /// @return supplyCap The cap, read along the way.
    function _requireActive() internal view returns (uint256 supplyCap) {
        uint256 config = _config;
        if (config & PAUSED_BIT != 0) revert EnforcedPause();
        return config >> CAP_SHIFT;
    }

    function _supplyCap() internal view returns (uint256) {
        return uint48(_config >> CAP_SHIFT);
    }

    /// @dev Uses up a ref of the issuer.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _useRef(bytes32 ref) internal {
        uint256 flag = 1 << (uint256(ref) & 0xff);
        uint256 slot;
        uint256 flags;
        // Solidity's own `_refs[uint256(ref) >> 8]`, hashed once for the read and the write.
        assembly ("memory-safe") {
            mstore(0x00, shr(8, ref))
            mstore(0x20, _refs.slot)
            slot := keccak256(0x00, 0x40)
            flags := sload(slot)
        }
        if (flags & flag != 0) revert RefAlreadyUsed(ref);
        assembly ("memory-safe") {
            sstore(slot, or(flags, flag))
        }
    }

    function _cacheIssuer(address account) private {
        _config = (_config & ~uint256(type(uint160).max)) | uint160(account);
    }

    function _setSupplyCap(uint48 cap) private {
        uint256 previousCap = _supplyCap();
        // Exclusive or replaces the old cap by the new one.
        _config ^= (previousCap ^ cap) << CAP_SHIFT;
        emit SupplyCapChanged(previousCap, cap);
    }

    // slither-disable-end timestamp
}
