// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IPointsToken, Lot} from "../interfaces/IPointsToken.sol";
import {EpochLedger} from "../libraries/EpochLedger.sol";
import {PointsSpending} from "./PointsSpending.sol";

/// @title Redemptions and their refunds.
abstract contract PointsRedeeming is PointsSpending {
    // slither-disable-start timestamp // lots live by block time in epochs of a day or more

    bytes32 private constant REDEEM_TYPEHASH =
        keccak256("Redeem(address account,uint256 amount,bytes32 ref,uint256 deadline)");

    /// @inheritdoc IPointsToken
    function redeem(uint256 amount, bytes32 ref) external {
        _redeem(_msgSender(), amount, ref);
    }

    /// @inheritdoc IPointsToken
    function redeemWithSignature(
        address account,
        uint256 amount,
        bytes32 ref,
        uint256 deadline,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(abi.encode(REDEEM_TYPEHASH, account, amount, ref, deadline));
        _authorizeSignature(account, structHash, deadline, signature);
        _redeem(account, amount, ref);
    }

    /// @inheritdoc IPointsToken
    function redeemManaged(bytes32 memberKey, uint256 amount, bytes32 ref) external {
        _redeem(_authorizeCustodian(memberKey), amount, ref);
    }

    /// @inheritdoc IPointsToken
    function refund(bytes32 ref, address account, Lot[] calldata lots, uint256 amount) external {
        _authorizeIssuer();
        if (amount == 0) revert InvalidAmount(amount);
        (OrderStatus status, uint256 remaining, uint256 body) = _order(account, ref);
        if (status != OrderStatus.Redeemed || body != _redemptionHash(abi.encode(account, lots))) {
            revert RedemptionMismatch(ref, account);
        }
        if (amount > remaining) revert RefundExceedsRedemption(ref, amount, remaining);
        _setOrder(_orderSlot(account, ref), OrderStatus.Redeemed, remaining - amount, body);

        EpochLedger.Window memory window = _window();
        (uint256[6] memory movement, Lot[] memory restored, uint256 live) =
            _lotsToRestore(lots, remaining, amount, window);
        if (live != 0) {
            _creditSupply(movement, live, window);
            _put(account, movement, window);
            _logLots(address(0), account, restored);
            emit Transfer(address(0), account, live);
        }
        emit PointsRefunded(ref, account, amount, amount - live, restored);
    }

    /// @inheritdoc IPointsToken
    function refundableOf(address account, bytes32 ref) external view returns (uint256) {
        (OrderStatus status, uint256 remaining,) = _order(account, ref);
        return status == OrderStatus.Redeemed ? remaining : 0;
    }

    /// @param receipt `abi.encode(account, lots)`.
    function _redemptionHash(bytes memory receipt) internal pure returns (uint256) {
        return uint160(uint256(keccak256(receipt)));
    }

    /// @dev Emits PointsRedeemed. Its data is the receipt with the amount in the place of the account, so the receipt is used
    /// up: no copy of the lots is made.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _logRedemption(bytes32 ref, address account, uint256 amount, bytes memory receipt) internal {
        bytes32 signature = PointsRedeemed.selector;
        assembly ("memory-safe") {
            let data := add(receipt, 0x20)
            mstore(data, amount)
            // The compiler does not promise clean upper bits of an address in assembly.
            log3(data, mload(receipt), signature, ref, shr(96, shl(96, account)))
        }
    }

    function _redeem(address account, uint256 amount, bytes32 ref) private whenNotPaused {
        uint256 slot = _freeOrderSlot(account, ref);
        if (amount == 0 || amount > EpochLedger.LANE_MASK) revert InvalidAmount(amount);
        EpochLedger.Window memory window = _window();
        uint256[6] memory movement = _take(account, amount, window);
        bytes memory receipt = EpochLedger.encodeLots(account, movement, window);
        _setOrder(slot, OrderStatus.Redeemed, amount, _redemptionHash(receipt));
        _debitSupply(movement, window);
        emit Transfer(account, address(0), amount);
        _logRedemption(ref, account, amount, receipt);
    }

    /// @dev The next `amount` points of a redemption to give back, latest-expiring first, without what has expired.
    /// What was refunded before is the latest-expiring part, so `remaining` says where to go on.
    /// @return movement The live part as a movement.
    /// @return restored The live part as lots, latest-expiring first.
    /// @return live Points of the live part.
    // slither-disable-next-line assembly // the comment at the block says what it does and what bounds it
    function _lotsToRestore(
        Lot[] calldata lots,
        uint256 remaining,
        uint256 amount,
        EpochLedger.Window memory window
    ) private pure returns (uint256[6] memory movement, Lot[] memory restored, uint256 live) {
        restored = new Lot[](lots.length);
        uint256 count = 0;
        uint256 before = 0;
        for (uint256 i = 0; i < lots.length; ++i) {
            before += lots[i].amount;
        }
        uint256 left = amount;
        for (uint256 i = lots.length; i > 0 && left != 0; --i) {
            Lot calldata lot = lots[i - 1];
            before -= lot.amount;
            if (remaining <= before) continue;
            uint256 part = remaining - before;
            if (part > left) part = left;
            left -= part;
            remaining -= part;
            if (window.epoch - lot.epoch > window.validity) continue;
            // slither-disable-next-line unused-return // it fits: a redemption's lots are distinct and below 2^48
            EpochLedger.addLot(movement, lot.epoch, part, window.words);
            restored[count++] = Lot(lot.epoch, part);
            live += part;
        }
        // Shortens the array to what was filled; its memory was allocated above.
        assembly ("memory-safe") {
            mstore(restored, count)
        }
    }

    // slither-disable-end timestamp
}
