// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IPointsToken} from "../interfaces/IPointsToken.sol";
import {PointsLots} from "./PointsLots.sol";

/// @title In whose name points are spent, and the refs of the accounts.
/// @notice An account acts by calling, by its EIP-712 signature, or, when it is managed, through the custodian.
abstract contract PointsSpending is PointsLots {
    // slither-disable-start timestamp // deadlines of signatures are block times; seconds of leeway do not matter

    /// @dev What a ref of an account was used for. An order is one word: `body | amount:48 | status:8`. The body of a
    /// redemption is a 160-bit hash of the account and lots (amount: what can still be refunded), that of a hold its
    /// deadline (amount: points held).
    enum OrderStatus {
        None,
        Redeemed,
        Held,
        Released
    }

    /// @notice Type hash that addresses of managed accounts are derived with.
    bytes32 public constant MANAGED_ACCOUNT_TYPEHASH = keccak256("ManagedAccount(address token,bytes32 memberKey)");

    uint256 private constant AMOUNT_SHIFT = 8;
    uint256 private constant BODY_SHIFT = 56;

    /// @dev Keyed by `keccak256(account, ref)`.
    mapping(bytes32 key => uint256 order) private _orders;

    /// @inheritdoc IPointsToken
    function managedAccount(bytes32 memberKey) public view returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(MANAGED_ACCOUNT_TYPEHASH, address(this), memberKey)))));
    }

    /// @dev The managed account of a key, for the custodian only.
    function _authorizeCustodian(bytes32 memberKey) internal view returns (address account) {
        _checkRole(CUSTODIAN_ROLE);
        return managedAccount(memberKey);
    }

    /// @dev Reverts unless `signature` is the account's over the struct and not too late.
    function _authorizeSignature(address account, bytes32 structHash, uint256 deadline, bytes calldata signature)
        internal
        view
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        if (!SignatureChecker.isValidSignatureNowCalldata(account, _hashTypedDataV4(structHash), signature)) {
            revert InvalidSignature(account);
        }
    }

    /// @dev Storage slot of an order, which must not exist. Checked before anything else, so that whoever sends an order
    /// again learns that it was carried out rather than why it could not be now.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _freeOrderSlot(address account, bytes32 ref) internal view returns (uint256 slot) {
        slot = _orderSlot(account, ref);
        uint256 order;
        assembly ("memory-safe") {
            order := sload(slot)
        }
        if (order != 0) revert RefAlreadyUsed(ref);
    }

    /// @dev Storage slot of an order, `_orders[keccak256(account, ref)]`.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _orderSlot(address account, bytes32 ref) internal pure returns (uint256 slot) {
        assembly ("memory-safe") {
            // Assembly sees the upper bits as they are; an address just derived from a hash may have dirty ones.
            // The compiler does not promise clean upper bits of an address in assembly.
            mstore(0x00, shr(96, shl(96, account)))
            mstore(0x20, ref)
            mstore(0x00, keccak256(0x00, 0x40))
            mstore(0x20, _orders.slot)
            slot := keccak256(0x00, 0x40)
        }
    }

    /// @dev Bounds: `amount` below 2^48 and `body` below 2^200.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _setOrder(uint256 slot, OrderStatus status, uint256 amount, uint256 body) internal {
        uint256 order = (body << BODY_SHIFT) | (amount << AMOUNT_SHIFT) | uint256(status);
        assembly ("memory-safe") {
            sstore(slot, order)
        }
    }

    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _order(address account, bytes32 ref)
        internal
        view
        returns (OrderStatus status, uint256 amount, uint256 body)
    {
        uint256 order;
        uint256 slot = _orderSlot(account, ref);
        assembly ("memory-safe") {
            order := sload(slot)
        }
        return (OrderStatus(uint8(order)), uint48(order >> AMOUNT_SHIFT), order >> BODY_SHIFT);
    }

    // slither-disable-end timestamp
}
