// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IPointsToken} from "../interfaces/IPointsToken.sol";
import {EpochLedger} from "../libraries/EpochLedger.sol";
import {PointsRedeeming} from "./PointsRedeeming.sol";

/// @title Holds: points reserved at an account of their own until captured or released.
abstract contract PointsHolding is PointsRedeeming {
    // slither-disable-start timestamp // holds end by block time; seconds of leeway for a validator do not matter

    /// @inheritdoc IPointsToken
    uint256 public constant MAX_HOLD_DURATION = 90 days;

    /// @notice Type hash that addresses of hold accounts are derived with.
    bytes32 public constant HOLD_ACCOUNT_TYPEHASH = keccak256("HoldAccount(address token,address account,bytes32 ref)");

    bytes32 private constant HOLD_TYPEHASH =
        keccak256("Hold(address account,uint256 amount,bytes32 ref,uint256 holdDeadline,uint256 deadline)");

    /// @inheritdoc IPointsToken
    function hold(uint256 amount, bytes32 ref, uint256 deadline) external {
        _hold(_msgSender(), amount, ref, deadline);
    }

    /// @inheritdoc IPointsToken
    function holdWithSignature(
        address account,
        uint256 amount,
        bytes32 ref,
        uint256 holdDeadline,
        uint256 deadline,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(abi.encode(HOLD_TYPEHASH, account, amount, ref, holdDeadline, deadline));
        _authorizeSignature(account, structHash, deadline, signature);
        _hold(account, amount, ref, holdDeadline);
    }

    /// @inheritdoc IPointsToken
    function holdManaged(bytes32 memberKey, uint256 amount, bytes32 ref, uint256 deadline) external {
        _hold(_authorizeCustodian(memberKey), amount, ref, deadline);
    }

    /// @inheritdoc IPointsToken
    function capture(address account, bytes32 ref, uint256 amount) external whenNotPaused {
        if (!_isOperator(_msgSender())) revert AccessControlUnauthorizedAccount(_msgSender(), ISSUER_ROLE);
        (uint256 held, uint256 deadline) = _openHold(account, ref);
        if (block.timestamp > deadline) revert HoldExpired(ref, deadline);
        if (amount == 0) revert InvalidAmount(amount);

        _capture(account, ref, amount, held);
    }

    /// @inheritdoc IPointsToken
    function release(address account, bytes32 ref) external whenNotPaused {
        (, uint256 deadline) = _openHold(account, ref);
        if (block.timestamp <= deadline && !_isOperator(_msgSender())) revert HoldStillActive(ref, deadline);

        EpochLedger.Window memory window = _window();
        address holdAccount = holdAccountOf(account, ref);
        (uint256[6] memory available, uint256 live) = _close(holdAccount, window);
        _setOrder(_orderSlot(account, ref), OrderStatus.Released, 0, 0);
        if (live != 0) {
            _put(account, available, window);
            emit Transfer(holdAccount, account, live);
        }
        emit HoldReleased(ref, account, live);
    }

    /// @inheritdoc IPointsToken
    function holdOf(address account, bytes32 ref) external view returns (uint256 amount, uint256 deadline) {
        OrderStatus status;
        (status, amount, deadline) = _order(account, ref);
        if (status != OrderStatus.Held) return (0, 0);
    }

    /// @inheritdoc IPointsToken
    function holdAccountOf(address account, bytes32 ref) public view returns (address) {
        bytes32 hash = keccak256(abi.encode(HOLD_ACCOUNT_TYPEHASH, address(this), account, ref));
        return address(uint160(uint256(hash)));
    }

    function _hold(address account, uint256 amount, bytes32 ref, uint256 deadline) private whenNotPaused {
        uint256 slot = _freeOrderSlot(account, ref);
        if (amount == 0 || amount > EpochLedger.LANE_MASK) revert InvalidAmount(amount);
        if (deadline < block.timestamp || deadline - block.timestamp > MAX_HOLD_DURATION) {
            revert InvalidDeadline(deadline);
        }
        _setOrder(slot, OrderStatus.Held, amount, deadline);
        EpochLedger.Window memory window = _window();
        address holdAccount = holdAccountOf(account, ref);
        _put(holdAccount, _take(account, amount, window), window);
        emit Transfer(account, holdAccount, amount);
        emit PointsHeld(ref, account, holdAccount, amount, deadline);
    }

    function _capture(address account, bytes32 ref, uint256 amount, uint256 held) private {
        EpochLedger.Window memory window = _window();
        address holdAccount = holdAccountOf(account, ref);
        (uint256[6] memory available, uint256 live) = _close(holdAccount, window);
        if (live < held) held = live;
        if (amount > held) revert CaptureExceedsHold(ref, amount, held);
        // slither-disable-next-line unused-return // nothing is missing: amount <= live
        (uint256[6] memory captured,) = EpochLedger.takeEarliest(available, amount, window);
        bytes memory receipt = EpochLedger.encodeLots(account, captured, window);
        _setOrder(_orderSlot(account, ref), OrderStatus.Redeemed, amount, _redemptionHash(receipt));
        _debitSupply(captured, window);
        uint256 rest = live - amount;
        if (rest != 0) _put(account, EpochLedger.without(available, captured, window.words), window);
        emit Transfer(holdAccount, address(0), amount);
        if (rest != 0) emit Transfer(holdAccount, account, rest);
        _logRedemption(ref, account, amount, receipt);
        emit HoldCaptured(ref, account, amount, rest);
    }

    function _openHold(address account, bytes32 ref) private view returns (uint256 amount, uint256 deadline) {
        OrderStatus status;
        (status, amount, deadline) = _order(account, ref);
        if (status != OrderStatus.Held) revert HoldNotOpen(ref, account);
    }

    // slither-disable-end timestamp
}
