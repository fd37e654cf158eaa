// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IPointsToken} from "../interfaces/IPointsToken.sol";
import {EpochLedger} from "../libraries/EpochLedger.sol";
import {PointsLots} from "./PointsLots.sol";

/// @title What the issuer does on its own: issue, issue in batches, claw back.
abstract contract PointsIssuing is PointsLots {
    /// @inheritdoc IPointsToken
    function issue(address to, uint256 amount, bytes32 ref) external {
        uint256 supplyCap = _authorizeIssuer();
        _useRef(ref);
        _mintCurrent(to, amount, currentEpoch(), supplyCap);
        emit PointsIssued(ref);
    }

    /// @inheritdoc IPointsToken
    /// @dev The supply is checked and written once, after the credits: a batch over the cap reverts as a whole.
    function issueBatch(bytes32 batchId, uint256[] calldata credits) external {
        uint256 supplyCap = _authorizeIssuer();
        if (credits.length == 0) revert EmptyBatch(batchId);
        _useRef(batchId);
        uint256 epoch = currentEpoch();
        uint256 total = 0;
        for (uint256 i = 0; i < credits.length; ++i) {
            uint256 credit = credits[i];
            address account = address(uint160(credit >> 96));
            uint256 amount = credit & type(uint96).max;
            if (account == address(0)) revert ERC20InvalidReceiver(account);
            if (amount == 0 || amount > EpochLedger.LANE_MASK) revert InvalidAmount(amount);
            total += amount;
            _creditCurrent(account, amount, epoch);
            emit Transfer(address(0), account, amount);
        }
        _creditSupplyCurrent(total, epoch, supplyCap);
        emit BatchIssued(batchId, credits.length, total);
    }

    /// @inheritdoc IPointsToken
    function clawback(address account, uint256 epoch, uint256 amount, bytes32 ref) external returns (uint256 taken) {
        _authorizeIssuer();
        if (amount == 0) revert InvalidAmount(amount);
        EpochLedger.Window memory window = _window();
        if (epoch > window.epoch) revert EpochInFuture(epoch, window.epoch);
        if (window.epoch - epoch > _clawbackWindow) revert ClawbackWindowClosed(epoch, window.epoch);
        _useRef(ref);
        // An expired lot is worth nothing; its lane may belong to a later epoch by now.
        if (window.epoch - epoch <= window.validity) {
            uint256[6] memory movement;
            (movement, taken) = _takeLot(account, epoch, amount, window);
            _debitSupply(movement, window);
        }
        if (taken != 0) {
            emit LotTransferred(account, address(0), epoch, taken);
            emit Transfer(account, address(0), taken);
        }
        emit PointsClawedBack(ref, account, epoch, amount, taken);
    }
}
