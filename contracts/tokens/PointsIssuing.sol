// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IPointsToken} from "../interfaces/IPointsToken.sol";
import {EpochLedger} from "../libraries/EpochLedger.sol";
import {PointsLots} from "./PointsLots.sol";

/// @title What the issuer does on its own: issue, issue in batches, claw back.
abstract contract PointsIssuing is PointsLots {
    // slither-disable-start timestamp // lots live by block time in epochs of a day or more

    /// @inheritdoc IPointsToken
    function issue(address to, uint256 amount, bytes32 ref) external {
        uint256 supplyCap = _authorizeIssuer();
        _useRef(ref);
        _mintCurrent(to, amount, supplyCap);
        emit PointsIssued(ref);
    }

    /// @inheritdoc IPointsToken
    /// @dev The supply is checked and written once, after the credits: a batch over the cap reverts as a whole.
    function issueBatch(bytes32 batchId, uint256[] calldata credits) external {
        uint256 supplyCap = _authorizeIssuer();
        _useRef(batchId);
        if (credits.length == 0) revert EmptyBatch(batchId);
        uint256 total = _creditBatch(credits, supplyCap);
        emit BatchIssued(batchId, credits.length, total);
    }

    /// @inheritdoc IPointsToken
    function clawback(address account, uint256 epoch, uint256 amount, bytes32 ref) external returns (uint256 taken) {
        _authorizeIssuer();
        _useRef(ref);
        if (amount == 0) revert InvalidAmount(amount);
        EpochLedger.Window memory window = _window();
        if (epoch > window.epoch) revert EpochInFuture(epoch, window.epoch);
        if (window.epoch - epoch > _clawbackWindow) revert ClawbackWindowClosed(epoch, window.epoch);
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

    // slither-disable-end timestamp
}
